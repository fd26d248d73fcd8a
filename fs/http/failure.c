/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <errno.h>

int vf_http_failure_errno(CURLcode result, long os_errno,
                          enum vf_http_stage stage)
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
    if (result == CURLE_OUT_OF_MEMORY && stage != VF_HTTP_CONNECTING)
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
    return stage == VF_HTTP_ANSWERED ? EBADMSG : EREMOTEIO;
}
