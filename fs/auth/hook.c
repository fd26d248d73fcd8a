/* SPDX-License-Identifier: MIT */
#include "hook.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "command.h"
#include "thread.h"
#include "vaultfs/text.h"

#define TIMEOUT_MS 10000

struct vf_auth_hook {
    char *command;
    char *mountpoint;
    char *source;
    vf_record_sink *sink; /* may be NULL */
    void *sink_context;
    void (*succeeded)(void *context);
    void *context;
    int cancel_fd; /* readable once it is cancelled */
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_wanted;         /* guarded by lock */
    bool is_cancelled;      /* guarded by lock */
    struct vf_error reason; /* guarded by lock; of the run that is wanted */
};

static void tell(const struct vf_auth_hook *hook, const struct vf_error *err)
{
    const struct vf_record record = {
        .operation = "on_auth_expired", .path = "/", .error = err};

    if (hook->sink != NULL)
        hook->sink(hook->sink_context, &record);
}

/* Messages are others' text: they come to the command in one printable line,
 * and as a variable, which a shell does not read as its own language. */
static int run_command(const struct vf_auth_hook *hook,
                       const struct vf_error *reason, struct vf_error *err)
{
    enum { MOUNTPOINT, SOURCE, REASON, MESSAGE, COUNT };
    struct vf_buf variables[COUNT] = {0};
    const char *environment[COUNT + 1] = {0};
    bool is_broken = false;
    int result;

    vf_buf_printf(&variables[MOUNTPOINT], "VAULTFS_MOUNTPOINT=%s",
                  hook->mountpoint);
    vf_buf_printf(&variables[SOURCE], "VAULTFS_SOURCE=%s", hook->source);
    vf_buf_printf(&variables[REASON], "VAULTFS_REASON=%s",
                  vf_errno_name(reason->code));
    vf_buf_puts(&variables[MESSAGE], "VAULTFS_MESSAGE=");
    vf_buf_put_escaped(&variables[MESSAGE], reason->message,
                       strlen(reason->message));
    for (size_t i = 0; i < COUNT; i++) {
        environment[i] = variables[i].data;
        is_broken |= variables[i].is_broken;
    }
    const struct vf_auth_command command = {
        .text = hook->command,
        .variables = environment,
        .timeout_ms = TIMEOUT_MS,
        .cancel_fd = hook->cancel_fd,
    };
    if (is_broken)
        result = vf_error_set(err, ENOMEM, "no memory");
    else
        result = vf_auth_command_run(&command, err);
    for (size_t i = 0; i < COUNT; i++)
        vf_buf_free(&variables[i]);
    return result;
}

static void *run(void *context)
{
    struct vf_auth_hook *hook = context;

    pthread_mutex_lock(&hook->lock);
    while (!hook->is_cancelled) {
        if (!hook->is_wanted) {
            pthread_cond_wait(&hook->changed, &hook->lock);
            continue;
        }
        const struct vf_error reason = hook->reason;
        struct vf_error err = {0};

        hook->is_wanted = false;
        pthread_mutex_unlock(&hook->lock);
        int result = run_command(hook, &reason, &err);
        if (result == 0)
            hook->succeeded(hook->context);
        else if (result != -ECANCELED)
            tell(hook, &err);
        pthread_mutex_lock(&hook->lock);
    }
    pthread_mutex_unlock(&hook->lock);
    return NULL;
}

static char *copy(const char *text)
{
    return strdup(text != NULL ? text : "");
}

int vf_auth_hook_new(const struct vf_auth_options *options,
                     void (*succeeded)(void *context), void *context,
                     struct vf_auth_hook **ret, struct vf_error *err)
{
    struct vf_auth_hook *hook = calloc(1, sizeof(*hook));

    if (hook == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    pthread_mutex_init(&hook->lock, NULL);
    pthread_cond_init(&hook->changed, NULL);
    hook->command = copy(options->on_expired);
    hook->mountpoint = copy(options->mountpoint);
    hook->source = copy(options->source);
    hook->sink = options->sink;
    hook->sink_context = options->sink_context;
    hook->succeeded = succeeded;
    hook->context = context;
    hook->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int result = 0;
    if (hook->cancel_fd < 0)
        result = vf_error_set(err, errno, "no descriptor for on_auth_expired");
    else if (hook->command == NULL || hook->mountpoint == NULL ||
             hook->source == NULL)
        result = vf_error_set(err, ENOMEM, "no memory");
    else
        result = vf_auth_thread_start(run, hook, &hook->thread, err);
    hook->is_running = result == 0;
    if (result < 0)
        vf_auth_hook_free(hook);
    else
        *ret = hook;
    return result;
}

void vf_auth_hook_run(struct vf_auth_hook *hook, const struct vf_error *reason)
{
    pthread_mutex_lock(&hook->lock);
    hook->reason = *reason;
    hook->is_wanted = true;
    pthread_cond_signal(&hook->changed);
    pthread_mutex_unlock(&hook->lock);
}

void vf_auth_hook_cancel(struct vf_auth_hook *hook)
{
    pthread_mutex_lock(&hook->lock);
    hook->is_cancelled = true;
    pthread_cond_signal(&hook->changed);
    pthread_mutex_unlock(&hook->lock);
    (void)eventfd_write(hook->cancel_fd, 1);
}

void vf_auth_hook_free(struct vf_auth_hook *hook)
{
    if (hook == NULL)
        return;
    if (hook->is_running) {
        vf_auth_hook_cancel(hook);
        (void)pthread_join(hook->thread, NULL);
    }
    if (hook->cancel_fd >= 0)
        (void)close(hook->cancel_fd);
    pthread_cond_destroy(&hook->changed);
    pthread_mutex_destroy(&hook->lock);
    free(hook->source);
    free(hook->mountpoint);
    free(hook->command);
    free(hook);
}
