/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum stage {
    CONNECTING, /* nothing was sent */
    SENT,       /* something may have been */
    ANSWERED    /* a line of a reply came */
};

/* os_errno: of the connection attempt, or 0. */
static int find_errno(CURLcode result, long os_errno, enum stage stage)
{
    static const struct {
        CURLcode result;
        int code;
    } failures[] = {
        {CURLE_COULDNT_RESOLVE_HOST, EHOSTUNREACH},
        {CURLE_COULDNT_RESOLVE_PROXY, EHOSTUNREACH},
        {CURLE_OPERATION_TIMEDOUT, ETIMEDOUT},
        {CURLE_OUT_OF_MEMORY, ENOMEM},
        {CURLE_PEER_FAILED_VERIFICATION, EPROTO},
        {CURLE_SSL_CONNECT_ERROR, EPROTO},
        {CURLE_SSL_CACERT_BADFILE, EPROTO},
        {CURLE_SSL_CERTPROBLEM, EPROTO},
        {CURLE_SSL_CIPHER, EPROTO},
        {CURLE_SSL_ENGINE_INITFAILED, EPROTO},
        {CURLE_SSL_INVALIDCERTSTATUS, EPROTO},
        {CURLE_SSL_ISSUER_ERROR, EPROTO},
        {CURLE_FILESIZE_EXCEEDED, EBADMSG},
        {CURLE_UNSUPPORTED_PROTOCOL, EBADMSG}, /* neither HTTP/1 nor HTTP/2 */
        {CURLE_WEIRD_SERVER_REPLY, EBADMSG},
    };
    /* What a failed connection attempt says. */
    static const struct {
        long os_errno;
        int code;
    } attempts[] = {
        {EACCES, EACCES},
        {EPERM, EACCES},
        {EHOSTUNREACH, EHOSTUNREACH},
        {ENETUNREACH, EHOSTUNREACH},
        {ENETDOWN, EHOSTUNREACH},
        {EADDRNOTAVAIL, EHOSTUNREACH},
        {ETIMEDOUT, ETIMEDOUT},
    };

    /* libcurl's name, among others, for a header line above its own limit. */
    if (result == CURLE_OUT_OF_MEMORY && stage != CONNECTING)
        return EBADMSG;
    if (result == CURLE_COULDNT_CONNECT) {
        for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
            if (attempts[i].os_errno == os_errno)
                return attempts[i].code;
        return ECONNREFUSED;
    }
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        if (failures[i].result == result)
            return failures[i].code;
    /* All others are ways in which a connection ends. */
    return stage == ANSWERED ? EBADMSG : EREMOTEIO;
}

/* In a TLS handshake libcurl has one result for a peer that cannot be agreed
 * with and for one that broke off; only its words tell them apart. */
static bool is_cut_in_handshake(const struct vf_http_call *call,
                                CURLcode result)
{
    static const char *const words[] = {
        "SSL_connect: ", /* and the system's reason, or none: OpenSSL has none
                            of its own */
        "Recv failure",
        "Send failure",
    };
    bool is_cut = false;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        is_cut = is_cut || strstr(call->reason, words[i]) != NULL;
    return is_cut && result == CURLE_SSL_CONNECT_ERROR;
}

/* Which proxy is used, if any, libcurl does not say: NO_PROXY decides. */
static bool has_proxy(const struct vf_http_call *call)
{
    return call->http->origin.proxy[0] != '\0';
}

/* What a proxy answered instead of making a tunnel, or 0. */
static long proxy_refusal(const struct vf_http_call *call)
{
    long status = 0;

    curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status / 100 != 2 ? status : 0;
}

/* The errno and the words for a failure. */
static int explain(struct vf_http_call *call, CURLcode result,
                   const char **ret_reason)
{
    enum stage stage = call->has_reply  ? ANSWERED
                       : call->is_begun ? SENT
                                        : CONNECTING;
    long os_errno = 0, refusal = proxy_refusal(call);

    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
    int code = find_errno(result, os_errno, stage);
    *ret_reason = call->reason;
    if (call->refused != 0) {
        code = call->refused;
        *ret_reason = call->why;
    } else if (refusal != 0) {
        code = EHOSTUNREACH;
        (void)snprintf(call->reason, sizeof(call->reason),
                       "the proxy lets nothing through: it answered HTTP %ld",
                       refusal);
    } else if (is_cut_in_handshake(call, result)) {
        code = EREMOTEIO;
        *ret_reason = "the connection ended in the TLS handshake";
    } else if (result == CURLE_COULDNT_CONNECT && !has_proxy(call)) {
        /* libcurl's words name a host and port, also for a unix socket. */
        *ret_reason = strerror(os_errno != 0 ? (int)os_errno : code);
    } else if (call->reason[0] == '\0') {
        *ret_reason = curl_easy_strerror(result);
    }
    return code;
}

void vf_http_failure_explain(struct vf_http_call *call, CURLcode result,
                             struct vf_error *ret_error)
{
    const char *reason;
    int code = explain(call, result, &reason);

    /* The end of one that had been idle is none: libcurl sends again what it
     * may, and fails with one of these where it may not. */
    call->is_reset = code == EREMOTEIO && call->refused == 0;
    (void)vf_error_set(ret_error, code, "%s: %s", call->http->origin.name,
                       reason);
}
