/* SPDX-License-Identifier: MIT */
#include "admission.h"

#include "dialect.h"
#include "problem.h"
#include "token.h"

#include <string.h>
#include <strings.h>

static int refuse(struct vf_error *err, const char *why)
{
    return vf_refuse(err, VF_PROBLEM_UNAUTHENTICATED, "", "%s", why);
}

int vf_admission_check_token(const struct vf_dialect *dialect,
                             const struct vf_head *head, struct vf_store *store,
                             struct vf_grant *ret, struct vf_error *err)
{
    static const char scheme[] = "Bearer ";
    const char *key = head->get(head->context, "x-api-key");
    const char *authorization = head->get(head->context, "Authorization");

    if (key != NULL)
        return dialect->takes_api_key
                   ? vf_token_check(store, key, ret, err)
                   : refuse(err, "x-api-key is not taken here: use "
                                 "Authorization: Bearer");
    if (authorization == NULL)
        return refuse(err, "no Authorization: Bearer header");
    if (strncasecmp(authorization, scheme, strlen(scheme)) != 0)
        return refuse(err, "the Authorization header is not a Bearer token");
    return vf_token_check(store, authorization + strlen(scheme), ret, err);
}

/* Whether text, which may be a list, has a word. */
static bool has_word(const char *text, const char *word)
{
    const char separators[] = ", ";
    size_t size;

    for (; *text != '\0'; text += size + strspn(text + size, separators)) {
        size = strcspn(text, separators);
        if (size == strlen(word) && strncmp(text, word, size) == 0)
            return true;
    }
    return false;
}

static bool has_any(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (has_word(text, *words))
            return true;
    return false;
}

int vf_admission_check_required(const struct vf_dialect *dialect,
                                const struct vf_head *head,
                                struct vf_error *err)
{
    const struct vf_required_header *header = dialect->required;

    for (; header != NULL && header->name != NULL; header++) {
        const char *given = head->get(head->context, header->name);

        if (given == NULL)
            return vf_refuse(err, VF_PROBLEM_INVALID, header->name,
                             "header is required");
        if (!has_any(given, header->words))
            return vf_refuse(err, VF_PROBLEM_INVALID, header->name,
                             "names nothing that is known here");
    }
    return 0;
}
