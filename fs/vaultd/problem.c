/* SPDX-License-Identifier: MIT */
#include "problem.h"

#include "vaultfs/clock.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    int status;
    const char *type;
} problems[] = {
    [VF_PROBLEM_INVALID] = {EINVAL, 400, "invalid_request_error"},
    [VF_PROBLEM_UNAUTHENTICATED] = {EKEYREJECTED, 401, "authentication_error"},
    [VF_PROBLEM_FORBIDDEN] = {EACCES, 403, "permission_error"},
    [VF_PROBLEM_NOT_FOUND] = {ENOENT, 404, "not_found_error"},
    [VF_PROBLEM_METHOD] = {EOPNOTSUPP, 405, "invalid_request_error"},
    [VF_PROBLEM_CONFLICT] = {EEXIST, 409, "conflict_error"},
    [VF_PROBLEM_TOO_LARGE] = {EFBIG, 413, "invalid_request_error"},
    [VF_PROBLEM_INTERNAL] = {EIO, 500, "api_error"},
    [VF_PROBLEM_BUSY] = {EBUSY, 503, "api_error"},
    [VF_PROBLEM_FULL] = {ENOSPC, 507, "api_error"},
};

int vf_refuse(struct vf_error *err, enum vf_problem problem, const char *param,
              const char *format, ...)
{
    char message[VF_ERROR_MESSAGE_MAX + 1];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    vf_error_set_param(err, problems[problem].code, param, "%s%s%s", param,
                       param[0] != '\0' ? ": " : "", message);
    if (err != NULL) {
        err->http_status = problems[problem].status;
        vf_error_copy(err->type, sizeof(err->type), problems[problem].type);
    }
    return -problems[problem].code;
}

void vf_put_json_string(struct vf_buf *buf, const char *text)
{
    vf_buf_puts(buf, "\"");
    while (*text != '\0') {
        size_t plain = 0;

        while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' &&
               text[plain] != '\\' && text[plain] != 0x7F)
            plain++;
        vf_buf_append(buf, text, plain);
        text += plain;
        if (*text != '\0')
            vf_buf_printf(buf, "\\u%04x", (unsigned char)*text++);
    }
    vf_buf_puts(buf, "\"");
}

void vf_put_json_time(struct vf_buf *buf, int64_t us)
{
    char text[VF_TIME_SIZE];

    vf_time_format((struct timespec){.tv_sec = us / 1000000,
                                     .tv_nsec = us % 1000000 * 1000},
                   text);
    vf_buf_printf(buf, "\"%s\"", text);
}

/* What came from outside may be cut in the middle of a character, or be none:
 * the reply must be valid JSON whatever it is. */
static void put_foreign_string(struct vf_buf *buf, const char *text,
                               const struct vf_secret *echo)
{
    struct vf_buf shown = VF_BUF_INIT;

    vf_buf_put_escaped(&shown, text, strlen(text));
    if (echo != NULL) {
        vf_buf_puts(&shown, ": ");
        vf_buf_put_escaped(&shown, vf_secret_data(echo), vf_secret_size(echo));
    }
    vf_put_json_string(buf, shown.data != NULL ? shown.data : "");
    vf_buf_free(&shown);
}

void vf_problem_render(const struct vf_error *err, const struct vf_secret *echo,
                       struct vf_buf *ret)
{
    vf_buf_puts(ret, "{\"type\":\"error\",\"request_id\":");
    put_foreign_string(ret, err->request_id, NULL);
    vf_buf_puts(ret, ",\"error\":{\"type\":");
    put_foreign_string(ret, err->type, NULL);
    vf_buf_puts(ret, ",\"message\":");
    put_foreign_string(ret, err->message, echo);
    if (err->param[0] != '\0') {
        vf_buf_puts(ret, ",\"param\":");
        put_foreign_string(ret, err->param, NULL);
    }
    vf_buf_puts(ret, "}}");
}
