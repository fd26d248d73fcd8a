/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "client.h"
#include "finding.h"
#include "options.h"

#include "vaultfs/auth.h"
#include "vaultfs/clock.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <stdio.h>

/* In the one form or the other, as it is found. */
struct check {
    const struct vf_options *options; /* borrowed */
    struct vf_client client;
    struct vf_buf service; /* texts of the finding, owned */
    struct vf_buf token_source;
    struct vf_finding finding;
};

/* What nobody waits for, and yet should be known. */
static void take_record(void *context, const struct vf_record *record)
{
    (void)vf_complain(VF_EXIT_SERVICE, record->error);
}

/* Also when there is no token in it. */
static void note_source(void *context, const char *description)
{
    struct check *check = context;

    vf_buf_puts(&check->token_source, description);
    check->finding.token_source = check->token_source.data;
}

static void print(struct vf_buf *text)
{
    if (text->data != NULL)
        (void)fputs(text->data, stdout);
    (void)fflush(stdout); /* before what standard error has to say */
    vf_buf_free(text);
}

/* A URL that was not taken is not repeated: there may be a password in it. */
static void note_service(struct check *check)
{
    const struct vf_client *client = &check->client;
    const char *socket = vf_client_socket(client);

    if (socket != NULL)
        vf_buf_printf(&check->service, "unix:%s", socket);
    else if (client->source->local_name != NULL)
        vf_buf_puts(&check->service, client->source->name);
    else if (client->http != NULL)
        vf_buf_puts(&check->service, client->source->base_url);
    check->finding.service = check->service.data;
    check->finding.dialect = client->dialect;
}

static void note_end(struct check *check)
{
    struct vf_auth_status status;

    vf_auth_status(check->client.auth, &status);
    check->finding.expires_s = status.expires_s;
}

/* One list request: the least that needs the service and the token. */
static int ask(struct check *check)
{
    struct vf_service service = vf_api_service(check->client.api);
    struct vf_service_traits traits;
    const struct vf_list_query query = {
        .which = VF_LIST_ACTIVE,
        .deadline_ms = vf_clock_monotonic_ms() + check->options->timeout_ms};
    struct vf_page page;
    int result = service.ops->list_vaults(service.self, &query, &page,
                                          &check->finding.err);

    service.ops->traits(service.self, &traits);
    check->finding.dialect = traits.dialect;
    vf_api_account(check->client.api, &check->finding.account);
    if (result < 0)
        return result;
    check->finding.is_accepted = true;
    vf_page_done(&page);
    return 0;
}

/* The end of it, in the form that was asked for. */
static enum vf_exit say(const struct check *check, enum vf_exit status)
{
    const struct vf_finding *finding = &check->finding;
    struct vf_buf out = VF_BUF_INIT;

    if (!check->options->is_json)
        vf_finding_put_answer(finding, &out);
    else if (vf_finding_put_json(finding, &out) < 0)
        return vf_complain(VF_EXIT_LOCAL, &(struct vf_error){.code = ENOMEM});
    print(&out);
    if (finding->err.code != 0 && !check->options->is_json)
        return vf_complain(status, &finding->err);
    return status;
}

static enum vf_exit run(struct check *check)
{
    const struct vf_access_user user = {
        .sink = take_record,
        .found = note_source,
        .found_context = check,
    };
    struct vf_client *client = &check->client;
    struct vf_buf out = VF_BUF_INIT;
    enum vf_exit status =
        vf_access_check(check->options, &check->finding.err) < 0
            ? VF_EXIT_SERVICE
            : vf_client_open(client, check->options, &user,
                             &check->finding.err);

    note_service(check);
    if (client->auth != NULL)
        note_end(check);
    if (!check->options->is_json) {
        vf_finding_put_question(&check->finding, &out);
        print(&out);
    }
    if (status != VF_EXIT_DONE)
        return status;
    if (ask(check) < 0)
        status = VF_EXIT_SERVICE;
    vf_client_shutdown(client);
    return status;
}

enum vf_exit vf_command_check(const struct vf_options *options)
{
    struct check check = {.options = options};
    struct vf_source source;
    enum vf_exit status;

    vf_secret_harden_process();
    if (vf_source_parse(options->operands_count > 0 ? options->operands[0]
                                                    : NULL,
                        &source, &check.finding.err) < 0)
        return say(&check, VF_EXIT_LOCAL);
    vf_client_init(&check.client, &source);
    status = say(&check, run(&check));
    vf_client_close(&check.client);
    vf_buf_free(&check.service);
    vf_buf_free(&check.token_source);
    vf_source_done(&source);
    return status;
}
