/* SPDX-License-Identifier: MIT */
#include "failure.h"

#include "redact.h"
#include "vaultfs/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Beyond this it is no error envelope, whatever it is. */
#define ENVELOPE_MAX 65536

void vf_failure_add(struct vf_error *err, const char *text)
{
    char message[sizeof(err->message) + 512];

    if (err == NULL)
        return;
    (void)snprintf(message, sizeof(message), "%s%s", err->message, text);
    vf_error_copy(err->message, sizeof(err->message), message);
}

void vf_failure_set_unknown(struct vf_error *err)
{
    if (err == NULL || err->is_unknown)
        return;
    err->is_unknown = true;
    vf_failure_add(err, "; the outcome is unknown: the service may have done "
                        "it");
}

/* The service's own error; NULL for what is none. Freed with vf_json_free(). */
static struct vf_json *read_envelope(const struct vf_http_reply *reply,
                                     struct vf_json **ret_error)
{
    struct vf_json *envelope = NULL;

    *ret_error = NULL;
    if (reply->body_size <= ENVELOPE_MAX)
        (void)!vf_json_parse(reply->body, reply->body_size, &envelope, NULL);
    (void)vf_json_get(envelope, "error", ret_error);
    return envelope;
}

static bool is_own(const struct vf_json *error)
{
    return vf_json_get_string(error, "type") != NULL;
}

bool vf_failure_is_told(const struct vf_http_reply *reply)
{
    struct vf_json *error;
    struct vf_json *envelope = read_envelope(reply, &error);
    bool is_told = is_own(error);

    vf_json_free(envelope);
    return is_told;
}

int vf_failure_foreign(const char *content_type, struct vf_error *err)
{
    return vf_error_set(err, EBADMSG,
                        "HTTP 404 came without the service's own error (%s): "
                        "it does not tell that anything is gone",
                        content_type[0] != '\0' ? content_type
                                                : "of no content type");
}

/* What to say when the service says nothing that can be understood. */
static void set_general_message(const struct vf_http_reply *reply, int code,
                                const struct vf_in_flight *secrets,
                                struct vf_error *err)
{
    char location[sizeof(reply->location)];
    char content_type[sizeof(reply->content_type)];

    vf_redact_copy(location, sizeof(location), reply->location, secrets);
    vf_redact_copy(content_type, sizeof(content_type), reply->content_type,
                   secrets);
    if (reply->status == 404 && code == EBADMSG)
        (void)vf_failure_foreign(content_type, err);
    else if (reply->status / 100 == 3)
        (void)vf_error_set(err, code,
                           "the service answered HTTP %d: it redirects to %s; "
                           "redirects are not followed",
                           reply->status,
                           location[0] != '\0' ? location : "somewhere else");
    else
        (void)vf_error_set(err, code, "the service answered HTTP %d",
                           reply->status);
}

/* The service's own words, where there are any. */
static void copy_fields(const struct vf_http_reply *reply,
                        const struct vf_json *envelope,
                        const struct vf_json *error,
                        const struct vf_in_flight *secrets,
                        struct vf_error *err)
{
    const char *id = vf_json_get_string(envelope, "request_id");
    const struct {
        const char *text;
        char *field;
        size_t size;
    } fields[] = {
        {vf_json_get_string(error, "message"), err->message,
         sizeof(err->message)},
        {vf_json_get_string(error, "type"), err->type, sizeof(err->type)},
        {vf_json_get_string(error, "param"), err->param, sizeof(err->param)},
        {id != NULL && id[0] != '\0' ? id : reply->request_id, err->request_id,
         sizeof(err->request_id)},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (fields[i].text != NULL && fields[i].text[0] != '\0')
            vf_redact_copy(fields[i].field, fields[i].size, fields[i].text,
                           secrets);
}

int vf_failure_read(const struct vf_http_reply *reply,
                    enum vf_api_intent intent,
                    const struct vf_in_flight *secrets, struct vf_error *err)
{
    int code = vf_api_errno(reply->status, intent);
    struct vf_json *error;
    struct vf_json *envelope = read_envelope(reply, &error);

    if (reply->status == 404 && !is_own(error) && intent != VF_API_UPDATE)
        code = EBADMSG;
    if (err != NULL) {
        set_general_message(reply, code, secrets, err);
        copy_fields(reply, envelope, error, secrets, err);
        err->http_status = reply->status;
    }
    vf_json_free(envelope);
    return -code;
}
