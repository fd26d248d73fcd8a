/* SPDX-License-Identifier: MIT */
#include "service.h"

#include "operation.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the two lists of everything are told apart by: the first character of
 * our own cursor, before the service's. */
#define IN_ACTIVE 'a'
#define IN_ARCHIVED 'z'

static int put_before(char which, char **cursor, struct vf_error *err)
{
    char *longer;

    if (asprintf(&longer, "%c%s", which, *cursor != NULL ? *cursor : "") < 0)
        return vf_error_set(err, ENOMEM, "no memory");
    free(*cursor);
    *cursor = longer;
    return 0;
}

/* Whether the cursor itself was refused, or led to the page that it is from. */
static bool is_about_cursor(const struct vf_operation *operation,
                            const struct vf_error *reason)
{
    const struct vf_dialect *dialect = operation->dialect;

    return operation->cursor != NULL &&
           ((reason->code == EBADMSG &&
             strcmp(reason->param, dialect->next_member) == 0) ||
            (reason->code == EINVAL &&
             strcmp(reason->param, dialect->page_parameter) == 0));
}

/* One request; one more when it turns out that the server is an older one. */
static int ask(struct vf_api *api, struct vf_operation *operation,
               struct vf_error *err)
{
    const struct vf_dialect *older = operation->dialect->older;
    struct vf_error reason = {0};
    int result = vf_operation_run(api, operation, &reason);

    if (result < 0 && older != NULL && is_about_cursor(operation, &reason) &&
        vf_dialect_settle(&api->dialect, operation->dialect, older)) {
        operation->dialect = older;
        result = vf_operation_run(api, operation, &reason);
    }
    if (result < 0 && err != NULL)
        *err = reason;
    return result;
}

/* Of a service that lists either the active or the archived ones. */
static int list_one_after_another(struct vf_api *api,
                                  struct vf_operation *operation,
                                  struct vf_page *ret, struct vf_error *err)
{
    const char *cursor = operation->cursor;
    bool is_second = cursor != NULL && cursor[0] == IN_ARCHIVED;
    struct vf_page page;

    operation->which = is_second ? VF_LIST_ARCHIVED : VF_LIST_ACTIVE;
    operation->cursor = cursor != NULL && cursor[1] != '\0' ? cursor + 1 : NULL;
    operation->ret = &page;
    int result = ask(api, operation, err);
    if (result < 0)
        return result;
    if (page.next != NULL)
        result =
            put_before(is_second ? IN_ARCHIVED : IN_ACTIVE, &page.next, err);
    else if (!is_second)
        result = put_before(IN_ARCHIVED, &page.next, err);
    if (result < 0)
        vf_page_done(&page);
    else
        *ret = page;
    return result;
}

static int list(struct vf_api *api, struct vf_operation operation,
                struct vf_page *ret, struct vf_error *err)
{
    operation.dialect = atomic_load(&api->dialect);
    operation.ret = ret;
    if (operation.dialect->filters[operation.which] == NULL)
        return list_one_after_another(api, &operation, ret, err);
    return ask(api, &operation, err);
}

static struct vf_operation make_operation(enum vf_operation_kind kind,
                                          const char *vault_id,
                                          const struct vf_list_query *query)
{
    return (struct vf_operation){
        .kind = kind,
        .vault_id = vault_id,
        .which = query->which,
        .cursor = query->cursor,
        .is_ahead = query->is_ahead,
        .is_impatient = query->is_impatient,
        .deadline_ms = query->deadline_ms,
    };
}

/* When the reply told which service it is, a request that had a filter has to
 * be written again as this service has it. */
int vf_service_list_vaults(void *service, const struct vf_list_query *query,
                           struct vf_page *ret, struct vf_error *err)
{
    const struct vf_operation operation =
        make_operation(VF_LIST_VAULTS, NULL, query);
    struct vf_api *api = service;
    const struct vf_dialect *before = atomic_load(&api->dialect);
    struct vf_page page;
    int result = list(api, operation, &page, err);

    if (result == 0 && query->which != VF_LIST_ACTIVE &&
        before != atomic_load(&api->dialect)) {
        vf_page_done(&page);
        result = list(api, operation, &page, err);
    }
    if (result == 0)
        *ret = page;
    return result;
}

int vf_service_list_credentials(void *service, const char *vault_id,
                                const struct vf_list_query *query,
                                struct vf_page *ret, struct vf_error *err)
{
    return list(service, make_operation(VF_LIST_CREDENTIALS, vault_id, query),
                ret, err);
}
