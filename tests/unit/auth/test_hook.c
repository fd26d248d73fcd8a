/* SPDX-License-Identifier: MIT */
#include "callers.h"
#include "fakes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/secret.h"

#define COMMAND "notify"
#define MESSAGE "VAULTFS_MESSAGE="

static struct vf_auth *open_with_hook(void)
{
    fake_reset("pt-old");
    return open_auth(COMMAND);
}

static void end_access(struct vf_auth *auth, unsigned generation)
{
    assert_int_equal(refuse(auth, generation, NULL), -EKEYREJECTED);
}

static void it_runs_once_until_a_token_is_accepted(void **state)
{
    struct vf_auth *auth = open_with_hook();
    struct vf_error err;
    struct fake_run run;

    end_access(auth, 1);
    fake_wait_for_run(1, &run);
    fake_end_run(ECHILD);
    fake_wait_for_record(1, "on_auth_expired", &err);
    fake_pass_time(30000);
    assert_int_equal(take(auth, "pt-old"), 2);
    end_access(auth, 2);
    fake_pass_time(30000);
    assert_int_equal(take(auth, "pt-old"), 3);
    assert_int_equal(fake_runs(), 1);

    vf_auth_accepted(auth, 3);
    end_access(auth, 3);
    fake_wait_for_run(2, &run);
    vf_auth_free(auth);
    assert_int_equal(fake_runs(), 2);
    assert_int_equal(fake_records(), 1); /* an end of ours is no failure */
}

static void it_runs_for_who_comes_later_but_not_for_nobody(void **state)
{
    struct fake_run run;

    fake_reset("pt-old");
    struct vf_auth *auth = open_unarmed(COMMAND);
    end_access(auth, 1);
    vf_auth_free(auth);
    assert_int_equal(fake_runs(), 0);

    fake_reset("pt-old");
    auth = open_unarmed(COMMAND);
    end_access(auth, 1);
    assert_int_equal(fake_runs(), 0);
    vf_auth_arm(auth);
    fake_wait_for_run(1, &run);
    vf_auth_arm(auth);
    vf_auth_free(auth);
    assert_int_equal(fake_runs(), 1);
}

static void its_environment_says_where_and_why(void **state)
{
    struct vf_auth *auth = open_with_hook();
    struct vf_error refusal = {0};
    struct fake_run run;

    (void)vf_error_set(&refusal, EKEYREJECTED, "token \x1b[31m$(id)\n`id`");
    assert_int_equal(vf_auth_refused(auth, 1, &refusal, LATE, NULL),
                     -EKEYREJECTED);
    fake_wait_for_run(1, &run);
    assert_string_equal(run.text, COMMAND);
    assert_int_equal(run.timeout_ms, 10000);
    assert_string_equal(run.variables[0], "VAULTFS_MOUNTPOINT=/mnt/a b");
    assert_string_equal(run.variables[1], "VAULTFS_SOURCE=qoder");
    assert_string_equal(run.variables[2], "VAULTFS_REASON=EKEYREJECTED");
    const char *start = MESSAGE "token \\x1B[31m$(id)\\x0A`id`; the access";
    assert_memory_equal(run.variables[3], start, strlen(start));
    assert_non_null(strstr(run.variables[3], FAKE_SOURCE));
    vf_auth_free(auth);
}

static void it_is_told_when_the_known_end_has_passed(void **state)
{
    struct fake_run run;

    fake_reset("pt-old");
    fake_give("pt-old", fake_now_s() + 1000);
    struct vf_auth *auth = open_auth(COMMAND);
    fake_pass_time(1000000);
    assert_int_equal(refuse(auth, 1, NULL), -EKEYEXPIRED);
    fake_wait_for_run(1, &run);
    assert_string_equal(run.variables[2], "VAULTFS_REASON=EKEYEXPIRED");
    vf_auth_free(auth);
}

static void its_message_is_bounded(void **state)
{
    struct vf_auth *auth = open_with_hook();
    struct vf_error refusal = {.code = EKEYREJECTED};
    struct fake_run run;

    memset(refusal.message, '\n', VF_ERROR_MESSAGE_MAX);
    assert_int_equal(vf_auth_refused(auth, 1, &refusal, LATE, NULL),
                     -EKEYREJECTED);
    fake_wait_for_run(1, &run);
    assert_int_equal(strlen(run.variables[3]),
                     strlen(MESSAGE) + 4 * VF_ERROR_MESSAGE_MAX);
    vf_auth_free(auth);
}

static void its_success_is_a_look_at_once(void **state)
{
    struct vf_auth *auth = open_with_hook();
    struct fake_run run;

    end_access(auth, 1);
    fake_wait_for_run(1, &run);
    fake_give("pt-new", 0);
    fake_end_run(0);
    fake_wait_for_reading(3);
    assert_int_equal(take(auth, "pt-new"), 2);
    assert_int_equal(fake_records(), 0);
    vf_auth_free(auth);
}

static void its_failure_is_a_record_and_no_look(void **state)
{
    struct vf_auth *auth = open_with_hook();
    struct vf_error err;
    struct fake_run run;

    end_access(auth, 1);
    fake_wait_for_run(1, &run);
    fake_end_run(ETIMEDOUT);
    fake_wait_for_record(1, "on_auth_expired", &err);
    assert_int_equal(err.code, ETIMEDOUT);
    assert_ended(auth, EKEYREJECTED, &err);
    assert_int_equal(fake_readings(), 2);
    vf_auth_free(auth);
}

/* It may itself use the mount, to see whether what it did helped. */
static void while_it_runs_the_source_is_looked_at_for_others(void **state)
{
    struct vf_auth *auth = open_with_hook();
    struct vf_error err;
    struct fake_run run;

    end_access(auth, 1);
    fake_wait_for_run(1, &run);
    assert_ended(auth, EKEYREJECTED, &err);
    fake_give("pt-new", 0);
    fake_touch();
    assert_int_equal(take(auth, "pt-new"), 2);

    /* Access ends anew before the first run has: that one is not forgotten. */
    vf_auth_accepted(auth, 2);
    end_access(auth, 2);
    assert_int_equal(fake_runs(), 1);
    fake_end_run(ECHILD);
    fake_wait_for_run(2, &run);
    vf_auth_free(auth);
}

static void a_shutdown_ends_it(void **state)
{
    struct vf_auth *auth = open_with_hook();
    struct fake_run run;

    end_access(auth, 1);
    fake_wait_for_run(1, &run);
    vf_auth_shutdown(auth);
    fake_wait_for_cancelled_run();
    vf_auth_free(auth);
    assert_int_equal(fake_records(), 0);
}

static void nothing_runs_without_one(void **state)
{
    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    end_access(auth, 1);
    vf_auth_free(auth);
    assert_int_equal(fake_runs(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_runs_once_until_a_token_is_accepted),
        cmocka_unit_test(it_runs_for_who_comes_later_but_not_for_nobody),
        cmocka_unit_test(its_environment_says_where_and_why),
        cmocka_unit_test(it_is_told_when_the_known_end_has_passed),
        cmocka_unit_test(its_message_is_bounded),
        cmocka_unit_test(its_success_is_a_look_at_once),
        cmocka_unit_test(its_failure_is_a_record_and_no_look),
        cmocka_unit_test(while_it_runs_the_source_is_looked_at_for_others),
        cmocka_unit_test(a_shutdown_ends_it),
        cmocka_unit_test(nothing_runs_without_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
