/* SPDX-License-Identifier: MIT
 *
 * A tree over a fake service, with one vault, "prod", and a clock that stands
 * still until the test moves it; operations on threads of their own; processes
 * with a signal pending.
 */
#ifndef TEST_TREE_HARNESS_H
#define TEST_TREE_HARNESS_H

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/name.h"
#include "vaultfs/tree.h"

#include "fake.h"

#define HARNESS_URL "https://mcp.example.com/sse"
#define TTL_MS 5000
#define STALE_MS 300000

struct harness {
    struct fake *fake;
    struct vf_tree *tree;
    struct vf_node *root;
    struct vf_node *vault; /* NULL until harness_look_at_vault() */
    const char *vault_id;
    pthread_mutex_t lock;
    unsigned records; /* what no caller was told; guarded by lock */
    int record_code;  /* of the last */
    char record_path[128];
    char record_message[VF_ERROR_MESSAGE_MAX + 1];
};

/* For cmocka: *state is a struct harness. The second sets vault, and the
 * listings of root and vault are fresh, and nothing is counted yet. */
int harness_setup(void **state);
int harness_setup_vault(void **state);
int harness_teardown(void **state);
/* As harness_setup(), with other options than the usual ones. */
struct harness *harness_new(const struct vf_tree_options *options);
struct vf_tree_options harness_options(void);
void harness_look_at_vault(struct harness *h);

void harness_advance_ms(int64_t ms);
/* How often a process's state was looked at. */
unsigned harness_looks(void);
void harness_wait_looks(unsigned count);

/* How many documents with secrets were wiped. */
unsigned harness_specs_freed(void);
unsigned harness_secrets_dropped(void);

unsigned harness_records(struct harness *h);
/* Until no job is in flight. */
void harness_wait_idle(struct harness *h);
size_t harness_nodes(struct harness *h);

/* One operation each; nodes keep the reference that they came with. */
int look_up(struct harness *h, struct vf_node *directory, const char *name);
struct vf_node *look(struct harness *h, struct vf_node *directory,
                     const char *name);
struct stat stat_of(struct harness *h, struct vf_node *node);
struct vf_file *create(struct harness *h, const char *name);
struct vf_file *open_for(struct harness *h, struct vf_node *node, int flags);
int put(struct harness *h, struct vf_file *file, const char *text,
        off_t offset);
int close_file(struct harness *h, struct vf_file *file);
/* What `cat > name` does; returns what the write returned. */
int save(struct harness *h, const char *name, const char *text);
/* The same in another directory, by this process. */
int save_in(struct harness *h, struct vf_node *directory, const char *name,
            const char *text, struct vf_error *err);
int unlink_name(struct harness *h, const char *name);
/* In the vault. */
int rename_name(struct harness *h, const char *name, const char *new_name);
int make_vault(struct harness *h, const char *name);
int remove_vault(struct harness *h, const char *name);

/* "a.json b.json " in the order of a listing. */
void assert_names(struct harness *h, struct vf_node *directory,
                  const char *expected);
/* What a snapshot gives of one name. */
struct item {
    struct vf_entry entry;
    char name[VF_NAME_MAX + 1];
};
/* The first item from an index on; returns where to go on, 0: there is none. */
size_t read_item(struct harness *h, const struct vf_snapshot *snapshot,
                 size_t index, bool wants_reference, struct item *ret);
void assert_trace(struct harness *h, const char *expected);
void assert_content(struct harness *h, struct vf_node *node, const char *part);

/* A complete spec for an URL; the n-th of a static few. */
const char *spec_for(const char *url);
#define SPEC spec_for(HARNESS_URL)

/* An operation on a thread of its own. */
struct task {
    struct harness *h;
    struct vf_node *node; /* file or directory */
    struct vf_file *file;
    const char *name;
    const char *text;
    off_t offset;
    struct vf_caller caller;
    struct vf_error err;
    int (*run)(struct task *task);
    int result;
    pthread_t thread;
};

int run_lookup(struct task *task);
int run_opendir(struct task *task);
int run_open(struct task *task);
int run_write(struct task *task);
int run_truncate(struct task *task);
int run_sync(struct task *task);
int run_unlink(struct task *task);
int run_rename(struct task *task); /* text: the new name */
int run_mkdir(struct task *task);
int run_rmdir(struct task *task);

void task_start(struct task *task);
/* Until it waits for a job. */
void task_wait_waiting(struct task *task);
void task_interrupt(struct task *task);
int task_join(struct task *task);

/* A stopped process that a signal is pending for (0: none); end it. */
pid_t process_with(int signal);
void end_process(pid_t pid);

#endif
