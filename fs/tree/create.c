/* SPDX-License-Identifier: MIT
 *
 * One write, one credential.
 *
 * When the answer to a creation is lost, nobody knows whether it was done. Two
 * things tell. A service that honours idempotency keys does a creation once
 * however often it comes under its key, so the key is kept until the outcome is
 * known: in the journal, for the next attempt may be made by another daemon. A
 * service without keys is asked what it has: something that was not there
 * before, under our name and for our purpose, is likely ours, and the caller is
 * told that this is a guess.
 *
 * An old key needs care. Under it the service gives its old answer, also about
 * what was renamed or deleted since, so that the answer is believed only after
 * a look at what it tells of. And it refuses another body: then the earlier
 * attempt was for something else, and what became of that decides: if it is
 * there, it has the name, and is to be rotated; if not, the key is spent. No
 * other answer tells what became of the earlier attempt, which may be under way
 * still: whatever refused this one, the key is kept for the next.
 */
#include "create.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"
#include "vaultfs/journal.h"
#include "vaultfs/spec.h"
#include "vaultfs/text.h"

#define ATTEMPTS 2

/* The ids that are known in a directory, sorted. */
struct known {
    char (*ids)[VF_ID_MAX + 1];
    size_t count;
};

/* One creation under way. */
struct attempt {
    struct vf_creation *creation;
    const struct known *known; /* NULL: any object may be it */
    bool by_name;              /* the name decides, whatever it is for */
    int64_t deadline_ms;
    struct vf_key key;
};

/* --- What was known before --- */

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void add_id(struct known *known, const char *id)
{
    memcpy(known->ids[known->count++], id, strlen(id) + 1);
}

/* Also what was deleted here: a list that is late still has it. */
static int collect_known(const struct vf_node *directory, struct known *ret)
{
    const struct vf_listing *listing = directory->listing;
    const struct vf_tombstone *stone;
    size_t count = listing->by_name.count + 1;

    for (stone = listing->tombstones; stone != NULL; stone = stone->next)
        count++;
    ret->ids = calloc(count, sizeof(*ret->ids));
    if (ret->ids == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < listing->by_id.count; i++)
        add_id(ret, listing->by_id.nodes[i]->id);
    for (stone = listing->tombstones; stone != NULL; stone = stone->next)
        add_id(ret, stone->id);
    qsort(ret->ids, ret->count, sizeof(*ret->ids), compare_ids);
    return 0;
}

static struct vf_node *directory_of(struct vf_tree *tree,
                                    const struct vf_creation *creation)
{
    if (creation->vault_id[0] == '\0')
        return tree->root;
    return vf_node_child_by_id(tree->root, creation->vault_id);
}

static int note_known(struct vf_tree *tree, const struct vf_creation *creation,
                      struct known *ret, struct vf_error *err)
{
    int result = 0;

    pthread_mutex_lock(&tree->lock);
    const struct vf_node *directory = directory_of(tree, creation);
    if (directory != NULL)
        result = collect_known(directory, ret);
    pthread_mutex_unlock(&tree->lock);
    return result < 0 ? vf_error_set(err, ENOMEM, "no memory") : 0;
}

/* --- Looking for it --- */

static int seek_page(struct vf_page *page,
                     bool (*take)(void *context, struct vf_object *object),
                     void *context, char **ret_next)
{
    bool is_taken = false;

    for (size_t i = 0; i < page->count && !is_taken; i++)
        is_taken = take(context, &page->objects[i]);
    *ret_next = page->next;
    page->next = NULL;
    vf_page_done(page);
    return is_taken ? 1 : 0;
}

int vf_seek(struct vf_tree *tree, const char *vault_id, int64_t deadline_ms,
            bool (*take)(void *context, struct vf_object *object),
            void *context, bool *ret_is_taken, struct vf_error *err)
{
    const struct vf_service *service = &tree->options.service;
    char *cursor = NULL;
    int result;

    do {
        const struct vf_list_query query = {.which = VF_LIST_ACTIVE,
                                            .cursor = cursor,
                                            .deadline_ms = deadline_ms};
        struct vf_page page;
        char *next = NULL;

        if (vault_id[0] == '\0')
            result =
                service->ops->list_vaults(service->self, &query, &page, err);
        else
            result = service->ops->list_credentials(service->self, vault_id,
                                                    &query, &page, err);
        if (result == 0)
            result = seek_page(&page, take, context, &next);
        free(cursor);
        cursor = next;
    } while (result == 0 && cursor != NULL);
    free(cursor);
    if (result >= 0)
        *ret_is_taken = result == 1;
    return result < 0 ? result : 0;
}

int vf_look(struct vf_tree *tree, const char *vault_id, const char *id,
            int64_t deadline_ms, struct vf_object *ret, struct vf_error *err)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_object object;
    int result = service->ops->get_credential(service->self, vault_id, id,
                                              deadline_ms, &object, err);

    if (result < 0)
        return result;
    if (object.is_archived) {
        vf_object_done(&object);
        return vf_error_set(err, ENOENT, "the credential is archived");
    }
    *ret = object;
    return 0;
}

static bool is_for_same(const struct vf_creation *creation,
                        const struct vf_object *object)
{
    return vf_spec_is_same_identity(creation->spec, object->text, object->size);
}

/* Whether an object can be what was to be made. One without a name is told by
 * what it is for. */
static bool is_it(const struct attempt *attempt, const struct vf_object *object)
{
    const struct vf_creation *creation = attempt->creation;
    const struct known *known = attempt->known;

    if (known != NULL && bsearch(object->id, known->ids, known->count,
                                 sizeof(*known->ids), compare_ids) != NULL)
        return false;
    if (creation->spec != NULL && strcmp(object->id, creation->except_id) == 0)
        return false;
    if (object->name != NULL && strcmp(object->name, creation->name) != 0)
        return false;
    if (creation->spec == NULL || (attempt->by_name && object->name != NULL))
        return object->name != NULL;
    return is_for_same(creation, object);
}

static void take_over(struct vf_creation *creation, struct vf_object *object)
{
    vf_object_done(&creation->made);
    creation->made = *object;
    *object = (struct vf_object){0};
    creation->was_sought = true;
}

static bool take_it(void *context, struct vf_object *object)
{
    const struct attempt *attempt = context;

    if (!is_it(attempt, object))
        return false;
    take_over(attempt->creation, object);
    attempt->creation->is_guess = true;
    return true;
}

static int seek_it(struct vf_tree *tree, struct attempt *attempt,
                   bool *ret_is_there, struct vf_error *err)
{
    return vf_seek(tree, attempt->creation->vault_id, attempt->deadline_ms,
                   take_it, attempt, ret_is_there, err);
}

/* It is not known whether an attempt was acted upon, and no look could tell. */
static int stay_unknown(int result, struct vf_error *err)
{
    err->is_unknown = true;
    return result;
}

/* From an earlier attempt: what has the name, whatever it is for. */
static int seek_earlier(struct vf_tree *tree, struct attempt *attempt,
                        struct vf_error *err)
{
    attempt->by_name = true;
    int result = seek_it(tree, attempt, &attempt->creation->is_earlier, err);
    attempt->by_name = false;
    return result < 0 ? stay_unknown(result, err) : 0;
}

/* --- Making it --- */

static int try(struct vf_tree *tree, struct attempt *attempt,
               struct vf_error *err)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_creation *creation = attempt->creation;

    if (creation->spec == NULL)
        return service->ops->create_vault(
            service->self, creation->vault_spec, &attempt->key,
            attempt->deadline_ms, &creation->made, &creation->credentials, err);
    return service->ops->create_credential(
        service->self, creation->vault_id, creation->name, creation->spec,
        &attempt->key, attempt->deadline_ms, &creation->made, err);
}

static bool take_same_id(void *context, struct vf_object *object)
{
    struct vf_creation *creation = context;

    if (strcmp(object->id, creation->made.id) != 0)
        return false;
    take_over(creation, object);
    return true;
}

static int look_at_made(struct vf_tree *tree, struct attempt *attempt,
                        bool *ret_is_there, struct vf_error *err)
{
    struct vf_creation *creation = attempt->creation;
    struct vf_object object;

    if (creation->spec == NULL)
        return vf_seek(tree, "", attempt->deadline_ms, take_same_id, creation,
                       ret_is_there, err);
    int result = vf_look(tree, creation->vault_id, creation->made.id,
                         attempt->deadline_ms, &object, err);
    *ret_is_there = result == 0;
    if (result == 0)
        take_over(creation, &object);
    return result == -ENOENT ? 0 : result;
}

/* An old key was answered: is that what there is now? */
static int check_answer(struct vf_tree *tree, struct attempt *attempt,
                        bool *ret_is_ours, struct vf_error *err)
{
    struct vf_creation *creation = attempt->creation;
    bool is_there;
    int result = look_at_made(tree, attempt, &is_there, err);

    if (result < 0)
        return stay_unknown(result, err);
    *ret_is_ours =
        is_there && (creation->made.name == NULL ||
                     strcmp(creation->made.name, creation->name) == 0);
    return 0;
}

static void drop_made(struct vf_creation *creation)
{
    vf_object_done(&creation->made);
    vf_page_done(&creation->credentials);
    creation->made = (struct vf_object){0};
    creation->credentials = (struct vf_page){0};
    creation->was_sought = false;
    creation->is_guess = false;
}

static int create_under_old_key(struct vf_tree *tree, struct attempt *attempt,
                                struct vf_error *err)
{
    struct vf_creation *creation = attempt->creation;
    bool is_ours = false;
    int result = try(tree, attempt, err);

    if (result == 0)
        result = check_answer(tree, attempt, &is_ours, err);
    else if (result == -EEXIST) /* or this name is taken: the same question */
        result = seek_earlier(tree, attempt, err);
    else
        return stay_unknown(result, err);
    if (result == 0 && (is_ours || creation->is_earlier))
        return 0;
    drop_made(creation);
    if (result < 0)
        return result;
    vf_uuid4(attempt->key.text);
    attempt->key.is_old = false;
    return try(tree, attempt, err);
}

/* The deadline is one for all attempts. */
static int create_and_look(struct vf_tree *tree, struct attempt *attempt,
                           struct vf_error *err)
{
    for (unsigned count = 1;; count++) {
        struct vf_error lost;
        bool is_there = false;
        int result = try(tree, attempt, err);

        if (result == 0 || !err->is_unknown)
            return result;
        lost = *err;
        int sought = seek_it(tree, attempt, &is_there, err);
        if (is_there)
            return 0;
        if (sought < 0 || count == ATTEMPTS ||
            vf_clock_monotonic_ms() >= attempt->deadline_ms) {
            *err = lost;
            return result;
        }
    }
}

static int create_without_keys(struct vf_tree *tree, struct attempt *attempt,
                               struct vf_error *err)
{
    struct known known = {0};
    int result = 0;

    if (attempt->key.is_old)
        result = seek_earlier(tree, attempt, err);
    if (result < 0 || attempt->creation->is_earlier)
        return result;
    result = note_known(tree, attempt->creation, &known, err);
    if (result == 0) {
        attempt->known = &known;
        result = create_and_look(tree, attempt, err);
        attempt->known = NULL;
    }
    free(known.ids);
    return result;
}

int vf_create(struct vf_tree *tree, struct vf_creation *creation,
              struct vf_error *err)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_journal *journal = tree->options.journal;
    struct attempt attempt = {.creation = creation,
                              .deadline_ms = vf_deadline(tree)};
    struct vf_service_traits traits;
    int result;

    service->ops->traits(service->self, &traits);
    vf_journal_begin(journal, creation->vault_id, creation->name,
                     attempt.key.text, &attempt.key.is_old);
    if (!traits.has_keys)
        result = create_without_keys(tree, &attempt, err);
    else if (attempt.key.is_old)
        result = create_under_old_key(tree, &attempt, err);
    else
        result = try(tree, &attempt, err);
    bool is_unknown = result < 0 && err->is_unknown;
    vf_journal_end(journal, creation->vault_id, creation->name,
                   is_unknown ? attempt.key.text : NULL);
    return result;
}
