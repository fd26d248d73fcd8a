/* SPDX-License-Identifier: MIT */
#include "internal.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "vaultfs/clock.h"

/* Not isalpha(): that depends on the locale. */
static bool is_letter(char byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool has_control(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return true;
    return false;
}

static bool is_word(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && memcmp(text, word, size) == 0;
}

const char *spec_check_text(const char *text, size_t size)
{
    if (memchr(text, '\0', size) != NULL)
        return "must not contain a NUL byte";
    return NULL;
}

const char *spec_check_name(const char *text, size_t size)
{
    return size == 0 ? "must not be empty" : spec_check_text(text, size);
}

const char *spec_check_secret(const char *text, size_t size)
{
    if (size == 0)
        return "must not be empty";
    if (has_control(text, size))
        return "must not contain a line break or another control character";
    return NULL;
}

/* What a pattern for hosts may look like is the service's to say. */
const char *spec_check_host(const char *text, size_t size)
{
    if (size == 0)
        return "must not be empty";
    if (has_control(text, size) || memchr(text, ' ', size) != NULL)
        return "must not contain spaces or control characters";
    return NULL;
}

const char *spec_check_variable(const char *text, size_t size)
{
    bool is_good = size > 0 && !is_digit(text[0]);

    for (size_t i = 0; i < size; i++)
        is_good = is_good &&
                  (is_letter(text[i]) || is_digit(text[i]) || text[i] == '_');
    return is_good ? NULL
                   : "must be the name of a variable: letters, digits and _, "
                     "and no digit first";
}

const char *spec_check_protocol(const char *text, size_t size)
{
    if (is_word(text, size, "sse") || is_word(text, size, "streamable_http"))
        return NULL;
    return "must be sse or streamable_http";
}

const char *spec_check_time(const char *text, size_t size)
{
    struct timespec time;

    if (strlen(text) == size && vf_time_parse(text, &time) == 0)
        return NULL;
    return "must be a time as in RFC 3339, or null";
}

/* 1..65535 */
static bool is_port(const char *text, size_t size)
{
    unsigned port = 0;

    if (size == 0 || size > 5)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!is_digit(text[i]))
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

/* The inside of the brackets of an IPv6 address. */
static bool is_ipv6(const char *text, size_t size)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (size >= sizeof(copy))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

/* A DNS name or an IPv4 address. Bytes above ASCII are for the service to
 * judge; what a shell leaves of an unset variable ("$HOST", "{host}") is not
 * a name. */
static bool is_host_name(const char *text, size_t size)
{
    if (size == 0 || text[0] == '.' || text[0] == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_letter(text[i]) && !is_digit(text[i]) &&
            (unsigned char)text[i] < 0x80 && strchr("-._", text[i]) == NULL)
            return false;
    return true;
}

/* What stands between "//" and the path: host[:port] */
static const char *check_authority(const char *text, size_t size)
{
    const char *end = text + size;
    const char *host_end;
    bool is_host;

    if (memchr(text, '@', size) != NULL)
        return "must not carry a user name or password";
    if (size > 0 && text[0] == '[') {
        host_end = memchr(text, ']', size);
        is_host = host_end != NULL &&
                  is_ipv6(text + 1, (size_t)(host_end - text) - 1);
        host_end = host_end != NULL ? host_end + 1 : end;
    } else {
        host_end = memchr(text, ':', size);
        host_end = host_end != NULL ? host_end : end;
        is_host = is_host_name(text, (size_t)(host_end - text));
    }
    if (!is_host)
        return "must have a valid host";
    if (host_end < end &&
        (*host_end != ':' ||
         !is_port(host_end + 1, (size_t)(end - host_end) - 1)))
        return "must have a valid port";
    return NULL;
}

const char *spec_check_url(const char *text, size_t size)
{
    size_t scheme = 0;

    /* A backslash is a slash to browsers and a host's byte to others. */
    if (has_control(text, size) || memchr(text, ' ', size) != NULL ||
        memchr(text, '\\', size) != NULL)
        return "must not contain spaces, control characters or backslashes";
    if (strncasecmp(text, "https://", 8) == 0)
        scheme = 8;
    else if (strncasecmp(text, "http://", 7) == 0)
        scheme = 7;
    if (scheme == 0)
        return "must be an absolute http or https URL";
    if (memchr(text, '#', size) != NULL)
        return "must not carry a fragment";
    return check_authority(text + scheme, strcspn(text + scheme, "/?"));
}
