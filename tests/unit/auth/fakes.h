/* SPDX-License-Identifier: MIT
 *
 * One source of tokens, and one command, that do as the test says; clocks that
 * it may move; and what was put on record. They take the places of the
 * library's own: see meson.build.
 */
#ifndef TESTS_AUTH_FAKES_H
#define TESTS_AUTH_FAKES_H

#include "vaultfs/auth.h"

#define FAKE_SOURCE "token file /somewhere"

/* Begin anew, with a source that can change and gives this token. */
void fake_reset(const char *token);

/* What readings that begin from now on give: a token with an end
 * (CLOCK_REALTIME; 0: not known), or this failure. */
void fake_give(const char *token, int64_t expires_s);
void fake_fail(int code, const char *message);

void fake_cannot_change(void);

/* There is nothing to judge it by. */
void fake_has_no_file(void);

/* Its file is another than when it was last read. */
void fake_touch(void);

/* While it is closed, readings begin but do not end, and the file is as changed
 * as before. A locked one keeps them in though they are cancelled. */
void fake_close_gate(void);
void fake_lock_gate(void);
void fake_open_gate(void);

/* While they are held, judgements whether the file has changed begin but do not
 * end, as on a disk that hangs, and cannot be cancelled. Those that began; and
 * wait for one to begin. */
void fake_hold_judgements(void);
void fake_release_judgements(void);
unsigned fake_judgements(void);
void fake_wait_for_judgement(unsigned number);

/* Readings that began, the first one too; and wait for one to begin. */
unsigned fake_readings(void);
void fake_wait_for_reading(unsigned number);

/* Whether the last reading was done by a thread that takes no signal. */
bool fake_was_read_without_signals(void);

/* CLOCK_BOOTTIME and CLOCK_REALTIME, as the library sees them. */
void fake_pass_time(int64_t ms);
int64_t fake_now_s(void);

/* A command does not end before it is let: with 0, or an errno. */
struct fake_run {
    char text[64];
    char variables[4][5000];
    int64_t timeout_ms;
};
unsigned fake_runs(void);
void fake_wait_for_run(unsigned number, struct fake_run *ret);
void fake_end_run(int code);
void fake_wait_for_cancelled_run(void);

/* The sink, how often it was called, and what it got last. */
void fake_sink(void *context, const struct vf_record *record);
unsigned fake_records(void);
void fake_wait_for_record(unsigned number, const char *operation,
                          struct vf_error *ret);

#endif
