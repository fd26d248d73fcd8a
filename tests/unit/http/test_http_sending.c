/* SPDX-License-Identifier: MIT
 *
 * How a request leaves.
 */
#include "client.h"
#include "server.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define BODY "{\"a\":1}"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* With data, until the request was read; the script sets it, then answers. */
static unsigned packets;

static unsigned count_packets(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    (void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_data_segs_in;
}

static void answer_and_count(struct server *server, int fd, unsigned index)
{
    static struct request request;

    if (!server_read(server, fd, &request) || strcmp(request.body, BODY) != 0)
        return;
    packets = count_packets(fd);
    (void)server_send(fd, OK_EMPTY);
    server_drain(fd);
}

/* A second packet is a second wake-up of everybody on the way. */
static void a_small_body_leaves_with_its_head(void **state)
{
    struct server *server = server_start(answer_and_count);
    struct vf_http *http = client_new(server_url(server));
    struct outcome outcome =
        client_ask(http, VF_HTTP_POST, "/", BODY, PATIENCE_MS);

    assert_int_equal(outcome.result, 0);
    assert_int_equal(packets, 1);
    vf_http_reply_done(&outcome.reply);
    vf_http_free(http);
    server_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_body_leaves_with_its_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
