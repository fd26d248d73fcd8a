/* SPDX-License-Identifier: MIT
 *
 * What the sources of this module share: the engine, and a call, which is one
 * request on its way.
 */
#ifndef VAULTFS_HTTP_ENGINE_H
#define VAULTFS_HTTP_ENGINE_H

#include "vaultfs/http.h"
#include "vaultfs/text.h"

#include "hold.h"
#include "origin.h"
#include "turns.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <curl/curl.h>

TAILQ_HEAD(vf_http_call_list, vf_http_call);

/* A descriptor that libcurl has open. */
struct vf_http_socket {
    LIST_ENTRY(vf_http_socket) link;
    int fd;
};

struct vf_http {
    struct vf_http_origin origin; /* constant after vf_http_new() */
    size_t reply_max;             /* constant */
    CURLM *multi; /* the engine thread's; but for curl_multi_wakeup() */
    CURLSH *secret_connections; /* the engine thread's, as are the sockets */
    LIST_HEAD(, vf_http_socket) sockets;
    pthread_t thread; /* constant */
    atomic_uint_fast64_t requests;

    pthread_mutex_t lock; /* a leaf: nothing is locked under it */
    /* Guarded by lock; only the engine thread takes calls off the lists. */
    struct vf_http_call_list queue;  /* waiting for a turn, oldest first */
    struct vf_http_call_list ahead;  /* the same, of those that are ahead */
    struct vf_http_call_list active; /* with libcurl */
    struct vf_http_turns turns;
    struct vf_http_hold hold;
    bool is_shut_down;
};

/*
 * One request. Two sides hold it, the caller and the engine; whoever lets go
 * last frees it. So the caller's wait can end at any moment and the engine
 * clears up by itself.
 */
struct vf_http_call {
    struct vf_http *http; /* borrowed; outlives every call */
    atomic_uint references;
    TAILQ_ENTRY(vf_http_call) link; /* guarded by http->lock */

    /* The request. The caller's until it is queued, then the engine's. */
    enum vf_http_method method;
    char *url;
    struct curl_slist *headers;
    char *token_lead; /* "Authorization: Bearer ", or NULL: no token */
    struct vf_secret *token;
    struct vf_secret *body;
    bool is_body_secret;
    uint64_t group;
    bool is_ahead; /* constant, as are the next two */
    bool is_impatient;
    int64_t deadline_ms;
    struct vf_http_turn turn; /* guarded by http->lock */

    /* The outcome. Guarded by http->lock, constant once settled. */
    pthread_cond_t changed;
    bool is_settled;
    bool is_begun; /* its first byte may have been sent; set by the engine */
    enum vf_http_fate fate;
    struct vf_error error; /* code 0: there is a reply */

    /* The transfer. The engine's, but for the reply of a call that was settled
     * with code 0: that is the caller's. */
    CURL *easy;
    struct curl_slist *token_header;
    size_t header_size;
    int socket;         /* opened for this call and not checked yet, or -1 */
    bool has_opened;    /* a socket was opened for this call */
    bool is_stale;      /* it got a connection that had ended: restart it */
    bool is_reset;      /* the connection ended, and not for idleness */
    int refused;        /* the errno for which a callback ended it, or 0 */
    const char *why;    /* the message that goes with refused */
    bool is_head_whole; /* the empty line came */
    bool has_reply;     /* the first line of a reply came */
    struct vf_buf text; /* body of the reply so far */
    struct vf_http_reply reply;
    char reason[CURL_ERROR_SIZE]; /* libcurl's words */
};

/* call.c */

/*
 * Copy a request; the secrets are referenced. *ret has one reference. Errors:
 * -EINVAL for a path or header that must not be sent, -ENOMEM.
 */
VF_MUST_CHECK int vf_http_call_new(struct vf_http *http,
                                   const struct vf_http_request *request,
                                   struct vf_http_call **ret,
                                   struct vf_error *err);
void vf_http_call_ref(struct vf_http_call *call);
void vf_http_call_unref(struct vf_http_call *call);

/* Drop the secrets and every copy of them that this module made. */
void vf_http_call_forget(struct vf_http_call *call);

/*
 * Fix the outcome: an error, or with error NULL the reply. The first to come
 * decides; false: it was decided before. http->lock must be held. The caller is
 * told by vf_http_call_tell(), best without the lock: he needs it at once.
 */
bool vf_http_call_settle(struct vf_http_call *call,
                         const struct vf_error *error);
void vf_http_call_tell(struct vf_http_call *call);

/* queue.c */

/*
 * Let a call wait for its turn: then the queue has a reference, and the engine
 * is to be woken. False: a hold leaves it no time, and it has its outcome.
 * http->lock must be held.
 */
VF_MUST_CHECK bool vf_http_queue_add(struct vf_http *http,
                                     struct vf_http_call *call);

/* The next call whose turn it is at now_ms, moved to the active ones with the
 * queue's reference, or NULL. http->lock must not be held. */
struct vf_http_call *vf_http_queue_next(struct vf_http *http, int64_t now_ms);

/* Take a call off the active ones and note what its end, with this error or
 * with a reply (NULL), tells of the origin. http->lock must be held. */
void vf_http_queue_end(struct vf_http_call *call, const struct vf_error *error);

/* transfer.c: in the engine thread only, http->lock not held */

/* Make call->easy, ready for libcurl. -ENOMEM; transfer_end() all the same. */
VF_MUST_CHECK int vf_http_transfer_begin(struct vf_http_call *call);

/* Turn libcurl's result into the outcome: true and a complete call->reply, or
 * false and *ret_error. */
bool vf_http_transfer_judge(struct vf_http_call *call, CURLcode result,
                            struct vf_error *ret_error);

/* After is_stale: make call->easy, which must not be in the multi any more,
 * ready for libcurl again, to be sent over a new connection. */
void vf_http_transfer_restart(struct vf_http_call *call);

/* Free call->easy, which must not be in the multi any more, and forget. */
void vf_http_transfer_end(struct vf_http_call *call);

/* gate.c: as transfer.c */

/* How the call's connection is made, and who says when it may be used. */
void vf_http_gate_set(CURL *easy, struct vf_http_call *call);

/* What is kept of the sockets, when libcurl has closed the last of them. */
void vf_http_gate_forget(struct vf_http *http);

/* For a callback that ends a call: why, a string that stays. Returns what stops
 * libcurl before it sends. */
int vf_http_gate_refuse(struct vf_http_call *call, int code, const char *why);

/* failure.c */

#define VF_HTTP_NO_REPLY "the connection ended before the reply began"

/* What libcurl's failure is to our callers, and the reason in words. In the
 * engine thread only. */
void vf_http_failure_explain(struct vf_http_call *call, CURLcode result,
                             struct vf_error *ret_error);

#endif
