/* SPDX-License-Identifier: MIT
 *
 * Whom the engine believes. The server is openssl's own, with a certificate
 * made for the run.
 */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

static char directory[64], key_path[96], certificate_path[96], config_path[96];

/* Start a program; its standard output is *ret_output. -1: not found. */
static pid_t start(const char *const *argv, int *ret_output)
{
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int result = posix_spawnp(&pid, argv[0], &actions, NULL,
                              (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    *ret_output = ends[0];
    return result == 0 ? pid : -1;
}

/* A system that allows old TLS, so that it is the engine that refuses it. */
static int allow_old_tls(void)
{
    (void)snprintf(config_path, sizeof(config_path), "%s/config", directory);
    FILE *config = fopen(config_path, "we");
    if (config == NULL)
        return -1;
    (void)fputs(
        "openssl_conf = main\n[main]\nssl_conf = modules\n"
        "[modules]\nsystem_default = old\n"
        "[old]\nMinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\n"
        "[req]\ndistinguished_name = name\n[name]\n",
        config);
    if (fclose(config) != 0)
        return -1;
    return setenv("OPENSSL_CONF", config_path, 1);
}

static int make_certificate(void **state)
{
    int output, status = -1;

    (void)snprintf(directory, sizeof(directory), "/tmp/vaultfs-tls-XXXXXX");
    if (mkdtemp(directory) == NULL || allow_old_tls() < 0)
        return -1;
    (void)snprintf(key_path, sizeof(key_path), "%s/key", directory);
    (void)snprintf(certificate_path, sizeof(certificate_path), "%s/cert",
                   directory);
    const char *const argv[] = {"openssl",
                                "req",
                                "-x509",
                                "-newkey",
                                "ec",
                                "-pkeyopt",
                                "ec_paramgen_curve:P-256",
                                "-nodes",
                                "-days",
                                "2",
                                "-subj",
                                "/CN=127.0.0.1",
                                "-addext",
                                "subjectAltName=IP:127.0.0.1",
                                "-keyout",
                                key_path,
                                "-out",
                                certificate_path,
                                NULL};
    pid_t pid = start(argv, &output);
    if (pid > 0)
        (void)waitpid(pid, &status, 0);
    (void)close(output);
    *state = status == 0 ? directory : NULL;
    return 0;
}

static int remove_certificate(void **state)
{
    (void)unlink(key_path);
    (void)unlink(certificate_path);
    (void)unlink(config_path);
    return rmdir(directory);
}

struct tls_server {
    pid_t pid;
    int output;
    unsigned port;
};

/* It prints the port that it took once it listens. */
static struct tls_server start_server(const char *version)
{
    const char *const argv[] = {
        "openssl", "s_server",       "-accept", "127.0.0.1:0", "-key", key_path,
        "-cert",   certificate_path, "-www",    version,       NULL};
    struct tls_server server = {0};
    char line[256];

    server.pid = start(argv, &server.output);
    assert_true(server.pid > 0);
    FILE *lines = fdopen(dup(server.output), "r");
    assert_non_null(lines);
    while (server.port == 0 && fgets(line, sizeof(line), lines) != NULL)
        (void)sscanf(line, "ACCEPT 127.0.0.1:%u", &server.port);
    (void)fclose(lines);
    assert_int_not_equal(server.port, 0);
    return server;
}

static void stop_server(struct tls_server *server)
{
    (void)kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
    (void)close(server->output);
}

static struct outcome get(const struct tls_server *server, const char *host,
                          const char *cacert, bool is_secret)
{
    char url[64];

    (void)snprintf(url, sizeof(url), "https://%s:%u", host, server->port);
    struct vf_http *http = client_new_with(
        &(struct vf_http_options){.base_url = url, .cacert = cacert});
    struct outcome outcome = client_perform(
        http, &(struct vf_http_request){.path = "/",
                                        .is_body_secret = is_secret,
                                        .deadline_ms = vf_clock_monotonic_ms() +
                                                       PATIENCE_MS});
    vf_http_free(http);
    return outcome;
}

static void skip_without_openssl(void **state)
{
    if (*state == NULL) {
        print_message("skipped: no openssl command\n");
        skip();
    }
}

/* Both pools of connections: for secrets, and for all else. */
static void a_server_that_is_vouched_for_is_asked(void **state)
{
    skip_without_openssl(state);
    struct tls_server server = start_server("-tls1_3");

    for (int i = 0; i < 2; i++) {
        struct outcome outcome =
            get(&server, "127.0.0.1", certificate_path, i == 0);

        assert_string_equal(outcome.err.message, "");
        assert_int_equal(outcome.reply.status, 200);
        vf_http_reply_done(&outcome.reply);
    }
    stop_server(&server);
}

static void expect_eproto(const char *version, const char *host,
                          const char *cacert)
{
    struct tls_server server = start_server(version);
    struct outcome outcome = get(&server, host, cacert, false);

    assert_int_equal(outcome.result, -EPROTO);
    assert_int_equal(outcome.fate, VF_HTTP_NOT_SENT);
    stop_server(&server);
}

static void a_server_that_nobody_vouches_for_is_eproto(void **state)
{
    skip_without_openssl(state);
    expect_eproto("-tls1_3", "127.0.0.1", NULL);
}

static void a_certificate_for_another_host_is_eproto(void **state)
{
    skip_without_openssl(state);
    expect_eproto("-tls1_3", "localhost", certificate_path);
}

static void tls_before_1_2_is_eproto(void **state)
{
    skip_without_openssl(state);
    expect_eproto("-tls1_1", "127.0.0.1", certificate_path);
}

static void a_cacert_that_is_no_certificate_is_eproto(void **state)
{
    skip_without_openssl(state);
    expect_eproto("-tls1_3", "127.0.0.1", key_path);
}

/* Keys of the session in a file would open all that was ever recorded. Runs
 * first: libcurl reads the variable once, when it starts. */
static void no_session_key_is_logged(void **state)
{
    char log_path[96];

    skip_without_openssl(state);
    (void)snprintf(log_path, sizeof(log_path), "%s/keys", directory);
    assert_int_equal(setenv("SSLKEYLOGFILE", log_path, 1), 0);
    a_server_that_is_vouched_for_is_asked(state);
    assert_null(getenv("SSLKEYLOGFILE"));
    bool is_logged = access(log_path, F_OK) == 0;
    (void)unlink(log_path);
    assert_false(is_logged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_session_key_is_logged),
        cmocka_unit_test(a_server_that_is_vouched_for_is_asked),
        cmocka_unit_test(a_server_that_nobody_vouches_for_is_eproto),
        cmocka_unit_test(a_certificate_for_another_host_is_eproto),
        cmocka_unit_test(tls_before_1_2_is_eproto),
        cmocka_unit_test(a_cacert_that_is_no_certificate_is_eproto),
    };

    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
