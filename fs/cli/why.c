/* SPDX-License-Identifier: MIT
 *
 * The last failure as a person reads it: what was tried, where and by whom, the
 * reason in the words of whoever refused, and what can be done about it.
 */
#include "commands.h"

#include "control.h"

#include "vaultfs/json.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The C library's numbers end well before this. */
#define ERRNO_MAX 256

/* --- What was tried --- */

static const struct {
    const char *operation; /* as records have it */
    const char *words;
    bool is_ours; /* nobody called for it, nobody was told */
} operations[] = {
    {"lookup", "Looking for"},
    {"stat", "Looking at"},
    {"setattr", "Changing the attributes of"},
    {"truncate", "Truncating"},
    {"list", "Listing"},
    {"open", "Opening"},
    {"create", "Creating"},
    {"read", "Reading"},
    {"write", "Writing"},
    {"commit", "Writing"},
    {"fsync", "Writing"},
    {"close", "Closing"},
    {"mkdir", "Making"},
    {"rmdir", "Removing"},
    {"unlink", "Removing"},
    {"rename", "Renaming"},
    {"archive", "Archiving"},
    {"mount", "Mounting"},
    {"token", "Getting an access token for", .is_ours = true},
    {"on_auth_expired", "Running the command for expired access to",
     .is_ours = true},
};

static const char *words_for(const char *operation)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (strcmp(operations[i].operation, operation) == 0)
            return operations[i].words;
    return operation;
}

/* --- What to do --- */

/* Who said no: a reply with an HTTP status, this program, or either. */
enum judge { SERVICE, HERE, ANY };

#define RENEW                                                                  \
    "a new token, where it comes from, is taken within 30 s, or at once "      \
    "after vaultfs refresh; a descriptor and a variable are read only at the " \
    "start: for a new one mount again, or use a token file from now on"

/* The first that fits. */
static const struct {
    const char *name; /* of the errno */
    enum judge judge;
    bool needs_param; /* a field is named */
    const char *words;
} advices[] = {
    {"EKEYREJECTED", ANY, false, RENEW},
    {"EKEYEXPIRED", ANY, false, RENEW},
    {"ENOKEY", ANY, false,
     "put the token where it should come from, or mount again with another "
     "source"},
    {"ECHILD", ANY, false,
     "run the command by hand, as who mounted and without a terminal"},
    {"EACCES", SERVICE, false,
     "the token is good, but may not do this: does it lack a scope? vaultfs "
     "check says what it may do, if the service tells"},
    {"ENOENT", SERVICE, false,
     "somebody else has removed it: vaultfs refresh, and look again"},
    {"EINVAL", HERE, true,
     "nothing was sent: mend this field and write the document again"},
    {"EINVAL", SERVICE, false,
     "the service does not take it as it is: change what it names"},
    {"EEXIST", SERVICE, false,
     "write over the file that has it, or remove that one first"},
    {"EBUSY", SERVICE, false, "wait a moment and try again"},
    {"EFBIG", ANY, false,
     "a document has at most 1 MiB, and the service may take less"},
    {"EDQUOT", ANY, false,
     "the vault is full: remove a credential, or use another vault"},
    {"EREMOTEIO", SERVICE, false,
     "the service failed: try again, and quote the request id if it goes on"},
    {"EREMOTEIO", HERE, false, "the connection ended early: try again"},
    {"ETIMEDOUT", ANY, false,
     "look at the network, and at --timeout if the service is slow"},
    {"ECONNREFUSED", ANY, false,
     "nobody listens there: is the service up, and the source of the mount "
     "right? if the environment names a proxy, is that up?"},
    {"EHOSTUNREACH", ANY, false,
     "there is no way there: look at the network, at the host's name, and, if "
     "the environment names one, at the proxy (https_proxy, no_proxy)"},
    {"EPROTO", SERVICE, false,
     "a redirect is not followed: mount the address that it leads to, if you "
     "trust it"},
    {"EPROTO", HERE, false,
     "no safe connection could be made: is this the right host, and does it "
     "speak TLS? for a certificate that is not trusted here see --cacert"},
    {"EBADMSG", ANY, false,
     "what answers is not this API, or something in between: is the base URL "
     "right?"},
    {"ENOMEM", ANY, false,
     "free some memory; if it is locked memory that lacks, raise ulimit -l "
     "and mount again"},
    {"ENOSPC", ANY, false,
     "temporary files fill the memory that is kept for them: remove some"},
    {"EROFS", ANY, false, "mount again without --ro to change something"},
};

static bool is_judged_by(enum judge judge, int64_t http_status)
{
    return judge == ANY || (judge == SERVICE) == (http_status != 0);
}

/* NULL: the reason says it all. */
static const char *find_advice(const char *name, int64_t http_status,
                               bool has_param)
{
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
        if (strcmp(advices[i].name, name) == 0 &&
            is_judged_by(advices[i].judge, http_status) &&
            (has_param || !advices[i].needs_param))
            return advices[i].words;
    return NULL;
}

/* --- The failure --- */

static const char *text_of(const struct vf_json *failure, const char *key)
{
    const char *text = vf_json_get_string(failure, key);

    return text != NULL ? text : "";
}

static int64_t number_of(const struct vf_json *failure, const char *key)
{
    struct vf_json *value = NULL;

    (void)vf_json_get(failure, key, &value);
    return vf_json_int(value);
}

static void put(struct vf_buf *out, const char *text)
{
    vf_buf_put_escaped(out, text, strlen(text));
}

/* "Invalid argument (EINVAL)" for "EINVAL". */
static void put_errno(struct vf_buf *out, const char *name)
{
    int code = 1;

    while (code < ERRNO_MAX && strcmp(vf_errno_name(code), name) != 0)
        code++;
    /* The C library's words for that are about wait(2). */
    if (code < ERRNO_MAX)
        vf_buf_printf(out, "%s (%s)",
                      code == ECHILD ? "The command failed" : strerror(code),
                      name);
    else
        put(out, name);
}

static void put_headline(struct vf_buf *out, const char *mountpoint,
                         const struct vf_json *failure)
{
    const char *path = text_of(failure, "path");

    put(out, words_for(text_of(failure, "operation")));
    vf_buf_puts(out, " ");
    put(out, mountpoint);
    put(out, strcmp(path, "/") != 0 ? path : "");
    vf_buf_puts(out, " failed: ");
    put_errno(out, text_of(failure, "errno"));
    vf_buf_puts(out, "\n");
}

static void put_line(struct vf_buf *out, const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    vf_buf_printf(out, "  %-9s ", label);
    put(out, text);
    vf_buf_puts(out, "\n");
}

static void put_process(struct vf_buf *out, const struct vf_json *failure)
{
    const char *process = text_of(failure, "process");
    int64_t pid = number_of(failure, "pid");

    if (pid == 0)
        return;
    vf_buf_puts(out, "  by:       ");
    put(out, process);
    vf_buf_printf(out, "%sprocess %" PRId64 "\n",
                  process[0] != '\0' ? ", " : "", pid);
}

static void put_reply(struct vf_buf *out, const struct vf_json *failure)
{
    int64_t status = number_of(failure, "http_status");
    const char *type = text_of(failure, "type");

    if (status == 0) {
        put_line(out, "code:", type); /* one of ours, made to be looked up */
        return;
    }
    vf_buf_printf(out, "  answer:   HTTP %" PRId64 "%s", status,
                  type[0] != '\0' ? ", " : "");
    put(out, type);
    vf_buf_puts(out, "\n");
}

static void put_failure(struct vf_buf *out, const char *mountpoint,
                        const struct vf_json *failure)
{
    int64_t status = number_of(failure, "http_status");
    const char *param = text_of(failure, "param");
    struct vf_json *is_unknown = NULL;

    put_headline(out, mountpoint, failure);
    put_line(out, "when:", text_of(failure, "time"));
    put_process(out, failure);
    put_line(out, "reason:", text_of(failure, "message"));
    put_line(out, "field:", param);
    put_reply(out, failure);
    put_line(out, "request:", text_of(failure, "request_id"));
    put_line(out, "advice:",
             find_advice(text_of(failure, "errno"), status, param[0] != '\0'));
    (void)vf_json_get(failure, "outcome_unknown", &is_unknown);
    if (vf_json_bool(is_unknown))
        put_line(out,
                 "beware:", "look whether it was done before you try again");
}

static bool is_ours(const struct vf_json *failure)
{
    const char *operation = text_of(failure, "operation");

    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (strcmp(operations[i].operation, operation) == 0)
            return operations[i].is_ours;
    return false;
}

/* Of all that are kept, the last that was not ours; NULL: there is none. */
static struct vf_json *find_callers(char *lines, size_t size)
{
    while (size > 0) {
        struct vf_json *failure;
        const char *end = memrchr(lines, '\n', size - 1);
        size_t start = end != NULL ? (size_t)(end + 1 - lines) : 0;

        if (vf_json_parse(lines + start, size - start, &failure, NULL) == 0) {
            if (!is_ours(failure))
                return failure;
            vf_json_free(failure);
        }
        size = start;
    }
    return NULL;
}

/* Who asks why met a failure: that of a command of ours may have come after it,
 * and must not hide it. */
static void put_callers(struct vf_buf *out, const char *mountpoint)
{
    size_t size;
    char *lines;

    if (vf_control_read(mountpoint, "errors", &lines, &size, NULL) < 0)
        return;
    struct vf_json *failure = find_callers(lines, size);
    if (failure != NULL) {
        vf_buf_puts(out, "\nBefore that:\n");
        put_failure(out, mountpoint, failure);
    }
    vf_json_free(failure);
    free(lines);
}

static void put_nothing(struct vf_buf *out, const char *mountpoint)
{
    vf_buf_puts(out, "nothing has failed at ");
    put(out, mountpoint);
    vf_buf_puts(out, "\n");
}

static int say(const char *mountpoint, struct vf_error *err)
{
    struct vf_buf out = VF_BUF_INIT;
    struct vf_json *failure;
    int result =
        vf_control_read_object(mountpoint, "last_error", &failure, err);

    if (result < 0)
        return result;
    if (vf_json_count(failure) > 0)
        put_failure(&out, mountpoint, failure);
    else
        put_nothing(&out, mountpoint);
    if (is_ours(failure))
        put_callers(&out, mountpoint);
    (void)fputs(out.is_broken ? "out of memory\n" : out.data, stdout);
    vf_buf_free(&out);
    vf_json_free(failure);
    return 0;
}

enum vf_exit vf_command_why(const struct vf_options *options)
{
    struct vf_error err = {0};
    char *mountpoint;

    if (vf_control_mountpoint(options, &mountpoint, &err) < 0)
        return vf_complain(VF_EXIT_LOCAL, &err);
    int result = say(mountpoint, &err);
    free(mountpoint);
    return result < 0 ? vf_complain(VF_EXIT_LOCAL, &err) : VF_EXIT_DONE;
}
