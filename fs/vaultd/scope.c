/* SPDX-License-Identifier: MIT */
#include "scope.h"

#include "vaultfs/text.h"

#include <errno.h>
#include <string.h>

static const struct {
    enum vf_scope scope;
    const char *name;
    unsigned implies;
} table[] = {
    {VF_SCOPE_READ, "vaults:read", VF_SCOPE_READ},
    {VF_SCOPE_WRITE, "vaults:write", VF_SCOPE_ALL},
};

#define SCOPES (sizeof(table) / sizeof(table[0]))

const char *vf_scope_name(enum vf_scope scope)
{
    for (size_t i = 0; i < SCOPES; i++)
        if (table[i].scope == scope)
            return table[i].name;
    return "";
}

static unsigned find(const char *name, size_t size)
{
    for (size_t i = 0; i < SCOPES; i++)
        if (strlen(table[i].name) == size &&
            strncmp(table[i].name, name, size) == 0)
            return table[i].implies;
    return 0;
}

int vf_scopes_add(const char *text, unsigned *scopes, struct vf_error *err)
{
    unsigned all = *scopes;

    for (;; text++) {
        size_t size = strcspn(text, ",");
        unsigned found = find(text, size);

        if (found == 0)
            return vf_error_set(err, EINVAL,
                                "a scope is vaults:read or vaults:write");
        all |= found;
        text += size;
        if (*text == '\0')
            break;
    }
    *scopes = all;
    return 0;
}

void vf_scopes_put(unsigned scopes, const char *quote, const char *separator,
                   struct vf_buf *ret)
{
    const char *between = "";

    for (size_t i = 0; i < SCOPES; i++) {
        if ((scopes & table[i].scope) == 0)
            continue;
        vf_buf_printf(ret, "%s%s%s%s", between, quote, table[i].name, quote);
        between = separator;
    }
}
