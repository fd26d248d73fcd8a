/* SPDX-License-Identifier: MIT */
#include "failure.h"

#include "redact.h"
#include "vaultfs/json.h"

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

/* What to say when the service says nothing that can be understood. */
static void set_general_message(const struct vf_http_reply *reply, int code,
                                const struct vf_in_flight *secrets,
                                struct vf_error *err)
{
    char location[sizeof(reply->location)];

    vf_redact_copy(location, sizeof(location), reply->location, secrets);
    if (reply->status / 100 == 3)
        (void)vf_error_set(err, code,
                           "the service answered HTTP %d: it redirects to %s; "
                           "redirects are not followed",
                           reply->status,
                           location[0] != '\0' ? location : "somewhere else");
    else
        (void)vf_error_set(err, code, "the service answered HTTP %d",
                           reply->status);
}

int vf_failure_read(const struct vf_http_reply *reply,
                    enum vf_api_intent intent,
                    const struct vf_in_flight *secrets, struct vf_error *err)
{
    int code = vf_api_errno(reply->status, intent);
    struct vf_json *envelope = NULL, *error = NULL;

    if (err == NULL)
        return -code;
    set_general_message(reply, code, secrets, err);
    if (reply->body_size <= ENVELOPE_MAX)
        (void)!vf_json_parse(reply->body, reply->body_size, &envelope, NULL);
    (void)vf_json_get(envelope, "error", &error);
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
    vf_json_free(envelope);
    err->http_status = reply->status;
    return -code;
}
