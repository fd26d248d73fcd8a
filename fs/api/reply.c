/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include "failure.h"
#include "names.h"
#include "redact.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

int vf_reply_redact(struct vf_http_reply *reply,
                    const struct vf_in_flight *in_flight, struct vf_error *err)
{
    char *clean = NULL;
    size_t size = 0;

    vf_redact_copy(reply->request_id, sizeof(reply->request_id),
                   reply->request_id, in_flight);
    vf_redact_copy(reply->content_type, sizeof(reply->content_type),
                   reply->content_type, in_flight);
    int result =
        vf_redact_json(reply->body, reply->body_size, in_flight, &clean, &size);
    if (result < 0)
        return vf_error_set(err, -result, "no memory");
    if (clean == NULL)
        return 0;
    vf_wipe(reply->body, reply->body_size);
    free(reply->body);
    reply->body = clean;
    reply->body_size = size;
    return 0;
}

/* The reply's body as JSON. The parser's message names a byte offset only. */
static int parse_reply(const struct vf_http_reply *reply, struct vf_json **ret,
                       struct vf_error *err)
{
    struct vf_error reason = {0};
    int result = vf_json_parse(reply->body, reply->body_size, ret, &reason);

    if (result == -EINVAL)
        return vf_error_set(err, EBADMSG, "the service's reply: %s",
                            reason.message);
    return result < 0 ? vf_error_set(err, -result, "no memory") : 0;
}

static const struct vf_shape *shape_of(const struct vf_reading *reading,
                                       const struct vf_dialect *dialect)
{
    return reading->is_of_vaults ? &dialect->vault : &dialect->credential;
}

/* The names that the service has no place for. */
static int fill_names(const struct vf_reading *reading,
                      const struct vf_dialect *dialect,
                      struct vf_object *objects, size_t count,
                      struct vf_error *err)
{
    if (reading->is_of_vaults || !dialect->keeps_no_names)
        return 0;
    return vf_names_fill(reading->names, reading->expected.parent_id, objects,
                         count, err);
}

int vf_read_page(const struct vf_reading *reading,
                 const struct vf_dialect *dialect, struct vf_json *json,
                 struct vf_error *err)
{
    const struct vf_page_wanted wanted = {
        reading->which, reading->expected.parent_id, reading->cursor};
    struct vf_page *ret = reading->ret, page;
    int result = vf_page_read(dialect, shape_of(reading, dialect), &wanted,
                              json, &page, err);

    if (result < 0)
        return result;
    result = fill_names(reading, dialect, page.objects, page.count, err);
    if (result < 0)
        vf_page_done(&page);
    else
        *ret = page;
    return result;
}

int vf_read_object(const struct vf_reading *reading,
                   const struct vf_dialect *dialect, struct vf_json *json,
                   struct vf_error *err)
{
    struct vf_object *ret = reading->ret, object;
    int result = vf_object_read(shape_of(reading, dialect), &reading->expected,
                                json, &object, err);

    if (result < 0)
        return result;
    result = fill_names(reading, dialect, &object, 1, err);
    if (result < 0)
        vf_object_done(&object);
    else
        *ret = object;
    return result;
}

int vf_read_new_vault(const struct vf_reading *reading,
                      const struct vf_dialect *dialect, struct vf_json *json,
                      struct vf_error *err)
{
    const struct vf_page_wanted wanted = {
        .which = VF_LIST_ALL, .parent_id = vf_json_get_string(json, "id")};
    const struct vf_new_vault *ret = reading->ret;
    struct vf_json *embedded = NULL;
    struct vf_page credentials;

    (void)vf_json_get(json, dialect->vault.embedded, &embedded);
    int result = vf_objects_read(&dialect->credential, &wanted, embedded,
                                 &credentials, err);
    if (result < 0)
        return result;
    result = vf_object_read(&dialect->vault, &reading->expected, json,
                            ret->vault, err);
    if (result < 0)
        vf_page_done(&credentials);
    else
        *ret->credentials = credentials;
    return result;
}

int vf_read_archived(const struct vf_reading *reading,
                     const struct vf_dialect *dialect, struct vf_json *json,
                     struct vf_error *err)
{
    struct vf_object object;
    int result = vf_object_read(shape_of(reading, dialect), &reading->expected,
                                json, &object, err);

    if (result < 0)
        return result;
    bool is_archived = object.is_archived;
    vf_object_done(&object);
    if (!is_archived)
        return vf_error_set_param(err, EBADMSG, "archived_at",
                                  "the service's reply is not what it "
                                  "promises: the object is not archived");
    return 0;
}

int vf_read_deletion(const struct vf_reading *reading,
                     const struct vf_dialect *dialect, struct vf_json *json,
                     struct vf_error *err)
{
    return vf_deletion_read(shape_of(reading, dialect), reading->expected.id,
                            json, err);
}

static int read_body(const struct vf_reading *reading,
                     const struct vf_http_reply *reply, struct vf_error *err)
{
    struct vf_json *json;

    if (reply->status == 404 && !vf_failure_is_told(reply))
        return vf_failure_foreign(reply->content_type, err);
    if (reply->status == 404 || reply->status == 409)
        return 0; /* what was wanted is so */
    if (reply->status != 200 && reply->status != reading->other_status)
        return vf_error_set(err, EBADMSG,
                            "the service answered HTTP %d, which it does not "
                            "promise here",
                            reply->status);
    if (reading->is_body_optional && reply->body_size == 0)
        return 0;
    int result = parse_reply(reply, &json, err);
    if (result < 0)
        return result;
    if (reading->is_of_vaults)
        vf_dialect_tell(reading->dialect, json);
    result = reading->read(reading, atomic_load(reading->dialect), json, err);
    vf_json_free(json);
    return result;
}

int vf_reply_read(const struct vf_reading *reading,
                  const struct vf_http_reply *reply, struct vf_error *err)
{
    int result = read_body(reading, reply, err);

    if (result == 0 || err == NULL)
        return result;
    err->http_status = reply->status;
    vf_error_copy(err->request_id, sizeof(err->request_id), reply->request_id);
    if (reading->is_change)
        vf_failure_set_unknown(err);
    return result;
}
