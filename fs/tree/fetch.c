/* SPDX-License-Identifier: MIT
 *
 * Fetching listings, and how long they are taken as true.
 *
 * A listing is fetched by one job however many callers want it, and is taken as
 * true for ttl, or for ten times what it took to fetch if that is longer, so
 * that a walk never outlives its own listings.
 *
 * A fetch is bounded though each page has a deadline of its own: a service that
 * goes on saying "more" and bringing nothing new is not believed (a page or two
 * may be empty where it leaves out what was not asked for), and a fetch that
 * nobody waits for any more stops behind the page under way.
 *
 * While the service cannot be reached, only the first look waits for that to
 * show. Those after it are served what was listed before, for stale_if_error,
 * and have one fetch at a time find out in the background whether the service
 * is back.
 */
#include "control.h"
#include "internal.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"
#include "vaultfs/journal.h"

#define LIFE_PER_FETCH 10
#define PAGES_MAX 10000
#define IDLE_PAGES_MAX 10

struct fetch_job {
    struct vf_job job;
    enum vf_list which;
    struct vf_page page; /* all pages in one */
    size_t capacity;
    unsigned pages;
    unsigned idle_pages; /* in a row, that brought nothing new */
    void *ids;        /* tsearch(3) tree of what pages brought, while more is */
    size_t noted;     /* to come; how many objects are in it */
    bool is_started;  /* the first page is here */
    bool is_left;     /* who waited for it has left */
    int64_t began_ms; /* CLOCK_BOOTTIME */
    int64_t age_ms;   /* of the first page, when the fetch began */
};

/* --- Pages --- */

/* Move a page's objects behind those that are here. */
static int gather(struct fetch_job *fetch, struct vf_page *page)
{
    size_t count = fetch->page.count + page->count;

    if (count > fetch->capacity) {
        size_t capacity =
            count > 2 * fetch->capacity ? count : 2 * fetch->capacity;
        struct vf_object *objects =
            reallocarray(fetch->page.objects, capacity, sizeof(*objects));

        if (objects == NULL)
            return -ENOMEM;
        fetch->page.objects = objects;
        fetch->capacity = capacity;
    }
    if (page->count > 0)
        memcpy(fetch->page.objects + fetch->page.count, page->objects,
               page->count * sizeof(*page->objects));
    fetch->page.count = count;
    page->count = 0; /* moved */
    free(fetch->page.next);
    fetch->page.next = page->next;
    page->next = NULL;
    vf_page_done(page);
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Note the ids that are not noted yet; whether one is new to this fetch. */
static int note_ids(struct fetch_job *fetch, bool *ret_is_new)
{
    bool is_new = false;

    for (; fetch->noted < fetch->page.count; fetch->noted++) {
        const char *id = fetch->page.objects[fetch->noted].id;

        if (tfind(id, &fetch->ids, compare_ids) != NULL)
            continue;
        char *copy = strdup(id);
        if (copy == NULL || tsearch(copy, &fetch->ids, compare_ids) == NULL) {
            free(copy);
            return -ENOMEM;
        }
        is_new = true;
    }
    *ret_is_new = is_new;
    return 0;
}

/* A service that counts wrong, or ignores cursors, says "more" for ever. */
static int check_progress(struct fetch_job *fetch)
{
    bool is_new;

    fetch->pages++;
    if (fetch->page.next == NULL)
        return 0;
    if (note_ids(fetch, &is_new) < 0)
        return vf_error_set(&fetch->job.error, ENOMEM, "no memory to list");
    fetch->idle_pages = is_new ? 0 : fetch->idle_pages + 1;
    if (fetch->idle_pages == IDLE_PAGES_MAX)
        return vf_error_set(&fetch->job.error, EBADMSG,
                            "the list does not end: %d pages brought nothing "
                            "new",
                            IDLE_PAGES_MAX);
    if (fetch->pages == PAGES_MAX)
        return vf_error_set(&fetch->job.error, EBADMSG,
                            "the list does not end: page %d is not the last",
                            PAGES_MAX);
    return 0;
}

static int fetch_page(struct vf_tree *tree, struct fetch_job *fetch)
{
    const struct vf_service *service = &tree->options.service;
    const struct vf_node *directory = fetch->job.directory;
    const struct vf_list_query query = {.which = fetch->which,
                                        .cursor = fetch->page.next,
                                        .deadline_ms = vf_deadline(tree)};
    struct vf_page page;
    int result;

    if (vf_node_holds_vaults(directory))
        result = service->ops->list_vaults(service->self, &query, &page,
                                           &fetch->job.error);
    else
        result = service->ops->list_credentials(
            service->self, vf_node_vault_id(directory), &query, &page,
            &fetch->job.error);
    if (result == 0 && gather(fetch, &page) < 0) {
        vf_page_done(&page);
        result = vf_error_set(&fetch->job.error, ENOMEM, "no memory to list");
    }
    return result == 0 ? check_progress(fetch) : result;
}

/* Between two pages: is it still wanted? If not, whoever comes from now on has
 * a fetch of his own started. */
static int go_on(struct vf_tree *tree, struct fetch_job *fetch)
{
    struct vf_listing *listing = fetch->job.directory->listing;

    pthread_mutex_lock(&tree->lock);
    bool is_wanted = !fetch->is_left || fetch->job.waiters > 0;
    if (!is_wanted)
        listing->fetch = NULL;
    pthread_mutex_unlock(&tree->lock);
    return is_wanted ? 0
                     : vf_error_set(&fetch->job.error, ECANCELED,
                                    "nobody waits for this list any more");
}

/* --- The job --- */

/* Archives show what is archived, and an archived vault all that it holds. */
static enum vf_list list_for(const struct vf_node *directory)
{
    if (directory->kind == VF_NODE_ARCHIVE)
        return VF_LIST_ARCHIVED;
    return vf_node_is_archived(directory) ? VF_LIST_ALL : VF_LIST_ACTIVE;
}

/* The page that proved the token is as good as one fetched now, once; but its
 * life began then, and what passed since is not what it took to fetch. */
static int prepare_fetch(struct vf_tree *tree, struct vf_job *job)
{
    struct fetch_job *fetch = (struct fetch_job *)job;
    int64_t now = vf_clock_boottime_ms();

    fetch->began_ms = now;
    fetch->which = list_for(job->directory);
    if (job->directory->kind != VF_NODE_ROOT || !tree->is_probed)
        return 0;
    tree->is_probed = false;
    if (now - tree->probed_ms < tree->options.ttl_ms &&
        job->directory->listing->expired_at == 0) {
        fetch->age_ms = now - tree->probed_ms;
        fetch->page = tree->probe;
        fetch->capacity = fetch->page.count;
        fetch->is_started = true;
    } else {
        vf_page_done(&tree->probe);
    }
    tree->probe = (struct vf_page){0};
    return 0;
}

static int run_fetch(struct vf_tree *tree, struct vf_job *job)
{
    struct fetch_job *fetch = (struct fetch_job *)job;
    int result = 0;

    if (!fetch->is_started)
        result = fetch_page(tree, fetch);
    while (result == 0 && fetch->page.next != NULL) {
        result = go_on(tree, fetch);
        if (result == 0)
            result = fetch_page(tree, fetch);
    }
    return result;
}

static void set_life(struct vf_tree *tree, struct vf_node *directory,
                     const struct fetch_job *fetch)
{
    struct vf_listing *listing = directory->listing;
    int64_t now = vf_clock_boottime_ms();
    int64_t life = LIFE_PER_FETCH * (now - fetch->began_ms);

    if (life < tree->options.ttl_ms)
        life = tree->options.ttl_ms;
    listing->is_known = true;
    listing->fetched_ms = now;
    listing->expires_ms = listing->expired_at > fetch->job.started_at
                              ? now
                              : now + life - fetch->age_ms;
}

/* Nothing answered, as against an answer that we do not like. */
static bool is_outage(int code)
{
    return code == ETIMEDOUT || code == ECONNREFUSED || code == EHOSTUNREACH ||
           code == EREMOTEIO;
}

static bool may_serve_stale(const struct vf_tree *tree,
                            const struct vf_listing *listing)
{
    return listing->is_down && listing->is_known &&
           vf_clock_boottime_ms() - listing->fetched_ms <
               tree->options.stale_if_error_ms;
}

/* The vault that a directory shows the credentials of, or NULL. */
static struct vf_node *vault_of(struct vf_node *directory)
{
    if (directory->kind == VF_NODE_ARCHIVE)
        directory = directory->parent;
    return directory->kind == VF_NODE_VAULT ? directory : NULL;
}

/* A vault is asked for by its name alone: once one is seen, nobody needs to
 * know any more what became of a creation whose answer was lost. */
static void settle_seen(struct vf_tree *tree, const struct fetch_job *fetch)
{
    if (fetch->job.directory->kind != VF_NODE_ROOT)
        return;
    for (size_t i = 0; i < fetch->page.count; i++)
        vf_journal_settle(tree->options.journal, "",
                          fetch->page.objects[i].name);
}

static void apply_fetch(struct vf_tree *tree, struct vf_job *job)
{
    struct fetch_job *fetch = (struct fetch_job *)job;
    struct vf_node *directory = job->directory;
    struct vf_listing *listing = directory->listing;

    if (listing->fetch != job)
        return; /* nobody waited any more */
    listing->fetch = NULL;
    listing->is_down = is_outage(-job->result);
    tree->is_degraded = listing->is_down;
    if (!directory->is_linked)
        return;
    if (fetch->which != list_for(directory)) { /* archived meanwhile */
        listing->expires_ms = 0;
        return;
    }
    if (job->result == 0) {
        job->result = vf_listing_reconcile(tree, directory, &fetch->page,
                                           job->started_at);
        tree->listings_fetched++;
        if (job->result < 0) {
            (void)vf_error_set(&job->error, ENOMEM, "no memory to list");
            return;
        }
        set_life(tree, directory, fetch);
        settle_seen(tree, fetch);
    } else if (job->result == -ENOENT && vault_of(directory) != NULL) {
        vf_node_unlink(tree, vault_of(directory));
    } else if (may_serve_stale(tree, listing)) {
        /* Not every look is to ask again. */
        listing->expires_ms = vf_clock_boottime_ms() + tree->options.ttl_ms;
        job->is_abandoned = true; /* those who wait will not be told */
    }
}

static void destroy_fetch(struct vf_job *job)
{
    struct fetch_job *fetch = (struct fetch_job *)job;
    struct vf_listing *listing = job->directory->listing;

    if (listing->fetch == job) /* it could not run: apply_fetch() did not */
        listing->fetch = NULL;
    tdestroy(fetch->ids, free);
    vf_page_done(&fetch->page);
}

static const struct vf_job_kind fetch_kind = {
    .operation = "list",
    .prepare = prepare_fetch,
    .remote = run_fetch,
    .apply = apply_fetch,
    .destroy = destroy_fetch,
};

/* The reference is the caller's. NULL: no memory. */
static struct vf_job *start_fetch(struct vf_tree *tree,
                                  struct vf_node *directory)
{
    struct vf_job *job = vf_job_new(tree, &fetch_kind, sizeof(struct fetch_job),
                                    directory, NULL);

    if (job == NULL)
        return NULL;
    directory->listing->fetch = job;
    vf_job_start(tree, job);
    return job;
}

/* The fetch in flight, or NULL; with a reference. One that could not run is
 * done as soon as it is started. */
static struct vf_job *join_fetch(const struct vf_listing *listing)
{
    if (listing->fetch == NULL || listing->fetch->is_done)
        return NULL;
    listing->fetch->references++;
    return listing->fetch;
}

/* --- Looking --- */

bool vf_listing_is_fresh(const struct vf_listing *listing)
{
    return listing->is_known && vf_clock_boottime_ms() < listing->expires_ms;
}

/* Find out in the background whether the service is back. */
static int probe(struct vf_tree *tree, struct vf_node *directory,
                 struct vf_error *err)
{
    struct vf_job *fetch = join_fetch(directory->listing);

    if (fetch == NULL)
        fetch = start_fetch(tree, directory);
    if (fetch == NULL)
        return vf_error_set(err, ENOMEM, "no memory to list");
    vf_job_unref(fetch);
    return 0;
}

static int wait_for_fetch(struct vf_tree *tree, struct vf_job *job,
                          struct vf_caller *caller)
{
    int result = vf_job_wait(tree, job, caller);

    if (result < 0)
        ((struct fetch_job *)job)->is_left = true;
    return result;
}

int vf_listing_ensure(struct vf_tree *tree, struct vf_node *directory,
                      bool wants_new, struct vf_caller *caller,
                      struct vf_error *err)
{
    struct vf_listing *listing = directory->listing;

    if (directory->kind == VF_NODE_CONTROL_DIRECTORY)
        return vf_control_list(tree, directory, caller, err);
    if (!vf_node_holds_vaults(directory) && vf_node_vault_id(directory) == NULL)
        return 0; /* pending: there is nothing to ask for */
    if (!wants_new && vf_listing_is_fresh(listing)) {
        tree->lookups_cached++;
        return 0;
    }
    /* What began before this is too old. */
    uint64_t since = wants_new ? ++tree->changes : listing->expired_at;
    if (!wants_new && may_serve_stale(tree, listing))
        return probe(tree, directory, err);
    while (directory->is_linked) {
        struct vf_job *fetch = join_fetch(listing);
        bool is_own = fetch == NULL;

        if (is_own)
            fetch = start_fetch(tree, directory);
        if (fetch == NULL)
            return vf_error_set(err, ENOMEM, "no memory to list");
        int result = wait_for_fetch(tree, fetch, caller);
        bool is_old = !is_own && fetch->started_at < since;
        if (result == 0 && !is_old) {
            result = fetch->result;
            if (result < 0 && !wants_new && may_serve_stale(tree, listing))
                result = 0;
            else if (result < 0 && err != NULL)
                *err = fetch->error;
        }
        vf_job_unref(fetch);
        if (result < 0 || !is_old)
            return result;
    }
    return -ENOENT;
}

void vf_listing_expire(struct vf_tree *tree, struct vf_node *directory)
{
    directory->listing->expires_ms = 0;
    directory->listing->expired_at = ++tree->changes;
    directory->listing->is_down = false;
}

void vf_listing_distrust(struct vf_tree *tree, struct vf_node *directory,
                         const char *name)
{
    vf_listing_expire(tree, directory);
    if (tree->watch.entry_changed != NULL)
        tree->watch.entry_changed(tree->watch.context, directory, name);
}

bool vf_listing_is_untouched(const struct vf_error *err)
{
    return !err->is_unknown &&
           (err->code == EKEYREJECTED || err->code == EKEYEXPIRED);
}

void vf_listing_set_empty(struct vf_tree *tree, struct vf_node *directory)
{
    struct vf_listing *listing = directory->listing;

    listing->is_known = true;
    listing->fetched_ms = vf_clock_boottime_ms();
    listing->expires_ms = listing->fetched_ms + tree->options.ttl_ms;
}
