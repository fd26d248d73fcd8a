/* SPDX-License-Identifier: MIT */
#include "finding.h"

#include "vaultfs/clock.h"
#include "vaultfs/json.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put_line(struct vf_buf *out, const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    vf_buf_printf(out, "%-8s ", label);
    vf_buf_put_escaped(out, text, strlen(text));
    vf_buf_puts(out, "\n");
}

/* NULL: it is not known. */
static const char *end_of_token(const struct vf_finding *finding,
                                char text[static VF_TIME_SIZE])
{
    if (finding->expires_s == 0)
        return NULL;
    vf_time_format((struct timespec){.tv_sec = finding->expires_s}, text);
    return text;
}

void vf_finding_put_question(const struct vf_finding *finding,
                             struct vf_buf *out)
{
    char end[VF_TIME_SIZE];

    put_line(out, "service:", finding->service);
    put_line(out, "dialect:", finding->dialect);
    put_line(out, "token:", finding->token_source);
    put_line(out, "expires:", end_of_token(finding, end));
}

void vf_finding_put_answer(const struct vf_finding *finding, struct vf_buf *out)
{
    put_line(out, "access:", finding->is_accepted ? "accepted" : NULL);
    put_line(out, "account:", finding->account.name);
    put_line(out, "scopes:", finding->account.scopes);
}

/* --- As JSON --- */

/* Messages may quote paths, which are any bytes. */
static int set_text(struct vf_json *object, const char *key, const char *text)
{
    struct vf_buf escaped = VF_BUF_INIT;

    if (text == NULL)
        return vf_json_set_string(object, key, NULL);
    vf_buf_puts(&escaped, "");
    vf_buf_put_escaped(&escaped, text, strlen(text));
    int result = escaped.is_broken
                     ? -ENOMEM
                     : vf_json_set_string(object, key, escaped.data);
    vf_buf_free(&escaped);
    return result;
}

/* Left out when there is none. */
static int set_told(struct vf_json *object, const char *key, const char *text)
{
    return text != NULL && text[0] != '\0' ? set_text(object, key, text) : 0;
}

static int fill_token(struct vf_json *token, const struct vf_finding *finding)
{
    char end[VF_TIME_SIZE];
    int result = set_text(token, "source", finding->token_source);

    if (result == 0)
        result = set_told(token, "expires_at", end_of_token(finding, end));
    return result;
}

/* As a failure's record has it. */
static int fill_error(struct vf_json *error, const struct vf_finding *finding)
{
    const struct vf_error *err = &finding->err;
    const struct {
        const char *key, *text;
    } texts[] = {
        {"type", err->type},
        {"message", err->message},
        {"param", err->param},
        {"request_id", err->request_id},
    };
    int result = set_text(error, "errno", vf_errno_name(err->code));

    if (result == 0)
        result = vf_json_set_int(error, "http_status", err->http_status);
    for (size_t i = 0; result == 0 && i < sizeof(texts) / sizeof(texts[0]); i++)
        result = set_text(error, texts[i].key, texts[i].text);
    return result;
}

static int add_object(struct vf_json *parent, const char *key,
                      const struct vf_finding *finding,
                      int (*fill)(struct vf_json *, const struct vf_finding *))
{
    struct vf_json *object;
    int result = vf_json_new_object(&object);

    if (result < 0)
        return result;
    result = fill(object, finding);
    if (result == 0)
        return vf_json_set(parent, key, object);
    vf_json_free(object);
    return result;
}

static int fill(struct vf_json *object, const struct vf_finding *finding)
{
    int result = set_text(object, "service", finding->service);

    if (result == 0)
        result = set_text(object, "dialect", finding->dialect);
    if (result == 0)
        result = add_object(object, "token", finding, fill_token);
    if (result == 0)
        result = vf_json_set_bool(object, "accepted", finding->is_accepted);
    if (result == 0)
        result = set_told(object, "account", finding->account.name);
    if (result == 0)
        result = set_told(object, "scopes", finding->account.scopes);
    if (result == 0 && finding->err.code != 0)
        result = add_object(object, "error", finding, fill_error);
    return result;
}

int vf_finding_put_json(const struct vf_finding *finding, struct vf_buf *out)
{
    struct vf_json *object;
    char *text;
    size_t size;
    int result = vf_json_new_object(&object);

    if (result < 0)
        return result;
    result = fill(object, finding);
    if (result == 0)
        result = vf_json_render_pretty(object, &text, &size);
    vf_json_free(object);
    if (result < 0)
        return result;
    vf_buf_append(out, text, size);
    free(text);
    return out->is_broken ? -ENOMEM : 0;
}
