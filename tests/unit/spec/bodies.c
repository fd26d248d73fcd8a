/* SPDX-License-Identifier: MIT */
#include "bodies.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/json.h"
#include "vaultfs/secret.h"

static size_t size_of(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

struct vf_spec *parse(const char *text, const char *shown)
{
    struct vf_spec *spec = NULL;
    struct vf_error err = {0};

    if (vf_spec_parse(text, strlen(text), shown, size_of(shown), &spec, &err) <
        0)
        fail_msg("%s: %s", text, err.message);
    return spec;
}

static void check_refusal(const char *text, const struct vf_error *err,
                          const char *param, const char *part)
{
    assert_int_equal(err->code, EINVAL);
    if (strcmp(err->param, param) != 0)
        fail_msg("%s: \"%s\", %s", text, err->param, err->message);
    if (strstr(err->message, err->param) == NULL)
        fail_msg("%s is not named: %s", err->param, err->message);
    if (strstr(err->message, CANARY) != NULL ||
        strstr(err->param, CANARY) != NULL)
        fail_msg("leaks: %s", err->message);
    if (part != NULL && strstr(err->message, part) == NULL)
        fail_msg("%s: %s, not: %s", text, err->message, part);
}

void assert_refused(const char *text, const char *shown, const char *param,
                    const char *part)
{
    struct vf_spec untouched;
    struct vf_spec *spec = &untouched;
    struct vf_error err = {0};
    size_t size = strlen(text);

    if (vf_spec_parse(text, size, shown, size_of(shown), &spec, &err) !=
        -EINVAL)
        fail_msg("not refused: %s: %s", text, err.message);
    assert_ptr_equal(spec, &untouched);
    check_refusal(text, &err, param, part);
    assert_int_equal(
        vf_spec_parse(text, size, shown, size_of(shown), &spec, NULL), -EINVAL);
}

void assert_vault_refused(const char *text, const char *shown,
                          const char *param, const char *part)
{
    struct vf_vault_spec *vault = NULL;
    struct vf_error err = {0};

    if (vf_vault_spec_parse(text, strlen(text), shown, size_of(shown), &vault,
                            &err) != -EINVAL)
        fail_msg("not refused: %s: %s", text, err.message);
    assert_null(vault);
    check_refusal(text, &err, param, part);
}

void assert_secret(const struct vf_secret *secret, const char *wanted)
{
    assert_non_null(secret);
    assert_int_equal(vf_secret_size(secret), strlen(wanted));
    assert_memory_equal(vf_secret_data(secret), wanted, strlen(wanted));
}

void assert_json(const struct vf_json *json, const char *wanted)
{
    char *text;
    size_t size;

    assert_non_null(json);
    assert_int_equal(vf_json_render_compact(json, &text, &size), 0);
    assert_string_equal(text, wanted);
    free(text);
}

bool is_same(const struct vf_spec *spec, const char *shown)
{
    return vf_spec_is_same_identity(spec, shown, strlen(shown));
}

void assert_edits_itself(const char *shown)
{
    struct vf_spec *spec = parse(shown, shown);

    assert_false(vf_spec_has_secret(spec));
    assert_true(is_same(spec, shown));
    assert_false(spec->is_expiry_cleared);
    assert_null(spec->stored_name);
    vf_spec_free(spec);
}
