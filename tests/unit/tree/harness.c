/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"
#include "vaultfs/secret.h"
#include "vaultfs/spec.h"

/* --- What the linker puts in place of the real ones --- */

static _Atomic int64_t now_ms = 1000000;
static atomic_uint looks, specs_freed, secrets_dropped;

int64_t __wrap_vf_clock_boottime_ms(void);
FILE *__wrap_fopen64(const char *path, const char *mode);
FILE *__real_fopen64(const char *path, const char *mode);
void __wrap_vf_spec_free(struct vf_spec *spec);
void __real_vf_spec_free(struct vf_spec *spec);
struct vf_secret *__wrap_vf_secret_unref(struct vf_secret *secret);
struct vf_secret *__real_vf_secret_unref(struct vf_secret *secret);

int64_t __wrap_vf_clock_boottime_ms(void)
{
    return now_ms;
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
    looks++;
    return __real_fopen64(path, mode);
}

void __wrap_vf_spec_free(struct vf_spec *spec)
{
    specs_freed += spec != NULL;
    __real_vf_spec_free(spec);
}

struct vf_secret *__wrap_vf_secret_unref(struct vf_secret *secret)
{
    secrets_dropped += secret != NULL;
    return __real_vf_secret_unref(secret);
}

unsigned harness_secrets_dropped(void)
{
    return secrets_dropped;
}

unsigned harness_specs_freed(void)
{
    return specs_freed;
}

void harness_advance_ms(int64_t ms)
{
    now_ms += ms;
}

unsigned harness_looks(void)
{
    return looks;
}

void harness_wait_looks(unsigned count)
{
    while (looks < count)
        sched_yield();
}

/* --- The fixture --- */

static void take_record(void *context, const struct vf_record *record)
{
    struct harness *h = context;

    pthread_mutex_lock(&h->lock);
    h->records++;
    h->record_code = record->error->code;
    snprintf(h->record_path, sizeof(h->record_path), "%s", record->path);
    memcpy(h->record_message, record->error->message,
           sizeof(h->record_message));
    pthread_mutex_unlock(&h->lock);
}

struct vf_tree_options harness_options(void)
{
    return (struct vf_tree_options){.ttl_ms = TTL_MS,
                                    .stale_if_error_ms = STALE_MS,
                                    .timeout_ms = 30000,
                                    .uid = 1,
                                    .gid = 1};
}

struct harness *harness_new(const struct vf_tree_options *options)
{
    struct vf_tree_options complete = *options;
    struct harness *h = calloc(1, sizeof(*h));

    pthread_mutex_init(&h->lock, NULL);
    h->fake = fake_new();
    h->vault_id = fake_add_vault(h->fake, "prod");
    complete.service = fake_service(h->fake);
    complete.sink = take_record;
    complete.sink_context = h;
    assert_int_equal(vf_tree_new(&complete, &h->tree, NULL), 0);
    h->root = vf_tree_root(h->tree);
    return h;
}

int harness_setup(void **state)
{
    const struct vf_tree_options options = harness_options();

    *state = harness_new(&options);
    return 0;
}

void harness_look_at_vault(struct harness *h)
{
    struct vf_snapshot *snapshot;

    h->vault = look(h, h->root, "prod");
    assert_int_equal(vf_tree_opendir(h->tree, h->vault, &(struct vf_caller){0},
                                     &snapshot, NULL),
                     0);
    vf_snapshot_free(h->tree, snapshot);
    fake_reset_counts(h->fake);
}

int harness_setup_vault(void **state)
{
    harness_setup(state);
    harness_look_at_vault(*state);
    return 0;
}

int harness_teardown(void **state)
{
    struct harness *h = *state;

    vf_tree_free(h->tree);
    fake_free(h->fake);
    pthread_mutex_destroy(&h->lock);
    free(h);
    return 0;
}

unsigned harness_records(struct harness *h)
{
    pthread_mutex_lock(&h->lock);
    unsigned records = h->records;
    pthread_mutex_unlock(&h->lock);
    return records;
}

/* The record of a job comes after its end: so wait for threads, not jobs. */
void harness_wait_idle(struct harness *h)
{
    bool is_idle = false;

    while (!is_idle) {
        sched_yield();
        pthread_mutex_lock(&h->tree->lock);
        is_idle = h->tree->pool.live == NULL &&
                  h->tree->pool.idle == h->tree->pool.threads;
        pthread_mutex_unlock(&h->tree->lock);
    }
}

size_t harness_nodes(struct harness *h)
{
    size_t count = 0;

    pthread_mutex_lock(&h->tree->lock);
    for (const struct vf_node *node = h->tree->nodes; node != NULL;
         node = node->next_node)
        count++;
    pthread_mutex_unlock(&h->tree->lock);
    return count;
}

/* --- Operations --- */

int look_up(struct harness *h, struct vf_node *directory, const char *name)
{
    struct vf_caller caller = {0};
    struct vf_entry entry;
    int result =
        vf_tree_lookup(h->tree, directory, name, &caller, &entry, NULL);

    if (result == 0)
        vf_tree_forget(h->tree, entry.node, 1);
    return result;
}

struct vf_node *look(struct harness *h, struct vf_node *directory,
                     const char *name)
{
    struct vf_caller caller = {0};
    struct vf_entry entry;

    assert_int_equal(
        vf_tree_lookup(h->tree, directory, name, &caller, &entry, NULL), 0);
    return entry.node;
}

struct stat stat_of(struct harness *h, struct vf_node *node)
{
    struct vf_caller caller = {0};
    struct vf_entry entry;

    assert_int_equal(
        vf_tree_getattr(h->tree, node, true, &caller, &entry, NULL), 0);
    return entry.attr;
}

struct vf_file *create(struct harness *h, const char *name)
{
    struct vf_caller caller = {0};
    struct vf_file *file;
    struct vf_entry entry;

    assert_int_equal(vf_tree_create(h->tree, h->vault, name, O_WRONLY | O_CREAT,
                                    &caller, &entry, &file, NULL),
                     0);
    vf_tree_forget(h->tree, entry.node, 1);
    return file;
}

struct vf_file *open_for(struct harness *h, struct vf_node *node, int flags)
{
    struct vf_caller caller = {0};
    struct vf_file *file;
    bool is_unchanged;

    assert_int_equal(
        vf_tree_open(h->tree, node, flags, &caller, &file, &is_unchanged, NULL),
        0);
    return file;
}

int put(struct harness *h, struct vf_file *file, const char *text, off_t offset)
{
    struct vf_caller caller = {0};

    return vf_file_write(h->tree, file, text, strlen(text), offset, &caller,
                         NULL);
}

int close_file(struct harness *h, struct vf_file *file)
{
    return vf_file_release(h->tree, file, NULL);
}

int save(struct harness *h, const char *name, const char *text)
{
    struct vf_file *file = create(h, name);
    int result = put(h, file, text, 0);

    assert_int_equal(close_file(h, file), 0);
    return result;
}

int save_in(struct harness *h, struct vf_node *directory, const char *name,
            const char *text, struct vf_error *err)
{
    struct vf_caller caller = {.tid = gettid()};
    struct vf_file *file;
    struct vf_entry entry;

    assert_int_equal(vf_tree_create(h->tree, directory, name,
                                    O_WRONLY | O_CREAT, &caller, &entry, &file,
                                    NULL),
                     0);
    vf_tree_forget(h->tree, entry.node, 1);
    int result =
        vf_file_write(h->tree, file, text, strlen(text), 0, &caller, err);
    assert_int_equal(close_file(h, file), 0);
    return result;
}

int unlink_name(struct harness *h, const char *name)
{
    struct vf_caller caller = {0};

    return vf_tree_unlink(h->tree, h->vault, name, &caller, NULL);
}

int rename_name(struct harness *h, const char *name, const char *new_name)
{
    struct vf_caller caller = {0};

    return vf_tree_rename(h->tree, h->vault, name, h->vault, new_name, 0,
                          &caller, NULL);
}

int make_vault(struct harness *h, const char *name)
{
    struct vf_caller caller = {0};
    struct vf_entry entry;
    int result = vf_tree_mkdir(h->tree, h->root, name, &caller, &entry, NULL);

    if (result == 0)
        vf_tree_forget(h->tree, entry.node, 1);
    return result;
}

int remove_vault(struct harness *h, const char *name)
{
    struct vf_caller caller = {0};

    return vf_tree_rmdir(h->tree, h->root, name, &caller, NULL);
}

struct reading {
    struct item *item;
    size_t next; /* 0: it has nothing yet */
};

static bool take_item(void *context, const char *name,
                      const struct vf_entry *entry, size_t next)
{
    struct reading *reading = context;

    if (reading->next != 0)
        return false;
    reading->next = next;
    reading->item->entry = *entry;
    strcpy(reading->item->name, name);
    return true;
}

size_t read_item(struct harness *h, const struct vf_snapshot *snapshot,
                 size_t index, bool wants_reference, struct item *ret)
{
    struct reading reading = {.item = ret};

    assert_int_equal(vf_snapshot_read(h->tree, snapshot, index, wants_reference,
                                      take_item, &reading),
                     0);
    return reading.next;
}

void assert_names(struct harness *h, struct vf_node *directory,
                  const char *expected)
{
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;
    struct item item;
    char names[1024] = "";

    assert_int_equal(
        vf_tree_opendir(h->tree, directory, &caller, &snapshot, NULL), 0);
    for (size_t i = 0; (i = read_item(h, snapshot, i, false, &item)) != 0;) {
        if (strcmp(item.name, ".vault.json") == 0)
            continue;
        strcat(names, item.name);
        strcat(names, " ");
    }
    vf_snapshot_free(h->tree, snapshot);
    assert_string_equal(names, expected);
}

void assert_trace(struct harness *h, const char *expected)
{
    char *trace = fake_trace(h->fake);

    assert_string_equal(trace, expected);
    free(trace);
}

void assert_content(struct harness *h, struct vf_node *node, const char *part)
{
    struct vf_file *file = open_for(h, node, O_RDONLY);
    char text[1024];
    size_t size = vf_file_read(h->tree, file, text, sizeof(text) - 1, 0, NULL);

    text[size] = '\0';
    assert_int_equal(close_file(h, file), 0);
    assert_non_null(strstr(text, part));
}

const char *spec_for(const char *url)
{
    static _Thread_local char text[4][512];
    static _Thread_local unsigned next;
    char *spec = text[next++ % 4];

    snprintf(spec, sizeof(text[0]),
             "{\"mcp_server_url\": \"%s\", \"protocol\": \"sse\", \"type\": "
             "\"static_bearer\", \"access_token\": \"t0ken\"}\n",
             url);
    return spec;
}

/* --- Tasks --- */

int run_lookup(struct task *task)
{
    struct vf_entry entry;
    int result = vf_tree_lookup(task->h->tree, task->node, task->name,
                                &task->caller, &entry, &task->err);

    if (result == 0)
        vf_tree_forget(task->h->tree, entry.node, 1);
    return result;
}

int run_opendir(struct task *task)
{
    struct vf_snapshot *snapshot;
    int result = vf_tree_opendir(task->h->tree, task->node, &task->caller,
                                 &snapshot, &task->err);

    if (result == 0)
        vf_snapshot_free(task->h->tree, snapshot);
    return result;
}

int run_open(struct task *task)
{
    bool is_unchanged;

    return vf_tree_open(task->h->tree, task->node, O_RDONLY, &task->caller,
                        &task->file, &is_unchanged, &task->err);
}

int run_write(struct task *task)
{
    return vf_file_write(task->h->tree, task->file, task->text,
                         strlen(task->text), task->offset, &task->caller,
                         &task->err);
}

int run_truncate(struct task *task)
{
    return vf_file_truncate(task->h->tree, task->file, task->offset,
                            &task->caller, &task->err);
}

int run_sync(struct task *task)
{
    return vf_file_sync(task->h->tree, task->file, &task->caller, &task->err);
}

int run_unlink(struct task *task)
{
    return vf_tree_unlink(task->h->tree, task->node, task->name, &task->caller,
                          &task->err);
}

int run_rename(struct task *task)
{
    return vf_tree_rename(task->h->tree, task->node, task->name, task->node,
                          task->text, 0, &task->caller, &task->err);
}

int run_mkdir(struct task *task)
{
    struct vf_entry entry;
    int result = vf_tree_mkdir(task->h->tree, task->node, task->name,
                               &task->caller, &entry, &task->err);

    if (result == 0)
        vf_tree_forget(task->h->tree, entry.node, 1);
    return result;
}

int run_rmdir(struct task *task)
{
    return vf_tree_rmdir(task->h->tree, task->node, task->name, &task->caller,
                         &task->err);
}

static void *run_task(void *context)
{
    struct task *task = context;

    task->result = task->run(task);
    return NULL;
}

void task_start(struct task *task)
{
    assert_int_equal(pthread_create(&task->thread, NULL, run_task, task), 0);
}

void task_wait_waiting(struct task *task)
{
    bool is_waiting = false;

    while (!is_waiting) {
        sched_yield();
        pthread_mutex_lock(&task->h->tree->lock);
        is_waiting = task->caller.waits_for != NULL;
        pthread_mutex_unlock(&task->h->tree->lock);
    }
}

void task_interrupt(struct task *task)
{
    vf_caller_interrupt(task->h->tree, &task->caller);
}

int task_join(struct task *task)
{
    assert_int_equal(pthread_join(task->thread, NULL), 0);
    return task->result;
}

/* --- Processes --- */

static void ignore(int signal)
{
}

pid_t process_with(int signal)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        /* A signal that is ignored by default would not stay pending. */
        struct sigaction action = {.sa_handler = ignore};

        sigaction(SIGCHLD, &action, NULL);
        raise(SIGSTOP);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    if (signal != 0)
        assert_int_equal(kill(pid, signal), 0);
    return pid;
}

void end_process(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}
