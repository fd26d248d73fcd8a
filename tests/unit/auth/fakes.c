/* SPDX-License-Identifier: MIT */
#include "fakes.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "command.h"
#include "source.h"
#include "vaultfs/secret.h"

/* Guarded by lock. */
static struct {
    char token[64];
    int64_t expires_s;
    struct vf_error failure;
    bool can_change, has_no_file, has_changed, is_closed, is_locked,
        is_cancelled;
    bool are_judgements_held, has_no_signals;
    unsigned readings, judgements;

    struct fake_run run;
    unsigned runs, cancelled_runs;
    int run_code;

    struct vf_error recorded;
    char operation[64];
    unsigned records;
} fake;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int run_ends = -1; /* an eventfd that counts */
static _Atomic int64_t passed_ms;

static void change(void)
{
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_for(const unsigned *count, unsigned number)
{
    while (*count < number)
        pthread_cond_wait(&changed, &lock);
}

static unsigned look_at(const unsigned *count)
{
    pthread_mutex_lock(&lock);
    unsigned value = *count;
    pthread_mutex_unlock(&lock);
    return value;
}

static void set(bool *flag, bool value)
{
    pthread_mutex_lock(&lock);
    *flag = value;
    change();
}

static bool get(const bool *flag)
{
    pthread_mutex_lock(&lock);
    bool value = *flag;
    pthread_mutex_unlock(&lock);
    return value;
}

void fake_give(const char *token, int64_t expires_s)
{
    pthread_mutex_lock(&lock);
    (void)snprintf(fake.token, sizeof(fake.token), "%s", token);
    fake.expires_s = expires_s;
    fake.failure.code = 0;
    change();
}

void fake_reset(const char *token)
{
    memset(&fake, 0, sizeof(fake));
    fake.can_change = true;
    fake_give(token, 0);
    if (run_ends >= 0)
        (void)close(run_ends);
    run_ends = eventfd(0, EFD_SEMAPHORE);
    assert_true(run_ends >= 0);
}

void fake_fail(int code, const char *message)
{
    pthread_mutex_lock(&lock);
    (void)vf_error_set(&fake.failure, code, "%s", message);
    change();
}

void fake_cannot_change(void)
{
    set(&fake.can_change, false);
}

void fake_has_no_file(void)
{
    set(&fake.has_no_file, true);
}

void fake_touch(void)
{
    set(&fake.has_changed, true);
}

void fake_close_gate(void)
{
    set(&fake.is_closed, true);
}

void fake_lock_gate(void)
{
    set(&fake.is_locked, true);
    fake_close_gate();
}

void fake_open_gate(void)
{
    set(&fake.is_locked, false);
    set(&fake.is_closed, false);
}

void fake_hold_judgements(void)
{
    set(&fake.are_judgements_held, true);
}

void fake_release_judgements(void)
{
    set(&fake.are_judgements_held, false);
}

unsigned fake_judgements(void)
{
    return look_at(&fake.judgements);
}

void fake_wait_for_judgement(unsigned number)
{
    pthread_mutex_lock(&lock);
    wait_for(&fake.judgements, number);
    pthread_mutex_unlock(&lock);
}

unsigned fake_readings(void)
{
    return look_at(&fake.readings);
}

void fake_wait_for_reading(unsigned number)
{
    pthread_mutex_lock(&lock);
    wait_for(&fake.readings, number);
    pthread_mutex_unlock(&lock);
}

bool fake_was_read_without_signals(void)
{
    return get(&fake.has_no_signals);
}

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    int result = __real_clock_gettime(clock, ret);

    if (clock != CLOCK_MONOTONIC)
        ret->tv_sec += passed_ms / 1000;
    return result;
}

void fake_pass_time(int64_t ms)
{
    passed_ms += ms;
}

int64_t fake_now_s(void)
{
    struct timespec now;

    (void)__wrap_clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

int vf_auth_source_find(const struct vf_auth_options *options,
                        struct vf_auth_source **ret, struct vf_error *err)
{
    *ret = (struct vf_auth_source *)&fake; /* never looked into */
    return 0;
}

static bool takes_no_signal(void)
{
    sigset_t mask;

    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int signal = 1; signal < 32; signal++)
        if (signal != SIGKILL && signal != SIGSTOP &&
            !sigismember(&mask, signal))
            return false;
    return true;
}

int vf_auth_source_read(struct vf_auth_source *source,
                        struct vf_auth_reading *ret, struct vf_error *err)
{
    struct vf_auth_reading reading = {0};
    int result = 0;

    pthread_mutex_lock(&lock);
    const struct vf_error failure = fake.failure;
    char token[sizeof(fake.token)];
    memcpy(token, fake.token, sizeof(token));
    reading.expires_s = fake.expires_s;
    fake.readings++;
    fake.has_no_signals = takes_no_signal();
    pthread_cond_broadcast(&changed);
    while (fake.is_closed && (fake.is_locked || !fake.is_cancelled))
        pthread_cond_wait(&changed, &lock);
    fake.has_changed = false;
    if (fake.is_cancelled)
        result = vf_error_set(err, ECANCELED, "cancelled");
    else if (failure.code != 0)
        result = vf_error_set(err, failure.code, "%s", failure.message);
    pthread_mutex_unlock(&lock);
    if (result == 0)
        result = vf_secret_from(token, strlen(token), &reading.token, err);
    if (result == 0)
        *ret = reading;
    return result;
}

bool vf_auth_source_has_changed(const struct vf_auth_source *source)
{
    pthread_mutex_lock(&lock);
    fake.judgements++;
    pthread_cond_broadcast(&changed);
    while (fake.are_judgements_held)
        pthread_cond_wait(&changed, &lock);
    bool has_changed = fake.has_changed;
    pthread_mutex_unlock(&lock);
    return has_changed;
}

bool vf_auth_source_is_watched(const struct vf_auth_source *source)
{
    return !get(&fake.has_no_file);
}

bool vf_auth_source_reads_environment(const struct vf_auth_source *source)
{
    return false;
}

bool vf_auth_source_can_change(const struct vf_auth_source *source)
{
    return get(&fake.can_change);
}

const char *vf_auth_source_description(const struct vf_auth_source *source)
{
    return FAKE_SOURCE;
}

void vf_auth_source_cancel(struct vf_auth_source *source)
{
    set(&fake.is_cancelled, true);
}

void vf_auth_source_free(struct vf_auth_source *source)
{
}

static void note_run(const struct vf_auth_command *command)
{
    pthread_mutex_lock(&lock);
    (void)snprintf(fake.run.text, sizeof(fake.run.text), "%s", command->text);
    for (size_t i = 0; i < 4; i++)
        (void)snprintf(fake.run.variables[i], sizeof(fake.run.variables[i]),
                       "%s", command->variables[i]);
    assert_null(command->variables[4]);
    fake.run.timeout_ms = command->timeout_ms;
    fake.runs++;
    change();
}

int vf_auth_command_run(const struct vf_auth_command *command,
                        struct vf_error *err)
{
    struct pollfd ends[] = {{.fd = command->cancel_fd, .events = POLLIN},
                            {.fd = run_ends, .events = POLLIN}};
    eventfd_t one;

    note_run(command);
    assert_true(poll(ends, 2, -1) > 0);
    if (ends[0].revents != 0) {
        pthread_mutex_lock(&lock);
        fake.cancelled_runs++;
        change();
        return vf_error_set(err, ECANCELED, "cancelled");
    }
    assert_int_equal(eventfd_read(run_ends, &one), 0);
    pthread_mutex_lock(&lock);
    int code = fake.run_code;
    pthread_mutex_unlock(&lock);
    return code == 0 ? 0 : vf_error_set(err, code, "the command failed");
}

unsigned fake_runs(void)
{
    return look_at(&fake.runs);
}

void fake_wait_for_run(unsigned number, struct fake_run *ret)
{
    pthread_mutex_lock(&lock);
    wait_for(&fake.runs, number);
    *ret = fake.run;
    pthread_mutex_unlock(&lock);
}

void fake_end_run(int code)
{
    pthread_mutex_lock(&lock);
    fake.run_code = code;
    change();
    assert_int_equal(eventfd_write(run_ends, 1), 0);
}

void fake_wait_for_cancelled_run(void)
{
    pthread_mutex_lock(&lock);
    wait_for(&fake.cancelled_runs, 1);
    pthread_mutex_unlock(&lock);
}

void fake_sink(void *context, const struct vf_record *record)
{
    pthread_mutex_lock(&lock);
    fake.records++;
    fake.recorded = *record->error;
    (void)snprintf(fake.operation, sizeof(fake.operation), "%s %s",
                   record->operation, record->path);
    change();
}

unsigned fake_records(void)
{
    return look_at(&fake.records);
}

void fake_wait_for_record(unsigned number, const char *operation,
                          struct vf_error *ret)
{
    char expected[sizeof(fake.operation)];

    (void)snprintf(expected, sizeof(expected), "%s /", operation);
    pthread_mutex_lock(&lock);
    wait_for(&fake.records, number);
    assert_string_equal(fake.operation, expected);
    *ret = fake.recorded;
    pthread_mutex_unlock(&lock);
}
