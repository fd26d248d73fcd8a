/* SPDX-License-Identifier: MIT */
#include "vaultfs/log.h"

#include "vaultfs/clock.h"
#include "vaultfs/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static struct {
    const char *program;
    enum vf_log_format format;
    enum vf_log_level level;
    bool is_syslog;
} log_state = {.program = "vaultfs", .level = VF_LOG_INFO};

static const struct {
    const char *name;
    int priority;
} levels[] = {
    [VF_LOG_ERROR] = {"error", LOG_ERR},
    [VF_LOG_WARNING] = {"warning", LOG_WARNING},
    [VF_LOG_INFO] = {"info", LOG_INFO},
    [VF_LOG_DEBUG] = {"debug", LOG_DEBUG},
};

void vf_log_init(const char *program, enum vf_log_format format,
                 enum vf_log_level level)
{
    log_state.program = program;
    log_state.format = format;
    log_state.level = level;
}

void vf_log_to_syslog(void)
{
    openlog(log_state.program, LOG_PID, LOG_DAEMON);
    log_state.is_syslog = true;
}

static void put_json_string(struct vf_buf *line, const char *key,
                            const char *value)
{
    vf_buf_printf(line, "%s\"%s\":", line->size > 1 ? "," : "", key);
    vf_buf_put_json(line, value);
}

static void put_json_int(struct vf_buf *line, const char *key, long value)
{
    vf_buf_printf(line, ",\"%s\":%ld", key, value);
}

static void now(char ret[static VF_TIME_SIZE])
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    vf_time_format(time, ret);
}

/* One write, so that lines of several threads do not mix. */
static void emit(enum vf_log_level level, struct vf_buf *line)
{
    if (line->is_broken)
        return;
    if (log_state.is_syslog) {
        syslog(levels[level].priority, "%s", line->data);
        return;
    }
    vf_buf_puts(line, "\n");
    if (!line->is_broken && write(STDERR_FILENO, line->data, line->size) < 0)
        return; /* there is no other place to complain to */
}

static void begin_json(struct vf_buf *line, enum vf_log_level level)
{
    char time[VF_TIME_SIZE];

    now(time);
    vf_buf_puts(line, "{");
    put_json_string(line, "time", time);
    put_json_string(line, "level", levels[level].name);
}

static void begin_text(struct vf_buf *line, enum vf_log_level level)
{
    char time[VF_TIME_SIZE];

    if (log_state.is_syslog)
        return;
    now(time);
    /* The mounts of a user share a file. */
    vf_buf_printf(line, "%s %s[%ld] %s: ", time, log_state.program,
                  (long)getpid(), levels[level].name);
}

void vf_log(enum vf_log_level level, const char *format, ...)
{
    struct vf_buf line = VF_BUF_INIT;
    char text[4096];
    va_list args;

    if (level > log_state.level)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (log_state.format == VF_LOG_JSON) {
        begin_json(&line, level);
        put_json_string(&line, "message", text);
        vf_buf_puts(&line, "}");
    } else {
        begin_text(&line, level);
        vf_buf_put_escaped(&line, text, strlen(text));
    }
    emit(level, &line);
    vf_buf_free(&line);
}

static enum vf_log_level level_of(const struct vf_record *record)
{
    return record->error->code == 0 ? VF_LOG_INFO : VF_LOG_ERROR;
}

/* "" for what did not fail. */
static const char *errno_name(const struct vf_record *record)
{
    int code = record->error->code;

    return code == 0 ? "" : vf_errno_name(code);
}

static void put_record_json(struct vf_buf *line, const struct vf_record *record)
{
    const struct vf_error *error = record->error;

    begin_json(line, level_of(record));
    put_json_string(line, "operation", record->operation);
    put_json_string(line, "path", record->path);
    put_json_int(line, "pid", (long)record->pid);
    put_json_string(line, "errno", errno_name(record));
    put_json_int(line, "http_status", error->http_status);
    put_json_string(line, "type", error->type);
    put_json_string(line, "message", error->message);
    put_json_string(line, "param", error->param);
    put_json_string(line, "request_id", error->request_id);
    vf_buf_printf(line, ",\"outcome_unknown\":%s}",
                  error->is_unknown ? "true" : "false");
}

static void put_text_field(struct vf_buf *line, const char *before,
                           const char *value, const char *after)
{
    if (value[0] == '\0')
        return;
    vf_buf_puts(line, before);
    vf_buf_put_escaped(line, value, strlen(value));
    vf_buf_puts(line, after);
}

static void put_record_text(struct vf_buf *line, const struct vf_record *record)
{
    const struct vf_error *error = record->error;

    begin_text(line, level_of(record));
    put_text_field(line, "", record->operation, " ");
    put_text_field(line, "", record->path, ": ");
    put_text_field(line, "", errno_name(record), ": ");
    put_text_field(line, "", error->message, "");
    vf_buf_printf(line, " [pid %ld", (long)record->pid);
    if (error->http_status != 0)
        vf_buf_printf(line, ", HTTP %d", error->http_status);
    put_text_field(line, ", type ", error->type, "");
    put_text_field(line, ", param ", error->param, "");
    put_text_field(line, ", request id ", error->request_id, "");
    vf_buf_puts(line, "]");
}

void vf_log_record(const struct vf_record *record)
{
    struct vf_buf line = VF_BUF_INIT;

    if (level_of(record) > log_state.level)
        return;
    if (log_state.format == VF_LOG_JSON)
        put_record_json(&line, record);
    else
        put_record_text(&line, record);
    emit(level_of(record), &line);
    vf_buf_free(&line);
}
