/* SPDX-License-Identifier: MIT
 *
 * What the sources of the tree share. Everything here is guarded by the tree's
 * lock, and every function expects it held, unless it says otherwise.
 */
#ifndef TREE_INTERNAL_H
#define TREE_INTERNAL_H

#include <pthread.h>

#include "ahead.h"
#include "draft.h"
#include "index.h"
#include "job.h"
#include "vaultfs/name.h"
#include "vaultfs/tree.h"

/* How long a change made here outweighs a listing that does not show it. */
#define VF_OWN_CHANGE_MS 60000
/* How long a touched name without content stays after its last close. */
#define VF_EMPTY_DRAFT_MS 60000
/* The same for a vault's spec that was committed. */
#define VF_SPENT_DRAFT_MS 2000

#define VF_INFO_NAME ".vault.json"
#define VF_ARCHIVE_NAME ".archive"
#define VF_CONTROL_NAME ".vaultfs"

enum vf_node_kind {
    VF_NODE_ROOT,
    VF_NODE_VAULT,
    VF_NODE_INFO, /* .vault.json */
    VF_NODE_CREDENTIAL,
    VF_NODE_DRAFT,   /* a name that the service does not know */
    VF_NODE_SCRATCH, /* a tool's temporary file, never sent */
    VF_NODE_PARKED,  /* a credential under a scratch name; without an id it is
                        spent: what it was lives on under another name */
    VF_NODE_ARCHIVE, /* .archive, of a vault or of the root */
    VF_NODE_CONTROL_DIRECTORY, /* .vaultfs, and by-id in it */
    VF_NODE_CONTROL,           /* a file of .vaultfs */
    VF_NODE_LINK               /* in by-id */
};

/* A file's content at one moment; never changes. */
struct vf_text {
    unsigned references;
    unsigned size;
    char data[];
};

/* An id that was deleted here: listings that still show it are late. */
struct vf_tombstone {
    struct vf_tombstone *next;
    uint64_t changed_at;
    int64_t until_ms; /* CLOCK_BOOTTIME */
    char id[VF_ID_MAX + 1];
};

/* The part of a node that is a directory. */
struct vf_listing {
    struct vf_index by_name;
    struct vf_index by_id; /* those that the service knows */
    bool is_known;         /* a whole listing was here once */
    bool is_going;         /* the directory is being deleted */
    bool is_down;          /* the last fetch ended without an answer */
    int64_t fetched_ms;    /* CLOCK_BOOTTIME */
    int64_t expires_ms;
    uint64_t expired_at;  /* the clock of changes, when last made to expire */
    struct vf_job *fetch; /* in flight; borrowed */
    size_t places[VF_ORDERS]; /* of a vault, see ahead.c */
    unsigned asked_by;        /* the walk that had it fetched ahead last */
    bool is_ahead; /* it was fetched ahead, and not looked at since */
    struct vf_job *mutations; /* not done, oldest first; borrowed */
    struct vf_tombstone *tombstones;
    struct timespec changed; /* the last change made here */
    uint64_t names; /* how often they changed, see vf_listing_change_names() */
    uint64_t shown; /* of these, what a cache above may have */
    int64_t shown_life; /* expires_ms, when they were shown; 0: do not trust */
    size_t cacheable;   /* snapshots that are open, which it takes from */
    size_t lapsed;      /* see vf_tree_lapse(); since then */
    struct vf_snapshot *snapshots; /* that are open, the last one first */
    struct vf_node *info;          /* a vault's .vault.json; a reference */
    struct vf_node *archive; /* of a vault or the root; a reference, or NULL
                                while nobody has asked for it */
};

struct vf_node {
    enum vf_node_kind kind;
    bool is_linked;    /* its name is in its parent */
    bool is_removed;   /* its name was removed here: it never comes back */
    bool is_hidden;    /* .vault.json after rm */
    bool is_listed;    /* false only while a listing is reconciled that has not
                          shown it (yet) */
    bool is_made_here; /* created through this mount */
    bool is_spent;     /* a draft at the root whose vault was made under another
                          name: it is listed no more */
    struct vf_file *files; /* that are open */
    unsigned version;      /* of the content */
    unsigned read_version; /* that the last open for reading saw */
    uint64_t references;   /* 1 while linked, each file, each lookup */
    uint64_t ino;
    uint64_t changed_at; /* the clock of changes, when last changed here */
    int64_t changed_ms;  /* CLOCK_BOOTTIME of that; of a draft: last close */
    struct timespec mtime;
    struct vf_node *parent; /* a reference; NULL for the root */
    struct vf_node *next_node, *previous_node; /* all nodes of the tree */
    char *name;
    char *id;   /* NULL for what the service does not know; once
                   known, constant for vaults */
    char *home; /* of a parked credential: the name that it had */
    struct vf_scratch *scratch; /* of a scratch file: what it holds */
    struct vf_text *text;       /* NULL: empty */
    struct vf_listing *listing; /* NULL: not a directory */
};

/* The thread of sweep.c. */
struct vf_sweeper {
    pthread_cond_t wanted; /* valid while it is running */
    pthread_t thread;
    bool is_running;
    bool is_ending;
    int64_t next_ms; /* CLOCK_BOOTTIME: when it looks again */
};

/* A credential that was deleted here. */
struct vf_removal {
    uint64_t directory_ino; /* 0: none */
    int64_t removed_ms;     /* CLOCK_BOOTTIME */
    pid_t process;          /* who did it; 0: unknown */
    char id[VF_ID_MAX + 1];
    char name[VF_NAME_MAX + 1];
};
#define VF_REMOVALS 16

struct vf_tree {
    struct vf_tree_options options;
    struct vf_tree_watch watch;
    pthread_mutex_t lock;
    bool is_shut_down;
    uint64_t changes; /* a clock that counts changes made here, and fetches */
    uint64_t count;   /* of vaults and credentials */
    struct vf_node *root;
    struct vf_node *control; /* .vaultfs; a reference, or NULL as above */
    struct vf_node *nodes; /* all, also those that only the kernel refers to */
    struct vf_pool pool;
    struct vf_page probe; /* the first page of vaults, if is_probed */
    bool is_probed;
    int64_t probed_ms;
    bool is_degraded; /* the last fetch of a listing got no answer */
    uint64_t lookups_cached, listings_fetched; /* see struct vf_tree_stats */
    uint64_t listings_ahead, ahead_unused;
    struct vf_ahead ahead[2]; /* of the root, and of its archive */
    unsigned walks;           /* that were recognised so far */
    unsigned ahead_flights;   /* fetches ahead that are not done */
    unsigned ahead_failures;  /* of these, since a listing last arrived */
    struct vf_removal removals[VF_REMOVALS]; /* a ring */
    unsigned next_removal;
    /* Learned from an answer, for the life of the mount: no call of this
     * service updates a credential. Not guarded. */
    atomic_bool lacks_update;
    unsigned scratch_files;
    size_t scratch_locked, scratch_locked_max; /* bytes of memory */
    struct vf_sweeper sweeper;
};

/* What a name that somebody types in a directory is for. */
enum vf_name_class {
    VF_CLASS_ORDINARY, /* a vault, a credential, or a spec of one */
    VF_CLASS_SCRATCH,
    VF_CLASS_INFO /* a vault's own metadata */
};

/* node.c: nodes and their names; attributes.c: what they are, and show */
/* Names that are always there aside: see vf_control_check(). */
enum vf_name_class vf_node_class(const struct vf_node *directory,
                                 const char *name);
bool vf_node_is_directory(const struct vf_node *node);
/* Of the vault that a directory shows the credentials of; NULL: none. */
const char *vf_node_vault_id(const struct vf_node *directory);
/* Its objects are vaults: the root, and the root's archive. */
bool vf_node_holds_vaults(const struct vf_node *directory);
/* An archive, or below one. */
bool vf_node_is_archived(const struct vf_node *node);
struct vf_node *vf_node_ref(struct vf_node *node);
void vf_node_unref(struct vf_tree *tree, struct vf_node *node, uint64_t count);
/* A linked child; the reference is the link's. NULL: no memory. */
struct vf_node *vf_node_new_child(struct vf_tree *tree, struct vf_node *parent,
                                  enum vf_node_kind kind, const char *name,
                                  const char *id);
/* One that is reached by its name alone: not among the children of its parent,
 * which refers to it by a field of its own. The reference is that field's, and
 * goes with vf_node_drop_aside(); NULL: no memory. */
struct vf_node *vf_node_new_aside(struct vf_tree *tree, struct vf_node *parent,
                                  enum vf_node_kind kind, const char *name);
/* The name goes, and all below it; *node is NULL then. */
void vf_node_drop_aside(struct vf_tree *tree, struct vf_node **node);
struct vf_node *vf_node_new_root(struct vf_tree *tree);
struct vf_node *vf_node_child(const struct vf_node *directory,
                              const char *name);
struct vf_node *vf_node_child_by_id(const struct vf_node *directory,
                                    const char *id);
/* Put a name back, or take it away; what hangs below goes too. */
int vf_node_link(struct vf_tree *tree, struct vf_node *node);
void vf_node_unlink(struct vf_tree *tree, struct vf_node *node);
/* Under another directory and name, which are free, with all that is below it.
 * -ENOMEM: nothing was done, or it has no name any more (see is_linked). */
int vf_node_move(struct vf_tree *tree, struct vf_node *node,
                 struct vf_node *parent, const char *name);
/* Link it under another name, which is free, and tell the watch of both names.
 * -ENOMEM: the old name stays. */
int vf_node_rename(struct vf_tree *tree, struct vf_node *node,
                   const char *new_name);
/* The service does not know it any more, or knows another node as this one. */
void vf_node_drop_id(struct vf_tree *tree, struct vf_node *node);
/* Make a credential of a draft, or give a credential another id, or a pending
 * vault one. */
int vf_node_set_id(struct vf_tree *tree, struct vf_node *node, const char *id);
/* A credential that is gone, whose writer may bring it back: a draft again. */
void vf_node_become_draft(struct vf_tree *tree, struct vf_node *node);
/* Content and time as the service has them now. */
int vf_node_set_object(struct vf_tree *tree, struct vf_node *node,
                       const struct vf_object *object);
int vf_node_set_text(struct vf_tree *tree, struct vf_node *node,
                     const char *data, size_t size);
void vf_node_changed_here(struct vf_tree *tree, struct vf_node *node);
/* Show .vault.json no more, or again. */
void vf_node_set_hidden(struct vf_node *info, bool is_hidden);
/* Whether the service can change a vault's own metadata. */
bool vf_tree_can_change_vaults(const struct vf_tree *tree);
/* When a draft's name goes (CLOCK_BOOTTIME), INT64_MAX: never. */
int64_t vf_node_expires_ms(const struct vf_node *node);
bool vf_node_is_expired_draft(const struct vf_node *node);
/* Tell the watch of a name, of a content. */
void vf_node_tell_entry(struct vf_tree *tree, const struct vf_node *directory,
                        const char *name);
void vf_node_tell_content(struct vf_tree *tree, const struct vf_node *node);
void vf_node_fill_entry(struct vf_tree *tree, struct vf_node *node,
                        struct vf_entry *ret);
size_t vf_node_size(const struct vf_node *node);
struct vf_text *vf_text_ref(struct vf_text *text); /* NULL is allowed */
void vf_text_unref(struct vf_text *text);
/* When nothing uses the tree any more: whatever still refers to a node. */
void vf_node_free_all(struct vf_tree *tree);
/* The children, in the order of names; free() it. NULL: no memory. */
struct vf_node **vf_node_children(const struct vf_node *directory);
/* No child but drafts that hold nothing. */
bool vf_node_is_empty_directory(const struct vf_node *directory);

/* file.c: the files that are open */
bool vf_node_has_writer(const struct vf_node *node);
/* Its name was removed, for good: so are the drafts under it. */
void vf_node_drop_drafts(struct vf_node *node);
/* When nothing uses the tree any more: what was open when the mount ended. */
void vf_file_free_all(struct vf_tree *tree);

/* directory.c: who reads directories */
/* Before the names that a directory shows change, or their inode numbers. */
void vf_listing_change_names(struct vf_node *directory);
/* As vf_file_free_all(). */
void vf_snapshot_free_all(struct vf_listing *listing);

/* fetch.c: who asks for listings */
/* A fresh listing; if wants_new, one that is asked for from now on, or that
 * vf_listing_shrunk() asked for. Drops the lock while it waits. */
int vf_listing_ensure(struct vf_tree *tree, struct vf_node *directory,
                      bool wants_new, struct vf_caller *caller,
                      struct vf_error *err);
/* Fetch the listing of a vault, which nobody has asked for yet and for which no
 * fetch is in flight; whoever comes meanwhile joins. Never blocks. */
void vf_listing_fetch_ahead(struct vf_tree *tree, struct vf_node *vault);
/* A credential was removed here. If none is left, and somebody has the vault
 * open, he may be about to remove it, too. Never blocks. */
void vf_listing_shrunk(struct vf_tree *tree, struct vf_node *vault);

/* life.c: how long listings are true */
bool vf_listing_is_fresh(const struct vf_listing *listing);
/* Nothing answered, or nothing but that it is too much just now, as against an
 * answer that we do not like. */
bool vf_listing_is_outage(int code);
/* Whether what was listed before is better than nothing; and whether it is
 * shown, too, for the service is down. */
bool vf_listing_is_worth_showing(const struct vf_tree *tree,
                                 const struct vf_listing *listing);
bool vf_listing_may_be_shown(const struct vf_tree *tree,
                             const struct vf_listing *listing);
/* The next look asks the service. */
void vf_listing_expire(struct vf_tree *tree, struct vf_node *directory);
/* The same, because of a name in it, which the kernel is to forget: a mutation
 * that failed may have been acted upon all the same. */
void vf_listing_distrust(struct vf_tree *tree, struct vf_node *directory,
                         const char *name);
/* Whether a mutation that failed so leaves what listings say as true as it was:
 * it had no access, so that nothing was done. All other refusals were made by a
 * service that looked, and tell that a listing may not be true. Not to be asked
 * of a mutation of several requests some of which were acted upon. */
bool vf_listing_is_untouched(const struct vf_error *err);
/* The listing of a vault that was made a moment ago is known: it is empty. */
void vf_listing_set_empty(struct vf_tree *tree, struct vf_node *directory);

/* listing.c: what a listing says, put into the tree */
/* A name for the service's text that nothing in the directory has yet, with
 * digits of the id if it must be; false when there is none. */
bool vf_listing_free_name(const struct vf_node *directory, const char *text,
                          const char *id, char ret[static VF_NAME_MAX + 1]);
/* A whole listing, whose fetch began at a time of the clock of changes. */
int vf_listing_reconcile(struct vf_tree *tree, struct vf_node *directory,
                         const struct vf_page *page, uint64_t began_at);
/* Put an object that a reply gave into the directory: into the node with its
 * id, else into `preferred` (may be NULL) if that one is free for it, else into
 * a new one. NULL: no memory. */
struct vf_node *vf_listing_adopt(struct vf_tree *tree,
                                 struct vf_node *directory,
                                 const struct vf_object *object,
                                 struct vf_node *preferred);
/* A vault's directory takes the name of its object, with digits of the id if
 * another has it, unless it is called so already. */
VF_MUST_CHECK int vf_listing_rename(struct vf_tree *tree, struct vf_node *vault,
                                    const struct vf_object *object);
/* Deleted here: late listings do not bring it back. */
void vf_listing_bury(struct vf_tree *tree, struct vf_node *directory,
                     const char *id);
/* Listings are believed again. */
void vf_listing_unbury(struct vf_listing *listing);

/* park.c: credentials under scratch names */
/* Whether an id still hangs on it: a spent one is only a text. */
bool vf_park_is_live(const struct vf_node *node);
/* A live parked credential of the directory that had this name; borrowed, or
 * NULL. */
struct vf_node *vf_park_find(const struct vf_node *directory, const char *home);
/* Its id passes to another node: what is left under the scratch name is spent:
 * it keeps its text, and removing it removes nothing. */
void vf_park_spend(struct vf_tree *tree, struct vf_node *parked);
/* The name under which changes of what has this name are serial: a live parked
 * credential's home, else the name itself. Borrowed from either. */
const char *vf_park_key(const struct vf_node *directory, const char *name);

/* remove.c: removing, and what was removed a moment ago */
/* A name that the service does not know, or no more, goes. */
void vf_remove_local(struct vf_tree *tree, struct vf_node *node);
/* Delete a credential, or archive it where that is what rm does. No lock. */
int vf_remove_remote(struct vf_tree *tree, const struct vf_node *directory,
                     const char *id, struct vf_error *err);
/* The last one of a name by a process, borrowed while the lock is held; NULL:
 * none, or too long ago. */
const struct vf_removal *vf_removal_find(const struct vf_tree *tree,
                                         const struct vf_node *directory,
                                         const char *name, pid_t process);

/* mkdir.c: what every change needs */
int64_t vf_deadline(const struct vf_tree *tree);
/* -EPERM or -EINVAL when name cannot be made in directory; else 0, and
 * *ret_text is the service's text for it (NULL: not wanted), to be freed.
 * Needs no lock. */
int vf_check_new_name(const struct vf_node *directory, const char *name,
                      char **ret_text, struct vf_error *err);

#endif
