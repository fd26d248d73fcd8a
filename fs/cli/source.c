/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL_NAME_MAX 64

enum form {
    SERVICE, /* the whole word: a service that we know */
    URL,     /* a prefix: of the URL itself */
    SOCKET,  /* a prefix: a path follows */
    LOCAL,   /* the whole word: the embedded service "default" */
    LOCAL_OF /* a prefix: a name follows */
};

static const struct {
    const char *word;
    enum form form;
    const char *base_url;
    const char *variable; /* wins over base_url when it is set */
    const char *dialect;
} sources[] = {
    {"qoder", SERVICE, "https://api.qoder.com/api/v1/cloud", "QODER_BASE_URL"},
    {"qoder-cn", SERVICE, "https://api.qoder.com.cn/api/v1/cloud"},
    {"anthropic", SERVICE, "https://api.anthropic.com/v1", NULL, "anthropic"},
    {"local", LOCAL},
    {"local:", LOCAL_OF},
    {"unix:", SOCKET},
    {"https://", URL},
    {"http://", URL},
};

#define SOURCES (sizeof(sources) / sizeof(sources[0]))

static bool is_match(size_t i, const char *text)
{
    if (sources[i].form == SERVICE || sources[i].form == LOCAL)
        return strcmp(text, sources[i].word) == 0;
    return strncmp(text, sources[i].word, strlen(sources[i].word)) == 0;
}

static int check_socket(const char *path, struct vf_error *err)
{
    if (path[0] != '/')
        return vf_error_set(err, EINVAL,
                            "unix: needs the absolute path of a socket");
    if (strlen(path) > VF_SOCKET_PATH_MAX)
        return vf_error_set(err, ENAMETOOLONG,
                            "the path of a socket may have %d bytes, not %zu",
                            VF_SOCKET_PATH_MAX, strlen(path));
    return 0;
}

/* It becomes the name of a directory. */
static int check_local_name(const char *name, struct vf_error *err)
{
    size_t size = strlen(name);
    bool is_good = size > 0 && size <= LOCAL_NAME_MAX && name[0] != '.';

    for (size_t i = 0; i < size; i++)
        is_good = is_good && (isalnum((unsigned char)name[i]) ||
                              strchr("._-", name[i]) != NULL);
    if (is_good)
        return 0;
    return vf_error_set(err, EINVAL,
                        "local: takes a name of at most %d letters, digits, "
                        "'.', '_' and '-', without a leading '.'",
                        LOCAL_NAME_MAX);
}

static const char *find_url(size_t i, const char *text)
{
    const char *set =
        sources[i].variable != NULL ? getenv(sources[i].variable) : NULL;

    if (set != NULL && *set != '\0')
        return set;
    return sources[i].form == URL ? text : sources[i].base_url;
}

/* In the one way in which we write it: what is kept for a service is found by
 * its URL. */
static int copy_url(const char *url, char **ret)
{
    size_t size = strlen(url);

    while (size > 0 && url[size - 1] == '/')
        size--;
    *ret = strndup(url, size);
    return *ret != NULL ? 0 : -ENOMEM;
}

/* The same for a socket: without links and detours, if it is there yet. */
static int copy_socket(const char *path, char **ret)
{
    *ret = realpath(path, NULL);
    if (*ret != NULL && strlen(*ret) > VF_SOCKET_PATH_MAX) {
        free(*ret);
        *ret = NULL;
    }
    if (*ret == NULL)
        *ret = strdup(path);
    return *ret != NULL ? 0 : -ENOMEM;
}

static int fill(size_t i, const char *text, struct vf_source *source,
                struct vf_error *err)
{
    const char *socket = NULL, *local = NULL, *url = find_url(i, text);
    const char *rest = text + strlen(sources[i].word);
    int result = 0;

    if (sources[i].form == SOCKET)
        result = check_socket(socket = rest, err);
    else if (sources[i].form == LOCAL)
        local = "default";
    else if (sources[i].form == LOCAL_OF)
        result = check_local_name(local = rest, err);
    if (result < 0)
        return result;
    source->dialect = sources[i].dialect;
    source->name = strdup(text);
    source->local_name = local != NULL ? strdup(local) : NULL;
    if (source->name == NULL ||
        (url != NULL && copy_url(url, &source->base_url) < 0) ||
        (socket != NULL && copy_socket(socket, &source->unix_socket) < 0) ||
        (local != NULL && source->local_name == NULL))
        return vf_error_set(err, ENOMEM, "no memory");
    return 0;
}

int vf_source_parse(const char *text, struct vf_source *ret,
                    struct vf_error *err)
{
    struct vf_source source = {0};
    size_t i = 0;

    if (text == NULL || *text == '\0')
        text = sources[0].word;
    while (i < SOURCES && !is_match(i, text))
        i++;
    if (i == SOURCES)
        return vf_error_set(err, EINVAL,
                            "unknown source: it is qoder, qoder-cn, "
                            "anthropic, local[:NAME], unix:/SOCKET or a URL");
    int result = fill(i, text, &source, err);
    if (result < 0) {
        vf_source_done(&source);
        return result;
    }
    *ret = source;
    return 0;
}

void vf_source_done(struct vf_source *source)
{
    free(source->name);
    free(source->base_url);
    free(source->unix_socket);
    free(source->local_name);
    *source = (struct vf_source){0};
}
