/* SPDX-License-Identifier: MIT
 *
 * HTTP requests to one origin, from any thread. The one module that touches
 * libcurl; it knows no JSON.
 *
 * One engine thread drives all transfers. A caller submits a request, waits
 * for it until a deadline, and lets go; the caller's wait ends by its own
 * clock, never by waiting for libcurl. Requests without secrets may share
 * multiplexed HTTP/2 connections; requests that carry secrets in their body
 * run over HTTP/1.1 connections, whose buffers are known to be clean after.
 *
 * What is fixed: redirects are not followed; TLS is 1.2 or later and verified;
 * .netrc, cookies, SSLKEYLOGFILE are off; proxies only for https origins, as
 * the environment says; a request is never sent twice behind the caller's
 * back, with a body. Replies are limited in size.
 */
#ifndef VAULTFS_HTTP_H
#define VAULTFS_HTTP_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_http;
struct vf_secret;

/* A server that says "much later" does not silence us for that long. */
#define VF_HTTP_HOLD_MAX_MS 60000

struct vf_http_options {
    /* https://host[:port][/path], or http:// for loopback addresses and unix
     * sockets only. No userinfo, query or fragment; trailing slashes are
     * dropped. Borrowed until vf_http_new() returns. */
    const char *base_url;
    const char *unix_socket; /* path, or NULL; its peer must be root or us */
    const char *cacert;      /* PEM file to trust instead of the system's */
    unsigned concurrency;    /* requests in flight at once; 0: 16. A quarter
                                more, at least 1, for groups that have none */
    size_t reply_max;        /* bytes of a reply's body; 0: 32 MiB */
};

/*
 * Start the engine. Errors: -EINVAL for a base URL, or a proxy in the
 * environment, that is not acceptable (the message says why), -EPROTO for a
 * cacert that cannot be read, -ENOMEM, -EAGAIN when no thread can be made. The
 * unix socket is looked at per connection.
 *
 * Changes and reads the environment (SSLKEYLOGFILE is unset, the proxies are
 * taken), so no other thread may be changing it. After a fork() the child
 * needs an engine of its own.
 */
VF_MUST_CHECK int vf_http_new(const struct vf_http_options *options,
                              struct vf_http **ret, struct vf_error *err);

/*
 * End every request in flight with -ECANCELED and refuse new ones. Does not
 * block; may be called from any thread, more than once.
 */
void vf_http_shutdown(struct vf_http *http);

/* vf_http_shutdown(), then wait for the engine thread to end. No other thread
 * may be inside a call. NULL is allowed. */
void vf_http_free(struct vf_http *http);

enum vf_http_method { VF_HTTP_GET, VF_HTTP_POST, VF_HTTP_DELETE };

struct vf_http_header {
    const char *name;
    const char *value; /* no control characters */
};

/* Everything is borrowed until the call returns, but the secrets: of those the
 * engine keeps references as long as it needs them. */
struct vf_http_request {
    enum vf_http_method method;
    const char *path; /* below the base URL, begins with "/", encoded, with
                         its query */
    const struct vf_http_header *headers;
    size_t headers_count;
    const char *token_header; /* "Authorization" or "x-api-key", or NULL */
    const char *token_prefix; /* "Bearer " or "" */
    struct vf_secret *token;  /* NULL: none is sent */
    struct vf_secret *body;   /* sent as application/json; NULL: no body */
    bool is_body_secret;      /* take the HTTP/1.1 path */
    uint64_t group;           /* requests that may hang together, one vault's
                                 say, have the same number; 0 is one, too */
    bool is_ahead;            /* nobody waits for it yet: see below */
    bool is_impatient;        /* does not wait for a held origin, see below */
    int64_t deadline_ms;      /* CLOCK_MONOTONIC */
};

struct vf_http_reply {
    int status;
    char request_id[VF_ERROR_ID_MAX + 1]; /* x-request-id or request-id */
    char content_type[64];                /* without parameters, lower case */
    char location[256];                   /* origin of a redirect's target */
    /* Printable ASCII: "?" stands for any other byte, and the rest is cut. */
    char account[128];      /* anthropic-organization-id, or "" */
    char scopes[256];       /* x-oauth-scopes: what the token may do, or "" */
    int64_t retry_after_ms; /* Retry-After-Ms, or Retry-After in seconds or as
                               a date; -1: not given */
    int should_retry;       /* x-should-retry: 1, 0, or -1: not given */
    int64_t took_ms;        /* from its turn to the whole reply */
    char *body;             /* NUL-terminated; never NULL */
    size_t body_size;       /* the NUL not counted */
};

/* What is known of a request that got no reply. */
enum vf_http_fate {
    VF_HTTP_NOT_SENT, /* it cannot have been acted upon */
    VF_HTTP_UNKNOWN   /* it may have been acted upon */
};

/*
 * Do one request and wait for the whole reply, whatever its status.
 *
 * Returns 0 and fills *ret (release it with vf_http_reply_done()), or leaves
 * *ret alone, sets *ret_fate (may be NULL) and returns
 *   -ETIMEDOUT     no whole reply by the deadline
 *   -ECONNREFUSED  nobody listens (for a unix socket: or it is not there)
 *   -EHOSTUNREACH  no route, no such host, or a proxy that lets us not
 *                  through
 *   -EPROTO        TLS not verified
 *   -EACCES        the unix socket's peer is neither root nor us, or the
 *                  system does not let us connect
 *   -EREMOTEIO     the connection ended before the first line of the reply
 *   -EBADMSG       the reply was cut, too large, or not HTTP
 *   -ECANCELED     vf_http_shutdown()
 *   -EINVAL        a path, header or token that would break the request's
 *                  form (a control character); nothing was sent
 *   -EBUSY         the origin is held until after the deadline, or at all and
 *                  the request is impatient; nothing was sent
 *   -ENOMEM        no memory, or no descriptor
 *
 * Turns. Requests above the limit wait their turn, first come first served;
 * the wait counts against the deadline. A quarter more turns, at least one, are
 * for groups with nothing in flight. One that is_ahead waits for all others
 * first, but for every fourth turn, and has none of these. The limit begins at
 * `concurrency`, halves when the origin shows that it has too much to do (429,
 * 503, a connection that it reset), at most once for all requests that were in
 * flight together, and grows back with what succeeds.
 *
 * Held. After a 429 with Retry-After, which is about who asks, the origin is
 * held for that time, though never for more than VF_HTTP_HOLD_MAX_MS: of the
 * requests that read, or those that write, whichever it answered so, none
 * starts. A 503, which is about what was asked for, holds nothing else. Blocks;
 * hold no lock.
 */
VF_MUST_CHECK int vf_http_perform(struct vf_http *http,
                                  const struct vf_http_request *request,
                                  struct vf_http_reply *ret,
                                  enum vf_http_fate *ret_fate,
                                  struct vf_error *err);

void vf_http_reply_done(struct vf_http_reply *reply);

/* How many requests have their turn at a time now: at least 1, at most
 * `concurrency`. Does not block. */
unsigned vf_http_turns(struct vf_http *http);

/* Requests sent since the start, retries counted. */
uint64_t vf_http_requests(const struct vf_http *http);

#endif
