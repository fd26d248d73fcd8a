/* SPDX-License-Identifier: MIT
 *
 * Where the access token comes from, and when its source is asked again.
 *
 * A source is one row of a table: how it is configured, how it is read. The
 * first that is configured wins. A token is one line of printable ASCII; a
 * trailing newline is trimmed; anything else inside refuses it, a space too.
 *
 * The life of a token. It is in use until the service refuses it (401). Then
 * the source is asked again, once for all who wait; another token is tried. If
 * there is none, or it is refused too, access is expired: everybody fails at
 * once, without a request, and a command tells the user. The source is looked
 * at again when somebody wants a token and a file of the source has changed or
 * 30 s have passed since the last look, and when vf_auth_look_again() is
 * called. What it has then is tried, be it the old token: the service may have
 * changed its mind. A token whose end is known is renewed before it comes.
 *
 * Who puts a token into a file should write another file beside it and rename
 * that: a half-written token may be read, and refused. It does no lasting harm,
 * as the rest is a change too.
 */
#ifndef VAULTFS_AUTH_H
#define VAULTFS_AUTH_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_auth;
struct vf_http_options;
struct vf_secret;

/* Bytes. */
#define VF_AUTH_TOKEN_MAX 65536

/* How long who has a token in hand waits, until it is known whether a file of
 * the source has changed, and in all when it is looked at. */
#define VF_AUTH_JUDGE_MAX_MS 1000
#define VF_AUTH_LOOK_MAX_MS 2000

/* Borrowed until vf_auth_new() returns, but for the sink; NULL: not configured.
 * The sources stand in the order in which they win. */
struct vf_auth_options {
    const char *token_file;
    int token_fd;              /* read to its end, and closed; below 0: none */
    const char *token_command; /* for /bin/sh; prints a token, or a JSON object
                                  with access_token and expires_at (RFC 3339) */
    const char *key_file;      /* of a service account; exchanged for tokens */
    const char *token_env;     /* the name of a variable */
    const char *const
        *default_env; /* names to try last; NULL-terminated. Before
                         them: $CREDENTIALS_DIRECTORY/vaultfs-token
                         (systemd's), if it is there */

    const char *const *other_env; /* names that hold secrets for others: wiped
                                     and not read; the same */
    const char *env_file; /* NAME=value lines, which come before the process
                             environment for token_env and default_env, and
                             are read for these alone */
    const struct vf_http_options *exchange; /* the origin that exchanges keys;
                                               NULL: there is none */
    int64_t command_ms; /* how long token_command may take; 0: 10 s */

    /* Runs when access has expired, for /bin/sh, once until a token works
     * again. Its environment has VAULTFS_MOUNTPOINT, VAULTFS_SOURCE,
     * VAULTFS_REASON (EKEYREJECTED or EKEYEXPIRED) and VAULTFS_MESSAGE. If it
     * succeeds, the source is looked at again at once. 10 s, then it is killed.
     * It may use the mount. */
    const char *on_expired;
    const char *mountpoint; /* for on_expired; NULL: "". No file of the source
                               may lie at or below it */
    const char *source;     /* the same */

    /* Failures that no caller is told of: a renewal, a changed file that has no
     * token, on_expired. The path of a record is "/", its operation is "token"
     * or "on_auth_expired". NULL: nobody wants them. */
    vf_record_sink *sink;
    void *sink_context;

    /* Called once by vf_auth_new(), when it has read the source that it found,
     * also in vain: then nothing else says which it was. description is as of
     * vf_auth_source(), borrowed for the call. NULL: nobody wants it. */
    void (*found)(void *context, const char *description);
    void *found_context;
};

/*
 * Find the source and read it once. Errors, with err->type where a code is
 * given:
 *   -ENOKEY   `auth_not_configured`: no source at all; the message says how to
 *             give one
 *   -ENOKEY   `auth_access_token_env_var_not_configured`: token_env names a
 *             variable that is unset or empty, in env_file and here
 *   -EACCES   a file of the source has group or other bits, or an owner that is
 *             neither us nor root
 *   -EINVAL   the token has a space or a control character, is empty or longer
 *             than VF_AUTH_TOKEN_MAX; a file is not a regular one; token_fd is
 *             a terminal; what a command printed is no token; key_file without
 *             exchange; the mount would hide a file of the source
 *   -ECHILD   token_command failed; the message has its exit status. Its
 *             standard error is ours in this first run; of later ones the last
 *             line is in the message, without what looks like a token
 *   -ETIMEDOUT  token_command took too long, and was killed
 *   -EKEYEXPIRED  the token's end, as the source tells, has passed
 *   -EKEYREJECTED  the service account's key was refused (401)
 *   -EBADF    token_fd is not open for reading
 *   -EPROTO, -EBUSY, -EREMOTEIO, -EBADMSG
 *             the exchange redirects elsewhere, has too much to do, has failed,
 *             is not there or answers no token that can be used; -EACCES when
 *             the key may not be exchanged (403)
 *   others    from opening and reading a file, and from vf_http_perform()
 * Every variable that the options name, not only the one that was read, is then
 * wiped from this process's environment block and unset: so no other thread may
 * be using the environment. *ret is freed with vf_auth_free(). Blocks for
 * files, the command and the exchange. Starts a thread, which reads the source
 * from then on, and one for on_expired; they take no signals.
 */
VF_MUST_CHECK int vf_auth_new(const struct vf_auth_options *options,
                              struct vf_auth **ret, struct vf_error *err);

/* There is a user now who may want to know: on_expired runs from now on, and
 * now if access has expired already. Until then a failure has somebody who
 * waits for it. Does not block. */
void vf_auth_arm(struct vf_auth *auth);

/* End what blocks, a running command too; who waits gets -ECANCELED. From any
 * thread, more than once; does not block. */
void vf_auth_shutdown(struct vf_auth *auth);

/* vf_auth_shutdown(), then wait for the thread. No other thread may be inside a
 * call. NULL is allowed. */
void vf_auth_free(struct vf_auth *auth);

/*
 * The token to send, as a new reference, and its generation, which grows each
 * time that a token is taken up. The source is looked at first when there is
 * reason to; a look that fails, or takes long, leaves a token that works in
 * use: it is waited for no longer than the times above, and half of what is
 * left. When there is no such token, blocks until deadline_ms
 * (CLOCK_MONOTONIC), but for a judgement of files not longer than the times
 * above. Touches no file: a source in the caller's own file system may wait
 * for him. Hold no lock. Errors:
 *   -EKEYREJECTED  access has expired; the message says why
 *   -EKEYEXPIRED   the same, and the end that the source told has passed
 *   -ETIMEDOUT     the source did not answer by the deadline
 *   -ECANCELED     vf_auth_shutdown()
 */
VF_MUST_CHECK int vf_auth_token(struct vf_auth *auth, int64_t deadline_ms,
                                struct vf_secret **ret,
                                unsigned *ret_generation, struct vf_error *err);

/* The service took the token of this generation. Cheap; for every success. One
 * that is late, when that generation is over, counts for nothing. */
void vf_auth_accepted(struct vf_auth *auth, unsigned generation);

/*
 * The token of this generation was refused (401): ask the source again, once
 * for all callers that come with the same generation. refusal is the service's
 * own reason, for on_expired (its message is safe to show); NULL: none. Returns
 * 0 when there is another token now, to be had from vf_auth_token(); else as
 * that. Blocks until deadline_ms; hold no lock.
 */
VF_MUST_CHECK int vf_auth_refused(struct vf_auth *auth, unsigned generation,
                                  const struct vf_error *refusal,
                                  int64_t deadline_ms, struct vf_error *err);

/* Look at the source now, whatever it is (SIGHUP). Does not block: the next
 * vf_auth_token() waits for it, as for any look. */
void vf_auth_look_again(struct vf_auth *auth);

/* Which source is in use, for people: "token file /path". Never the value. */
const char *vf_auth_source(const struct vf_auth *auth);

enum vf_auth_state {
    VF_AUTH_UNUSED,  /* not proved yet */
    VF_AUTH_OK,      /* the service took the token */
    VF_AUTH_REFUSED, /* it was refused: the source is being asked for another,
                        or access has expired */
    VF_AUTH_EXPIRED  /* the same, and its end has passed */
};

struct vf_auth_status {
    enum vf_auth_state state;
    int64_t expires_s; /* CLOCK_REALTIME; 0: not known */
    uint64_t reads;    /* of the source, since the start; failed ones too */
};

void vf_auth_status(struct vf_auth *auth, struct vf_auth_status *ret);

#endif
