/* SPDX-License-Identifier: MIT
 *
 * Locks. DIR/vaultd.lock is held for the server's life: one server a
 * directory. The lock file of --until-unused is held shared by those who use
 * the server; once the exclusive lock can be had nobody does. It is then kept
 * until the process is gone, so that whoever comes meanwhile waits, and finds
 * no server rather than an ending one. vaultd.lock is therefore let go first.
 */
#include "serve.h"

#include "claim.h"
#include "directory.h"
#include "listen.h"
#include "server.h"
#include "store.h"

#include "vaultfs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS 4096
#define DESCRIPTORS_OWN 64   /* the store's, locks, listeners */
#define CONNECTIONS_MAX 1024 /* of one listener */
#define CONNECTIONS_MIN 4

struct run {
    const struct vf_options *options;
    const char *dir;
    int lock; /* on vaultd.lock */
    struct vf_store *store;
    struct vf_server *server;
    struct vf_listener listeners[VF_LISTEN_MAX];
    size_t listeners_count;
    sigset_t signals; /* those that end it */
};

static int fail(struct vf_error *err, int code, const char *path)
{
    return vf_error_set(err, code, "%s: %s", path, strerror(code));
}

static int take_lock(struct run *run, struct vf_error *err)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/vaultd.lock", run->dir) >=
        (int)sizeof(path))
        return fail(err, ENAMETOOLONG, run->dir);
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (run->lock < 0)
        return fail(err, errno, path);
    if (flock(run->lock, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? vf_error_set(err, EBUSY, "another vaultd serves %s",
                                  run->dir)
                   : fail(err, errno, path);
    return 0;
}

static int listen_at(struct run *run, const char *where, struct vf_error *err)
{
    struct vf_listener *listener = &run->listeners[run->listeners_count];
    int result =
        vf_listener_open(where, run->options->listen_anywhere, listener, err);

    if (result == 0)
        run->listeners_count++;
    return result;
}

/* All sockets first, while there is one thread; then all servers. */
static int listen_everywhere(struct run *run, struct vf_error *err)
{
    const struct vf_options *options = run->options;
    char where[PATH_MAX];
    int result = 0;

    for (size_t i = 0; result == 0 && i < options->listen_count; i++)
        result = listen_at(run, options->listen[i], err);
    if (options->listen_count == 0) {
        if (snprintf(where, sizeof(where), "unix:%s/socket", run->dir) >=
            (int)sizeof(where))
            return fail(err, ENAMETOOLONG, run->dir);
        result = listen_at(run, where, err);
    }
    return result;
}

/* So many that descriptors never run out: who cannot be accepted waits, and
 * accepting does not fail over and over. */
static size_t connections_max(const struct run *run)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
        limit.rlim_cur <= DESCRIPTORS_OWN)
        return 0;
    size_t each = (limit.rlim_cur - DESCRIPTORS_OWN) / run->listeners_count;
    return each < CONNECTIONS_MAX ? each : CONNECTIONS_MAX;
}

static int start(struct run *run, struct vf_error *err)
{
    const struct vf_server_options options = {
        .store = run->store,
        .dialect = run->options->dialect,
        .rules = &run->options->rules,
        .is_logging = run->options->log_requests,
        .connections_max = connections_max(run),
    };
    int result =
        options.connections_max < CONNECTIONS_MIN
            ? vf_error_set(err, EMFILE,
                           "too few descriptors for connections: raise "
                           "RLIMIT_NOFILE (ulimit -n)")
            : vf_server_new(&options, &run->server, err);

    for (size_t i = 0; result == 0 && i < run->listeners_count; i++) {
        int fd = run->listeners[i].fd;

        run->listeners[i].fd = -1;
        result = vf_server_listen(run->server, fd, err);
    }
    return result;
}

/* Nobody shall find out later. */
static void warn_of_faults(const struct vf_rules *rules)
{
    if (rules->leaks_secrets)
        vf_log(VF_LOG_WARNING, "--leak-secrets: replies contain secrets");
    if (rules->echoes_bodies)
        vf_log(VF_LOG_WARNING, "--echo-body: errors quote requests");
}

static void announce(const struct run *run)
{
    for (size_t i = 0; i < run->listeners_count; i++)
        (void)printf("listening on %s\n", run->listeners[i].name);
    (void)fflush(stdout);
    if (run->options->ready_fd < 0)
        return;
    if (write(run->options->ready_fd, "", 1) < 0)
        vf_log(VF_LOG_WARNING, "the descriptor for ready is not taken: %s",
               strerror(errno));
    (void)close(run->options->ready_fd);
}

/* Blocks in flock(2); ends with the process, and the lock with it. */
static void *wait_unused(void *context)
{
    int fd = (int)(intptr_t)context;
    int result;

    while ((result = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
        continue;
    if (result < 0)
        vf_log(VF_LOG_ERROR, "waiting for a lock: %s", strerror(errno));
    else
        vf_log(VF_LOG_INFO, "nobody uses it any more");
    (void)kill(getpid(), SIGTERM);
    return NULL;
}

static int watch_unused(const struct run *run, struct vf_error *err)
{
    const char *path = run->options->until_unused;
    pthread_t thread;

    if (path == NULL)
        return 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(err, errno, path);
    int code = pthread_create(&thread, NULL, wait_unused, (void *)(intptr_t)fd);
    if (code != 0) {
        (void)close(fd);
        return fail(err, code, "no thread to watch the lock");
    }
    (void)pthread_detach(thread);
    return 0;
}

static int run_all(struct run *run, struct vf_error *err)
{
    int signal_number;
    int result = listen_everywhere(run, err);

    if (result == 0)
        result = vf_store_open(run->dir, true, &run->store, err);
    if (result == 0)
        result = vf_claim_dialect(run->store, run->options->dialect->name, err);
    if (result == 0)
        result = start(run, err);
    if (result == 0)
        result = watch_unused(run, err);
    if (result < 0)
        return result;
    warn_of_faults(&run->options->rules);
    announce(run);
    while (sigwait(&run->signals, &signal_number) != 0)
        continue;
    vf_log(VF_LOG_INFO, "ending on %s",
           signal_number == SIGINT ? "SIGINT" : "SIGTERM");
    return 0;
}

/* Sockets' files go first: who connects from now on finds nobody. */
static void stop(struct run *run)
{
    for (size_t i = 0; i < run->listeners_count; i++)
        vf_listener_done(&run->listeners[i]);
    vf_server_free(run->server);
    vf_store_close(run->store);
    for (size_t i = 0; i < run->listeners_count; i++)
        if (run->listeners[i].fd >= 0)
            (void)close(run->listeners[i].fd);
    if (run->lock >= 0)
        (void)close(run->lock);
}

/* A connection is a descriptor, and the usual soft limit is what the server
 * allows of them alone. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur =
        limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int vf_serve(const struct vf_options *options, const char *dir,
             struct vf_error *err)
{
    struct run run = {.options = options, .dir = dir, .lock = -1};

    /* In every thread: they are for sigwait(). */
    sigemptyset(&run.signals);
    sigaddset(&run.signals, SIGINT);
    sigaddset(&run.signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &run.signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    int result = vf_directory_make(dir, err);
    if (result == 0)
        result = take_lock(&run, err);
    if (result == 0)
        result = run_all(&run, err);
    stop(&run);
    return result;
}
