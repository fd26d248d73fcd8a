/* SPDX-License-Identifier: MIT
 *
 * How many connections it takes. The server is nginx, whose log has a number
 * for each; its certificate is made for the run.
 */
#include "client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

#define CONNECTIONS_MAX 64
#define AT_ONCE 16
#define ROUNDS 13

static char directory[64];

static pid_t spawn(const char *const *argv)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int result = posix_spawnp(&pid, argv[0], &actions, NULL,
                              (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return result == 0 ? pid : -1;
}

static void make_path(char path[static 96], const char *name)
{
    (void)snprintf(path, 96, "%s/%s", directory, name);
}

static int make_certificate(void)
{
    char key[96], certificate[96];
    int status = -1;

    make_path(key, "key");
    make_path(certificate, "cert");
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
                                key,
                                "-out",
                                certificate,
                                NULL};
    pid_t pid = spawn(argv);
    if (pid > 0)
        (void)waitpid(pid, &status, 0);
    return status;
}

static bool is_there(const char *argument)
{
    const char *const argv[] = {"nginx", argument, NULL};
    int status = -1;
    pid_t pid = spawn(argv);

    if (pid > 0)
        (void)waitpid(pid, &status, 0);
    return status == 0;
}

/* *state stays NULL where nginx or openssl is missing. */
static int set_up(void **state)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s:/usr/sbin", getenv("PATH"));
    (void)setenv("PATH", path, 1);
    (void)snprintf(directory, sizeof(directory), "/tmp/vaultfs-nginx-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    *state = is_there("-v") && make_certificate() == 0 ? directory : NULL;
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command);
}

/* A port that was free a moment ago. */
static unsigned find_port(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void write_config(unsigned port, unsigned streams)
{
    static const char *const stores[] = {"client_body", "proxy", "fastcgi",
                                         "uwsgi", "scgi"};
    char path[96];

    make_path(path, "conf");
    FILE *config = fopen(path, "we");
    assert_non_null(config);
    (void)fprintf(config,
                  "daemon off; master_process off; pid %s/pid;\n"
                  "error_log %s/errors; events {}\nhttp {\n"
                  "log_format seen '$connection $server_protocol';\n"
                  "access_log %s/log seen;\n",
                  directory, directory, directory);
    for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++)
        (void)fprintf(config, "%s_temp_path %s/temp;\n", stores[i], directory);
    (void)fprintf(config,
                  "server { listen 127.0.0.1:%u ssl http2;\n"
                  "http2_max_concurrent_streams %u;\n"
                  "ssl_certificate %s/cert; ssl_certificate_key %s/key;\n"
                  "location / { return 200 '{}'; } } }\n",
                  port, streams, directory, directory);
    assert_int_equal(fclose(config), 0);
}

static pid_t nginx;
static struct vf_http *http;

static void wait_for_listener(unsigned port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    for (bool is_there = false; !is_there;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(waitpid(nginx, NULL, WNOHANG), 0);
        is_there = connect(fd, (const struct sockaddr *)&address,
                           sizeof(address)) == 0;
        (void)close(fd);
        if (!is_there)
            (void)usleep(5000);
    }
}

static void start(void **state, unsigned streams)
{
    char config[96], certificate[96], url[64];
    unsigned port = find_port();

    if (*state == NULL) {
        print_message("skipped: no nginx, or no openssl\n");
        skip();
    }
    make_path(config, "conf");
    make_path(certificate, "cert");
    const char *const argv[] = {"nginx", "-c", config, NULL};
    write_config(port, streams);
    nginx = spawn(argv);
    assert_true(nginx > 0);
    wait_for_listener(port);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u", port);
    http = client_new_with(
        &(struct vf_http_options){.base_url = url, .cacert = certificate});
}

/* Ends both; the log is whole then. Returns how many connections there were
 * with requests of this protocol, of which there must be so many. */
static unsigned count_connections(const char *protocol, unsigned requests)
{
    unsigned long seen[CONNECTIONS_MAX], number;
    unsigned count = 0, lines = 0;
    char path[96], name[32];

    vf_http_free(http);
    (void)kill(nginx, SIGQUIT);
    (void)waitpid(nginx, NULL, 0);
    make_path(path, "log");
    FILE *log = fopen(path, "re");
    assert_non_null(log);
    while (fscanf(log, "%lu %31s", &number, name) == 2) {
        unsigned i = 0;

        assert_string_equal(name, protocol);
        lines++;
        while (i < count && seen[i] != number)
            i++;
        assert_true(i < CONNECTIONS_MAX);
        if (i == count)
            seen[count++] = number;
    }
    (void)fclose(log);
    (void)unlink(path);
    assert_int_equal(lines, requests);
    return count;
}

static void *ask_often(void *data)
{
    struct vf_http_request request = {.method = *(enum vf_http_method *)data,
                                      .path = "/"};
    struct vf_secret *body = secret_of("{}");

    if (request.method == VF_HTTP_POST) {
        request.body = body;
        request.is_body_secret = true;
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        request.deadline_ms = vf_clock_monotonic_ms() + PATIENCE_MS;
        struct outcome outcome = client_perform(http, &request);

        assert_string_equal(outcome.err.message, "");
        assert_int_equal(outcome.reply.status, 200);
        vf_http_reply_done(&outcome.reply);
    }
    vf_secret_unref(body);
    return NULL;
}

static void ask_at_once(enum vf_http_method method, unsigned callers)
{
    pthread_t threads[AT_ONCE];

    for (unsigned i = 0; i < callers; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &method),
                         0);
    for (unsigned i = 0; i < callers; i++)
        pthread_join(threads[i], NULL);
}

/* Also those that begin before it is there. */
static void reads_share_one_connection(void **state)
{
    start(state, 128);
    ask_at_once(VF_HTTP_GET, AT_ONCE);
    assert_int_equal(count_connections("HTTP/2.0", AT_ONCE * ROUNDS), 1);
}

static void a_server_that_shares_none_has_one_for_each_turn(void **state)
{
    start(state, 1);
    ask_at_once(VF_HTTP_GET, AT_ONCE);
    assert_in_range(count_connections("HTTP/2.0", AT_ONCE * ROUNDS), 1,
                    AT_ONCE + 4);
}

static void secrets_one_after_another_go_over_one_connection(void **state)
{
    start(state, 128);
    ask_at_once(VF_HTTP_POST, 1);
    assert_int_equal(count_connections("HTTP/1.1", ROUNDS), 1);
}

static void secrets_at_once_have_one_for_each_turn(void **state)
{
    start(state, 128);
    ask_at_once(VF_HTTP_POST, AT_ONCE);
    assert_in_range(count_connections("HTTP/1.1", AT_ONCE * ROUNDS), 1,
                    AT_ONCE + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_share_one_connection),
        cmocka_unit_test(a_server_that_shares_none_has_one_for_each_turn),
        cmocka_unit_test(secrets_one_after_another_go_over_one_connection),
        cmocka_unit_test(secrets_at_once_have_one_for_each_turn),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
