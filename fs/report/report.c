/* SPDX-License-Identifier: MIT
 *
 * A failure is kept as the line that `errors` shows, made when it is added:
 * what is kept needs no structure, and its size has a bound.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vaultfs/clock.h"
#include "writer.h"

#define PATH_TEXT_MAX 2048
#define PROCESS_MAX 64

int vf_report_new(struct vf_report **ret)
{
    struct vf_report *report = calloc(1, sizeof(*report));

    if (report == NULL)
        return -ENOMEM;
    (void)pthread_mutex_init(&report->lock, NULL);
    report->started_ms = vf_clock_boottime_ms();
    *ret = report;
    return 0;
}

void vf_report_free(struct vf_report *report)
{
    if (report == NULL)
        return;
    for (size_t i = 0; i < VF_REPORT_FAILURES; i++)
        free(report->failures[i]);
    free(report->last);
    (void)pthread_mutex_destroy(&report->lock);
    free(report);
}

/* --- Adding --- */

/* "" when it is gone. */
static void name_process(pid_t pid, char ret[static PROCESS_MAX])
{
    char path[64];

    ret[0] = '\0';
    (void)snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
    FILE *file = pid > 0 ? fopen(path, "re") : NULL;
    if (file == NULL)
        return;
    if (fgets(ret, PROCESS_MAX, file) == NULL)
        ret[0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    (void)fclose(file);
}

/* NULL: no memory. */
static char *describe(const struct vf_record *record, const char *time,
                      const char *process, bool is_pretty)
{
    const struct vf_error *error = record->error;
    struct vf_buf out = VF_BUF_INIT;
    struct writer writer = {.out = &out, .is_pretty = is_pretty};
    char path[PATH_TEXT_MAX];

    vf_error_copy(path, sizeof(path), record->path);
    writer_begin(&writer, NULL);
    writer_string(&writer, "time", time);
    writer_string(&writer, "operation", record->operation);
    writer_string(&writer, "path", path);
    writer_number(&writer, "pid", (uint64_t)record->pid);
    writer_string(&writer, "process", process);
    writer_string(&writer, "errno", vf_errno_name(error->code));
    writer_number(&writer, "http_status", (uint64_t)error->http_status);
    writer_string(&writer, "type", error->type);
    writer_string(&writer, "message", error->message);
    writer_string(&writer, "param", error->param);
    writer_string(&writer, "request_id", error->request_id);
    writer_bool(&writer, "outcome_unknown", error->is_unknown);
    writer_end(&writer);
    if (out.is_broken)
        vf_buf_free(&out);
    return out.data;
}

static bool is_of(const struct tally *tally, const char *operation, int code)
{
    return tally->code == code && strcmp(tally->operation, operation) == 0;
}

static void count(struct vf_report *report, const struct vf_record *record)
{
    char operation[sizeof(report->tallies[0].operation)];
    int code = record->error->code;
    size_t i = 0;

    vf_error_copy(operation, sizeof(operation), record->operation);
    while (i < report->tallies_count &&
           !is_of(&report->tallies[i], operation, code))
        i++;
    if (i == TALLIES_MAX)
        i--;
    struct tally *tally = &report->tallies[i];
    if (i == report->tallies_count) {
        report->tallies_count++;
        tally->code = code;
        memcpy(tally->operation, operation, sizeof(operation));
        if (i == TALLIES_MAX - 1)
            vf_error_copy(tally->operation, sizeof(operation), "other");
    }
    tally->count++;
    report->failures_count += code != 0;
}

/* Both are taken over. */
static void keep(struct vf_report *report, char *line, char *last)
{
    if (line != NULL) {
        free(report->failures[report->next]);
        report->failures[report->next] = line;
        report->next = (report->next + 1) % VF_REPORT_FAILURES;
    }
    if (last != NULL) {
        free(report->last);
        report->last = last;
    }
}

void vf_report_add(void *context, const struct vf_record *record)
{
    struct vf_report *report = context;
    char process[PROCESS_MAX], text[VF_TIME_SIZE];
    char *line = NULL, *last = NULL;
    struct timespec now;

    if (record->error->code != 0) {
        (void)clock_gettime(CLOCK_REALTIME, &now);
        vf_time_format(now, text);
        name_process(record->pid, process);
        line = describe(record, text, process, false);
        last = describe(record, text, process, true);
    }
    pthread_mutex_lock(&report->lock);
    count(report, record);
    keep(report, line, last);
    pthread_mutex_unlock(&report->lock);
}

/* --- Telling --- */

static void put_last_error(const struct vf_report *report,
                           const struct vf_report_state *state,
                           struct vf_buf *out)
{
    vf_buf_puts(out, report->last != NULL ? report->last : "{}\n");
}

static void put_errors(const struct vf_report *report,
                       const struct vf_report_state *state, struct vf_buf *out)
{
    vf_buf_puts(out, "");
    for (size_t i = 0; i < VF_REPORT_FAILURES; i++) {
        size_t place = (report->next + i) % VF_REPORT_FAILURES;

        if (report->failures[place] != NULL)
            vf_buf_puts(out, report->failures[place]);
    }
}

int vf_report_render(struct vf_report *report, const char *name,
                     const struct vf_report_state *state, char **ret,
                     size_t *ret_size)
{
    static const struct {
        const char *name;
        void (*put)(const struct vf_report *report,
                    const struct vf_report_state *state, struct vf_buf *out);
    } texts[] = {
        {"status", report_put_status},
        {"last_error", put_last_error},
        {"errors", put_errors},
        {"metrics", report_put_metrics},
    };
    struct vf_buf out = VF_BUF_INIT;
    size_t i = 0;

    while (i < sizeof(texts) / sizeof(texts[0]) &&
           strcmp(texts[i].name, name) != 0)
        i++;
    if (i == sizeof(texts) / sizeof(texts[0]))
        return -ENOENT;
    pthread_mutex_lock(&report->lock);
    texts[i].put(report, state, &out);
    pthread_mutex_unlock(&report->lock);
    if (out.is_broken) {
        vf_buf_free(&out);
        return -ENOMEM;
    }
    *ret = out.data;
    *ret_size = out.size;
    return 0;
}
