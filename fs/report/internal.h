/* SPDX-License-Identifier: MIT */
#ifndef REPORT_INTERNAL_H
#define REPORT_INTERNAL_H

#include <pthread.h>

#include "vaultfs/report.h"
#include "vaultfs/text.h"

/* Kinds of outcomes that are told apart; the last takes what is left over. */
#define TALLIES_MAX 128

/* How often an operation ended so. */
struct tally {
    char operation[24];
    int code; /* an errno; 0: done, after its caller had left */
    uint64_t count;
};

struct vf_report {
    pthread_mutex_t lock;               /* guards all below */
    char *failures[VF_REPORT_FAILURES]; /* a ring of lines, owned; NULL: none */
    size_t next;                        /* the place of the next, and oldest */
    char *last; /* the last failure, for people to read; NULL: none */
    struct tally tallies[TALLIES_MAX];
    size_t tallies_count;
    uint64_t failures_count;
    int64_t started_ms; /* CLOCK_BOOTTIME */
};

/* state.c: for both, the lock is held */
void report_put_status(const struct vf_report *report,
                       const struct vf_report_state *state, struct vf_buf *out);
void report_put_metrics(const struct vf_report *report,
                        const struct vf_report_state *state,
                        struct vf_buf *out);

#endif
