/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "control.h"
#include "options.h"

#include "vaultfs/json.h"
#include "vaultfs/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t number_of(const struct vf_json *object, const char *key)
{
    struct vf_json *value = NULL;

    (void)vf_json_get(object, key, &value);
    return vf_json_int(value);
}

static bool is_true(const struct vf_json *object, const char *key)
{
    struct vf_json *value = NULL;

    (void)vf_json_get(object, key, &value);
    return vf_json_bool(value);
}

static void put_text(struct vf_buf *out, const struct vf_json *object,
                     const char *key)
{
    const char *text = vf_json_get_string(object, key);

    if (text != NULL)
        vf_buf_put_escaped(out, text, strlen(text));
}

static void put_count(struct vf_buf *out, int64_t count, const char *noun)
{
    vf_buf_printf(out, "%" PRId64 " %s%s", count, noun, count == 1 ? "" : "s");
}

static void put_uptime(struct vf_buf *out, int64_t seconds)
{
    if (seconds >= 86400)
        vf_buf_printf(out, "%" PRId64 " d ", seconds / 86400);
    if (seconds >= 3600)
        vf_buf_printf(out, "%" PRId64 " h ", seconds / 3600 % 24);
    if (seconds >= 60)
        vf_buf_printf(out, "%" PRId64 " min", seconds / 60 % 60);
    else
        vf_buf_printf(out, "%" PRId64 " s", seconds);
}

static void put_mount(struct vf_buf *out, const struct vf_json *status)
{
    vf_buf_puts(out, "mount:    ");
    put_text(out, status, "mountpoint");
    vf_buf_printf(out, "%s, process %" PRId64 ", for ",
                  is_true(status, "read_only") ? ", read-only" : "",
                  number_of(status, "pid"));
    put_uptime(out, number_of(status, "uptime_seconds"));
    vf_buf_puts(out, "\nservice:  ");
    put_text(out, status, "source");
    vf_buf_puts(out, ", dialect ");
    put_text(out, status, "dialect");
    vf_buf_puts(out,
                is_true(status, "degraded") ? ", does not answer\n" : "\n");
}

static void put_token(struct vf_buf *out, const struct vf_json *status)
{
    static const struct {
        const char *state;
        const char *words;
    } states[] = {
        {"ok", ", accepted"},
        {"refused", ", refused by the service"},
        {"expired", ", expired"},
        {"unused", ", not tried yet"},
    };
    struct vf_json *account = NULL;

    (void)vf_json_get(status, "account", &account);
    const char *state = vf_json_get_string(account, "state");
    vf_buf_puts(out, "token:    ");
    put_text(out, account, "token");
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (state != NULL && strcmp(state, states[i].state) == 0)
            vf_buf_puts(out, states[i].words);
    if (vf_json_get_string(account, "expires_at") != NULL) {
        vf_buf_puts(out, "; it ends ");
        put_text(out, account, "expires_at");
    }
    vf_buf_puts(out, "\n");
}

static void put_cache(struct vf_buf *out, const struct vf_json *status)
{
    struct vf_json *cache = NULL;

    (void)vf_json_get(status, "cache", &cache);
    vf_buf_puts(out, "known:    ");
    put_count(out, number_of(cache, "vaults"), "vault");
    vf_buf_puts(out, ", ");
    put_count(out, number_of(cache, "credentials"), "credential");
    vf_buf_puts(out, "\nlistings: ");
    vf_buf_printf(out,
                  "%" PRId64 " fresh, %" PRId64 " stale; %" PRId64
                  " fetched so far, %" PRId64 " looks needed none\n",
                  number_of(cache, "fresh_listings"),
                  number_of(cache, "stale_listings"),
                  number_of(cache, "listings_fetched"),
                  number_of(cache, "lookups_cached"));
    vf_buf_printf(out, "requests: %" PRId64 "\n",
                  number_of(status, "requests"));
}

/* What somebody should look at; nothing when there is nothing. */
static void put_concerns(struct vf_buf *out, const struct vf_json *status)
{
    static const struct {
        const char *key;
        const char *words;
    } concerns[] = {
        {"failures", "failures, the last of which vaultfs why explains"},
        {"scratch_unsent",
         "temporary files with a whole document that was never sent"},
        {"unknown_outcomes", "creations that may or may not have been done"},
    };

    for (size_t i = 0; i < sizeof(concerns) / sizeof(concerns[0]); i++) {
        int64_t count = number_of(status, concerns[i].key);

        if (count > 0)
            vf_buf_printf(out, "notice:   %" PRId64 " %s\n", count,
                          concerns[i].words);
    }
}

static int say(const char *mountpoint, struct vf_error *err)
{
    struct vf_buf out = VF_BUF_INIT;
    struct vf_json *status;
    int result = vf_control_read_object(mountpoint, "status", &status, err);

    if (result < 0)
        return result;
    put_mount(&out, status);
    put_token(&out, status);
    put_cache(&out, status);
    put_concerns(&out, status);
    (void)fputs(out.is_broken ? "out of memory\n" : out.data, stdout);
    vf_buf_free(&out);
    vf_json_free(status);
    return 0;
}

static int say_json(const char *mountpoint, struct vf_error *err)
{
    size_t size;
    char *text;
    int result = vf_control_read(mountpoint, "status", &text, &size, err);

    if (result < 0)
        return result;
    (void)fwrite(text, 1, size, stdout);
    free(text);
    return 0;
}

enum vf_exit vf_command_status(const struct vf_options *options)
{
    struct vf_error err = {0};
    char *mountpoint;

    if (vf_control_mountpoint(options, &mountpoint, &err) < 0)
        return vf_complain(VF_EXIT_LOCAL, &err);
    int result =
        options->is_json ? say_json(mountpoint, &err) : say(mountpoint, &err);
    free(mountpoint);
    return result < 0 ? vf_complain(VF_EXIT_LOCAL, &err) : VF_EXIT_DONE;
}
