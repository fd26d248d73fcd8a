/* SPDX-License-Identifier: MIT */
#include "thread.h"

#include <signal.h>
#include <string.h>

int vf_auth_thread_start(void *(*run)(void *), void *context, pthread_t *ret,
                         struct vf_error *err)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(ret, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        return vf_error_set(err, code,
                            "no thread can be started to renew the access "
                            "token: %s",
                            strerror(code));
    return 0;
}
