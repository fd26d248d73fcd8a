/* SPDX-License-Identifier: MIT
 *
 * One operation at the service: as many requests as it takes, within its
 * deadline.
 */
#ifndef VF_API_CALL_H
#define VF_API_CALL_H

#include "dialect.h"
#include "vaultfs/api.h"
#include "vaultfs/http.h"

#include <pthread.h>

struct vf_auth;
struct vf_names;

struct vf_api {
    vf_dialect_slot dialect;
    struct vf_http *http;   /* borrowed */
    struct vf_auth *auth;   /* borrowed */
    struct vf_names *names; /* NULL: kept nowhere */
    pthread_mutex_t lock;
    pthread_cond_t is_over;        /* on CLOCK_MONOTONIC */
    bool is_shut_down;             /* guarded by lock */
    struct vf_api_account account; /* the same */
};

/* Everything is borrowed until the call ends. */
struct vf_call {
    const struct vf_dialect *dialect;
    enum vf_http_method method;
    enum vf_api_intent intent;
    const char *path;
    uint64_t group;                         /* see struct vf_http_request */
    struct vf_secret *body;                 /* NULL: none */
    const struct vf_secret *const *secrets; /* in the body; some may be NULL */
    size_t secrets_count;
    struct vf_key *key;       /* see struct vf_service_ops; NULL: its own */
    bool is_idempotent;       /* a repetition changes nothing, key or not */
    bool is_gone_success;     /* 404 is what was wanted */
    bool is_conflict_success; /* 409 is, once an earlier reply was lost */
    const char *never_gone; /* added to a 404, which is then EBADMSG; or NULL */
    bool is_ahead;          /* both: see struct vf_list_query */
    bool is_impatient;
    int64_t deadline_ms;
};

/*
 * Returns 0 with a reply that is a success, the secrets of the request struck
 * out of it; *ret is then released with vf_http_reply_done(). Else the errno of
 * the last attempt, with err. Blocks; hold no lock.
 */
VF_MUST_CHECK int vf_call_perform(struct vf_api *api,
                                  const struct vf_call *call,
                                  struct vf_http_reply *ret,
                                  struct vf_error *err);

#endif
