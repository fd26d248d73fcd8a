/* SPDX-License-Identifier: MIT
 *
 * One request, from its head to the end of its reply.
 */
#ifndef VAULTD_REQUEST_H
#define VAULTD_REQUEST_H

#include "dialect.h"
#include "spares.h"

#include <microhttpd.h>
#include <stdatomic.h>

struct vf_store;
struct vf_usage;

/* What all requests of a server share. Pointers are borrowed. */
struct vf_requests {
    struct vf_store *store;
    const struct vf_dialect *dialect;
    const struct vf_rules *rules;
    struct vf_usage *usage;
    bool is_logging; /* a line a request */
    struct vf_spares spares;
    size_t bodies_max;    /* bytes */
    atomic_size_t bodies; /* bytes of all bodies that are held */
};

/*
 * What the HTTP library calls, with a struct vf_requests: with the head, with
 * each piece of the body, and at its end. The context of the connection's
 * socket is its struct vf_connection.
 */
enum MHD_Result vf_request_handle(void *context,
                                  struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *upload,
                                  size_t *upload_size, void **request_context);

/* The same, when the reply is out or the connection is lost. */
void vf_request_completed(void *context, struct MHD_Connection *connection,
                          void **request_context,
                          enum MHD_RequestTerminationCode code);

#endif
