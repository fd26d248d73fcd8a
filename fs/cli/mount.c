/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "client.h"
#include "daemon.h"
#include "interrupt.h"
#include "keeper.h"
#include "options.h"
#include "place.h"

#include "vaultfs/auth.h"
#include "vaultfs/http.h"
#include "vaultfs/journal.h"
#include "vaultfs/log.h"
#include "vaultfs/mount.h"
#include "vaultfs/report.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"
#include "vaultfs/tree.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* One mount from the command line to its end. */
struct job {
    const struct vf_options *options; /* borrowed */
    struct vf_source source;
    char *mountpoint;        /* absolute; owned */
    bool is_mountpoint_made; /* by us: it goes again if nothing comes of it */
    int report_fd;           /* -1: in the foreground, or reported */
    struct vf_client client;
    struct vf_report *report;
    struct vf_journal *journal;
    struct vf_tree *tree;
    struct vf_mount *mount;
};

/* The one place that every failure comes to. */
static void take_record(void *context, const struct vf_record *record)
{
    const struct job *job = context;

    vf_log_record(record);
    vf_report_add(job->report, record);
}

/* What the control directory shows. */
static int render(void *context, const char *name,
                  const struct vf_tree_stats *stats, char **ret,
                  size_t *ret_size)
{
    static const char *const token_states[] = {
        [VF_AUTH_UNUSED] = "unused",
        [VF_AUTH_OK] = "ok",
        [VF_AUTH_REFUSED] = "refused",
        [VF_AUTH_EXPIRED] = "expired",
    };
    const struct job *job = context;
    const struct vf_client *client = &job->client;
    const struct vf_service service = vf_api_service(client->api);
    struct vf_report_count counts[VF_MOUNT_OPERATIONS];
    struct vf_service_traits traits;
    struct vf_auth_status token;

    service.ops->traits(service.self, &traits);
    vf_auth_status(client->auth, &token);
    const struct vf_report_state state = {
        .mountpoint = job->mountpoint,
        .source = job->source.name,
        .dialect = traits.dialect,
        .token_source = vf_auth_source(client->auth),
        .token_state = token_states[token.state],
        .token_expires_s = token.expires_s,
        .is_read_only = job->options->is_read_only,
        .is_degraded = stats->is_degraded,
        .vaults = stats->vaults,
        .credentials = stats->credentials,
        .fresh_listings = stats->fresh_listings,
        .stale_listings = stats->stale_listings,
        .lookups_cached = stats->lookups_cached,
        .listings_fetched = stats->listings_fetched,
        .listings_ahead = stats->listings_ahead,
        .ahead_unused = stats->ahead_unused,
        .requests = vf_http_requests(client->http),
        .request_limit = vf_http_turns(client->http),
        .scratch_files = stats->scratch_files,
        .scratch_bytes = stats->scratch_bytes,
        .scratch_unsent = stats->scratch_unsent,
        .unknown_outcomes = stats->unknown_outcomes,
        .fuse_requests = counts,
        .fuse_requests_count = vf_mount_requests(job->mount, counts),
    };
    return vf_report_render(job->report, name, &state, ret, ret_size);
}

/* To who waits for us, or to standard error when nobody forked; and for who
 * reads the log by program, there too. */
static enum vf_exit fail(struct job *job, enum vf_exit status,
                         const struct vf_error *err)
{
    const struct vf_record record = {"mount", "/", .error = err};
    bool is_read_by_program = job->options->log_format == VF_LOG_JSON;
    struct vf_buf text = VF_BUF_INIT;

    if (is_read_by_program)
        vf_log_record(&record);
    if (job->report_fd < 0)
        return is_read_by_program ? status : vf_complain(status, err);
    vf_complain_text(err, &text);
    if (vf_daemon_report(job->report_fd, (int)status, text.data) < 0)
        vf_log(VF_LOG_ERROR, "%s", err->message);
    job->report_fd = -1;
    vf_buf_free(&text);
    return status;
}

/* Drafts and tokens live in locked memory; take what we are allowed. */
static void raise_locked_memory(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_MEMLOCK, &limit);
    }
}

/* With the session, where there is one. *ret is freed with free(). */
static int find_journal(char **ret, struct vf_error *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    int fd;

    if (runtime != NULL && stat(runtime, &st) == 0 && st.st_uid == geteuid()) {
        *ret = vf_place_join(runtime, "vaultfs");
        return *ret != NULL ? 0 : vf_error_set(err, ENOMEM, "no memory");
    }
    char *path = vf_place_find("XDG_STATE_HOME", ".local/state");
    if (path == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    int result = vf_place_open(path, &fd, err);
    if (result < 0) {
        free(path);
        return result;
    }
    (void)close(fd);
    *ret = path;
    return 0;
}

/* Outcomes that are not known, also for the next daemon when this one is
 * killed. A mount does without that, but never without its own. */
static int open_journal(struct job *job, struct vf_error *err)
{
    const char *service = vf_client_service(&job->client);
    char *path = NULL;
    int result = find_journal(&path, err);
    if (result == 0)
        result = vf_journal_open(path, service, &job->journal, err);
    free(path);
    if (result == 0)
        return 0;
    vf_log(VF_LOG_WARNING,
           "what is not known when the daemon is killed will be forgotten: %s",
           err->message);
    return vf_journal_open(NULL, service, &job->journal, err);
}

static int make_tree(struct job *job, struct vf_error *err)
{
    const struct vf_options *options = job->options;
    const struct vf_tree_options tree = {
        .service = vf_api_service(job->client.api),
        .ttl_ms = options->ttl_ms,
        .stale_if_error_ms = options->stale_if_error_ms,
        .timeout_ms = options->timeout_ms,
        .is_read_only = options->is_read_only,
        .is_rm_archive = options->rm == VF_RM_ARCHIVE,
        .uid = getuid(),
        .gid = getgid(),
        .sink = take_record,
        .sink_context = job,
        .journal = job->journal,
        .render = render,
        .render_context = job,
    };

    return vf_tree_new(&tree, &job->tree, err);
}

static int make_mount(struct job *job, struct vf_error *err)
{
    const struct vf_options *options = job->options;
    const struct vf_mount_options mount = {
        .mountpoint = job->mountpoint,
        .source = job->source.name,
        .is_debug = options->is_debug,
        .is_allow_other = options->is_allow_other,
        .sink = take_record,
        .sink_context = job,
    };

    return vf_mount_new(&mount, job->tree, &job->mount, err);
}

/* Prove that the service is there and takes the token, unless told not to. */
static int probe(struct job *job, struct vf_error *err)
{
    struct vf_buf text = VF_BUF_INIT;
    int result = vf_tree_probe(job->tree, err);

    if (result < 0 && job->options->is_nocheck) {
        vf_complain_text(err, &text);
        vf_log(VF_LOG_WARNING, "mounted all the same: %s",
               text.data != NULL ? text.data : err->message);
        vf_buf_free(&text);
        return 0;
    }
    return result;
}

/* The embedded service, when it is that, stays up as long as the mount. */
static int keep_service(const struct job *job, struct vf_error *err)
{
    const char *local_name = job->source.local_name;

    return local_name != NULL ? vf_keeper_start(local_name, err) : 0;
}

/* Tell who waits that all is well, and where to look when it is not. Nobody
 * waits any more (Ctrl-C): give up. */
static int announce(struct job *job, struct vf_error *err)
{
    struct vf_buf notice = VF_BUF_INIT;

    if (job->report_fd < 0)
        return 0;
    int result = vf_daemon_settle(&notice, err);
    if (result == 0) {
        result = vf_daemon_report(job->report_fd, VF_EXIT_DONE, notice.data);
        job->report_fd = -1;
        if (result < 0)
            (void)vf_error_set(err, -result, "nobody waits for the mount");
    }
    vf_buf_free(&notice);
    return result;
}

static enum vf_exit serve(struct job *job)
{
    struct vf_error err = {0};

    if (open_journal(job, &err) < 0 || make_tree(job, &err) < 0)
        return fail(job, VF_EXIT_LOCAL, &err);
    if (probe(job, &err) < 0)
        return fail(job, VF_EXIT_SERVICE, &err);
    if (make_mount(job, &err) < 0 || keep_service(job, &err) < 0 ||
        announce(job, &err) < 0)
        return fail(job, VF_EXIT_LOCAL, &err);
    vf_auth_arm(job->client.auth);
    int result = vf_mount_run(job->mount);
    if (result == 0)
        return VF_EXIT_DONE;
    vf_log(VF_LOG_ERROR, "the mount ended: %s", strerror(-result));
    return VF_EXIT_LOCAL;
}

/* First nobody may wait for the service any more, then things can go; last what
 * may still be told of failures. */
static void tear_down(struct job *job)
{
    if (job->tree != NULL)
        vf_tree_shutdown(job->tree);
    vf_client_shutdown(&job->client);
    vf_mount_free(job->mount);
    vf_tree_free(job->tree); /* jobs that were left have their last word */
    vf_journal_close(job->journal);
}

static enum vf_exit open_and_serve(struct job *job)
{
    const struct vf_access_user user = {
        .mountpoint = job->mountpoint,
        .sink = take_record,
        .sink_context = job,
    };
    struct vf_error err = {0};

    vf_client_init(&job->client, &job->source);
    enum vf_exit status =
        vf_client_open(&job->client, job->options, &user, &err);
    if (status == VF_EXIT_DONE) {
        status = serve(job);
        tear_down(job);
    } else {
        status = fail(job, status, &err);
    }
    vf_client_close(&job->client);
    return status;
}

/* In the process that stays. */
static enum vf_exit run(struct job *job)
{
    (void)mallopt(M_ARENA_MAX, 2);
    (void)signal(SIGPIPE, SIG_IGN);
    raise_locked_memory();
    vf_log_init("vaultfs", (enum vf_log_format)job->options->log_format,
                job->options->is_debug ? VF_LOG_DEBUG : VF_LOG_INFO);
    if (vf_report_new(&job->report) < 0)
        return fail(job, VF_EXIT_LOCAL, &(struct vf_error){.code = ENOMEM});
    enum vf_exit status = open_and_serve(job);
    vf_report_free(job->report);
    return status;
}

static enum vf_exit run_in_background(struct job *job)
{
    struct vf_error err = {0};
    pid_t child;

    if (vf_interrupt_fork(vf_access_descriptor(job->options), &child,
                          &job->report_fd, &err) < 0)
        return vf_complain(VF_EXIT_LOCAL, &err);
    if (child > 0)
        return (enum vf_exit)vf_daemon_wait(child, job->report_fd);
    return run(job);
}

/* A missing one is made, if its parent is there. A mount of ours that is there
 * is not looked at, because it may never answer: mounting sees to it. */
static int find_mountpoint(struct job *job, const char *operand,
                           struct vf_error *err)
{
    struct stat st;
    int result = vf_command_resolve(operand, &job->mountpoint, err);

    if (result == -ENOENT && vf_interrupt_mkdir(operand) == 0) {
        job->is_mountpoint_made = true;
        result = vf_command_resolve(operand, &job->mountpoint, err);
    }
    if (result == 0 && !vf_mount_is_ours(job->mountpoint) &&
        stat(job->mountpoint, &st) == 0 && !S_ISDIR(st.st_mode))
        return vf_error_set(err, ENOTDIR, "mount point %s: %s", operand,
                            strerror(ENOTDIR));
    return result;
}

enum vf_exit vf_command_mount(const struct vf_options *options)
{
    struct job job = {.options = options, .report_fd = -1};
    struct vf_error err = {0};
    size_t last = options->operands_count - 1;
    enum vf_exit status;

    vf_secret_harden_process();
    vf_interrupt_catch();
    if (vf_access_check(options, &err) < 0)
        return vf_complain(VF_EXIT_SERVICE, &err);
    if (vf_source_parse(last > 0 ? options->operands[0] : NULL, &job.source,
                        &err) < 0 ||
        find_mountpoint(&job, options->operands[last], &err) < 0)
        status = vf_complain(VF_EXIT_LOCAL, &err);
    else if (options->is_foreground)
        status = run(&job);
    else
        status = run_in_background(&job);
    if (job.is_mountpoint_made && status != VF_EXIT_DONE)
        (void)rmdir(job.mountpoint);
    free(job.mountpoint);
    vf_source_done(&job.source);
    return status;
}
