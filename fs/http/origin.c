/* SPDX-License-Identifier: MIT */
#include "origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#include <curl/curl.h>

static int out_of_memory(struct vf_error *err)
{
    return vf_error_set(err, ENOMEM, "no memory for the HTTP engine");
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char address[INET6_ADDRSTRLEN + 2];

    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    size_t size = strlen(host);
    if (host[0] != '[' || size >= sizeof(address))
        return false;
    memcpy(address, host + 1, size - 1);
    address[size - 2] = '\0';
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* A part of the URL, or NULL when it has none; free it with curl_free(). */
static char *url_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;

    (void)curl_url_get(url, part, &text, 0);
    return text;
}

/* Messages name the part and never quote it: it may hold a password. */
static int check_parts(CURLU *url, struct vf_error *err)
{
    static const struct {
        CURLUPart part;
        const char *name;
    } refused[] = {
        {CURLUPART_USER, "a user name"}, {CURLUPART_PASSWORD, "a password"},
        {CURLUPART_QUERY, "a query"},    {CURLUPART_FRAGMENT, "a fragment"},
        {CURLUPART_ZONEID, "a zone id"},
    };

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char *text = url_part(url, refused[i].part);

        if (text != NULL) {
            curl_free(text);
            return vf_error_set(err, EINVAL, "the base URL must not have %s",
                                refused[i].name);
        }
    }
    return 0;
}

/* port: NULL when the URL names none. */
static int compose(struct vf_http_origin *origin, const char *scheme,
                   const char *host, const char *port, const char *path,
                   struct vf_error *err)
{
    size_t path_size = strlen(path);
    const char *colon = port != NULL ? ":" : "";

    origin->is_tls = strcmp(scheme, "https") == 0;
    if (!origin->is_tls && strcmp(scheme, "http") != 0)
        return vf_error_set(err, EINVAL, "the base URL is not https or http");
    if (!origin->is_tls && origin->unix_socket == NULL && !is_loopback(host))
        return vf_error_set(err, EINVAL,
                            "http is for loopback addresses and unix sockets: "
                            "use https for %s",
                            host);
    if (port == NULL)
        port = "";
    while (path_size > 0 && path[path_size - 1] == '/')
        path_size--;
    if (asprintf(&origin->base, "%s://%s%s%s%.*s", scheme, host, colon, port,
                 (int)path_size, path) < 0) {
        origin->base = NULL;
        return out_of_memory(err);
    }
    int size =
        origin->unix_socket != NULL
            ? asprintf(&origin->name, "unix:%s", origin->unix_socket)
            : asprintf(&origin->name, "%s://%s%s%s", scheme, host, colon, port);
    if (size < 0) {
        origin->name = NULL;
        return out_of_memory(err);
    }
    return 0;
}

static int set_names(struct vf_http_origin *origin, CURLU *url,
                     struct vf_error *err)
{
    char *scheme = url_part(url, CURLUPART_SCHEME);
    char *host = url_part(url, CURLUPART_HOST);
    char *port = url_part(url, CURLUPART_PORT);
    char *path = url_part(url, CURLUPART_PATH);
    int result;

    if (scheme == NULL || host == NULL || path == NULL)
        result = vf_error_set(err, EINVAL, "the base URL has no host");
    else
        result = compose(origin, scheme, host, port, path, err);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    return result;
}

static int read_url(struct vf_http_origin *origin, const char *base_url,
                    struct vf_error *err)
{
    CURLU *url = curl_url();

    if (url == NULL)
        return out_of_memory(err);
    CURLUcode code = curl_url_set(url, CURLUPART_URL, base_url, 0);
    int result =
        code == CURLUE_OK
            ? check_parts(url, err)
            : vf_error_set(err, EINVAL, "the base URL is malformed: %s",
                           curl_url_strerror(code));
    if (result == 0)
        result = set_names(origin, url, err);
    curl_url_cleanup(url);
    return result;
}

static int set_unix_socket(struct vf_http_origin *origin, const char *path,
                           struct vf_error *err)
{
    size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    if (path == NULL)
        return 0;
    if (path[0] == '\0' || strlen(path) > max)
        return vf_error_set(err, EINVAL,
                            "the path of a unix socket has 1 to %zu bytes: %s",
                            max, path);
    origin->unix_socket = strdup(path);
    return origin->unix_socket != NULL ? 0 : out_of_memory(err);
}

/* libcurl would find out at the first connection only. */
static int set_cacert(struct vf_http_origin *origin, const char *path,
                      struct vf_error *err)
{
    char byte;

    if (path == NULL)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, &byte, 1) : -1;
    const char *reason = got < 0 ? strerror(errno) : "it is empty";
    if (fd >= 0)
        (void)close(fd);
    if (got != 1)
        return vf_error_set(err, EPROTO, "cannot read the CA file %s: %s", path,
                            reason);
    origin->cacert = strdup(path);
    return origin->cacert != NULL ? 0 : out_of_memory(err);
}

static char *first_set(const char *const *names)
{
    const char *value = NULL;

    for (; *names != NULL && (value == NULL || *value == '\0'); names++)
        value = getenv(*names);
    return strdup(value != NULL ? value : "");
}

/* libcurl would find out at the first connection only, and quote it, with the
 * password that may be in it. */
static int check_proxy(const char *proxy, struct vf_error *err)
{
    static const char *const schemes[] = {"http",    "https",  "socks4",
                                          "socks4a", "socks5", "socks5h"};
    CURLU *url = curl_url();
    bool is_known = false;

    if (url == NULL)
        return out_of_memory(err);
    char *scheme = NULL;
    if (curl_url_set(url, CURLUPART_URL, proxy,
                     CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) ==
        CURLUE_OK)
        scheme = url_part(url, CURLUPART_SCHEME);
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        is_known =
            is_known || (scheme != NULL && strcmp(scheme, schemes[i]) == 0);
    curl_free(scheme);
    curl_url_cleanup(url);
    if (is_known)
        return 0;
    return vf_error_set(err, EINVAL,
                        "the proxy that the environment names is not one: it "
                        "must be the URL of an http, https or socks proxy");
}

/*
 * What libcurl itself would take from the environment, taken now: it would ask
 * again for each connection, in the engine thread, while others may be
 * changing the environment. A plain-http origin has no proxy, ever: its
 * requests would pass the token to the proxy in clear.
 */
static int set_proxy(struct vf_http_origin *origin, struct vf_error *err)
{
    static const char *const none[] = {NULL};
    static const char *const proxy[] = {"https_proxy", "HTTPS_PROXY",
                                        "all_proxy", "ALL_PROXY", NULL};
    static const char *const no_proxy[] = {"no_proxy", "NO_PROXY", NULL};
    bool has_proxy = origin->is_tls && origin->unix_socket == NULL;

    origin->proxy = first_set(has_proxy ? proxy : none);
    origin->no_proxy = has_proxy ? first_set(no_proxy) : strdup("*");
    if (origin->proxy == NULL || origin->no_proxy == NULL)
        return out_of_memory(err);
    return origin->proxy[0] != '\0' ? check_proxy(origin->proxy, err) : 0;
}

int vf_http_origin_init(struct vf_http_origin *ret,
                        const struct vf_http_options *options,
                        struct vf_error *err)
{
    int result = set_unix_socket(ret, options->unix_socket, err);

    if (result == 0)
        result = read_url(ret, options->base_url, err);
    if (result == 0)
        result = set_cacert(ret, options->cacert, err);
    if (result == 0)
        result = set_proxy(ret, err);
    return result;
}

void vf_http_origin_done(struct vf_http_origin *origin)
{
    free(origin->base);
    free(origin->name);
    free(origin->unix_socket);
    free(origin->cacert);
    free(origin->proxy);
    free(origin->no_proxy);
    *origin = (struct vf_http_origin){0};
}
