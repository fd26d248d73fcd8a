/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include "failure.h"

#include <errno.h>

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

int vf_reading_page(const struct vf_reading *reading, struct vf_json *json,
                    struct vf_error *err)
{
    return vf_page_read(reading->dialect, reading->shape,
                        reading->expected.parent_id, reading->cursor, json,
                        reading->ret, err);
}

int vf_reading_object(const struct vf_reading *reading, struct vf_json *json,
                      struct vf_error *err)
{
    return vf_object_read(reading->shape, &reading->expected, json,
                          reading->ret, err);
}

int vf_reading_archived(const struct vf_reading *reading, struct vf_json *json,
                        struct vf_error *err)
{
    struct vf_object object;
    int result =
        vf_object_read(reading->shape, &reading->expected, json, &object, err);

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

int vf_reading_deletion(const struct vf_reading *reading, struct vf_json *json,
                        struct vf_error *err)
{
    return vf_deletion_read(reading->shape, reading->expected.id, json, err);
}

static int read_body(const struct vf_reading *reading,
                     const struct vf_http_reply *reply, struct vf_error *err)
{
    struct vf_json *json;

    if (reply->status == 404)
        return 0; /* where it came this far, gone is what was wanted */
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
    result = reading->read(reading, json, err);
    vf_json_free(json);
    return result;
}

int vf_reply_read(const struct vf_reading *reading,
                  const struct vf_http_reply *reply, bool is_write,
                  struct vf_error *err)
{
    int result = read_body(reading, reply, err);

    if (result == 0 || err == NULL)
        return result;
    err->http_status = reply->status;
    vf_error_copy(err->request_id, sizeof(err->request_id), reply->request_id);
    if (is_write)
        vf_failure_add(err, VF_FAILURE_UNKNOWN);
    return result;
}
