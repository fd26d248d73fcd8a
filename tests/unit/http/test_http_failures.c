/* SPDX-License-Identifier: MIT */
#include "client.h"
#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* The two below stand in for the C library's, in libcurl too. */
static int connect_errno;

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t size)
{
    if (connect_errno != 0) {
        errno = connect_errno;
        return -1;
    }
    return (int)syscall(SYS_connect, fd, address.__sockaddr__, size);
}

/* No name exists: no test asks a real resolver. */
int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **ret)
{
    return EAI_NONAME;
}

static void expect_failure(const struct outcome *outcome, int code,
                           enum vf_http_fate fate)
{
    if (outcome->result != -code)
        print_error("%s (status %d)\n", outcome->err.message,
                    outcome->reply.status);
    assert_int_equal(outcome->result, -code);
    assert_int_equal(outcome->fate, fate);
}

/* A POST to a server that runs the script. */
static struct outcome post_to(server_script *script, unsigned *ret_requests)
{
    struct server *server = server_start(script);
    struct vf_http *http = client_new(server_url(server));
    struct outcome outcome =
        client_ask(http, VF_HTTP_POST, "/", "{}", PATIENCE_MS);

    *ret_requests = server_requests(server);
    vf_http_free(http);
    server_stop(server);
    return outcome;
}

static void close_at_once(struct server *server, int fd, unsigned index)
{
    struct request request;

    (void)server_read(server, fd, &request);
}

static void reset_at_once(struct server *server, int fd, unsigned index)
{
    close_at_once(server, fd, index);
    server_reset(fd);
}

static void begin_a_line(struct server *server, int fd, unsigned index)
{
    close_at_once(server, fd, index);
    (void)server_send(fd, "HTTP/1.1");
}

static void a_connection_that_ends_without_a_line_is_eremoteio(void **state)
{
    static server_script *const scripts[] = {close_at_once, reset_at_once,
                                             begin_a_line};

    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        unsigned requests;
        struct outcome outcome = post_to(scripts[i], &requests);

        expect_failure(&outcome, EREMOTEIO, VF_HTTP_UNKNOWN);
        assert_int_equal(requests, 1);
    }
}

/* What answer_wrong() says, and whether a reset follows. */
static const char *wrong_answer;
static bool is_reset;

static void answer_wrong(struct server *server, int fd, unsigned index)
{
    struct request request;

    if (!server_read(server, fd, &request))
        return;
    (void)server_send(fd, wrong_answer);
    if (is_reset)
        server_reset(fd);
}

static void a_reply_that_is_cut_or_not_http_is_ebadmsg(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y",
        "HTTP/1.1 200 OK\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "{\"data\":[]}",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n",
    };

    for (size_t i = 0; i < 2 * sizeof(answers) / sizeof(answers[0]); i++) {
        unsigned requests;

        wrong_answer = answers[i / 2];
        is_reset = i % 2 == 1;
        struct outcome outcome = post_to(answer_wrong, &requests);
        if (outcome.result != -EBADMSG)
            print_error("%s%s\n", wrong_answer, is_reset ? " (reset)" : "");
        /* A reset may overtake what was sent before it. */
        if (!is_reset || outcome.result != -EREMOTEIO)
            expect_failure(&outcome, EBADMSG, VF_HTTP_UNKNOWN);
        assert_int_equal(outcome.fate, VF_HTTP_UNKNOWN);
        assert_int_equal(requests, 1);
    }
}

/* Answers the first request of the first connection, reads the second and
 * closes; answers everything on later connections. */
static void answer_first_only(struct server *server, int fd, unsigned index)
{
    struct request request;

    for (unsigned i = 0; server_read(server, fd, &request); i++)
        if ((index == 0 && i > 0) || !server_send(fd, OK_EMPTY))
            break;
}

static void a_post_on_a_dying_connection_is_sent_once(void **state)
{
    static const char *const bodies[] = {"{\"a\":1}", NULL};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct server *server = server_start(answer_first_only);
        struct vf_http *http = client_new(server_url(server));

        client_expect(http, "/", 200);
        struct outcome outcome =
            client_ask(http, VF_HTTP_POST, "/", bodies[i], PATIENCE_MS);
        expect_failure(&outcome, EREMOTEIO, VF_HTTP_UNKNOWN);
        assert_non_null(strstr(outcome.err.message,
                               ": the connection ended before the reply "
                               "began"));
        assert_int_equal(server_requests(server), 2);
        assert_int_equal(vf_http_requests(http), 2);
        client_expect(http, "/", 200);
        vf_http_free(http);
        server_stop(server);
    }
}

static void a_get_or_delete_on_a_dying_connection_is_repeated(void **state)
{
    static const enum vf_http_method methods[] = {VF_HTTP_GET, VF_HTTP_DELETE};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct server *server = server_start(answer_first_only);
        struct vf_http *http = client_new(server_url(server));

        client_expect(http, "/", 200);
        struct outcome outcome =
            client_ask(http, methods[i], "/", NULL, PATIENCE_MS);
        assert_int_equal(outcome.result, 0);
        assert_int_equal(outcome.reply.status, 200);
        assert_int_equal(server_requests(server), 3);
        assert_int_equal(vf_http_requests(http), 3);
        vf_http_reply_done(&outcome.reply);
        vf_http_free(http);
        server_stop(server);
    }
}

/* Answers before the body has come, as servers do with 413. */
static void answer_early(struct server *server, int fd, unsigned index)
{
    char bytes[4096] = "";

    if (recv(fd, bytes, sizeof(bytes) - 1, 0) > 0 &&
        strcasestr(bytes, "\r\nExpect:") == NULL &&
        server_send(fd, "HTTP/1.1 413 x\r\nConnection: close\r\n"
                        "Content-Length: 0\r\n\r\n")) {
        (void)shutdown(fd, SHUT_WR);
        server_drain(fd);
    }
}

static void an_answer_that_comes_before_the_body_is_taken(void **state)
{
    struct server *server = server_start(answer_early);
    struct vf_http *http = client_new(server_url(server));
    size_t size = 2 * 1024 * 1024;
    struct vf_secret *body = NULL;

    assert_int_equal(vf_secret_new(size, &body, NULL), 0);
    char block[4096];
    memset(block, ' ', sizeof(block));
    for (size_t i = 0; i < size / sizeof(block); i++)
        assert_int_equal(vf_secret_append(body, block, sizeof(block), NULL), 0);
    struct outcome outcome = client_perform(
        http, &(struct vf_http_request){.method = VF_HTTP_POST,
                                        .path = "/",
                                        .body = body,
                                        .deadline_ms = vf_clock_monotonic_ms() +
                                                       PATIENCE_MS});
    assert_int_equal(outcome.result, 0);
    assert_int_equal(outcome.reply.status, 413);
    vf_http_reply_done(&outcome.reply);
    vf_secret_unref(body);
    vf_http_free(http);
    server_stop(server);
}

static void nobody_listening_is_econnrefused(void **state)
{
    struct server *server = server_start(close_at_once);
    char url[64];

    (void)snprintf(url, sizeof(url), "%s", server_url(server));
    server_stop(server);
    struct vf_http *http = client_new(url);
    struct outcome outcome = client_get(http, "/");
    expect_failure(&outcome, ECONNREFUSED, VF_HTTP_NOT_SENT);
    assert_int_equal(vf_http_requests(http), 0);
    vf_http_free(http);
}

static void what_connect_says_is_what_the_caller_gets(void **state)
{
    static const struct {
        int connect_errno;
        int code;
    } cases[] = {
        {ECONNREFUSED, ECONNREFUSED},
        {EHOSTUNREACH, EHOSTUNREACH},
        {ENETUNREACH, EHOSTUNREACH},
        {ETIMEDOUT, ETIMEDOUT},
        {EACCES, EACCES},
        {ENOENT, ECONNREFUSED},
    };
    struct vf_http *http = client_new("http://127.0.0.1:9");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        connect_errno = cases[i].connect_errno;
        struct outcome outcome = client_get(http, "/");
        connect_errno = 0;
        expect_failure(&outcome, cases[i].code, VF_HTTP_NOT_SENT);
    }
    vf_http_free(http);
}

static void a_name_that_is_not_known_is_ehostunreach(void **state)
{
    struct vf_http *http = client_new("https://no.such.host.test");
    struct outcome outcome = client_get(http, "/");

    expect_failure(&outcome, EHOSTUNREACH, VF_HTTP_NOT_SENT);
    assert_non_null(strstr(outcome.err.message, "no.such.host.test"));
    vf_http_free(http);
}

static void answer_in_clear(struct server *server, int fd, unsigned index)
{
    char bytes[64];

    if (recv(fd, bytes, sizeof(bytes), 0) > 0)
        (void)server_send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void expect_no_tls(server_script *script, int code)
{
    struct server *server = server_start(script);
    char url[64];

    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u",
                   server_port(server));
    struct vf_http *http = client_new(url);
    struct outcome outcome = client_get(http, "/");
    expect_failure(&outcome, code, VF_HTTP_NOT_SENT);
    vf_http_free(http);
    server_stop(server);
}

static void a_peer_without_tls_is_eproto(void **state)
{
    expect_no_tls(answer_in_clear, EPROTO);
}

static void hear_and_close(struct server *server, int fd, unsigned index)
{
    char bytes[64];

    (void)!recv(fd, bytes, sizeof(bytes), 0);
}

static void hear_and_reset(struct server *server, int fd, unsigned index)
{
    hear_and_close(server, fd, index);
    server_reset(fd);
}

static void begin_a_record(struct server *server, int fd, unsigned index)
{
    static const char head[] = {22, 3, 3, 0, 122, 2};

    hear_and_close(server, fd, index);
    (void)send(fd, head, sizeof(head), MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
}

/* It says nothing of whether the peer is to be believed. */
static void a_connection_that_ends_in_the_handshake_is_eremoteio(void **state)
{
    expect_no_tls(hear_and_close, EREMOTEIO);
    expect_no_tls(hear_and_reset, EREMOTEIO);
    expect_no_tls(begin_a_record, EREMOTEIO);
}

/* A directory of our own with a socket's path in it. */
static char directory[64], socket_path[96];

static int make_directory(void **state)
{
    (void)snprintf(directory, sizeof(directory), "/tmp/vaultfs-http-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)unlink(socket_path);
    return rmdir(directory);
}

static struct vf_http *unix_client(void)
{
    return client_new_with(&(struct vf_http_options){
        .base_url = "http://localhost/api", .unix_socket = socket_path});
}

static void answer_ok(struct server *server, int fd, unsigned index)
{
    struct request request;

    while (server_read(server, fd, &request))
        if (!server_send(fd, OK_EMPTY))
            break;
}

static void a_unix_socket_serves_requests_on_one_connection(void **state)
{
    struct server *server = server_start_unix(answer_ok, socket_path);
    struct vf_http *http = unix_client();

    for (int i = 0; i < 3; i++)
        client_expect(http, "/vaults", 200);
    assert_int_equal(server_connections(server), 1);
    vf_http_free(http);
    server_stop(server);
}

static void a_unix_socket_that_is_gone_or_deaf_is_econnrefused(void **state)
{
    struct vf_http *http = unix_client();
    struct outcome missing = client_get(http, "/");

    expect_failure(&missing, ECONNREFUSED, VF_HTTP_NOT_SENT);
    assert_non_null(strstr(missing.err.message, socket_path));
    assert_non_null(strstr(missing.err.message, strerror(ENOENT)));
    server_stop(server_start_unix(answer_ok, socket_path));
    struct outcome deaf = client_get(http, "/");
    expect_failure(&deaf, ECONNREFUSED, VF_HTTP_NOT_SENT);
    vf_http_free(http);
}

/* The rights of this thread alone; the socket keeps who called listen(). */
static void become(uid_t uid)
{
    assert_int_equal(syscall(SYS_setresuid, -1, uid, -1), 0);
}

static char stranger_got;

static void keep_a_byte(struct server *server, int fd, unsigned index)
{
    (void)recv(fd, &stranger_got, 1, 0);
}

static void a_strangers_unix_socket_gets_no_byte(void **state)
{
    const struct passwd *nobody = getpwnam("nobody");

    if (geteuid() != 0 || nobody == NULL) {
        print_message("skipped: only root can play another user\n");
        skip();
    }
    assert_int_equal(chown(directory, nobody->pw_uid, (gid_t)-1), 0);
    become(nobody->pw_uid);
    struct server *server = server_start_unix(keep_a_byte, socket_path);
    become(0);
    struct vf_http *http = unix_client();

    stranger_got = '\0';
    /* Twice: the first refusal must not leave a connection to be reused. */
    for (int i = 0; i < 2; i++) {
        struct outcome outcome =
            client_ask(http, VF_HTTP_POST, "/", "{}", PATIENCE_MS);
        expect_failure(&outcome, EACCES, VF_HTTP_NOT_SENT);
    }
    vf_http_free(http);
    server_stop(server);
    assert_int_equal(stranger_got, '\0');
}

static void a_unix_socket_with_a_full_queue_is_econnrefused(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct sockaddr *path = (const struct sockaddr *)&address;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int filler = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)strcpy(address.sun_path, socket_path);
    assert_int_equal(bind(listener, path, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(connect(filler, path, sizeof(address)), 0);

    struct vf_http *http = unix_client();
    struct outcome outcome = client_get(http, "/");
    expect_failure(&outcome, ECONNREFUSED, VF_HTTP_NOT_SENT);
    vf_http_free(http);
    (void)close(filler);
    (void)close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_ends_without_a_line_is_eremoteio),
        cmocka_unit_test(a_reply_that_is_cut_or_not_http_is_ebadmsg),
        cmocka_unit_test(a_post_on_a_dying_connection_is_sent_once),
        cmocka_unit_test(a_get_or_delete_on_a_dying_connection_is_repeated),
        cmocka_unit_test(an_answer_that_comes_before_the_body_is_taken),
        cmocka_unit_test(nobody_listening_is_econnrefused),
        cmocka_unit_test(what_connect_says_is_what_the_caller_gets),
        cmocka_unit_test(a_name_that_is_not_known_is_ehostunreach),
        cmocka_unit_test(a_peer_without_tls_is_eproto),
        cmocka_unit_test(a_connection_that_ends_in_the_handshake_is_eremoteio),
        cmocka_unit_test_setup_teardown(
            a_unix_socket_serves_requests_on_one_connection, make_directory,
            remove_directory),
        cmocka_unit_test_setup_teardown(
            a_unix_socket_that_is_gone_or_deaf_is_econnrefused, make_directory,
            remove_directory),
        cmocka_unit_test_setup_teardown(a_strangers_unix_socket_gets_no_byte,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(
            a_unix_socket_with_a_full_queue_is_econnrefused, make_directory,
            remove_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
