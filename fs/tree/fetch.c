/* SPDX-License-Identifier: MIT
 *
 * Fetching listings, and how long they are taken as true.
 *
 * A listing is fetched by one job however many callers want it, and is taken as
 * true for ttl, or for ten times what it took to fetch if that is longer, so
 * that a walk never outlives its own listings. What was waited because the
 * service wanted to be left alone, or had failed before, is not in that.
 *
 * Who removes a vault has to know that it is empty, and the kernel lets nobody
 * change the root meanwhile: of many who remove one each, all would wait for
 * two requests of every other. So when the last credential goes and somebody
 * has the vault open, as who empties it to remove it has, its listing is asked
 * for at once, and one that was asked for since then, and came a moment ago,
 * is as good as one that is asked for now.
 *
 * A fetch is bounded though each page has a deadline of its own: a service that
 * goes on saying "more" and bringing nothing new is not believed (a page or two
 * may be empty where it leaves out what was not asked for), and a fetch that
 * nobody waits for any more stops behind the page under way.
 */
#include "control.h"
#include "internal.h"
#include "pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"
#include "vaultfs/journal.h"

#define LIFE_PER_FETCH 10
#define MOMENT_MS 1000

struct fetch_job {
    struct vf_job job;
    enum vf_list which;
    struct vf_pages pages;
    bool is_started;   /* the first page is here */
    bool is_left;      /* who waited for it has left */
    bool is_ahead;     /* it was started for nobody, */
    bool is_joined;    /* but somebody came */
    bool is_flying;    /* and counted in ahead_flights */
    bool is_unasked;   /* nobody waits for the page under way */
    bool is_impatient; /* what was listed before can be served instead */
    int64_t age_ms;    /* of the first page, when the fetch began */
};

/* --- Pages --- */

static int fetch_page(struct vf_tree *tree, struct fetch_job *fetch)
{
    const struct vf_service *service = &tree->options.service;
    const struct vf_node *directory = fetch->job.directory;
    const struct vf_list_query query = {.which = fetch->which,
                                        .cursor = fetch->pages.all.next,
                                        .deadline_ms = vf_deadline(tree),
                                        .is_ahead = fetch->is_unasked,
                                        .is_impatient = fetch->is_impatient};
    struct vf_page page;
    int result;

    if (vf_node_holds_vaults(directory))
        result = service->ops->list_vaults(service->self, &query, &page,
                                           &fetch->job.error);
    else
        result = service->ops->list_credentials(
            service->self, vf_node_vault_id(directory), &query, &page,
            &fetch->job.error);
    return result == 0 ? vf_pages_add(&fetch->pages, &page, &fetch->job.error)
                       : result;
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
    fetch->is_unasked = fetch->is_ahead && fetch->job.waiters == 0;
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
 * life began then. */
static int prepare_fetch(struct vf_tree *tree, struct vf_job *job)
{
    struct fetch_job *fetch = (struct fetch_job *)job;
    int64_t now = vf_clock_boottime_ms();

    fetch->which = list_for(job->directory);
    fetch->is_unasked = fetch->is_ahead && job->waiters == 0;
    if (job->directory->kind != VF_NODE_ROOT || !tree->is_probed)
        return 0;
    tree->is_probed = false;
    if (now - tree->probed_ms < tree->options.ttl_ms &&
        job->directory->listing->expired_at == 0) {
        fetch->age_ms = now - tree->probed_ms;
        fetch->pages.all = tree->probe;
        fetch->pages.capacity = tree->probe.count;
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
    while (result == 0 && fetch->pages.all.next != NULL) {
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
    int64_t life = LIFE_PER_FETCH * fetch->pages.all.took_ms;

    if (life < tree->options.ttl_ms)
        life = tree->options.ttl_ms;
    listing->is_known = true;
    listing->fetched_ms = now;
    listing->expires_ms = listing->expired_at > fetch->job.started_at
                              ? now
                              : now + life - fetch->age_ms;
}

/* A request that nobody waits for, or that need not succeed, is not tried as
 * long as others are. One without an answer by its deadline was. */
static bool is_cut_short(const struct fetch_job *fetch)
{
    int code = -fetch->job.result;
    bool is_busy = code == EBUSY || code == EREMOTEIO;

    if (fetch->is_unasked && code == ETIMEDOUT)
        return fetch->job.error.http_status != 0;
    if (fetch->is_unasked)
        return vf_listing_is_outage(code) || code == EBADMSG;
    return fetch->is_impatient && is_busy;
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
    for (size_t i = 0; i < fetch->pages.all.count; i++)
        vf_journal_settle(tree->options.journal, "",
                          fetch->pages.all.objects[i].name);
}

/* It was fetched ahead and failed, and who waited for it, if anybody, is to ask
 * again. */
static bool is_nobodys(const struct fetch_job *fetch)
{
    return fetch->job.result < 0 && fetch->is_ahead &&
           (fetch->job.waiters == 0 || is_cut_short(fetch));
}

static void note_health(struct vf_tree *tree, const struct fetch_job *fetch)
{
    struct vf_listing *listing = fetch->job.directory->listing;

    if (fetch->job.result == 0)
        tree->ahead_failures = 0;
    else
        tree->ahead_failures += fetch->is_ahead;
    if (is_nobodys(fetch))
        return;
    listing->is_down = vf_listing_is_outage(-fetch->job.result);
    tree->is_degraded = listing->is_down;
}

static void note_fetched(struct vf_tree *tree, const struct fetch_job *fetch)
{
    struct vf_node *directory = fetch->job.directory;

    tree->listings_fetched++;
    tree->listings_ahead += fetch->is_ahead;
    directory->listing->is_ahead = fetch->is_ahead && !fetch->is_joined;
    tree->ahead_unused += directory->listing->is_ahead;
    if (vf_node_holds_vaults(directory))
        vf_ahead_forget(tree, directory);
}

/* It is in nobody's way any more. */
static void land(struct fetch_job *fetch)
{
    if (fetch->is_flying)
        fetch->job.tree->ahead_flights--;
    fetch->is_flying = false;
}

/* vf_listing_shrunk() asked for it, and nobody has come yet: that the vault is
 * gone is for who removes it to find, whom it does not fail. */
static bool is_for_removal(const struct fetch_job *fetch)
{
    return is_nobodys(fetch) &&
           fetch->job.directory->listing->tombstones != NULL;
}

static void apply_fetch(struct vf_tree *tree, struct vf_job *job)
{
    struct fetch_job *fetch = (struct fetch_job *)job;
    struct vf_node *directory = job->directory;
    struct vf_listing *listing = directory->listing;

    land(fetch);
    if (listing->fetch != job)
        return; /* nobody waited any more */
    listing->fetch = NULL;
    note_health(tree, fetch);
    if (!directory->is_linked)
        return;
    if (fetch->which != list_for(directory)) { /* archived meanwhile */
        listing->expires_ms = 0;
        return;
    }
    if (job->result == 0) {
        job->result = vf_listing_reconcile(tree, directory, &fetch->pages.all,
                                           job->started_at);
        note_fetched(tree, fetch);
        if (job->result < 0) {
            (void)vf_error_set(&job->error, ENOMEM, "no memory to list");
            return;
        }
        set_life(tree, directory, fetch);
        settle_seen(tree, fetch);
    } else if (job->result == -ENOENT && vault_of(directory) != NULL) {
        if (!is_for_removal(fetch))
            vf_node_unlink(tree, vault_of(directory));
    } else if (!is_nobodys(fetch) && vf_listing_may_be_shown(tree, listing)) {
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
    land(fetch);
    vf_pages_done(&fetch->pages);
}

static const struct vf_job_kind fetch_kind = {
    .operation = "list",
    .prepare = prepare_fetch,
    .remote = run_fetch,
    .apply = apply_fetch,
    .destroy = destroy_fetch,
};

/* Who waits for it. */
enum purpose { FETCH_LOOK, FETCH_NEW, FETCH_AHEAD };

/* The reference is the caller's. NULL: no memory. */
static struct vf_job *start_fetch(struct vf_tree *tree,
                                  struct vf_node *directory,
                                  enum purpose purpose)
{
    struct vf_job *job = vf_job_new(tree, &fetch_kind, sizeof(struct fetch_job),
                                    directory, NULL);
    struct fetch_job *fetch = (struct fetch_job *)job;

    if (job == NULL)
        return NULL;
    fetch->is_ahead = purpose == FETCH_AHEAD;
    fetch->is_flying = fetch->is_ahead;
    tree->ahead_flights += fetch->is_flying;
    fetch->is_impatient = purpose != FETCH_NEW &&
                          vf_listing_is_worth_showing(tree, directory->listing);
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

void vf_listing_fetch_ahead(struct vf_tree *tree, struct vf_node *vault)
{
    vf_job_unref(start_fetch(tree, vault, FETCH_AHEAD));
}

void vf_listing_shrunk(struct vf_tree *tree, struct vf_node *vault)
{
    struct vf_listing *listing = vault->listing;

    vf_ahead_use(tree, listing);
    if (listing->fetch != NULL) /* it began before that */
        ((struct fetch_job *)listing->fetch)->is_joined = true;
    else if (listing->snapshots != NULL && vf_node_is_empty_directory(vault))
        vf_listing_fetch_ahead(tree, vault);
}

/* --- Looking --- */

/* Find out in the background whether the service is back. */
static int probe(struct vf_tree *tree, struct vf_node *directory,
                 struct vf_error *err)
{
    struct vf_job *fetch = join_fetch(directory->listing);

    if (fetch == NULL)
        fetch = start_fetch(tree, directory, FETCH_LOOK);
    if (fetch == NULL)
        return vf_error_set(err, ENOMEM, "no memory to list");
    vf_job_unref(fetch);
    return 0;
}

/* What vf_listing_shrunk() asked for is here. */
static bool has_come(const struct vf_listing *listing)
{
    return listing->is_ahead && listing->tombstones != NULL &&
           vf_listing_is_fresh(listing) &&
           vf_clock_boottime_ms() - listing->fetched_ms < MOMENT_MS;
}

/* What began before this is too old for who wants a new one. */
static uint64_t begin_of_new(struct vf_tree *tree,
                             const struct vf_listing *listing)
{
    const struct fetch_job *fetch = (const struct fetch_job *)listing->fetch;

    if (fetch == NULL || !fetch->is_ahead || listing->tombstones == NULL)
        return ++tree->changes;
    uint64_t removed_at = listing->tombstones->changed_at;
    return removed_at > listing->expired_at ? removed_at : listing->expired_at;
}

static int wait_for_fetch(struct vf_tree *tree, struct vf_job *job,
                          struct vf_caller *caller)
{
    struct fetch_job *fetch = (struct fetch_job *)job;

    fetch->is_joined = true;
    int result = vf_job_wait(tree, job, caller);
    if (result < 0 && !fetch->is_ahead)
        fetch->is_left = true;
    return result;
}

/* A listing whose fetch did not begin before since. */
static int fetch_since(struct vf_tree *tree, struct vf_node *directory,
                       bool wants_new, uint64_t since, struct vf_caller *caller,
                       struct vf_error *err)
{
    struct vf_listing *listing = directory->listing;

    while (directory->is_linked) {
        struct vf_job *fetch = join_fetch(listing);
        bool is_own = fetch == NULL;

        if (is_own)
            fetch = start_fetch(tree, directory,
                                wants_new ? FETCH_NEW : FETCH_LOOK);
        if (fetch == NULL)
            return vf_error_set(err, ENOMEM, "no memory to list");
        int result = wait_for_fetch(tree, fetch, caller);
        bool is_useless = result == 0 && !is_own && fetch->started_at < since;
        if (result == 0 && !is_useless) {
            result = fetch->result;
            if (result < 0 && !wants_new &&
                vf_listing_may_be_shown(tree, listing))
                result = 0;
            else if (is_cut_short((const struct fetch_job *)fetch))
                is_useless = true;
            else if (result < 0 && err != NULL)
                *err = fetch->error;
        }
        vf_job_unref(fetch);
        if (!is_useless)
            return result;
    }
    return -ENOENT;
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
    if (wants_new && has_come(listing)) {
        vf_ahead_use(tree, listing);
        return 0;
    }
    /* What began before this is too old. */
    uint64_t since =
        wants_new ? begin_of_new(tree, listing) : listing->expired_at;
    if (!wants_new && vf_listing_may_be_shown(tree, listing))
        return probe(tree, directory, err);
    return fetch_since(tree, directory, wants_new, since, caller, err);
}
