/* SPDX-License-Identifier: MIT */
#include "access.h"

#include "client.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vaultfs/auth.h"
#include "vaultfs/http.h"

static const struct vf_access_user nobody = {0};

/* A command line with two options; a name of NULL: without. */
static struct vf_options options_of(const char *name, const char *value,
                                    const char *other, const char *other_value)
{
    const char *const given[] = {name, value, other, other_value};
    char *words[5] = {NULL};
    size_t count = 0;
    struct vf_options options;
    struct vf_error err;

    for (size_t i = 0; i < 4; i++)
        if (given[i] != NULL)
            words[count++] = strdup(given[i]);
    if (vf_options_parse(VF_FOR_CHECK, words, &options, &err) < 0)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < count; i++)
        free(words[i]);
    return options;
}

static struct vf_options option(const char *name, const char *value)
{
    return options_of(name, value, NULL, NULL);
}

static struct vf_options nothing(void)
{
    return option(NULL, NULL);
}

static int discard_sources(void **state)
{
    static const char *const names[] = {
        "QODER_PERSONAL_ACCESS_TOKEN", "QODER_PAT",      "QODER_ACCESS_TOKEN",
        "QODER_SERVICE_ACCOUNT_KEY",   "QODER_BASE_URL", "ANTHROPIC_API_KEY",
        "CREDENTIALS_DIRECTORY",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    return 0;
}

/* --- Where keys are exchanged --- */

static void assert_exchanged_at(const char *text, const char *told,
                                const char *url, const char *socket)
{
    struct vf_options options = options_of(
        "--cacert", "/ca.pem", told != NULL ? "--exchange-url" : NULL, told);
    struct vf_source source;
    struct vf_client client;
    struct vf_http_options http;
    char *owned;

    assert_int_equal(vf_source_parse(text, &source, NULL), 0);
    vf_client_init(&client, &source);
    client.manner = vf_access_manner(VF_DIALECT_AUTO);
    assert_int_equal(vf_access_exchange(&client, &options, &http, &owned), 0);
    assert_string_equal(http.base_url, url);
    if (socket != NULL)
        assert_string_equal(http.unix_socket, socket);
    else
        assert_null(http.unix_socket);
    assert_string_equal(http.cacert, "/ca.pem");
    free(owned);
    vf_source_done(&source);
    vf_options_done(&options);
}

static void a_key_is_exchanged_where_it_belongs(void **state)
{
    static const struct {
        const char *source, *told, *url, *socket;
    } cases[] = {
        {"qoder", NULL, "https://openapi.qoder.sh"},
        {"https://api.qoder.com", NULL, "https://openapi.qoder.sh"},
        {"qoder-cn", NULL, "https://api.qoder.com.cn"},
        /* Not by a beginning: these are others. */
        {"https://api.qoder.com:8443/x", NULL, "https://api.qoder.com:8443"},
        {"https://api.qoder.community/x", NULL, "https://api.qoder.community"},
        {"http://127.0.0.1:8/a/b", NULL, "http://127.0.0.1:8"},
        {"http://[::1]:8", NULL, "http://[::1]:8"},
        {"unix:/nonexistent/s", NULL, "http://localhost", "/nonexistent/s"},
        {"qoder", "https://e.example/x", "https://e.example/x"},
        {"unix:/nonexistent/s", "https://e.example", "https://e.example"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_exchanged_at(cases[i].source, cases[i].told, cases[i].url,
                            cases[i].socket);
    setenv("QODER_BASE_URL", "https://staging.example/api", 1);
    assert_exchanged_at("qoder", NULL, "https://staging.example", NULL);
    unsetenv("QODER_BASE_URL");
}

static void a_key_is_refused_where_nobody_exchanges_it(void **state)
{
    struct vf_source source;
    struct vf_client client;
    struct vf_options options =
        option("--service-account-key-file", "/nonexistent");
    struct vf_auth *auth = NULL;
    struct vf_error err = {0};

    assert_int_equal(vf_source_parse("anthropic", &source, NULL), 0);
    vf_client_init(&client, &source);
    client.dialect = "anthropic";
    client.manner = vf_access_manner(VF_DIALECT_ANTHROPIC);
    assert_int_equal(vf_access_open(&client, &options, &nobody, &auth, &err),
                     -EINVAL);
    assert_non_null(strstr(err.message, "--service-account-key-file"));
    assert_non_null(strstr(err.message, "ANTHROPIC_API_KEY"));
    assert_null(auth);
    vf_source_done(&source);
    vf_options_done(&options);
}

/* --- What can be refused at once --- */

static void the_login_of_qodercli_is_refused_with_a_way_out(void **state)
{
    struct vf_options options = option("--auth", "qodercli");
    struct vf_error err = {0};

    assert_int_equal(vf_access_check(&options, &err), -ENOKEY);
    assert_string_equal(err.type, "cloud_agent_auth_requires_access_token");
    assert_non_null(strstr(err.message, "~/.qoder/.auth"));
    assert_non_null(strstr(err.message, "--token-file"));
    vf_options_done(&options);
    options = nothing();
    assert_int_equal(vf_access_check(&options, &err), 0);
    vf_options_done(&options);
}

static void a_descriptor_must_have_been_given_to_us(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char number[16];
    struct vf_error err = {0};

    (void)snprintf(number, sizeof(number), "%d", fd);
    struct vf_options options = option("--token-fd", number);
    assert_int_equal(vf_access_check(&options, &err), 0);
    assert_int_equal(vf_access_descriptor(&options), fd);
    (void)close(fd);
    assert_int_equal(vf_access_check(&options, &err), -EBADF);
    vf_options_done(&options);
    /* A file wins, and the descriptor is of no interest then. */
    options = options_of("--token-fd", number, "--token-file", "/nonexistent");
    assert_int_equal(vf_access_check(&options, &err), 0);
    assert_int_equal(vf_access_descriptor(&options), -1);
    vf_options_done(&options);
}

/* --- Which token --- */

/* Of a mount of the embedded service, which has a file for its own token. */
static void assert_source_of_local(struct vf_options options,
                                   const char *expected)
{
    char directory[] = "/tmp/test_access.XXXXXX", own[64], socket[64];
    struct vf_source source;
    struct vf_client client;
    struct vf_auth *auth;
    struct vf_error err = {0};

    assert_non_null(mkdtemp(directory));
    (void)snprintf(own, sizeof(own), "%s/token", directory);
    (void)snprintf(socket, sizeof(socket), "%s/socket", directory);
    int fd = open(own, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "pt-own\n", 7), 7);
    (void)close(fd);
    assert_int_equal(vf_source_parse("local", &source, NULL), 0);
    vf_client_init(&client, &source);
    client.local.token_file = own;
    client.local.socket = socket;
    client.manner = vf_access_manner(VF_DIALECT_AUTO);
    if (vf_access_open(&client, &options, &nobody, &auth, &err) < 0)
        fail_msg("%s", err.message);
    if (strstr(vf_auth_source(auth), expected != NULL ? expected : own) == NULL)
        fail_msg("%s is no %s", vf_auth_source(auth), expected);
    vf_auth_free(auth);
    vf_source_done(&source);
    vf_options_done(&options);
    (void)unlink(own);
    (void)rmdir(directory);
}

static void local_has_its_own_token_unless_a_source_is_named(void **state)
{
    char number[16], path[] = "/tmp/test_access.XXXXXX";
    int fds[2], fd = mkstemp(path);

    setenv("QODER_PAT", "pt-mine", 1);
    assert_source_of_local(nothing(), NULL);

    setenv("MY_TOKEN", "pt-mine", 1);
    assert_source_of_local(option("--token-env", "MY_TOKEN"), "MY_TOKEN");

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "pt-mine", 7), 7);
    (void)close(fds[1]);
    (void)snprintf(number, sizeof(number), "%d", fds[0]);
    assert_source_of_local(option("--token-fd", number), "descriptor");

    assert_source_of_local(option("--token-command", "echo pt-mine"),
                           "command");

    assert_int_equal(write(fd, "QODER_PAT=pt-mine\n", 18), 18);
    assert_source_of_local(option("--env-file", path), "QODER_PAT");
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, "pt-mine\n", 8, 0), 8);
    assert_source_of_local(option("--token-file", path), path);
    (void)close(fd);
    (void)unlink(path);
}

static void every_variable_with_a_secret_is_wiped(void **state)
{
    static const char *const names[] = {
        "QODER_PERSONAL_ACCESS_TOKEN", "QODER_PAT",
        "QODER_ACCESS_TOKEN",          "QODER_SERVICE_ACCOUNT_KEY",
        "ANTHROPIC_API_KEY",
    };
    static const unsigned dialects[] = {VF_DIALECT_AUTO, VF_DIALECT_ANTHROPIC};

    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
        struct vf_source source;
        struct vf_client client;
        struct vf_options options = nothing();
        struct vf_auth *auth;
        struct vf_error err = {0};

        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
            setenv(names[n], "pt-canary", 1);
        assert_int_equal(vf_source_parse("https://h.example", &source, NULL),
                         0);
        vf_client_init(&client, &source);
        client.manner = vf_access_manner(dialects[i]);
        if (vf_access_open(&client, &options, &nobody, &auth, &err) < 0)
            fail_msg("%s", err.message);
        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
            assert_null(getenv(names[n]));
        vf_options_done(&options);
        vf_auth_free(auth);
        vf_source_done(&source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_key_is_exchanged_where_it_belongs,
                               discard_sources),
        cmocka_unit_test(a_key_is_refused_where_nobody_exchanges_it),
        cmocka_unit_test(the_login_of_qodercli_is_refused_with_a_way_out),
        cmocka_unit_test(a_descriptor_must_have_been_given_to_us),
        cmocka_unit_test_setup(local_has_its_own_token_unless_a_source_is_named,
                               discard_sources),
        cmocka_unit_test_setup(every_variable_with_a_secret_is_wiped,
                               discard_sources),
    };

    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
