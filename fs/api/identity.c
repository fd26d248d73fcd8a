/* SPDX-License-Identifier: MIT */
#include "identity.h"

#include "vaultfs/api.h"
#include "vaultfs/spec.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <string.h>

static const struct vf_json *identity_part(const struct vf_json *credential)
{
    struct vf_json *auth;

    return vf_json_get(credential, "auth", &auth) ? auth : credential;
}

/* Host and path; neither userinfo nor query nor fragment. */
static void put_url(struct vf_buf *label, const char *url)
{
    const char *authority = strstr(url, "://");

    authority = authority != NULL ? authority + 3 : url;
    const char *end = authority + strcspn(authority, "?#");
    const char *path = authority + strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', (size_t)(path - authority));
    const char *in = at != NULL ? at + 1 : authority;

    for (; in < end; in++) {
        bool is_separator = *in == '/' || (*in == ':' && in < path);

        vf_buf_append(label, is_separator ? "_" : in, 1);
    }
    while (label->size > 0 && label->data[label->size - 1] == '_')
        label->data[--label->size] = '\0';
}

/* A string, or NULL when there is none. */
static int optional_string(const struct vf_json *json, const char *member,
                           const char **ret, struct vf_error *err)
{
    struct vf_json *value;

    *ret = NULL;
    if (!vf_json_get(json, member, &value) || value == NULL)
        return 0;
    *ret = vf_json_get_string(json, member);
    if (*ret == NULL)
        return vf_error_set_param(err, EBADMSG, member,
                                  "the service's reply is not what it "
                                  "promises: %s is not a string",
                                  member);
    return 0;
}

int vf_identity_label(const struct vf_json *credential, const char *id,
                      char **ret, struct vf_error *err)
{
    const struct vf_json *part = identity_part(credential);
    struct vf_buf label = VF_BUF_INIT;
    const char *url = NULL, *variable = NULL;
    int result = optional_string(part, "mcp_server_url", &url, err);

    if (result == 0)
        result = optional_string(part, "secret_name", &variable, err);
    if (result < 0)
        return result;
    if (url != NULL)
        put_url(&label, url);
    else if (variable != NULL)
        vf_buf_puts(&label, variable);
    if (label.size == 0)
        vf_buf_puts(&label, id);
    vf_buf_puts(&label, ".json");
    if (label.is_broken) {
        vf_buf_free(&label);
        return vf_error_set(err, ENOMEM, "no memory");
    }
    *ret = label.data;
    return 0;
}
