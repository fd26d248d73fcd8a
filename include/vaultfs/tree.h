/* SPDX-License-Identifier: MIT
 *
 * The tree of vaults and credentials as files: nodes, names, listings and
 * their freshness, drafts and commits. Knows nothing of FUSE, HTTP or JSON.
 *
 * Every function may be called from any thread. One lock guards the whole tree;
 * it is held for memory work only, never across a request: remote work is done
 * by jobs on threads of their own, and who needs the outcome waits for the job.
 * That is why a caller can leave at any time (R-wait) while the job runs to its
 * end and still puts its outcome into the tree.
 *
 * "Blocks" below means: for at most one job of others on the same name, and for
 * jobs of its own whose requests each end by timeout_ms; until
 * vf_tree_shutdown(); or until the caller is interrupted. The last two answer
 * -EINTR.
 */
#ifndef VAULTFS_TREE_H
#define VAULTFS_TREE_H

#include "vaultfs/api.h"
#include "vaultfs/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

struct vf_journal;
struct vf_tree;
struct vf_node;
struct vf_file;
struct vf_job;
struct vf_snapshot;

/*
 * What changed under an open mount, so that a cache above can be told. Called
 * with the tree's lock held: only take note, call nothing back. A node may be
 * gone by the time that the note is read: treat the pointers as numbers.
 */
struct vf_tree_watch {
    void (*entry_changed)(void *context, const struct vf_node *directory,
                          const char *name);
    void (*content_changed)(void *context, const struct vf_node *node);
    void *context;
};

/* What the control files tell of the tree. */
struct vf_tree_stats {
    uint64_t vaults, credentials; /* known at this moment */
    uint64_t fresh_listings, stale_listings;
    bool is_degraded;        /* the last request for a listing got no answer,
                                or none but "later" */
    uint64_t lookups_cached; /* looks at a listing that needed no request */
    uint64_t listings_fetched;
    uint64_t listings_ahead; /* of these, before anybody looked (R-ahead) */
    uint64_t ahead_unused;   /* of these, that nobody looked at while fresh */
    uint64_t scratch_files, scratch_bytes;
    uint64_t scratch_unsent;   /* scratch files that hold a whole document */
    uint64_t unknown_outcomes; /* creations that may have been done */
};

/* The text of a control file, below `.vaultfs/`: "status", "last_error",
 * "errors", "metrics"; *ret is freed with free(). Called without a lock. */
typedef int vf_tree_render(void *context, const char *name,
                           const struct vf_tree_stats *stats, char **ret,
                           size_t *ret_size);

struct vf_tree_options {
    struct vf_service service; /* borrowed for the tree's life */
    int64_t ttl_ms;            /* how long a listing is taken as true */
    int64_t stale_if_error_ms; /* how long it serves while the API is down */
    int64_t timeout_ms;        /* per request */
    bool is_read_only;
    bool is_rm_archive; /* rm archives instead of deleting */
    uid_t uid;          /* owner of everything */
    gid_t gid;
    vf_record_sink *sink; /* what no caller is told: failures, and changes that
                             were done after their caller left; no lock held */
    void *sink_context;
    struct vf_journal *journal; /* borrowed for the tree's life; NULL: none */
    vf_tree_render *render;     /* NULL: the control files are empty */
    void *render_context;
};

VF_MUST_CHECK int vf_tree_new(const struct vf_tree_options *options,
                              struct vf_tree **ret, struct vf_error *err);

/*
 * Ask the service for the first page of vaults, to prove that it is there and
 * takes the token. The page is used for the first look at the root while it is
 * fresh. Blocks for one request. Errors: those of list_vaults.
 */
VF_MUST_CHECK int vf_tree_probe(struct vf_tree *tree, struct vf_error *err);

/* Before the first operation. The watch's context outlives the operations. */
void vf_tree_set_watch(struct vf_tree *tree, const struct vf_tree_watch *watch);

/* Forget every listing: the next look asks the service, after a look at where
 * the access token comes from. */
void vf_tree_refresh(struct vf_tree *tree);

/* End every wait with -EINTR, now and from now on. From any thread. Who owns
 * the service ends its requests; what becomes of the changes among them goes to
 * the sink, at the latest in vf_tree_free(). */
void vf_tree_shutdown(struct vf_tree *tree);

/* Waits for jobs in flight: shut the service down first. NULL is allowed. */
void vf_tree_free(struct vf_tree *tree);

/*
 * Who calls: lives on the stack of one operation. vf_caller_interrupt() may be
 * called from another thread while the operation runs; the operation then looks
 * which signals are pending for the thread and leaves only for those that are
 * meant to end a program.
 */
struct vf_caller {
    pid_t tid; /* a thread id in our pid namespace; 0: unknown */
    atomic_bool is_interrupted;
    struct vf_job *waits_for; /* guarded by the tree's lock */
};

void vf_caller_interrupt(struct vf_tree *tree, struct vf_caller *caller);

/* The process that the caller's thread belongs to; 0: unknown. */
pid_t vf_caller_process(const struct vf_caller *caller);

/*
 * A node as the kernel is to know it. Where a function returns one, the node
 * carries one reference more, to be dropped with vf_tree_forget().
 */
struct vf_entry {
    struct vf_node *node;
    struct stat attr;
    int64_t valid_ms; /* what is left of the life of name and attributes */
};

struct vf_node *vf_tree_root(struct vf_tree *tree); /* borrowed */
void vf_tree_forget(struct vf_tree *tree, struct vf_node *node, uint64_t count);

/* The path of a node, or of a name in it (NULL: none), below the mount point,
 * for records. free() it; NULL when there is no memory. */
char *vf_tree_path(struct vf_tree *tree, const struct vf_node *node,
                   const char *name);

/* Blocks when the directory's listing is not fresh. -ENOENT without a message
 * in err is the plain answer "no such name"; other errors are the service's. */
VF_MUST_CHECK int vf_tree_lookup(struct vf_tree *tree,
                                 struct vf_node *directory, const char *name,
                                 struct vf_caller *caller, struct vf_entry *ret,
                                 struct vf_error *err);

/* As lookup; ret->node is borrowed. With has_handle, never blocks. */
VF_MUST_CHECK int vf_tree_getattr(struct vf_tree *tree, struct vf_node *node,
                                  bool has_handle, struct vf_caller *caller,
                                  struct vf_entry *ret, struct vf_error *err);

/* Counts for statfs: vaults and credentials known at this moment. */
uint64_t vf_tree_count(struct vf_tree *tree);

/*
 * A directory as it was at one moment, in the order of names; "." and ".." are
 * not in it. What has gone since is left out, and what has another name since
 * comes with that one. Opening blocks when the listing is not fresh; reading
 * never does. Close it with vf_snapshot_free().
 */
VF_MUST_CHECK int vf_tree_opendir(struct vf_tree *tree,
                                  struct vf_node *directory,
                                  struct vf_caller *caller,
                                  struct vf_snapshot **ret,
                                  struct vf_error *err);
/* A cache above may take from this snapshot what it holds of the directory, and
 * answer for it: all such ones that are open are of the same names. */
bool vf_snapshot_is_cacheable(const struct vf_snapshot *snapshot);
/* It is cacheable, what the cache holds is true, and the entries' life lasts.
 * When not, the cache has to begin anew. */
bool vf_snapshot_is_unchanged(const struct vf_snapshot *snapshot);
/* A cache above has lost some attribute of a node, so that it would have to ask
 * for it. When it would ask more often than it takes to read the directory
 * again, then that is what it is made to do. Never blocks. */
void vf_tree_lapse(struct vf_tree *tree, struct vf_node *node);
/* Takes one entry; name and entry are borrowed until it returns, and next is
 * the index behind it. False: there is no room for it. Called with the tree's
 * lock held: only take note, and call nothing that takes it. */
typedef bool vf_entry_sink(void *context, const char *name,
                           const struct vf_entry *entry, size_t next);
/* The entries from an index on (the first is 0), as they are now, until the
 * sink has no room; each that it took has a reference when wants_references.
 * -ENOMEM: there was no memory to keep the names when they changed. */
VF_MUST_CHECK int vf_snapshot_read(struct vf_tree *tree,
                                   const struct vf_snapshot *snapshot,
                                   size_t index, bool wants_references,
                                   vf_entry_sink *sink, void *context);
void vf_snapshot_free(struct vf_tree *tree, struct vf_snapshot *snapshot);

/* -EROFS on a read-only mount, before any other reason not to change something.
 * What changes something below asks by itself. Never blocks. */
VF_MUST_CHECK int vf_tree_check_writable(const struct vf_tree *tree,
                                         struct vf_error *err);

/* Before modes, owner or times of a node are set, which changes nothing
 * (E-meta): vf_tree_check_writable() but for the control directory, where
 * touching `refresh` is vf_tree_refresh(). Never blocks. */
VF_MUST_CHECK int vf_tree_touch(struct vf_tree *tree, struct vf_node *node,
                                struct vf_error *err);

/* W-vault. -EPERM for a scratch or dotted name, -EINVAL for one that is not
 * spelled as we spell names, -EEXIST: the name is taken, or another vault got
 * it while this one was made, which err then names. Blocks. */
VF_MUST_CHECK int vf_tree_mkdir(struct vf_tree *tree, struct vf_node *directory,
                                const char *name, struct vf_caller *caller,
                                struct vf_entry *ret, struct vf_error *err);

/* -ENOTEMPTY after a fresh listing. Blocks. */
VF_MUST_CHECK int vf_tree_rmdir(struct vf_tree *tree, struct vf_node *directory,
                                const char *name, struct vf_caller *caller,
                                struct vf_error *err);

/* W-delete. Blocks. */
VF_MUST_CHECK int vf_tree_unlink(struct vf_tree *tree,
                                 struct vf_node *directory, const char *name,
                                 struct vf_caller *caller,
                                 struct vf_error *err);

/*
 * E-rename, E-park, E-archive; flags as renameat2(2). Renaming a scratch file
 * to an ordinary name commits what it holds, and renaming a credential to a
 * scratch name parks it. -EOPNOTSUPP, never -EXDEV, between directories;
 * -EINVAL for RENAME_EXCHANGE, and for a document that is not acceptable;
 * -EEXIST with RENAME_NOREPLACE. Blocks.
 */
VF_MUST_CHECK int vf_tree_rename(struct vf_tree *tree,
                                 struct vf_node *directory, const char *name,
                                 struct vf_node *new_directory,
                                 const char *new_name, unsigned flags,
                                 struct vf_caller *caller,
                                 struct vf_error *err);

/* Where a symbolic link of the control directory leads; free() it. -EINVAL for
 * what is no link. Never blocks. */
VF_MUST_CHECK int vf_tree_readlink(struct vf_tree *tree, struct vf_node *node,
                                   char **ret);

/*
 * Open a file; flags as open(2). A file open for writing has a draft of its
 * own. *ret_is_unchanged: what was read of it through an earlier open is still
 * true. Blocks only for the outcome of a mutation that its caller left.
 * -EOPNOTSUPP for writing `.vault.json` where the service cannot change a
 * vault, -EACCES for reading a scratch file, -EROFS, -ESTALE when the name is
 * gone: look it up again. Release it with vf_file_release(), also after the
 * node was forgotten.
 */
VF_MUST_CHECK int vf_tree_open(struct vf_tree *tree, struct vf_node *node,
                               int flags, struct vf_caller *caller,
                               struct vf_file **ret, bool *ret_is_unchanged,
                               struct vf_error *err);

/* A new name: an empty draft, unknown to the service; a vault's spec at the
 * root, a credential's elsewhere. A scratch name gets a scratch file: what is
 * written to it goes nowhere, -ENOSPC when there are too many. Without O_EXCL
 * an existing name is opened. `.vault.json` that was removed comes back. Blocks
 * and fails as open does; -EPERM for names of our own, -EINVAL and
 * -ENAMETOOLONG for what is no name here, -EISDIR. */
VF_MUST_CHECK int vf_tree_create(struct vf_tree *tree,
                                 struct vf_node *directory, const char *name,
                                 int flags, struct vf_caller *caller,
                                 struct vf_entry *ret_entry,
                                 struct vf_file **ret_file,
                                 struct vf_error *err);

/*
 * R-meta: the metadata as committed; a read from offset 0 sees one version
 * whole, and reads behind it see the same one. Of a scratch file, what this
 * handle wrote; -EACCES when another one wrote it. Copies at most size bytes
 * and returns how many. Never blocks.
 */
VF_MUST_CHECK ssize_t vf_file_read(struct vf_tree *tree, struct vf_file *file,
                                   void *buffer, size_t size, off_t offset,
                                   struct vf_error *err);

/*
 * Add bytes to the draft. When they complete the document it is committed, and
 * this blocks for that (W-commit). Returns 0 when all bytes were taken, or
 *   -EINVAL  not a document; not an acceptable spec (err->param); more than a
 *            few gaps at a time (with one the document is unfinished)
 *   -EFBIG   the draft would pass VF_SPEC_MAX bytes
 *   -ENOENT  the name was removed since
 *   -EINTR   the caller was interrupted: the same bytes at the same offset
 *            join the commit in flight
 *   others   from the service
 * To a scratch file any bytes may be written anywhere below VF_SPEC_MAX, and
 * -ENOSPC is for those beyond its share of locked memory.
 * A failure sticks until the draft is truncated to 0 (W-sticky); repeated, it
 * comes without a message. Writes on one node must not overlap.
 */
VF_MUST_CHECK int vf_file_write(struct vf_tree *tree, struct vf_file *file,
                                const void *data, size_t size, off_t offset,
                                struct vf_caller *caller, struct vf_error *err);

/* ftruncate(2) on the draft: 0 starts over, the document's length is accepted;
 * one that completes the document commits, as a write does. Blocks for a commit
 * that its caller left; starting over leaves its outcome to the sink. */
VF_MUST_CHECK int vf_file_truncate(struct vf_tree *tree, struct vf_file *file,
                                   off_t size, struct vf_caller *caller,
                                   struct vf_error *err);

/* truncate(2) by path: nothing changes; a size other than 0 or the present one
 * is -EINVAL. W-empty: 0 is returned for a size of 0, and err has what a record
 * should carry. Other errors: as for open. */
VF_MUST_CHECK int vf_tree_truncate(struct vf_tree *tree, struct vf_node *node,
                                   off_t size, struct vf_error *err);

/* A descriptor was closed. -EINVAL when the document is unfinished, a gap that
 * is left included, and the caller is of the process that opened the file
 * (W-incomplete). Nothing is lost by that yet, so that it is no record. */
VF_MUST_CHECK int vf_file_flush(struct vf_tree *tree, struct vf_file *file,
                                struct vf_caller *caller);

/* fsync(2): the outcome of the last commit. Blocks while one is in flight. */
VF_MUST_CHECK int vf_file_sync(struct vf_tree *tree, struct vf_file *file,
                               struct vf_caller *caller, struct vf_error *err);

/* What it holds and its size move by themselves: no cache may stand between a
 * reader and vf_file_read(). */
bool vf_file_is_live(const struct vf_file *file);

/* The process that opened it, for records; 0: unknown. */
pid_t vf_file_opener(const struct vf_file *file);

/* The last close: drops the draft. When that lost something (W-incomplete), or
 * what was to be replaced was not (W-empty), 0 is not returned but the errno
 * that a record should carry. */
int vf_file_release(struct vf_tree *tree, struct vf_file *file,
                    struct vf_error *err);

#endif
