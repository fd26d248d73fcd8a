/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "vaultfs/text.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 16

/* Words separated by spaces; a lone '' is an empty word. */
static int parse(unsigned command, const char *line, struct vf_options *ret,
                 struct vf_error *err)
{
    static char text[512];
    char *words[WORDS_MAX] = {0};
    size_t count = 0;

    assert_true((size_t)snprintf(text, sizeof(text), "%s", line) <
                sizeof(text));
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = strcmp(word, "''") == 0 ? strchr(word, '\0') : word;
    assert_true(count < WORDS_MAX);
    return vf_options_parse(command, words, ret, err);
}

static struct vf_options accept(unsigned command, const char *line)
{
    struct vf_options options;
    struct vf_error err = {0};

    if (parse(command, line, &options, &err) < 0)
        fail_msg("'%s' refused: %s", line, err.message);
    return options;
}

static void refuse(unsigned command, const char *line, const char *message)
{
    struct vf_options options, before;
    struct vf_error err = {0};

    memset(&options, 0x5A, sizeof(options));
    before = options;
    if (parse(command, line, &options, &err) != -EINVAL)
        fail_msg("'%s' accepted", line);
    assert_string_equal(err.message, message);
    assert_memory_equal(&options, &before, sizeof(options));
}

static void what_is_not_given_has_its_default(void **state)
{
    struct vf_options options = accept(VF_FOR_MOUNT, "local /mnt");

    assert_int_equal(options.ttl_ms, 5000);
    assert_int_equal(options.stale_if_error_ms, 300000);
    assert_int_equal(options.timeout_ms, 30000);
    assert_int_equal(options.concurrency, 16);
    assert_int_equal(options.rm, VF_RM_DELETE);
    assert_null(options.token_file);
    assert_int_equal(options.token_fd, -1);
    assert_int_equal(options.token_command_ms, 10000);
    assert_int_equal(options.login, VF_LOGIN_ACCESS_TOKEN);
    assert_false(options.is_read_only);
    assert_int_equal(options.operands_count, 2);
    assert_string_equal(options.operands[0], "local");
    assert_string_equal(options.operands[1], "/mnt");
    vf_options_done(&options);
}

static void every_form_of_an_option_is_the_same(void **state)
{
    const char *const lines[] = {
        "--ttl 2 --ro --rm archive --token-env T /mnt",
        "/mnt --ttl=2 --ro --rm=archive --token-env=T",
        "-o ttl=2,ro,rm=archive,token-env=T /mnt",
        "-ottl=2 -o x-a.b=c,ro -o rm=archive,token_env=T /mnt",
        "--options=ttl=2,rw,,user=x,ro,rm=archive,token-env=T -- /mnt",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct vf_options options = accept(VF_FOR_MOUNT, lines[i]);

        assert_int_equal(options.ttl_ms, 2000);
        assert_true(options.is_read_only);
        assert_int_equal(options.rm, VF_RM_ARCHIVE);
        assert_string_equal(options.token_env, "T");
        assert_int_equal(options.operands_count, 1);
        assert_string_equal(options.operands[0], "/mnt");
        vf_options_done(&options);
    }
}

static void letters_can_be_joined_and_debug_stays_in_front(void **state)
{
    struct vf_options options = accept(VF_FOR_MOUNT, "-fdoro /mnt");

    assert_true(options.is_foreground);
    assert_true(options.is_debug);
    assert_true(options.is_read_only);
    vf_options_done(&options);
    options = accept(VF_FOR_MOUNT, "-d /mnt");
    assert_true(options.is_foreground);
    vf_options_done(&options);
}

static void seconds_may_have_a_fraction(void **state)
{
    static const struct {
        const char *line;
        int64_t ms;
    } cases[] = {
        {"--ttl 0", 0},
        {"--ttl 0.5", 500},
        {"--ttl 1.25", 1250},
        {"--ttl 1.0019", 1001},
        {"--ttl 00012", 12000},
        {"--ttl 0.000000000000000009", 0},
        {"--ttl 31622400", INT64_C(31622400000)},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_options options = accept(VF_FOR_MOUNT, cases[i].line);

        assert_int_equal(options.ttl_ms, cases[i].ms);
        vf_options_done(&options);
    }
}

static void bad_values_are_refused_by_name(void **state)
{
    static const char *const words[] = {
        "''",   "-1",  "+1",  "1s",    "1.",   ".5",
        "1..2", "1e3", "nan", "1.2.3", "0x10", "99999999999999999999999999",
        "1,5",  " 1",  "1 ",  "inf",   "--ro", "184467440737095516160",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char word[64];
        struct vf_options options;
        char *const argv[] = {strdup("--ttl"), word, NULL};

        (void)snprintf(word, sizeof(word), "%s",
                       strcmp(words[i], "''") == 0 ? "" : words[i]);
        struct vf_error err = {0};
        assert_int_equal(vf_options_parse(VF_FOR_MOUNT, argv, &options, &err),
                         -EINVAL);
        assert_string_equal(err.message, "--ttl: not a number of seconds");
        free(argv[0]);
    }
    refuse(VF_FOR_MOUNT, "--ttl 31622401", "--ttl: must be at most 31622400");
    refuse(VF_FOR_MOUNT, "--timeout 0", "--timeout: must be above 0");
    refuse(VF_FOR_MOUNT, "--timeout 0.0004", "--timeout: must be above 0");
    refuse(VF_FOR_MOUNT, "--concurrency 0", "--concurrency: must be above 0");
    refuse(VF_FOR_MOUNT, "--concurrency 257",
           "--concurrency: must be at most 256");
    refuse(VF_FOR_MOUNT, "--concurrency 1.5", "--concurrency: not a number");
    refuse(VF_FOR_MOUNT, "--rm del", "--rm: must be one of delete|archive");
    refuse(VF_FOR_MOUNT, "--rm delete|archive",
           "--rm: must be one of delete|archive");
    refuse(VF_FOR_MOUNT, "--rm ''", "--rm: must be one of delete|archive");
    refuse(VF_FOR_MOUNT, "--token-file ''", "--token-file: the value is empty");
    refuse(VF_FOR_MOUNT, "-o cacert=", "--cacert: the value is empty");
}

static void unknown_missing_repeated_and_surplus_are_refused(void **state)
{
    refuse(VF_FOR_MOUNT, "--bogus", "unknown option --bogus");
    refuse(VF_FOR_MOUNT, "--tt 5", "unknown option --tt");
    refuse(VF_FOR_MOUNT, "-x", "unknown option -x");
    refuse(VF_FOR_MOUNT, "-fx", "unknown option -x");
    refuse(VF_FOR_MOUNT, "-o ro,bogus=1", "-o: unknown option bogus");
    refuse(VF_FOR_MOUNT, "-o rwx", "-o: unknown option rwx");
    refuse(VF_FOR_MOUNT, "-o users=me", "-o: unknown option users");
    refuse(VF_FOR_MOUNT, "-o options=ro", "--options cannot be given here");
    refuse(VF_FOR_MOUNT, "--ttl", "--ttl needs a value: SECONDS");
    refuse(VF_FOR_MOUNT, "-o ttl", "--ttl needs a value: SECONDS");
    refuse(VF_FOR_MOUNT, "-o", "--options needs a value: NAME[=VALUE],...");
    refuse(VF_FOR_MOUNT, "--ro=1", "--ro takes no value");
    refuse(VF_FOR_MOUNT, "-o ro=1", "--ro takes no value");
    refuse(VF_FOR_MOUNT, "--ttl 1 --ttl 1", "--ttl is given twice");
    refuse(VF_FOR_MOUNT, "--ttl 1 -o ttl=2", "--ttl is given twice");
    refuse(VF_FOR_MOUNT, "-o ttl=1,ttl=2", "--ttl is given twice");
    refuse(VF_FOR_MOUNT, "a b c", "too many arguments");
    refuse(VF_FOR_UMOUNT, "--ro /mnt", "unknown option --ro");
    refuse(VF_FOR_CHECK, "-f", "unknown option -f");
    refuse(VF_FOR_CHECK, "-o ro", "unknown option -o");
}

static void a_token_as_an_argument_is_refused_and_not_repeated(void **state)
{
    refuse(VF_FOR_MOUNT, "--token=pt-canary /mnt", "unknown option --token");
    refuse(VF_FOR_MOUNT, "--token pt-canary /mnt", "unknown option --token");
    refuse(VF_FOR_MOUNT, "-o token=pt-canary", "-o: unknown option token");
    refuse(VF_FOR_CHECK, "--timeout pt-canary",
           "--timeout: not a number of seconds");
    refuse(VF_FOR_MOUNT, "--log-format pt-canary",
           "--log-format: must be one of text|json");
}

static void two_dashes_end_the_options_and_one_is_an_operand(void **state)
{
    struct vf_options options = accept(VF_FOR_MOUNT, "- -- --ro");

    assert_int_equal(options.operands_count, 2);
    assert_string_equal(options.operands[0], "-");
    assert_string_equal(options.operands[1], "--ro");
    assert_false(options.is_read_only);
    vf_options_done(&options);
}

static void a_comma_in_a_value_is_written_with_a_backslash(void **state)
{
    struct vf_options options =
        accept(VF_FOR_MOUNT, "-o token-file=/a\\,b\\\\c,ro");

    assert_string_equal(options.token_file, "/a,b\\c");
    assert_true(options.is_read_only);
    vf_options_done(&options);
    options = accept(VF_FOR_MOUNT, "-o cacert=/a\\");
    assert_string_equal(options.cacert, "/a\\");
    vf_options_done(&options);
}

static void file_names_become_absolute(void **state)
{
    char directory[PATH_MAX], expected[PATH_MAX + 8];
    struct vf_options options =
        accept(VF_FOR_CHECK, "--token-file d/t --env-file d/t "
                             "--service-account-key-file d/t --cacert d/t");

    assert_non_null(getcwd(directory, sizeof(directory)));
    (void)snprintf(expected, sizeof(expected), "%s/d/t", directory);
    assert_string_equal(options.token_file, expected);
    assert_string_equal(options.env_file, expected);
    assert_string_equal(options.key_file, expected);
    assert_string_equal(options.cacert, expected);
    vf_options_done(&options);
}

/* 0 is a descriptor like any other, and not the same as none. */
static void a_descriptor_is_a_number_from_0_on(void **state)
{
    struct vf_options options = accept(VF_FOR_MOUNT, "--token-fd 0 /mnt");

    assert_int_equal(options.token_fd, 0);
    vf_options_done(&options);
    options = accept(VF_FOR_CHECK, "--token-fd=2147483647");
    assert_int_equal(options.token_fd, INT_MAX);
    vf_options_done(&options);
    refuse(VF_FOR_MOUNT, "--token-fd -1", "--token-fd: not a number");
    refuse(VF_FOR_MOUNT, "--token-fd 2147483648",
           "--token-fd: must be at most 2147483647");
    refuse(VF_FOR_MOUNT, "--token-fd 4294967296",
           "--token-fd: must be at most 2147483647");
    refuse(VF_FOR_MOUNT, "-o token-fd", "--token-fd needs a value: NUMBER");
}

static void a_command_may_come_from_fstab(void **state)
{
    struct vf_options options =
        accept(VF_FOR_MOUNT, "-o token_command=a\\,b,token-command-timeout="
                             "0.5,on-auth-expired=c=d,env-file=/e");

    assert_string_equal(options.token_command, "a,b");
    assert_int_equal(options.token_command_ms, 500);
    assert_string_equal(options.on_auth_expired, "c=d");
    assert_string_equal(options.env_file, "/e");
    vf_options_done(&options);
    refuse(VF_FOR_MOUNT, "--token-command ''",
           "--token-command: the value is empty");
    refuse(VF_FOR_MOUNT, "--token-command-timeout 0",
           "--token-command-timeout: must be above 0");
    refuse(VF_FOR_CHECK, "--on-auth-expired x",
           "unknown option --on-auth-expired");
}

static void a_login_is_an_access_token_or_that_of_qodercli(void **state)
{
    struct vf_options options = accept(VF_FOR_MOUNT, "--auth access-token /m");

    assert_int_equal(options.login, VF_LOGIN_ACCESS_TOKEN);
    vf_options_done(&options);
    options = accept(VF_FOR_CHECK, "--auth qodercli");
    assert_int_equal(options.login, VF_LOGIN_QODERCLI);
    vf_options_done(&options);
    refuse(VF_FOR_CHECK, "--auth pt-canary",
           "--auth: must be one of access-token|qodercli");
}

/* The help is made from the table, and each default in it must be accepted. */
static void help_names_the_options_of_its_command_only(void **state)
{
    struct vf_buf mount = VF_BUF_INIT, umount = VF_BUF_INIT;

    vf_options_help(VF_FOR_MOUNT, &mount);
    vf_options_help(VF_FOR_UMOUNT, &umount);
    assert_non_null(strstr(mount.data, "-f, --foreground"));
    assert_non_null(strstr(mount.data, "--ttl SECONDS"));
    assert_non_null(strstr(mount.data, "(default 300)"));
    assert_null(strstr(mount.data, "--lazy"));
    assert_null(strstr(mount.data, "--json"));
    assert_non_null(strstr(umount.data, "-l, --lazy"));
    assert_null(strstr(umount.data, "--ttl"));
    vf_buf_free(&mount);
    vf_buf_free(&umount);
}

static void each_dialect_is_chosen_by_its_word(void **state)
{
#define CHOICE(name, word) {word, VF_DIALECT_##name},
    static const struct {
        const char *word;
        unsigned choice;
    } choices[] = {VF_DIALECTS(CHOICE)};
#undef CHOICE
    char line[64];

    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        (void)snprintf(line, sizeof(line), "--dialect %s", choices[i].word);
        struct vf_options options = accept(VF_FOR_CHECK, line);

        assert_int_equal(options.dialect, choices[i].choice);
        vf_options_done(&options);
    }
    refuse(VF_FOR_CHECK, "--dialect ''",
           "--dialect: must be one of auto|qoder|qoder-flat|anthropic");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(every_form_of_an_option_is_the_same),
        cmocka_unit_test(letters_can_be_joined_and_debug_stays_in_front),
        cmocka_unit_test(seconds_may_have_a_fraction),
        cmocka_unit_test(bad_values_are_refused_by_name),
        cmocka_unit_test(unknown_missing_repeated_and_surplus_are_refused),
        cmocka_unit_test(a_token_as_an_argument_is_refused_and_not_repeated),
        cmocka_unit_test(two_dashes_end_the_options_and_one_is_an_operand),
        cmocka_unit_test(a_comma_in_a_value_is_written_with_a_backslash),
        cmocka_unit_test(file_names_become_absolute),
        cmocka_unit_test(a_descriptor_is_a_number_from_0_on),
        cmocka_unit_test(a_command_may_come_from_fstab),
        cmocka_unit_test(a_login_is_an_access_token_or_that_of_qodercli),
        cmocka_unit_test(each_dialect_is_chosen_by_its_word),
        cmocka_unit_test(help_names_the_options_of_its_command_only),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
