/* SPDX-License-Identifier: MIT */
#include "internal.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "vaultfs/clock.h"
#include "writer.h"

static const char cache[] = "cache";

/* The numbers of the state, for the status and for the metrics alike. */
static const struct number {
    const char *object; /* of the status that it is in; NULL: at the top */
    const char *key;
    const char *metric;
    const char *type;
    const char *help;
    size_t offset; /* of a uint64_t in struct vf_report_state */
} numbers[] = {
#define AT(field) offsetof(struct vf_report_state, field)
    {cache, "vaults", "vaultfs_vaults", "gauge",
     "Vaults that are known at this moment.", AT(vaults)},
    {cache, "credentials", "vaultfs_credentials", "gauge",
     "Credentials that are known at this moment.", AT(credentials)},
    {cache, "fresh_listings", "vaultfs_fresh_listings", "gauge",
     "Listings that are taken as true.", AT(fresh_listings)},
    {cache, "stale_listings", "vaultfs_stale_listings", "gauge",
     "Listings that the next look renews.", AT(stale_listings)},
    {cache, "listings_fetched", "vaultfs_listings_fetched_total", "counter",
     "Listings that were fetched.", AT(listings_fetched)},
    {cache, "listings_ahead", "vaultfs_listings_ahead_total", "counter",
     "Of these, before anybody looked.", AT(listings_ahead)},
    {cache, "ahead_unused", "vaultfs_listings_ahead_unused_total", "counter",
     "Of these, that nobody looked at while they were true.", AT(ahead_unused)},
    {cache, "lookups_cached", "vaultfs_lookups_cached_total", "counter",
     "Looks at a listing that needed no request.", AT(lookups_cached)},
    {NULL, "requests", "vaultfs_requests_total", "counter",
     "Requests that were sent to the service.", AT(requests)},
    {NULL, "request_limit", "vaultfs_request_limit", "gauge",
     "Requests that may be in flight at a time, spare ones aside.",
     AT(request_limit)},
    {NULL, "scratch_files", "vaultfs_scratch_files", "gauge",
     "Temporary files that tools have here.", AT(scratch_files)},
    {NULL, "scratch_bytes", "vaultfs_scratch_bytes", "gauge",
     "Bytes that temporary files hold.", AT(scratch_bytes)},
    {NULL, "scratch_unsent", "vaultfs_scratch_unsent", "gauge",
     "Temporary files that hold a whole document, which was not sent.",
     AT(scratch_unsent)},
    {NULL, "unknown_outcomes", "vaultfs_unknown_outcomes", "gauge",
     "Creations that may or may not have been done.", AT(unknown_outcomes)},
#undef AT
};

#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static uint64_t value_of(const struct number *number,
                         const struct vf_report_state *state)
{
    return *(const uint64_t *)(const void *)((const char *)state +
                                             number->offset);
}

static uint64_t uptime_seconds(const struct vf_report *report)
{
    return (uint64_t)(vf_clock_boottime_ms() - report->started_ms) / 1000;
}

/* --- The status --- */

static void put_account(struct writer *writer,
                        const struct vf_report_state *state)
{
    char end[VF_TIME_SIZE];

    writer_begin(writer, "account");
    writer_string(writer, "token", state->token_source);
    writer_string(writer, "state", state->token_state);
    if (state->token_expires_s > 0) {
        vf_time_format((struct timespec){.tv_sec = state->token_expires_s},
                       end);
        writer_string(writer, "expires_at", end);
    }
    writer_end(writer);
}

static void put_numbers(struct writer *writer,
                        const struct vf_report_state *state)
{
    const char *object = NULL;

    for (size_t i = 0; i < NUMBERS; i++) {
        if (numbers[i].object != object) {
            if (object != NULL)
                writer_end(writer);
            object = numbers[i].object;
            if (object != NULL)
                writer_begin(writer, object);
        }
        writer_number(writer, numbers[i].key, value_of(&numbers[i], state));
    }
}

void report_put_status(const struct vf_report *report,
                       const struct vf_report_state *state, struct vf_buf *out)
{
    struct writer writer = {.out = out, .is_pretty = true};

    writer_begin(&writer, NULL);
    writer_string(&writer, "version", VF_VERSION);
    writer_number(&writer, "pid", (uint64_t)getpid());
    writer_number(&writer, "uptime_seconds", uptime_seconds(report));
    writer_string(&writer, "mountpoint", state->mountpoint);
    writer_string(&writer, "source", state->source);
    writer_string(&writer, "dialect", state->dialect);
    writer_bool(&writer, "read_only", state->is_read_only);
    put_account(&writer, state);
    writer_bool(&writer, "degraded", state->is_degraded);
    writer_number(&writer, "failures", report->failures_count);
    put_numbers(&writer, state);
    writer_end(&writer);
}

/* --- The metrics --- */

static void put_head(struct vf_buf *out, const char *metric, const char *type,
                     const char *help)
{
    vf_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric,
                  type);
}

static void put_metric(struct vf_buf *out, const char *metric, const char *type,
                       const char *help, uint64_t value)
{
    put_head(out, metric, type, help);
    vf_buf_printf(out, "%s %" PRIu64 "\n", metric, value);
}

/* Prometheus escapes three characters and takes all others, in UTF-8. */
static void put_label(struct vf_buf *out, const char *name, const char *value)
{
    size_t size = strlen(value);

    vf_buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < size;) {
        uint32_t code = 0;
        size_t length = vf_utf8_decode(value + i, size - i, &code);

        if (code == '"' || code == '\\' || code == '\n')
            vf_buf_printf(out, "\\%c", code == '\n' ? 'n' : (char)code);
        else if (length > 0)
            vf_buf_append(out, value + i, length);
        else
            vf_buf_puts(out, "\xEF\xBF\xBD"); /* U+FFFD */
        i += length > 0 ? length : 1;
    }
    vf_buf_puts(out, "\"");
}

static void put_info(struct vf_buf *out, const struct vf_report_state *state)
{
    put_head(out, "vaultfs_info", "gauge", "What is mounted, always 1.");
    vf_buf_puts(out, "vaultfs_info{");
    put_label(out, "version", VF_VERSION);
    vf_buf_puts(out, ",");
    put_label(out, "source", state->source);
    vf_buf_puts(out, ",");
    put_label(out, "dialect", state->dialect);
    vf_buf_puts(out, "} 1\n");
}

static void put_tallies(struct vf_buf *out, const struct vf_report *report,
                        bool is_failure)
{
    const char *metric =
        is_failure ? "vaultfs_failures_total" : "vaultfs_late_changes_total";

    put_head(out, metric, "counter",
             is_failure
                 ? "Failures, by operation and errno."
                 : "Changes that were done after their caller had left.");
    for (size_t i = 0; i < report->tallies_count; i++) {
        const struct tally *tally = &report->tallies[i];

        if ((tally->code != 0) != is_failure)
            continue;
        vf_buf_printf(out, "%s{", metric);
        put_label(out, "operation", tally->operation);
        if (is_failure) {
            vf_buf_puts(out, ",");
            put_label(out, "errno", vf_errno_name(tally->code));
        }
        vf_buf_printf(out, "} %" PRIu64 "\n", tally->count);
    }
}

static void put_fuse_requests(struct vf_buf *out,
                              const struct vf_report_state *state)
{
    static const char metric[] = "vaultfs_fuse_requests_total";

    put_head(out, metric, "counter",
             "Requests that the kernel sent to the mount, by operation.");
    for (size_t i = 0; i < state->fuse_requests_count; i++) {
        vf_buf_printf(out, "%s{", metric);
        put_label(out, "operation", state->fuse_requests[i].name);
        vf_buf_printf(out, "} %" PRIu64 "\n", state->fuse_requests[i].count);
    }
}

static void put_token(struct vf_buf *out, const struct vf_report_state *state)
{
    put_metric(out, "vaultfs_token_refused", "gauge",
               "1 while the service refuses the access token.",
               strcmp(state->token_state, "refused") == 0 ||
                   strcmp(state->token_state, "expired") == 0);
    if (state->token_expires_s > 0)
        put_metric(out, "vaultfs_token_expires_timestamp_seconds", "gauge",
                   "When the access token ends, in seconds since 1970.",
                   (uint64_t)state->token_expires_s);
}

void report_put_metrics(const struct vf_report *report,
                        const struct vf_report_state *state, struct vf_buf *out)
{
    put_info(out, state);
    put_metric(out, "vaultfs_uptime_seconds", "gauge",
               "Seconds since the mount began.", uptime_seconds(report));
    put_metric(out, "vaultfs_degraded", "gauge",
               "1 while the service does not answer.", state->is_degraded);
    put_token(out, state);
    for (size_t i = 0; i < NUMBERS; i++)
        put_metric(out, numbers[i].metric, numbers[i].type, numbers[i].help,
                   value_of(&numbers[i], state));
    put_fuse_requests(out, state);
    put_tallies(out, report, true);
    put_tallies(out, report, false);
}
