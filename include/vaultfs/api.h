/* SPDX-License-Identifier: MIT
 *
 * The vault service in its own terms: vaults, credentials, pages. Speaks one
 * dialect of the wire format (a table each), retries within bounds, and turns
 * whatever comes back into an object or an errno. Knows nothing of files.
 *
 * The tree uses a service through struct vf_service, so that it can be tested
 * against another one.
 */
#ifndef VAULTFS_API_H
#define VAULTFS_API_H

#include "vaultfs/error.h"
#include "vaultfs/text.h"

#include <stdbool.h>
#include <time.h>

struct vf_auth;
struct vf_http;
struct vf_spec;
struct vf_vault_spec;

/* [A-Za-z0-9_-]{1,64}; anything else in a reply is EBADMSG. */
#define VF_ID_MAX 64

/*
 * One vault or credential as the service shows it. Owns what it points to.
 * There is no field for a secret, on purpose.
 */
struct vf_object {
    char id[VF_ID_MAX + 1];
    char *name;  /* a vault's display_name; a credential's stored file name, or
                    NULL if it has none. UTF-8, may hold anything but NUL. */
    char *label; /* for a credential without a stored name: what it is for, as
                    a file name: "mcp.github.com_sse.json". NULL for vaults. */
    struct timespec created;
    struct timespec updated;
    bool is_archived;
    char *text; /* the object as sent, secrets stripped, pretty, with newline */
    size_t size; /* bytes of text, the NUL not counted */
};

void vf_object_done(struct vf_object *object);

/* One page of a list. */
struct vf_page {
    struct vf_object *objects; /* owned */
    size_t count;
    char *next; /* cursor of the next page, owned; NULL: this was the last */
    int64_t took_ms; /* what its last attempt took, without any wait
                        before it began */
};

void vf_page_done(struct vf_page *page);

/* What differs between services and matters to who uses one. It may change
 * while the service is still being told apart: ask each time. */
struct vf_service_traits {
    const char *dialect; /* static: "qoder", ...; "auto": not told apart yet */
    bool has_keys;       /* a creation that comes again under its key is done
                            once */
    bool can_update_vault;
    bool can_update_credential;
    bool takes_credentials_with_vault; /* see create_vault */
    unsigned credentials_max;          /* documented, in one vault; 0: none */
};

/* A creation's idempotency key. */
struct vf_key {
    char text[VF_UUID_SIZE];
    bool is_old; /* what became of an earlier creation under it is not known */
};

/* Which objects a list is to have. */
enum vf_list { VF_LIST_ACTIVE, VF_LIST_ARCHIVED, VF_LIST_ALL };

/* One page that is wanted. Borrowed for the call. */
struct vf_list_query {
    enum vf_list which;
    const char *cursor;  /* NULL: the first page */
    int64_t deadline_ms; /* CLOCK_MONOTONIC */
    bool is_ahead;       /* nobody waits for it yet: others have their turn
                            before it, and what passes is not tried again */
    bool is_impatient;   /* who asks has an older answer to go by: a service
                            that wants to be left alone for a while (429, 503)
                            is not waited for, nor asked while it is held */
};

/*
 * The operations of a service. All but the first three block until the reply
 * or deadline_ms (CLOCK_MONOTONIC; for all attempts together) and may be called
 * from any thread; hold no lock. Outputs are untouched on failure, and are
 * released with vf_object_done() or vf_page_done(). Errors are those of
 * vf_api_errno(), vf_http_perform() and vf_auth_token(); err has the service's
 * own message and request id, or else the request id that was sent. A 404 for
 * the list of vaults itself, which is never gone, is -EBADMSG: the base URL is
 * wrong; and so is any 404 without the service's own error, which somebody in
 * between made: it does not tell that anything is gone. To an update it is
 * -ENOENT all the same: a service without that call may know no better, and who
 * asked looks at the credential before anything is believed to be gone.
 *
 * A request whose token is refused (401) is sent once more when the source has
 * another one; else -EKEYREJECTED or -EKEYEXPIRED. err then has the service's
 * reason first and ours behind it; but where access had expired before anything
 * was sent, ours alone, without a status.
 *
 * What passes is tried again, three times in all and before the deadline: no
 * connection, 408, 429, 5xx; and a lost reply, but for a creation without a key
 * (has_keys). Not so a list that is_ahead.
 *
 * err->is_unknown: a change that may have been done all the same. Its reply was
 * lost, or late, or is not what the service promises; or it was 408 or a 5xx,
 * which a gateway answers for who may have acted, but for 501 and 503; or what
 * came after one of these does not settle it: 401, 403, 409, 429, 503, no
 * connection, no token. The message says so, too.
 *
 * key: all requests of the call go under it, as long as nothing but a lost
 * reply, 408, 429 or a 5xx but 501 was the answer; once another was, key->text
 * is a new one. It stays whenever is_unknown is set; and when it is old,
 * whatever the answer, for a refusal now is none of what came before: with a
 * failure of the service's, or for want of a token, is_unknown is then set,
 * too. is_old itself is for the caller to change.
 *
 * No object, page or error has a secret that was sent with the request, nor the
 * access token, wherever the service put it.
 */
struct vf_service_ops {
    void (*traits)(void *service, struct vf_service_traits *ret);
    /* With the next request the source of the access token is looked at again.
     * Does not block; a lock may be held. */
    void (*refresh)(void *service);
    /* How many requests have their turn at a time now; at least 1. It shrinks
     * when the service has too much to do, and grows back. Does not block; a
     * lock may be held. */
    unsigned (*turns)(void *service);
    int (*list_vaults)(void *service, const struct vf_list_query *query,
                       struct vf_page *ret, struct vf_error *err);
    int (*list_credentials)(void *service, const char *vault_id,
                            const struct vf_list_query *query,
                            struct vf_page *ret, struct vf_error *err);
    /* The spec has a display_name. Its credentials are sent along where the
     * service takes them, stored under their stored_name, and come back in
     * *ret_credentials, all of them (always set on success, without a next
     * page); else they are not looked at, and none is there. -ENODATA: the
     * service wants a first credential. */
    int (*create_vault)(void *service, const struct vf_vault_spec *spec,
                        struct vf_key *key, int64_t deadline_ms,
                        struct vf_object *ret, struct vf_page *ret_credentials,
                        struct vf_error *err);
    /* Change display_name and metadata, each if given: metadata is then all of
     * it. current_text as for update_credential. Without any difference nothing
     * is sent. -EOPNOTSUPP where the service has no such call. */
    int (*update_vault)(void *service, const char *vault_id,
                        const struct vf_vault_spec *spec,
                        const char *current_text, size_t current_size,
                        int64_t deadline_ms, struct vf_object *ret,
                        struct vf_error *err);
    int (*archive_vault)(void *service, const char *vault_id,
                         int64_t deadline_ms, struct vf_error *err);
    /* 404 is success: gone is gone. */
    int (*delete_vault)(void *service, const char *vault_id,
                        int64_t deadline_ms, struct vf_error *err);
    /* Keeps name (NULL: none) with the credential where the service has a
     * place, else on this machine. -EINVAL with err->param before any request
     * for what the service has no place for. */
    int (*create_credential)(void *service, const char *vault_id,
                             const char *name, const struct vf_spec *spec,
                             struct vf_key *key, int64_t deadline_ms,
                             struct vf_object *ret, struct vf_error *err);
    int (*get_credential)(void *service, const char *vault_id, const char *id,
                          int64_t deadline_ms, struct vf_object *ret,
                          struct vf_error *err);
    /* Rotate in place: the spec's secrets, and its metadata where it has any:
     * that is then all of the metadata but the name. current_text is the
     * credential as last seen (vf_object.text; NULL: unknown): a merge patch
     * removes only keys that it names. An expiry that it shows and a spec with
     * a new value lacks is cleared. A difference that an update cannot make is
     * -EINVAL before any request, and err->param names the field. name as for
     * create. A spec without secrets and without any difference (the name
     * counts) sends nothing. -ENOENT: 404. -EOPNOTSUPP: 405 or 501. */
    int (*update_credential)(void *service, const char *vault_id,
                             const char *id, const char *name,
                             const struct vf_spec *spec,
                             const char *current_text, size_t current_size,
                             int64_t deadline_ms, struct vf_object *ret,
                             struct vf_error *err);
    /* Keep another name with the credential, there or here; all else stays.
     * current_text is not NULL. -EOPNOTSUPP where there is no place for it. */
    int (*rename_credential)(void *service, const char *vault_id,
                             const char *id, const char *name,
                             const char *current_text, size_t current_size,
                             int64_t deadline_ms, struct vf_object *ret,
                             struct vf_error *err);
    /* 404 is success, as above. */
    int (*delete_credential)(void *service, const char *vault_id,
                             const char *id, int64_t deadline_ms,
                             struct vf_error *err);
    int (*archive_credential)(void *service, const char *vault_id,
                              const char *id, int64_t deadline_ms,
                              struct vf_error *err);
};

struct vf_service {
    const struct vf_service_ops *ops;
    void *self;
};

/* What a request was for: decides some statuses. UPDATE: a change for which a
 * service may have no call. */
enum vf_api_intent { VF_API_READ, VF_API_CREATE, VF_API_CHANGE, VF_API_UPDATE };

/*
 * The errno (positive) for an HTTP status that is not a success. Pure.
 * 401 EKEYREJECTED; 403 EACCES; 404 ENOENT; 405, 501 EOPNOTSUPP; 408
 * ETIMEDOUT; 409 EEXIST on create, else EBUSY; 412, 423, 429 EBUSY; 413, 431
 * EFBIG; 400, 422 and other 4xx EINVAL; 5xx EREMOTEIO; 3xx EPROTO; all else
 * EBADMSG.
 */
int vf_api_errno(int status, enum vf_api_intent intent);

struct vf_api;

struct vf_api_options {
    /* "qoder", "qoder-flat", "anthropic"; "auto": one of Qoder's two, told
     * apart by the first vault that the service shows, and remembered. */
    const char *dialect;
    /* Where file names are kept that the service has no place for, a directory
     * that is made when needed; NULL: nowhere. Borrowed for the call. */
    const char *state_directory;
    const char *base_url; /* tells services apart there; as above */
};

/* http and auth are borrowed for the life of the api. Errors: -EINVAL for an
 * unknown dialect, -ENOMEM. */
VF_MUST_CHECK int vf_api_new(const struct vf_api_options *options,
                             struct vf_http *http, struct vf_auth *auth,
                             struct vf_api **ret, struct vf_error *err);

/*
 * End every pause between two attempts now, and allow no more: who pauses gets
 * -ECANCELED. Who waits for a token is let go by vf_auth_shutdown(), requests
 * in flight are ended by vf_http_shutdown(); both come after. From any thread;
 * does not block.
 */
void vf_api_shutdown(struct vf_api *api);

/* No other thread may be inside a call. NULL is allowed. */
void vf_api_free(struct vf_api *api);

/* Who the service says that the token belongs to, and what it may be used for,
 * by the last reply that said so; "" when none did. Printable ASCII. */
struct vf_api_account {
    char name[128];
    char scopes[256];
};
void vf_api_account(struct vf_api *api, struct vf_api_account *ret);

/* The service's operations; valid as long as the api. */
struct vf_service vf_api_service(struct vf_api *api);

#endif
