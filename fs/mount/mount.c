/* SPDX-License-Identifier: MIT
 *
 * A session's life: mount, serve, end.
 *
 * Signals are taken by handlers that write one byte into a pipe, whichever
 * thread they reach; a thread of the mount's reads it. To end, it makes every
 * waiting operation answer EINTR, because libfuse joins its workers, and then
 * wakes the main thread out of libfuse's loop.
 */
#include "vaultfs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "vaultfs/log.h"
#include "vaultfs/text.h"

#define WORKERS_MAX 1024
#define WAKE_INTERVAL_NS (20 * 1000 * 1000)

/* --- What libfuse says when it fails --- */

static char last_message[256];

VF_PRINTF(2, 0)
static void keep_message(enum fuse_log_level level, const char *format,
                         va_list args)
{
    if (level > FUSE_LOG_ERR) {
        (void)vfprintf(stderr, format, args); /* the trace of -d */
        return;
    }
    (void)vsnprintf(last_message, sizeof(last_message), format, args);
    last_message[strcspn(last_message, "\n")] = '\0';
    vf_log(VF_LOG_DEBUG, "%s", last_message);
}

/* --- Signals --- */

enum { WORD_END = 'e', WORD_REFRESH = 'r', WORD_QUIT = 'q' };

static int signal_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    const char word = number == SIGHUP ? WORD_REFRESH : WORD_END;
    int saved_errno = errno;

    if (write(signal_pipe[1], &word, 1) < 0)
        errno = 0; /* the pipe is full of the same */
    errno = saved_errno;
}

static void on_wake(int number)
{
}

/* A signal that comes before anybody reads the pipe waits in it. */
static int catch_signals(struct vf_error *err)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction wake = {.sa_handler = on_wake};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    int result = 0;

    if (pipe2(signal_pipe, O_CLOEXEC) < 0 ||
        fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK) < 0)
        return vf_error_set(err, errno, "cannot make a pipe: %s",
                            strerror(errno));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        result |= sigaction(numbers[i], &action, NULL);
    result |= sigaction(SIGUSR1, &wake, NULL);
    result |= sigaction(SIGPIPE, &ignore, NULL);
    if (result != 0)
        return vf_error_set(err, errno, "cannot catch signals: %s",
                            strerror(errno));
    return 0;
}

/* --- Mounting --- */

/* A dead mount of ours is detached. Whether it is ours is asked first, of the
 * kernel's table: what is not served may never answer. */
static int clear_mountpoint(const char *mountpoint, struct vf_error *err)
{
    struct stat st;

    if (vf_mount_is_ours(mountpoint)) {
        switch (vf_mount_probe(mountpoint, MOUNT_ANSWER_MS)) {
        case -ENOTCONN:
        case -ECONNABORTED: /* it died while it was asked */
            vf_log(VF_LOG_WARNING, "detaching a dead mount at %s", mountpoint);
            return vf_mount_detach(mountpoint, true, err);
        case -ETIMEDOUT:
            return vf_error_set(err, EBUSY,
                                "vaults are mounted at %s already and do not "
                                "answer: `vaultfs umount --lazy` ends that",
                                mountpoint);
        default:
            return vf_error_set(err, EBUSY, "vaults are mounted at %s already",
                                mountpoint);
        }
    }
    if (stat(mountpoint, &st) < 0)
        return vf_error_set(err, errno, "%s: %s", mountpoint, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return vf_error_set(err, ENOTDIR, "%s is not a directory", mountpoint);
    return 0;
}

/* In an option list, a comma or a backslash needs a backslash. */
static void put_option_value(struct vf_buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == ',' || *value == '\\')
            vf_buf_puts(out, "\\");
        vf_buf_append(out, value, 1);
    }
}

static int make_session(struct vf_mount *mount, struct vf_error *err)
{
    const struct vf_mount_options *options = &mount->options;
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct vf_buf list = VF_BUF_INIT;

    vf_buf_puts(&list, "subtype=vaultfs,default_permissions,fsname=");
    put_option_value(&list, options->source);
    if (options->is_allow_other)
        vf_buf_puts(&list, ",allow_other");
    int result = list.is_broken ? -1 : 0;
    result |= fuse_opt_add_arg(&args, "vaultfs");
    if (result == 0) {
        result |= fuse_opt_add_arg(&args, "-o");
        result |= fuse_opt_add_arg(&args, list.data);
    }
    if (options->is_debug)
        result |= fuse_opt_add_arg(&args, "-d");
    if (result == 0)
        mount->session = fuse_session_new(&args, &mount_operations,
                                          sizeof(mount_operations), mount);
    fuse_opt_free_args(&args);
    vf_buf_free(&list);
    if (mount->session == NULL)
        return vf_error_set(err, ENOMEM, "cannot make a FUSE session: %s",
                            last_message);
    return 0;
}

static int mount_session(struct vf_mount *mount, struct vf_error *err)
{
    last_message[0] = '\0';
    if (fuse_session_mount(mount->session, mount->options.mountpoint) < 0)
        return vf_error_set(err, EPERM, "cannot mount at %s%s%s",
                            mount->options.mountpoint,
                            last_message[0] != '\0' ? ": " : "", last_message);
    if (traffic_watch(mount) < 0) {
        fuse_session_unmount(mount->session);
        return vf_error_set(err, ENOMEM, "no memory for a mount");
    }
    return 0;
}

int vf_mount_new(const struct vf_mount_options *options, struct vf_tree *tree,
                 struct vf_mount **ret, struct vf_error *err)
{
    int result = clear_mountpoint(options->mountpoint, err);

    if (result < 0)
        return result;
    struct vf_mount *mount = calloc(1, sizeof(*mount));
    if (mount == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a mount");
    mount->options = *options;
    mount->tree = tree;
    fuse_set_log_func(keep_message);
    result = make_session(mount, err);
    if (result == 0)
        result = catch_signals(err);
    if (result == 0)
        result = mount_session(mount, err);
    if (result < 0) {
        if (mount->session != NULL)
            fuse_session_destroy(mount->session);
        free(mount);
        return result;
    }
    *ret = mount;
    return 0;
}

void vf_mount_free(struct vf_mount *mount)
{
    if (mount == NULL)
        return;
    notifier_done(&mount->notifier);
    fuse_session_unmount(mount->session);
    fuse_session_destroy(mount->session);
    free(mount);
}

/* --- Serving --- */

/*
 * The notifier ends while the workers still serve: it may be waiting for a
 * directory's lock whose holder waits for a reply. libfuse's loop looks around
 * when a signal interrupts it; one that comes just before it falls asleep is
 * lost, so that they come until it has ended.
 */
static void end_loop(struct vf_mount *mount)
{
    const struct timespec pause = {.tv_nsec = WAKE_INTERVAL_NS};

    vf_tree_shutdown(mount->tree);
    notifier_done(&mount->notifier);
    fuse_session_exit(mount->session);
    while (!mount->is_loop_done) {
        (void)pthread_kill(mount->main_thread, SIGUSR1);
        (void)nanosleep(&pause, NULL);
    }
}

static void *watch_signals(void *context)
{
    struct vf_mount *mount = context;
    char word = 0;

    while (word != WORD_QUIT) {
        ssize_t got = read(signal_pipe[0], &word, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (word == WORD_REFRESH)
            vf_tree_refresh(mount->tree);
        else if (word == WORD_END)
            end_loop(mount);
    }
    return NULL;
}

static int serve(struct vf_mount *mount)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();

    if (config == NULL)
        return -ENOMEM;
    fuse_loop_cfg_set_max_threads(config, WORKERS_MAX);
    fuse_loop_cfg_set_idle_threads(config, WORKERS_MAX);
    int result = fuse_session_loop_mt(mount->session, config);
    fuse_loop_cfg_destroy(config);
    return result > 0 ? 0 : result; /* above 0: a signal ended it */
}

int vf_mount_run(struct vf_mount *mount)
{
    const char word = WORD_QUIT;
    pthread_t watcher;

    mount->main_thread = pthread_self();
    int result = notifier_init(&mount->notifier, mount->session, mount->tree);
    if (result == 0)
        result = -pthread_create(&watcher, NULL, watch_signals, mount);
    if (result < 0)
        return result;
    result = serve(mount);
    mount->is_loop_done = true;
    vf_tree_shutdown(mount->tree);
    if (write(signal_pipe[1], &word, 1) < 0)
        vf_log(VF_LOG_ERROR, "cannot end the signal thread");
    (void)pthread_join(watcher, NULL);
    notifier_done(&mount->notifier); /* it writes to what unmounting closes */
    fuse_session_unmount(mount->session);
    return result;
}
