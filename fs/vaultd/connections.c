/* SPDX-License-Identifier: MIT
 *
 * Deadlines are for whole phases and not for single bytes, or a client that
 * drips would never meet one. The HTTP library has a thread in poll(2) for each
 * connection; shutting the socket down from the watching thread wakes it, and
 * it ends the connection as if the client had.
 */
#include "connections.h"

#include "vaultfs/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#define NEVER INT64_MAX

struct vf_connection {
    struct vf_connections *all;
    struct vf_connection *previous, *next;
    int fd; /* borrowed */
    enum vf_phase phase;
    bool is_guest;
    bool is_shut;
    int64_t deadline_ms;
};

struct vf_connections {
    struct vf_connection_limits limits;
    pthread_t watcher;
    pthread_mutex_t lock; /* guards what follows, and every connection */
    pthread_cond_t moved; /* a deadline before look_ms, or the end */
    pthread_cond_t idle;
    struct vf_connection *oldest, *newest;
    size_t guests;   /* not shut down */
    size_t active;   /* in no VF_PHASE_HEAD */
    int64_t look_ms; /* when the watcher looks next */
    bool is_ending;
};

static int64_t time_for(const struct vf_connection *connection)
{
    const struct vf_connection_limits *limits = &connection->all->limits;
    const int64_t times[] = {
        [VF_PHASE_HEAD] = limits->idle_ms,
        [VF_PHASE_BODY] = limits->transfer_ms,
        [VF_PHASE_WORK] = NEVER,
        [VF_PHASE_REPLY] = limits->transfer_ms,
    };

    if (connection->is_guest && connection->phase != VF_PHASE_WORK)
        return limits->guest_ms;
    return times[connection->phase];
}

static void set_deadline(struct vf_connection *connection)
{
    struct vf_connections *all = connection->all;
    int64_t time_ms = time_for(connection);

    connection->deadline_ms =
        time_ms == NEVER ? NEVER : vf_clock_monotonic_ms() + time_ms;
    if (connection->deadline_ms < all->look_ms)
        pthread_cond_signal(&all->moved);
}

static void shut(struct vf_connection *connection)
{
    if (connection->is_shut)
        return;
    connection->is_shut = true;
    if (connection->is_guest)
        connection->all->guests--;
    (void)shutdown(connection->fd, SHUT_RDWR);
}

static void shut_oldest_guest(struct vf_connections *all)
{
    struct vf_connection *guest = all->oldest;

    while (!guest->is_guest || guest->is_shut)
        guest = guest->next;
    shut(guest);
}

/* Shut down what is late; returns when to look again. */
static int64_t look(struct vf_connections *all)
{
    int64_t now_ms = vf_clock_monotonic_ms();
    int64_t next_ms = NEVER;

    for (struct vf_connection *each = all->oldest; each != NULL;
         each = each->next) {
        if (each->deadline_ms <= now_ms)
            shut(each);
        else if (!each->is_shut && each->deadline_ms < next_ms)
            next_ms = each->deadline_ms;
    }
    return next_ms;
}

static void *watch(void *context)
{
    struct vf_connections *all = context;

    pthread_mutex_lock(&all->lock);
    while (!all->is_ending) {
        all->look_ms = look(all);
        if (all->look_ms == NEVER) {
            pthread_cond_wait(&all->moved, &all->lock);
        } else {
            const struct timespec end = vf_clock_timespec(all->look_ms);

            pthread_cond_timedwait(&all->moved, &all->lock, &end);
        }
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

int vf_connections_new(const struct vf_connection_limits *limits,
                       struct vf_connections **ret, struct vf_error *err)
{
    struct vf_connections *all = calloc(1, sizeof(*all));

    if (all == NULL)
        return vf_error_set(err, ENOMEM, "no memory for connections");
    all->limits = *limits;
    all->look_ms = NEVER;
    int result = vf_clock_init_cond(&all->moved);
    if (result < 0)
        goto no_moved;
    result = vf_clock_init_cond(&all->idle);
    if (result < 0)
        goto no_idle;
    pthread_mutex_init(&all->lock, NULL);
    result = -pthread_create(&all->watcher, NULL, watch, all);
    if (result < 0)
        goto no_watcher;
    *ret = all;
    return 0;

no_watcher:
    pthread_mutex_destroy(&all->lock);
    pthread_cond_destroy(&all->idle);
no_idle:
    pthread_cond_destroy(&all->moved);
no_moved:
    free(all);
    return vf_error_set(err, -result, "nobody to watch connections");
}

void vf_connections_free(struct vf_connections *all)
{
    if (all == NULL)
        return;
    pthread_mutex_lock(&all->lock);
    all->is_ending = true;
    pthread_cond_signal(&all->moved);
    pthread_mutex_unlock(&all->lock);
    pthread_join(all->watcher, NULL);
    pthread_mutex_destroy(&all->lock);
    pthread_cond_destroy(&all->idle);
    pthread_cond_destroy(&all->moved);
    free(all);
}

struct vf_connection *vf_connection_add(struct vf_connections *all, int fd)
{
    struct vf_connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL)
        return NULL;
    connection->all = all;
    connection->fd = fd;
    connection->is_guest = true;
    pthread_mutex_lock(&all->lock);
    connection->previous = all->newest;
    *(all->newest != NULL ? &all->newest->next : &all->oldest) = connection;
    all->newest = connection;
    set_deadline(connection);
    if (++all->guests > all->limits.guests_max)
        shut_oldest_guest(all);
    pthread_mutex_unlock(&all->lock);
    return connection;
}

/* Called with the lock held. */
static void move_to(struct vf_connection *connection, enum vf_phase phase)
{
    struct vf_connections *all = connection->all;

    all->active += phase != VF_PHASE_HEAD;
    all->active -= connection->phase != VF_PHASE_HEAD;
    if (all->active == 0)
        pthread_cond_broadcast(&all->idle);
    connection->phase = phase;
}

void vf_connection_forget(struct vf_connection *connection)
{
    struct vf_connections *all = connection->all;

    pthread_mutex_lock(&all->lock);
    move_to(connection, VF_PHASE_HEAD);
    if (connection->is_guest && !connection->is_shut)
        all->guests--;
    *(connection->previous != NULL ? &connection->previous->next
                                   : &all->oldest) = connection->next;
    *(connection->next != NULL ? &connection->next->previous : &all->newest) =
        connection->previous;
    pthread_mutex_unlock(&all->lock);
    free(connection);
}

void vf_connection_enter(struct vf_connection *connection, enum vf_phase phase)
{
    pthread_mutex_lock(&connection->all->lock);
    move_to(connection, phase);
    set_deadline(connection);
    pthread_mutex_unlock(&connection->all->lock);
}

void vf_connection_admit(struct vf_connection *connection)
{
    pthread_mutex_lock(&connection->all->lock);
    if (connection->is_guest && !connection->is_shut)
        connection->all->guests--;
    connection->is_guest = false;
    set_deadline(connection);
    pthread_mutex_unlock(&connection->all->lock);
}

void vf_connections_drain(struct vf_connections *all, int64_t max_ms)
{
    const struct timespec end =
        vf_clock_timespec(vf_clock_monotonic_ms() + max_ms);

    pthread_mutex_lock(&all->lock);
    while (all->active > 0 &&
           pthread_cond_timedwait(&all->idle, &all->lock, &end) == 0)
        continue;
    pthread_mutex_unlock(&all->lock);
}
