/* SPDX-License-Identifier: MIT
 *
 * The log. Only mount, cli and vaultd write to it; below them errors travel.
 * One line an event, to one place: standard error or syslog.
 */
#ifndef VAULTFS_LOG_H
#define VAULTFS_LOG_H

#include "vaultfs/error.h"

#include <stdbool.h>

enum vf_log_level { VF_LOG_ERROR, VF_LOG_WARNING, VF_LOG_INFO, VF_LOG_DEBUG };
enum vf_log_format { VF_LOG_TEXT, VF_LOG_JSON };

/* Before any thread is started. The name is borrowed for ever. */
void vf_log_init(const char *program, enum vf_log_format format,
                 enum vf_log_level level);

/* From now on to syslog(3), facility daemon, instead of standard error. */
void vf_log_to_syslog(void);

/* Thread-safe; never blocks on anything but the write itself. */
void vf_log(enum vf_log_level level, const char *format, ...) VF_PRINTF(2, 3);

/* The full record of a failure: time, operation, path, pid, errno name, HTTP
 * status, error type, message, param, request id. One with the code 0 is told
 * at the level of information, its errno "". */
void vf_log_record(const struct vf_record *record);

#endif
