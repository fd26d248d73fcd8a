/* SPDX-License-Identifier: MIT
 *
 * A service account's key, which is exchanged for tokens that live an hour.
 *
 * Each exchange has an engine of its own. It costs a thread and a handshake an
 * hour; for that no connection stays that has seen the key, and freeing the
 * engine frees every buffer that did. To cancel is to shut that engine down,
 * which ends a request at once, whatever it waits for.
 */
#include "source.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "file.h"
#include "grant.h"
#include "strike.h"
#include "vaultfs/clock.h"
#include "vaultfs/http.h"
#include "vaultfs/json.h"
#include "vaultfs/secret.h"

#define PATH "/api/v1/serviceToken/exchange"
#define DEADLINE_MS 30000
/* Bytes: a token, escaped, and what else there may be. */
#define REPLY_MAX (4 * VF_AUTH_TOKEN_MAX)

static const char body_text[] =
    "{\"grant_type\":\"client_credentials\",\"audience\":\"qoder\","
    "\"scope\":\"qca.access\",\"ttl_seconds\":3600}";

struct vf_auth_source {
    struct vf_auth_source_base base;
    struct vf_auth_file file;
    struct vf_http_options exchange; /* its strings are in the next three */
    char *base_url;
    char *unix_socket; /* or NULL, as the next */
    char *cacert;
    pthread_mutex_t lock;
    /* Guarded by lock. */
    struct vf_http *http; /* of the exchange that is under way, or NULL */
    bool is_cancelled;
};

/* A path is made absolute, because a daemon changes its directory. */
static int copy_path(const char *path, char **ret, struct vf_error *err)
{
    return path != NULL ? vf_auth_absolute_path(path, ret, err) : 0;
}

static int copy_exchange(struct vf_auth_source *source,
                         const struct vf_http_options *exchange,
                         struct vf_error *err)
{
    source->base_url = strdup(exchange->base_url);
    if (source->base_url == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    int result = copy_path(exchange->unix_socket, &source->unix_socket, err);
    if (result == 0)
        result = copy_path(exchange->cacert, &source->cacert, err);
    source->exchange = (struct vf_http_options){
        .base_url = source->base_url,
        .unix_socket = source->unix_socket,
        .cacert = source->cacert,
        .concurrency = 1,
        .reply_max = REPLY_MAX,
    };
    return result;
}

static int fill(struct vf_auth_source *source,
                const struct vf_auth_options *options, struct vf_error *err)
{
    static const char noun[] = "service account key file";

    source->base.can_change = true;
    source->base.file = &source->file;
    int result = vf_auth_file_init(&source->file, options->key_file, noun, err);
    if (result == 0)
        result = copy_exchange(source, options->exchange, err);
    if (result == 0)
        result = vf_auth_source_describe(source, err, "%s %s", noun,
                                         source->file.path);
    return result;
}

static int find(const struct vf_auth_options *options,
                struct vf_auth_source **ret, struct vf_error *err)
{
    if (options->key_file == NULL)
        return 0;
    if (options->exchange == NULL)
        return vf_error_set(err, EINVAL,
                            "this service exchanges no service account keys: "
                            "give an access token instead");
    struct vf_auth_source *source =
        vf_auth_source_new(sizeof(*source), &vf_auth_key_file);
    if (source == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    pthread_mutex_init(&source->lock, NULL);
    int result = fill(source, options, err);
    if (result < 0)
        vf_auth_source_free(source);
    else
        *ret = source;
    return result;
}

/* The engine, where cancel() finds it. */
static int open_engine(struct vf_auth_source *source, struct vf_error *err)
{
    struct vf_http *http;
    int result = vf_http_new(&source->exchange, &http, err);

    if (result < 0)
        return result;
    pthread_mutex_lock(&source->lock);
    source->http = http;
    if (source->is_cancelled)
        vf_http_shutdown(http);
    pthread_mutex_unlock(&source->lock);
    return 0;
}

static void close_engine(struct vf_auth_source *source)
{
    pthread_mutex_lock(&source->lock);
    struct vf_http *http = source->http;
    source->http = NULL;
    pthread_mutex_unlock(&source->lock);
    vf_http_free(http);
}

static int post(struct vf_auth_source *source, struct vf_secret *key,
                struct vf_http_reply *ret, struct vf_error *err)
{
    struct vf_secret *body;
    int result = vf_secret_from(body_text, sizeof(body_text) - 1, &body, err);

    if (result < 0)
        return result;
    const struct vf_http_request request = {
        .method = VF_HTTP_POST,
        .path = PATH,
        .token_header = "Authorization",
        .token_prefix = "Bearer ",
        .token = key,
        .body = body,
        .is_body_secret = true, /* so that HTTP/1.1 carries the key */
        .deadline_ms = vf_clock_monotonic_ms() + DEADLINE_MS,
    };
    result = open_engine(source, err);
    if (result == 0) {
        result = vf_http_perform(source->http, &request, ret, NULL, err);
        close_engine(source);
    }
    vf_secret_unref(body);
    return result;
}

static const struct {
    int status;
    int code;
} codes[] = {
    {401, EKEYREJECTED}, {403, EACCES},    {404, EBADMSG},
    {405, EBADMSG},      {408, ETIMEDOUT}, {429, EBUSY},
};

static int code_of(int status)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].status == status)
            return codes[i].code;
    switch (status / 100) {
    case 3:
        return EPROTO;
    case 4:
        return EINVAL;
    case 5:
        return EREMOTEIO;
    default:
        return EBADMSG;
    }
}

/* A member of the service's error as it may be shown, or "". */
static void copy_told(char *field, size_t field_size,
                      const struct vf_json *error, const char *member,
                      const struct vf_secret *key)
{
    const char *text = vf_json_get_string(error, member);

    field[0] = '\0';
    if (text != NULL)
        vf_auth_strike_copy(field, field_size, text, strlen(text), key);
}

static const char *origin_of(const struct vf_auth_source *source)
{
    return source->unix_socket != NULL ? source->unix_socket : source->base_url;
}

/* What the status says by itself. */
static void explain(const struct vf_auth_source *source,
                    const struct vf_http_reply *reply, int code,
                    const struct vf_secret *key, char *ret, size_t ret_size)
{
    const char *origin = origin_of(source);
    char location[sizeof(reply->location)];

    vf_auth_strike_copy(location, sizeof(location), reply->location,
                        strlen(reply->location), key);
    if (code == EKEYREJECTED)
        (void)snprintf(ret, ret_size, "the key was refused");
    else if (code == EACCES)
        (void)snprintf(ret, ret_size, "the key may not be exchanged");
    else if (reply->status == 404 || reply->status == 405)
        (void)snprintf(ret, ret_size, "there is no exchange at %s", origin);
    else if (code == EPROTO)
        (void)snprintf(ret, ret_size, "%s redirects to %s, which is refused",
                       origin, location[0] != '\0' ? location : "nowhere");
    else
        (void)snprintf(ret, ret_size, "%s answered HTTP %d", origin,
                       reply->status);
}

static int refuse(const struct vf_auth_source *source,
                  const struct vf_http_reply *reply,
                  const struct vf_secret *key, struct vf_error *err)
{
    struct vf_json *envelope = NULL, *error = NULL;
    char told[VF_ERROR_MESSAGE_MAX / 2], type[sizeof(err->type)];
    char why[VF_ERROR_MESSAGE_MAX / 2];
    int code = code_of(reply->status);

    (void)!vf_json_parse(reply->body, reply->body_size, &envelope, NULL);
    (void)vf_json_get(envelope, "error", &error);
    copy_told(told, sizeof(told), error, "message", key);
    copy_told(type, sizeof(type), error, "type", key);
    vf_json_free(envelope);
    explain(source, reply, code, key, why, sizeof(why));
    int result = vf_error_set(err, code, "%s: %s%s%s", source->base.description,
                              why, told[0] != '\0' ? ": " : "", told);
    if (err != NULL) {
        err->http_status = reply->status;
        vf_error_copy(err->type, sizeof(err->type), type);
        vf_auth_strike_copy(err->request_id, sizeof(err->request_id),
                            reply->request_id, strlen(reply->request_id), key);
    }
    return result;
}

/* What is wrong with it is the exchange's fault, and not the key file's. */
static int read_grant(const struct vf_auth_source *source,
                      const struct vf_http_reply *reply, int64_t asked_s,
                      struct vf_auth_reading *ret, struct vf_error *err)
{
    struct vf_auth_reading reading = {0};
    struct vf_error reason;
    int result = vf_auth_grant_parse(reply->body, reply->body_size, asked_s,
                                     &reading, &reason);

    if (result == 0)
        result =
            vf_auth_source_check(reading.token, "token", "it", NULL, &reason);
    if (result == 0) {
        *ret = reading;
        return 0;
    }
    vf_secret_unref(reading.token);
    return vf_error_set_param(
        err, reason.code == EINVAL ? EBADMSG : reason.code, reason.param,
        "%s: what the exchange at %s answered cannot be used: %s",
        source->base.description, origin_of(source), reason.message);
}

/* Wipes the reply's body. */
static int take_reply(const struct vf_auth_source *source,
                      struct vf_http_reply *reply, int64_t asked_s,
                      const struct vf_secret *key, struct vf_auth_reading *ret,
                      struct vf_error *err)
{
    int result = reply->status == 200 || reply->status == 201
                     ? read_grant(source, reply, asked_s, ret, err)
                     : refuse(source, reply, key, err);

    vf_wipe(reply->body, reply->body_size);
    vf_http_reply_done(reply);
    return result;
}

static int exchange(struct vf_auth_source *source, struct vf_secret *key,
                    struct vf_auth_reading *ret, struct vf_error *err)
{
    /* Before the request: a life that is told counts from then at the latest.
     */
    int64_t asked_s = time(NULL);
    struct vf_http_reply reply;
    struct vf_error reason;
    int result = post(source, key, &reply, &reason);

    if (result < 0)
        return vf_error_set(err, reason.code, "%s: %s",
                            source->base.description, reason.message);
    return take_reply(source, &reply, asked_s, key, ret, err);
}

static int read_token(struct vf_auth_source *source,
                      struct vf_auth_reading *ret, struct vf_error *err)
{
    struct vf_secret *key = NULL;
    int result = vf_auth_file_read(&source->file, VF_AUTH_LINE_MAX, &key, err);

    if (result < 0)
        return result;
    result =
        vf_auth_source_check(key, "key", source->base.description, NULL, err);
    if (result == 0)
        result = exchange(source, key, ret, err);
    vf_secret_unref(key);
    return result;
}

static void cancel(struct vf_auth_source *source)
{
    pthread_mutex_lock(&source->lock);
    source->is_cancelled = true;
    if (source->http != NULL)
        vf_http_shutdown(source->http);
    pthread_mutex_unlock(&source->lock);
}

static void free_source(struct vf_auth_source *source)
{
    pthread_mutex_destroy(&source->lock);
    vf_auth_file_done(&source->file);
    free(source->base_url);
    free(source->unix_socket);
    free(source->cacert);
    free(source);
}

const struct vf_auth_kind vf_auth_key_file = {
    .find = find,
    .read = read_token,
    .cancel = cancel,
    .free = free_source,
};
