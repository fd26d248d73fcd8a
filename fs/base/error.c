/* SPDX-License-Identifier: MIT */
#include "vaultfs/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void vf_error_copy(char *field, size_t field_size, const char *text)
{
    size_t size = strlen(text);

    if (size >= field_size) {
        size = field_size - 1;
        /* Back to the start of a character: continuation bytes are 10xxxxxx. */
        while (size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80)
            size--;
    }
    memcpy(field, text, size);
    field[size] = '\0';
}

VF_PRINTF(4, 0)
static void set_message(struct vf_error *err, int code, const char *param,
                        const char *format, va_list args)
{
    char message[2 * VF_ERROR_MESSAGE_MAX];

    /* The arguments may point into err: write it last. */
    (void)vsnprintf(message, sizeof(message), format, args);
    char param_copy[VF_ERROR_PARAM_MAX + 1];
    vf_error_copy(param_copy, sizeof(param_copy), param);

    *err = (struct vf_error){.code = code};
    vf_error_copy(err->message, sizeof(err->message), message);
    memcpy(err->param, param_copy, sizeof(err->param));
}

int vf_error_set(struct vf_error *err, int code, const char *format, ...)
{
    int saved_errno = errno;
    va_list args;

    if (err != NULL) {
        va_start(args, format);
        set_message(err, code, "", format, args);
        va_end(args);
    }
    errno = saved_errno;
    return -code;
}

int vf_error_set_param(struct vf_error *err, int code, const char *param,
                       const char *format, ...)
{
    int saved_errno = errno;
    va_list args;

    if (err != NULL) {
        va_start(args, format);
        set_message(err, code, param, format, args);
        va_end(args);
    }
    errno = saved_errno;
    return -code;
}

const char *vf_errno_name(int code)
{
    /* The C library calls 0 "0". */
    const char *name = code > 0 ? strerrorname_np(code) : NULL;

    return name != NULL ? name : "E?";
}
