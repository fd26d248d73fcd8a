/* SPDX-License-Identifier: MIT
 *
 * What a mount tells of itself: the last failures with their reasons, counts of
 * all of them, and how things are at the moment; as JSON for people and scripts
 * and as metrics for Prometheus. Records come here without secrets.
 *
 * Thread-safe. Memory is bounded, whatever happens. Nothing blocks, but for a
 * look at a caller's process in /proc.
 */
#ifndef VAULTFS_REPORT_H
#define VAULTFS_REPORT_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_report;

/* How many failures are kept. All are counted. */
#define VF_REPORT_FAILURES 256

/* The clock that it counts the uptime by starts now. *ret is freed with
 * vf_report_free(). -ENOMEM. */
VF_MUST_CHECK int vf_report_new(struct vf_report **ret);
void vf_report_free(struct vf_report *report); /* NULL is allowed */

/* A vf_record_sink; the context is the report. One that there is no memory for
 * is counted all the same. */
void vf_report_add(void *report, const struct vf_record *record);

/* One of several counts of a kind. */
struct vf_report_count {
    const char *name; /* borrowed */
    uint64_t count;
};

/* How things are, as far as others know it. All is borrowed. */
struct vf_report_state {
    const char *mountpoint;
    const char *source;       /* as the user named it */
    const char *dialect;      /* of the service */
    const char *token_source; /* never the token */
    const char *token_state;  /* "ok", "refused", "expired", "unused" */
    int64_t token_expires_s;  /* CLOCK_REALTIME; 0: not known */
    bool is_read_only;
    bool is_degraded; /* the service does not answer */
    uint64_t vaults, credentials;
    uint64_t fresh_listings, stale_listings;
    uint64_t lookups_cached, listings_fetched;
    uint64_t listings_ahead, ahead_unused;
    uint64_t requests;      /* sent */
    uint64_t request_limit; /* how many may be in flight */
    uint64_t scratch_files, scratch_bytes, scratch_unsent;
    uint64_t unknown_outcomes;
    const struct vf_report_count *fuse_requests; /* by operation */
    size_t fuse_requests_count;
};

/*
 * The text of one of these:
 *   status      one JSON object
 *   last_error  the last failure, one JSON object; empty when there was none
 *   errors      the last failures, oldest first, an object a line
 *   metrics     in Prometheus' text format
 * A failure has time, operation, path, pid, process, errno (its name),
 * http_status, type, message, param, request_id and outcome_unknown.
 * *ret is NUL-terminated and freed with free(). Errors: -ENOENT for another
 * name, -ENOMEM.
 */
VF_MUST_CHECK int vf_report_render(struct vf_report *report, const char *name,
                                   const struct vf_report_state *state,
                                   char **ret, size_t *ret_size);

#endif
