/* SPDX-License-Identifier: MIT
 *
 * Checks that several bodies share. A refusal names the field in dotted form
 * and never quotes a value.
 */
#ifndef VAULTD_VALIDATE_H
#define VAULTD_VALIDATE_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_dialect;
struct vf_json;

/* A name of a field below another: "auth" and "token" are "auth.token". */
struct vf_param {
    char text[VF_ERROR_PARAM_MAX + 1];
};
struct vf_param vf_param(const char *parent, const char *name);

/* Refuses members that are not in names (NULL-terminated). */
VF_MUST_CHECK int vf_check_members(const struct vf_json *object,
                                   const char *parent, const char *const *names,
                                   struct vf_error *err);

/* A string without NUL, of min to max characters (max 0: no limit). *ret is
 * borrowed from value. */
VF_MUST_CHECK int vf_check_string(const struct vf_json *value,
                                  const char *param, size_t min, size_t max,
                                  const char **ret, struct vf_error *err);

/* An absolute http or https URL with a host and without userinfo. */
bool vf_is_http_url(const char *text);

/*
 * Metadata of a new object: given is a flat object of strings within the
 * dialect's limits. *ret is compact JSON, freed with free().
 */
VF_MUST_CHECK int vf_metadata_new(const struct vf_dialect *dialect,
                                  const struct vf_json *given, char **ret,
                                  struct vf_error *err);

/* Merge patch on stored metadata (compact JSON): null removes a key, a null
 * patch removes all. The limits hold for the outcome. *ret as above. */
VF_MUST_CHECK int vf_metadata_merge(const struct vf_dialect *dialect,
                                    const char *stored,
                                    const struct vf_json *patch, char **ret,
                                    struct vf_error *err);

#endif
