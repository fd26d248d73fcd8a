/* SPDX-License-Identifier: MIT
 *
 * How the end of the server is seen, and why it is not started in vain.
 *
 * Whoever started the server may be gone, so that it is nobody's child, and its
 * locks are no place to wait: a waiter that gets one for a moment is in the way
 * of the next server. But a connection to the socket names the process that
 * listens, and a pidfd of it becomes readable when it ends.
 *
 * The keeper opens the service as any user does, and a restart is that call
 * once more. The several keepers of one service are therefore as several mounts
 * at the same moment: they start one server. A keeper never lets go of its
 * lock, the kernel does that when the process is gone. So no server ends for
 * being unused while there is a keeper that would start it again.
 */
#include "keeper.h"

#include "local.h"

#include "vaultfs/clock.h"
#include "vaultfs/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_MAX_S 30

/* A server that ran this long has shown that it can, and its end is news. */
#define PROVEN_MS (60 * 1000)

/* Wait until one descriptor has something to say. */
static bool is_ready(int fd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    int count;

    do
        count = poll(&poll_fd, 1, timeout_ms);
    while (count < 0 && errno == EINTR);
    return count > 0;
}

/* A pidfd of the process that listens, or -1. A connection that still stands
 * after the pidfd was made proves that the id had not passed to another. */
static int find_server(const struct vf_local *local)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    int server = -1;
    int connection = vf_local_connect(local->socket);

    if (connection < 0)
        return -1;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
        server = pidfd_open(peer.pid, 0);
    if (server >= 0 && is_ready(connection, 0)) {
        (void)close(server);
        server = -1;
    }
    (void)close(connection);
    return server;
}

/* Returns at once when it cannot be watched. A child of ours is reaped. */
static void wait_for_the_end(const struct vf_local *local)
{
    siginfo_t how;
    int server = find_server(local);

    if (server < 0)
        return;
    (void)is_ready(server, -1);
    (void)waitid(P_PIDFD, (id_t)server, &how, WEXITED | WNOHANG);
    (void)close(server);
}

/* What was held before is let go only when there is something to hold. */
static int open_again(const char *name, struct vf_local *local)
{
    struct vf_local next;
    struct vf_error err;
    int result = vf_local_open(name, NULL, &next, &err);

    if (result < 0) {
        vf_log(VF_LOG_ERROR, "vaultd has ended; %s", err.message);
        return result;
    }
    if (next.is_started)
        vf_log(VF_LOG_WARNING, "vaultd had ended; it was started again");
    vf_local_close(local);
    *local = next;
    return 0;
}

/* Nothing to wait before the first, then longer each time. */
static unsigned next_pause(unsigned pause_s)
{
    if (pause_s == 0)
        return 1;
    return pause_s * 2 < PAUSE_MAX_S ? pause_s * 2 : PAUSE_MAX_S;
}

static void *keep(void *context)
{
    const char *name = context;
    struct vf_local local = {.use_fd = -1};
    unsigned pause_s = 0;

    for (;;) {
        int64_t start_ms = vf_clock_monotonic_ms();

        if (open_again(name, &local) == 0)
            wait_for_the_end(&local);
        if (vf_clock_monotonic_ms() - start_ms >= PROVEN_MS)
            pause_s = 0;
        (void)sleep(pause_s);
        pause_s = next_pause(pause_s);
    }
    return NULL;
}

int vf_keeper_start(const char *local_name, struct vf_error *err)
{
    pthread_t thread;
    char *name = strdup(local_name); /* to the end of the process */

    if (name == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    int code = pthread_create(&thread, NULL, keep, name);
    if (code != 0) {
        free(name);
        return vf_error_set(err, code, "no thread to watch the service: %s",
                            strerror(code));
    }
    (void)pthread_detach(thread);
    return 0;
}
