/* SPDX-License-Identifier: MIT
 *
 * Who is connected, and for how long a connection may take over what it does.
 *
 * A connection is a guest until a request on it had a known token. Guests have
 * little time, and there are few of them: one too many, and the oldest goes.
 * So who has a token always finds a place, whatever strangers do. Thread-safe;
 * nothing here blocks but what says so.
 */
#ifndef VAULTD_CONNECTIONS_H
#define VAULTD_CONNECTIONS_H

#include "vaultfs/error.h"

struct vf_connection;
struct vf_connections;

struct vf_connection_limits {
    size_t guests_max;
    int64_t guest_ms;    /* a guest, for each phase */
    int64_t idle_ms;     /* others: from one request to the next one's head */
    int64_t transfer_ms; /* others: a whole body; a whole reply */
};

/* What a connection does. Only what its client is to do has an end. */
enum vf_phase {
    VF_PHASE_HEAD, /* waits for a request, until its head is complete */
    VF_PHASE_BODY,
    VF_PHASE_WORK, /* we are to move */
    VF_PHASE_REPLY
};

/* Starts a thread that watches. Limits are copied. */
VF_MUST_CHECK int vf_connections_new(const struct vf_connection_limits *limits,
                                     struct vf_connections **ret,
                                     struct vf_error *err);

/* Every connection was forgotten before. NULL is allowed. Blocks for moments.
 */
void vf_connections_free(struct vf_connections *all);

/*
 * A new guest, in VF_PHASE_HEAD. fd is borrowed until
 * vf_connection_forget(); when its time is over it is shut down, not closed.
 * NULL when there is no memory.
 */
struct vf_connection *vf_connection_add(struct vf_connections *all, int fd);
void vf_connection_forget(struct vf_connection *connection);

/* Time for the new phase begins now. */
void vf_connection_enter(struct vf_connection *connection, enum vf_phase phase);

/* It had a known token: no guest any more. */
void vf_connection_admit(struct vf_connection *connection);

/* Blocks until no request is between its head and its reply's end, for at most
 * max_ms. */
void vf_connections_drain(struct vf_connections *all, int64_t max_ms);

#endif
