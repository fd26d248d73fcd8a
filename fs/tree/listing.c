/* SPDX-License-Identifier: MIT
 *
 * Listings and their freshness.
 *
 * A listing is fetched by one job however many callers want it, and is taken as
 * true for ttl, or for ten times what it took to fetch if that is longer, so
 * that a walk never outlives its own listings.
 *
 * What was done here and what a listing says can disagree, because the listing
 * left the service before the change, or because the service's lists lag behind
 * its writes. The tree's clock counts changes. An object that changed here
 * after the fetch began keeps its local state; for VF_OWN_CHANGE_MS after a
 * change, so does one whose listed state is older, missing, or still there
 * though it was deleted. All else follows the listing.
 *
 * Names: a name that was shown stays with its id. New objects are named oldest
 * first; one whose name is taken gets digits of its id. A vault's name that
 * becomes free in a listing does not pass to another vault in the same one. A
 * credential's does, node and all: that is how a rotation by delete and create
 * looks from outside.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"
#include "vaultfs/name.h"

#define LIFE_PER_FETCH 10
#define DIGITS_FIRST 6
#define DIGITS_STEP 2
#define DIGITS_MAX 80

struct fetch_job {
    struct vf_job job;
    struct vf_page page; /* all pages in one */
    size_t capacity;
    bool is_started;  /* the first page is here */
    int64_t began_ms; /* CLOCK_BOOTTIME */
    int64_t age_ms;   /* of the first page, when the fetch began */
};

/* --- Reconciling --- */

static bool is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

static int compare_age(const void *a, const void *b)
{
    const struct vf_object *left = *(const struct vf_object *const *)a;
    const struct vf_object *right = *(const struct vf_object *const *)b;

    if (is_before(left->created, right->created))
        return -1;
    if (is_before(right->created, left->created))
        return 1;
    return strcmp(left->id, right->id);
}

static bool was_changed_lately(const struct vf_node *node)
{
    return node->changed_at != 0 &&
           vf_clock_boottime_ms() - node->changed_ms < VF_OWN_CHANGE_MS;
}

static bool is_newer_here(const struct vf_node *node,
                          const struct vf_object *object, uint64_t began_at)
{
    return node->changed_at > began_at ||
           (was_changed_lately(node) &&
            is_before(object->updated, node->mtime));
}

static void drop_old_tombstones(struct vf_listing *listing, uint64_t began_at)
{
    struct vf_tombstone **link = &listing->tombstones;
    int64_t now = vf_clock_boottime_ms();

    while (*link != NULL) {
        struct vf_tombstone *stone = *link;

        if (stone->changed_at <= began_at && stone->until_ms < now) {
            *link = stone->next;
            free(stone);
        } else {
            link = &stone->next;
        }
    }
}

static bool is_buried(const struct vf_listing *listing, const char *id)
{
    const struct vf_tombstone *stone = listing->tombstones;

    while (stone != NULL && strcmp(stone->id, id) != 0)
        stone = stone->next;
    return stone != NULL;
}

void vf_listing_bury(struct vf_tree *tree, struct vf_node *directory,
                     const char *id)
{
    struct vf_tombstone *stone = calloc(1, sizeof(*stone));

    if (stone == NULL)
        return; /* at worst it shows until the next listing */
    stone->changed_at = ++tree->changes;
    stone->until_ms = vf_clock_boottime_ms() + VF_OWN_CHANGE_MS;
    memcpy(stone->id, id, strlen(id) + 1);
    stone->next = directory->listing->tombstones;
    directory->listing->tombstones = stone;
}

static bool is_gone(const struct vf_node *node)
{
    return node->kind == VF_NODE_CREDENTIAL && !node->is_listed;
}

/* Whether a new object may live on in the node that has its plain name. */
static bool may_take_over(const struct vf_node *node)
{
    return node->kind == VF_NODE_DRAFT || is_gone(node);
}

static void name_object(const struct vf_node *directory,
                        const struct vf_object *object, unsigned digits,
                        char ret[static VF_NAME_MAX + 1])
{
    bool is_vault = directory->kind == VF_NODE_ROOT;
    const char *text = object->name != NULL ? object->name : object->label;

    vf_name_encode(is_vault ? VF_NAME_VAULT : VF_NAME_FILE,
                   text != NULL ? text : "", object->id, digits, ret);
}

/* A name that nothing has yet; false when there is none. */
static bool find_free_name(const struct vf_node *directory,
                           const struct vf_object *object,
                           char ret[static VF_NAME_MAX + 1])
{
    name_object(directory, object, 0, ret);
    for (unsigned digits = DIGITS_FIRST; vf_node_child(directory, ret) != NULL;
         digits += DIGITS_STEP) {
        if (digits > DIGITS_MAX)
            return false;
        name_object(directory, object, digits, ret);
    }
    return true;
}

/* A node for an object that is not in the directory yet. */
static struct vf_node *place_object(struct vf_tree *tree,
                                    struct vf_node *directory,
                                    const struct vf_object *object)
{
    bool is_vault = directory->kind == VF_NODE_ROOT;
    char name[VF_NAME_MAX + 1];

    name_object(directory, object, 0, name);
    struct vf_node *taken = vf_node_child(directory, name);
    if (taken != NULL && !is_vault && may_take_over(taken))
        return vf_node_set_id(tree, taken, object->id) == 0 ? taken : NULL;
    if (!find_free_name(directory, object, name))
        return NULL;
    return vf_node_new_child(tree, directory,
                             is_vault ? VF_NODE_VAULT : VF_NODE_CREDENTIAL,
                             name, object->id);
}

struct vf_node *vf_listing_adopt(struct vf_tree *tree,
                                 struct vf_node *directory,
                                 const struct vf_object *object,
                                 struct vf_node *preferred)
{
    struct vf_node *node = vf_node_child_by_id(directory, object->id);

    if (node == NULL && preferred != NULL && preferred->is_linked &&
        vf_node_set_id(tree, preferred, object->id) == 0)
        node = preferred;
    if (node == NULL)
        node = place_object(tree, directory, object);
    if (node == NULL || vf_node_set_object(tree, node, object) < 0)
        return NULL;
    return node;
}

/* Objects that have a node; the others are counted and put into new_objects. */
static size_t update_known(struct vf_tree *tree, struct vf_node *directory,
                           struct fetch_job *fetch,
                           const struct vf_object **new_objects)
{
    uint64_t began_at = fetch->job.started_at;
    size_t count = 0;

    for (size_t i = 0; i < fetch->page.count; i++) {
        const struct vf_object *object = &fetch->page.objects[i];
        struct vf_node *node = vf_node_child_by_id(directory, object->id);

        if (node == NULL) {
            if (!is_buried(directory->listing, object->id))
                new_objects[count++] = object;
            continue;
        }
        node->is_listed = true;
        if (!is_newer_here(node, object, began_at))
            (void)vf_node_set_object(tree, node, object);
    }
    return count;
}

static void mark_children(struct vf_node **children, uint64_t began_at)
{
    for (; *children != NULL; children++) {
        struct vf_node *node = *children;

        node->is_listed = node->changed_at > began_at ||
                          (node->is_made_here && was_changed_lately(node));
    }
}

static void unlink_unlisted(struct vf_tree *tree, struct vf_node **children)
{
    for (; *children != NULL; children++) {
        struct vf_node *node = *children;
        bool is_object =
            node->kind == VF_NODE_VAULT || node->kind == VF_NODE_CREDENTIAL;

        if ((is_object && !node->is_listed) || vf_node_is_expired_draft(node))
            vf_node_unlink(tree, node);
    }
}

/* Objects that are not in the directory yet, oldest first. One that cannot get
 * a name is left out; one that there is no memory for fails the listing, which
 * would else say that it is absent. */
static int adopt_new(struct vf_tree *tree, struct vf_node *directory,
                     const struct vf_object **objects, size_t count)
{
    char name[VF_NAME_MAX + 1];
    int result = 0;

    qsort(objects, count, sizeof(const struct vf_object *), compare_age);
    for (size_t i = 0; i < count; i++) {
        struct vf_node *node =
            vf_listing_adopt(tree, directory, objects[i], NULL);

        if (node != NULL)
            node->is_listed = true;
        else if (find_free_name(directory, objects[i], name))
            result = -ENOMEM;
    }
    return result;
}

static int reconcile(struct vf_tree *tree, struct vf_node *directory,
                     struct fetch_job *fetch)
{
    struct vf_node **children = vf_node_children(directory);
    const struct vf_object **new_objects =
        calloc(fetch->page.count + 1, sizeof(const struct vf_object *));
    int result = -ENOMEM;

    if (children != NULL && new_objects != NULL) {
        drop_old_tombstones(directory->listing, fetch->job.started_at);
        mark_children(children, fetch->job.started_at);
        size_t count = update_known(tree, directory, fetch, new_objects);
        result = adopt_new(tree, directory, new_objects, count);
        unlink_unlisted(tree, children);
        if (directory->listing->info != NULL)
            directory->listing->info->is_hidden = false;
    }
    free(children);
    free(new_objects);
    return result;
}

/* --- Fetching --- */

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

static int fetch_page(struct vf_tree *tree, struct fetch_job *fetch)
{
    const struct vf_service *service = &tree->options.service;
    const struct vf_node *directory = fetch->job.directory;
    struct vf_page page;
    int result;

    if (directory->kind == VF_NODE_ROOT)
        result = service->ops->list_vaults(service->self, fetch->page.next,
                                           vf_deadline(tree), &page,
                                           &fetch->job.error);
    else
        result = service->ops->list_credentials(
            service->self, directory->id, fetch->page.next, vf_deadline(tree),
            &page, &fetch->job.error);
    if (result == 0 && gather(fetch, &page) < 0) {
        vf_page_done(&page);
        result = vf_error_set(&fetch->job.error, ENOMEM, "no memory to list");
    }
    return result;
}

/* The page that proved the token is as good as one fetched now, once; but its
 * life began then, and what passed since is not what it took to fetch. */
static int prepare_fetch(struct vf_tree *tree, struct vf_job *job)
{
    struct fetch_job *fetch = (struct fetch_job *)job;
    int64_t now = vf_clock_boottime_ms();

    fetch->began_ms = now;
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

    while (result == 0 && (!fetch->is_started || fetch->page.next != NULL)) {
        result = fetch_page(tree, fetch);
        fetch->is_started = true;
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
                            const struct vf_listing *listing, int result)
{
    return is_outage(-result) && listing->is_known &&
           vf_clock_boottime_ms() - listing->fetched_ms <
               tree->options.stale_if_error_ms;
}

static void apply_fetch(struct vf_tree *tree, struct vf_job *job)
{
    struct fetch_job *fetch = (struct fetch_job *)job;
    struct vf_node *directory = job->directory;
    struct vf_listing *listing = directory->listing;

    listing->fetch = NULL;
    if (!directory->is_linked)
        return;
    if (job->result == 0) {
        job->result = reconcile(tree, directory, fetch);
        if (job->result == 0)
            set_life(tree, directory, fetch);
        else
            (void)vf_error_set(&job->error, ENOMEM, "no memory to list");
    } else if (job->result == -ENOENT && directory->kind == VF_NODE_VAULT) {
        vf_node_unlink(tree, directory);
    } else if (may_serve_stale(tree, listing, job->result)) {
        /* Not every look is to wait for the deadline again. */
        listing->expires_ms = vf_clock_boottime_ms() + tree->options.ttl_ms;
        job->is_abandoned = true; /* those who wait will not be told */
    }
}

static void destroy_fetch(struct vf_job *job)
{
    struct vf_listing *listing = job->directory->listing;

    if (listing->fetch == job) /* it could not run: apply_fetch() did not */
        listing->fetch = NULL;
    vf_page_done(&((struct fetch_job *)job)->page);
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

static bool is_fresh(const struct vf_listing *listing)
{
    return listing->is_known && vf_clock_boottime_ms() < listing->expires_ms;
}

int vf_listing_ensure(struct vf_tree *tree, struct vf_node *directory,
                      bool wants_new, struct vf_caller *caller,
                      struct vf_error *err)
{
    struct vf_listing *listing = directory->listing;
    /* What began before this is too old. */
    uint64_t since = wants_new ? ++tree->changes : listing->expired_at;

    if (!wants_new && is_fresh(listing))
        return 0;
    while (directory->is_linked) {
        struct vf_job *fetch = join_fetch(listing);
        bool is_own = fetch == NULL;

        if (is_own)
            fetch = start_fetch(tree, directory);
        if (fetch == NULL)
            return vf_error_set(err, ENOMEM, "no memory to list");
        int result = vf_job_wait(tree, fetch, caller);
        bool is_old = !is_own && fetch->started_at < since;
        if (result == 0 && !is_old) {
            result = fetch->result;
            if (result < 0 && !wants_new &&
                may_serve_stale(tree, listing, result))
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
}

void vf_listing_set_empty(struct vf_tree *tree, struct vf_node *directory)
{
    struct vf_listing *listing = directory->listing;

    listing->is_known = true;
    listing->fetched_ms = vf_clock_boottime_ms();
    listing->expires_ms = listing->fetched_ms + tree->options.ttl_ms;
}
