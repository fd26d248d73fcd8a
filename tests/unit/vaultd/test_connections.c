/* SPDX-License-Identifier: MIT */
#include "connections.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SOON_MS 30
#define NOT_IN_THIS_TEST_MS 3600000

/* A connection and its client's end. */
struct pair {
    struct vf_connection *connection;
    int fd, client;
};

static void join(struct vf_connections *all, struct pair *ret)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    ret->fd = fds[0];
    ret->client = fds[1];
    ret->connection = vf_connection_add(all, ret->fd);
    assert_non_null(ret->connection);
}

static void leave(struct pair *pair)
{
    vf_connection_forget(pair->connection);
    close(pair->fd);
    close(pair->client);
}

static void wait_until_shut(const struct pair *pair)
{
    char byte;

    assert_int_equal(read(pair->client, &byte, 1), 0);
}

static bool is_open(const struct pair *pair)
{
    char byte;

    return recv(pair->client, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static struct vf_connections *make(struct vf_connection_limits limits)
{
    struct vf_connections *all;

    assert_int_equal(vf_connections_new(&limits, &all, NULL), 0);
    return all;
}

static void one_guest_too_many_and_the_oldest_goes(void **state)
{
    struct vf_connections *all = make((struct vf_connection_limits){
        2, NOT_IN_THIS_TEST_MS, NOT_IN_THIS_TEST_MS, NOT_IN_THIS_TEST_MS});
    struct pair pairs[6];

    for (int i = 0; i < 3; i++) { /* with a token: no guests any more */
        join(all, &pairs[i]);
        vf_connection_admit(pairs[i].connection);
    }
    join(all, &pairs[3]);
    join(all, &pairs[4]);
    for (int i = 0; i < 5; i++)
        assert_true(is_open(&pairs[i]));
    join(all, &pairs[5]);
    for (int i = 0; i < 6; i++)
        assert_int_equal(is_open(&pairs[i]), i != 3);
    leave(&pairs[3]); /* was counted off when it was shut down */
    join(all, &pairs[3]);
    for (int i = 0; i < 6; i++)
        assert_int_equal(is_open(&pairs[i]), i != 4);
    leave(&pairs[5]); /* makes room for another */
    join(all, &pairs[5]);
    assert_true(is_open(&pairs[3]));
    for (int i = 0; i < 6; i++)
        leave(&pairs[i]);
    vf_connections_free(all);
}

static void a_guest_has_little_time_and_bytes_do_not_add_to_it(void **state)
{
    struct vf_connections *all = make((struct vf_connection_limits){
        9, SOON_MS, NOT_IN_THIS_TEST_MS, NOT_IN_THIS_TEST_MS});
    struct pair known, silent, refused;

    join(all, &known);
    vf_connection_admit(known.connection);
    join(all, &silent);
    join(all, &refused);
    vf_connection_enter(refused.connection, VF_PHASE_BODY);
    while (send(refused.client, "x", 1, MSG_NOSIGNAL) == 1)
        usleep(1000); /* drips until it is told to stop */
    wait_until_shut(&silent);
    wait_until_shut(&refused);
    assert_true(is_open(&known));
    leave(&known);
    leave(&silent);
    leave(&refused);
    vf_connections_free(all);
}

static void a_transfer_has_an_end_and_our_own_work_has_none(void **state)
{
    struct vf_connections *all = make((struct vf_connection_limits){
        9, NOT_IN_THIS_TEST_MS, NOT_IN_THIS_TEST_MS, SOON_MS});
    struct pair pairs[4];
    static const enum vf_phase phases[] = {VF_PHASE_WORK, VF_PHASE_HEAD,
                                           VF_PHASE_BODY, VF_PHASE_REPLY};

    for (int i = 0; i < 4; i++) {
        join(all, &pairs[i]);
        vf_connection_admit(pairs[i].connection);
        vf_connection_enter(pairs[i].connection, VF_PHASE_BODY);
        vf_connection_enter(pairs[i].connection, phases[i]);
    }
    wait_until_shut(&pairs[2]);
    wait_until_shut(&pairs[3]);
    assert_true(is_open(&pairs[0]));
    assert_true(is_open(&pairs[1]));
    for (int i = 0; i < 4; i++)
        leave(&pairs[i]);
    vf_connections_drain(all, NOT_IN_THIS_TEST_MS); /* nothing is under way */
    vf_connections_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_guest_too_many_and_the_oldest_goes),
        cmocka_unit_test(a_guest_has_little_time_and_bytes_do_not_add_to_it),
        cmocka_unit_test(a_transfer_has_an_end_and_our_own_work_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
