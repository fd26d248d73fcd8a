/* SPDX-License-Identifier: MIT */
#include "spares.h"

#include "vaultfs/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE 4096

static struct vf_secret *take(struct vf_spares *spares, size_t size)
{
    struct vf_secret *secret;

    assert_int_equal(vf_spares_take(spares, size, &secret, NULL), 0);
    assert_int_equal(vf_secret_size(secret), 0);
    return secret;
}

static struct vf_secret *filled(struct vf_spares *spares, size_t size)
{
    static const char canary[2 * SIZE] = "canary";
    struct vf_secret *secret = take(spares, SIZE);

    assert_int_equal(vf_secret_append(secret, canary, size, NULL), 0);
    return secret;
}

static void what_is_kept_is_wiped(void **state)
{
    static const char zeros[SIZE];
    struct vf_spares spares;

    vf_spares_init(&spares);
    struct vf_secret *secret = filled(&spares, SIZE);
    const char *data = vf_secret_data(secret);
    vf_spares_give(&spares, secret);
    assert_memory_equal(data, zeros, SIZE); /* it is still mapped */
    secret = take(&spares, 1);
    assert_ptr_equal(vf_secret_data(secret), data);
    vf_spares_give(&spares, secret);
    vf_spares_give(&spares, NULL);
    vf_spares_done(&spares);
}

static void what_is_large_is_not_kept(void **state)
{
    struct vf_spares spares;

    vf_spares_init(&spares);
    vf_spares_give(&spares, filled(&spares, SIZE + 1));
    assert_int_equal(spares.count, 0);
    vf_spares_give(&spares, filled(&spares, SIZE));
    assert_int_equal(spares.count, 1);
    vf_secret_unref(take(&spares, SIZE + 1)); /* none of them has that room */
    assert_int_equal(spares.count, 1);
    vf_spares_done(&spares);
}

static void only_so_many_are_kept(void **state)
{
    struct vf_secret *secrets[VF_SPARES_MAX + 1];
    struct vf_spares spares;

    vf_spares_init(&spares);
    for (size_t i = 0; i <= VF_SPARES_MAX; i++)
        secrets[i] = take(&spares, 1);
    for (size_t i = 0; i <= VF_SPARES_MAX; i++)
        vf_spares_give(&spares, secrets[i]);
    assert_int_equal(spares.count, VF_SPARES_MAX);
    vf_spares_done(&spares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_wiped),
        cmocka_unit_test(what_is_large_is_not_kept),
        cmocka_unit_test(only_so_many_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
