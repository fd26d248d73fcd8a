/* SPDX-License-Identifier: MIT */
#include "complain.h"

#include "vaultfs/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void put_field(struct vf_buf *out, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    vf_buf_printf(out, "; %s ", name);
    vf_buf_put_escaped(out, value, strlen(value));
}

/* What the reply was, in brackets behind the message. */
static void put_reply(struct vf_buf *out, const struct vf_error *err)
{
    vf_buf_printf(out, " (%s; HTTP %d", strerror(err->code), err->http_status);
    put_field(out, "type", err->type);
    put_field(out, "request id", err->request_id);
    vf_buf_puts(out, ")");
}

/* EINVAL says nothing that the message does not say better, and what ECHILD
 * says is not so: a command has failed. */
static bool is_errno_news(const struct vf_error *err, const char *text)
{
    return err->type[0] == '\0' && err->code != EINVAL && err->code != ECHILD &&
           strstr(text, strerror(err->code)) == NULL;
}

void vf_complain_text(const struct vf_error *err, struct vf_buf *out)
{
    const char *text =
        err->message[0] != '\0' ? err->message : strerror(err->code);

    /* Without a reply the type is a code of ours, made to be looked up. */
    if (err->http_status == 0 && err->type[0] != '\0')
        vf_buf_printf(out, "%s: ", err->type);
    vf_buf_put_escaped(out, text, strlen(text));
    if (err->http_status != 0)
        put_reply(out, err);
    else if (is_errno_news(err, text))
        vf_buf_printf(out, " (%s)", strerror(err->code));
}

enum vf_exit vf_complain(enum vf_exit status, const struct vf_error *err)
{
    struct vf_buf text = VF_BUF_INIT;

    vf_complain_text(err, &text);
    (void)fprintf(stderr, "vaultfs: %s\n",
                  text.is_broken ? strerror(err->code) : text.data);
    vf_buf_free(&text);
    return status;
}
