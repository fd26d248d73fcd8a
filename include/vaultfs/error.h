/* SPDX-License-Identifier: MIT
 *
 * What failed and why, as it travels from where it happened to who reports it.
 *
 * A function that can fail returns 0 or a negative errno, and fills a
 * caller-owned struct vf_error (which may be NULL) with the reason. The text
 * never quotes a value that a user or a service sent us as a secret: messages
 * name fields and offsets.
 */
#ifndef VAULTFS_ERROR_H
#define VAULTFS_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define VF_MUST_CHECK __attribute__((warn_unused_result))
#define VF_PRINTF(at, first) __attribute__((format(printf, at, first)))

/* Bytes, the terminating NUL not counted. Longer text is cut at a character. */
#define VF_ERROR_MESSAGE_MAX 1024
#define VF_ERROR_PARAM_MAX 128
#define VF_ERROR_ID_MAX 128

struct vf_error {
    int code;        /* a positive errno; 0: no error */
    int http_status; /* 0: there was no reply */
    bool is_unknown; /* a change that may have been done all the same */
    char type[64];   /* the service's error.type, or one of our error codes */
    char message[VF_ERROR_MESSAGE_MAX + 1];
    char param[VF_ERROR_PARAM_MAX + 1];   /* the field at fault, or "" */
    char request_id[VF_ERROR_ID_MAX + 1]; /* to quote to the service, or "" */
};

/*
 * Set code and message, clear everything else. Returns -code, so that a
 * function can end in `return vf_error_set(err, EINVAL, "...")`. err may be
 * NULL. errno is preserved.
 */
int vf_error_set(struct vf_error *err, int code, const char *format, ...)
    VF_PRINTF(3, 4);

/* As vf_error_set(), and names the field at fault. */
int vf_error_set_param(struct vf_error *err, int code, const char *param,
                       const char *format, ...) VF_PRINTF(4, 5);

/* Copy text into a fixed field, cut at a UTF-8 character, always terminated. */
void vf_error_copy(char *field, size_t field_size, const char *text);

/* "EINVAL" for EINVAL; "E?" for a number that is no errno. Static storage. */
const char *vf_errno_name(int code);

/*
 * A failure as it is reported: who did what to which path, and why it failed.
 * With the code 0 it is a change that was done though its caller had left.
 * Everything is borrowed until the sink returns.
 */
struct vf_record {
    const char *operation; /* "create", "list", ... */
    const char *path;      /* below the mount point, begins with "/" */
    pid_t pid;             /* the caller; 0: unknown or no caller */
    const struct vf_error *error;
};

/* Must not block for long and must not call back into who reports. */
typedef void vf_record_sink(void *context, const struct vf_record *record);

#endif
