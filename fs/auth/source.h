/* SPDX-License-Identifier: MIT
 *
 * The table of token sources. A new source is one more row and one more file.
 *
 * A source belongs to one thread at a time, but for cancel(), and for what the
 * first read settles: that is constant from then on.
 */
#ifndef VF_AUTH_SOURCE_H
#define VF_AUTH_SOURCE_H

#include "vaultfs/auth.h"

/* Bytes of a token and the end of its line. */
#define VF_AUTH_LINE_MAX (VF_AUTH_TOKEN_MAX + 2)

/* What a source gives. */
struct vf_auth_reading {
    struct vf_secret *token; /* owned; checked: see vf_auth_source_read() */
    int64_t expires_s;       /* CLOCK_REALTIME; 0: not known */
};

/* Each kind has a struct of this name, which begins with a struct
 * vf_auth_source_base. */
struct vf_auth_source;
struct vf_auth_file;

struct vf_auth_kind {
    /*
     * *ret is a new source, or stays NULL when it is not configured. What it
     * names need not exist. Errors: -ENOMEM; -EINVAL for options that
     * contradict each other, or a path that is relative to nothing; others from
     * getcwd(3) and eventfd(2).
     */
    int (*find)(const struct vf_auth_options *options,
                struct vf_auth_source **ret, struct vf_error *err);
    /* Read the bytes of a token, unchecked, and what is told of its end.
     * Blocks. -ECANCELED after cancel(). */
    int (*read)(struct vf_auth_source *source, struct vf_auth_reading *ret,
                struct vf_error *err);
    /* End a read that blocks, now and for ever. From any thread. NULL: none
     * blocks. */
    void (*cancel)(struct vf_auth_source *source);
    /* The source, but for what its base owns. */
    void (*free)(struct vf_auth_source *source);
    bool reads_environment; /* of this process, in the first read */
    const char *hint;       /* what to do about several lines; or NULL */
};

struct vf_auth_source_base {
    const struct vf_auth_kind *kind;
    const struct vf_auth_file *file; /* borrowed from the kind's own, which
                                        watches it; NULL: there is none */
    char *description;               /* owned; for people: "token file /path" */
    bool can_change; /* read again, it may have another token. Both are
                        settled by the first read */
};

/* The first row that is configured. -ENOKEY as vf_auth_new() when none is;
 * -EINVAL when the mount would hide its file. */
VF_MUST_CHECK int vf_auth_source_find(const struct vf_auth_options *options,
                                      struct vf_auth_source **ret,
                                      struct vf_error *err);

/* Read it and check what it gave: see vf_auth_new() for the errors. */
VF_MUST_CHECK int vf_auth_source_read(struct vf_auth_source *source,
                                      struct vf_auth_reading *ret,
                                      struct vf_error *err);

/* Whether its file, if it has one, is another than when it was last read. Cheap
 * as a rule, as it is called for each request; but it may block for ever. */
bool vf_auth_source_has_changed(const struct vf_auth_source *source);
/* Whether it has a file that may be changed under it; without one, or when it
 * cannot change, has_changed() is never true. Cheap, from any thread; settled
 * by the first read. */
bool vf_auth_source_is_watched(const struct vf_auth_source *source);
bool vf_auth_source_can_change(const struct vf_auth_source *source);
bool vf_auth_source_reads_environment(const struct vf_auth_source *source);
const char *vf_auth_source_description(const struct vf_auth_source *source);
void vf_auth_source_cancel(struct vf_auth_source *source);
void vf_auth_source_free(struct vf_auth_source *source); /* NULL is allowed */

/* In the order in which they win; the end is NULL. */
extern const struct vf_auth_kind *const vf_auth_kinds[];

/* The rest is for the kinds. */

extern const struct vf_auth_kind vf_auth_token_file, vf_auth_token_fd,
    vf_auth_token_command, vf_auth_key_file, vf_auth_token_env,
    vf_auth_credential, vf_auth_default_env;

/* Zeroed but for its base. Freed with vf_auth_source_free(); NULL: no memory.
 */
struct vf_auth_source *vf_auth_source_new(size_t size,
                                          const struct vf_auth_kind *kind);

/* Before the end of the first read. -ENOMEM. */
VF_MUST_CHECK int vf_auth_source_describe(struct vf_auth_source *source,
                                          struct vf_error *err,
                                          const char *format, ...)
    VF_PRINTF(3, 4);

/* Trim the newline, refuse what cannot be a token: -EINVAL. noun: what it is,
 * from: where it comes from; hint as in the kind. */
VF_MUST_CHECK int vf_auth_source_check(struct vf_secret *token,
                                       const char *noun, const char *from,
                                       const char *hint, struct vf_error *err);

/* -ENOKEY, `auth_not_configured`, and the ways to give a token. names: the
 * default variables, or NULL; env_file: where they are not either, or NULL. */
int vf_auth_source_missing(const char *const *names, const char *env_file,
                           struct vf_error *err);

#endif
