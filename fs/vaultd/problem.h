/* SPDX-License-Identifier: MIT
 *
 * Why a request was refused: HTTP status, error.type and errno in one word.
 */
#ifndef VAULTD_PROBLEM_H
#define VAULTD_PROBLEM_H

#include "vaultfs/error.h"

struct vf_buf;
struct vf_secret;

enum vf_problem {
    VF_PROBLEM_INVALID,
    VF_PROBLEM_UNAUTHENTICATED,
    VF_PROBLEM_FORBIDDEN,
    VF_PROBLEM_NOT_FOUND,
    VF_PROBLEM_METHOD,
    VF_PROBLEM_CONFLICT,
    VF_PROBLEM_TOO_LARGE,
    VF_PROBLEM_INTERNAL,
    VF_PROBLEM_BUSY,
    VF_PROBLEM_FULL
};

/*
 * Fill err for a reply, and return the negative errno that goes with it. param
 * names the field at fault ("" for none). The message is shown to the caller:
 * it names fields and limits and never quotes a value.
 */
int vf_refuse(struct vf_error *err, enum vf_problem problem, const char *param,
              const char *format, ...) VF_PRINTF(4, 5);

/* Append the service's error envelope; a param that is empty is left out. What
 * a faulty server quotes after its message is echo, of any bytes, or NULL. */
void vf_problem_render(const struct vf_error *err, const struct vf_secret *echo,
                       struct vf_buf *ret);

/* Append text as a JSON string. text is valid UTF-8. */
void vf_put_json_string(struct vf_buf *buf, const char *text);

/* Append a count of microseconds since 1970 as a JSON string. */
void vf_put_json_time(struct vf_buf *buf, int64_t us);

#endif
