/* SPDX-License-Identifier: MIT
 *
 * Telling the kernel what changed.
 *
 * To forget a name the kernel takes its directory's lock, and waits for it in a
 * way that not even SIGKILL ends. A mkdir that waits for the service holds that
 * lock: were the daemon killed now, the notifier would wait for the mkdir, the
 * mkdir for a reply, and the connection, which the notifier's thread keeps
 * open, would never end. So what concerns a directory waits here until no
 * operation in flight holds it. One that takes the lock just when its directory
 * is told of is not kept apart; `vaultfs umount --lazy` ends what comes of it.
 *
 * To forget what it knows of an inode the kernel takes no such lock. But it
 * passes over the attributes that are under way to it meanwhile: a reader that
 * asks for the size just then goes on with the old one, and cuts the new
 * content there. So what changed a file waits for its notice before it replies,
 * and who reads after that asks after that. For that, inodes have a thread of
 * their own: the one for names may have to wait for a lock all the same.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"

/* A notice of an inode takes some microseconds. */
#define SETTLE_MAX_MS 100

struct notice {
    struct notice *next;
    fuse_ino_t ino;
    bool is_entry;
    char name[]; /* in the directory ino, if is_entry */
};

/* Out of memory: the kernel's own timeouts end the life of what it holds. */
static void add(struct notifier *notifier, fuse_ino_t ino, const char *name)
{
    struct notices *notices =
        name != NULL ? &notifier->names : &notifier->inodes;
    size_t size = name != NULL ? strlen(name) + 1 : 0;
    struct notice *notice = calloc(1, sizeof(*notice) + size);

    if (notice == NULL)
        return;
    notice->ino = ino;
    notice->is_entry = name != NULL;
    if (name != NULL)
        memcpy(notice->name, name, size);
    pthread_mutex_lock(&notifier->lock);
    if (notices->last != NULL)
        notices->last->next = notice;
    else
        notices->first = notice;
    notices->last = notice;
    notices->noted++;
    (void)pthread_cond_signal(&notices->wanted);
    pthread_mutex_unlock(&notifier->lock);
}

static void on_entry(void *context, const struct vf_node *directory,
                     const char *name)
{
    struct notifier *notifier = context;

    add(notifier, mount_ino(notifier->tree, directory), name);
}

static void on_content(void *context, const struct vf_node *node)
{
    struct notifier *notifier = context;

    add(notifier, mount_ino(notifier->tree, node), NULL);
}

/* The node may be gone by now; the kernel then answers ENOENT. */
static void tell(struct notifier *notifier, const struct notice *notice)
{
    if (notice->is_entry)
        (void)fuse_lowlevel_notify_inval_entry(
            notifier->session, notice->ino, notice->name, strlen(notice->name));
    else
        (void)fuse_lowlevel_notify_inval_inode(notifier->session, notice->ino,
                                               0, 0);
}

static bool is_held(const struct notifier *notifier,
                    const struct notice *notice)
{
    struct hold *hold = notice->is_entry ? notifier->holds : NULL;

    while (hold != NULL && hold->directory != 0 &&
           hold->directory != notice->ino)
        hold = hold->next;
    if (hold != NULL)
        hold->is_in_the_way = true;
    return hold != NULL;
}

/* The oldest that may be told now, or NULL. */
static struct notice *take(struct notices *notices)
{
    struct notice *previous = notices->held;
    struct notice *notice = previous != NULL ? previous->next : notices->first;

    while (notice != NULL && is_held(notices->notifier, notice)) {
        previous = notice;
        notice = notice->next;
    }
    notices->held = previous;
    if (notice == NULL)
        return NULL;
    if (previous != NULL)
        previous->next = notice->next;
    else
        notices->first = notice->next;
    if (notices->last == notice)
        notices->last = previous;
    return notice;
}

void notifier_hold(struct notifier *notifier, struct hold *hold,
                   fuse_ino_t directory)
{
    pthread_mutex_lock(&notifier->lock);
    *hold = (struct hold){.directory = directory, .next = notifier->holds};
    if (hold->next != NULL)
        hold->next->previous = hold;
    notifier->holds = hold;
    pthread_mutex_unlock(&notifier->lock);
}

void notifier_release(struct notifier *notifier, struct hold *hold)
{
    pthread_mutex_lock(&notifier->lock);
    if (hold->previous != NULL)
        hold->previous->next = hold->next;
    else
        notifier->holds = hold->next;
    if (hold->next != NULL)
        hold->next->previous = hold->previous;
    if (hold->is_in_the_way) {
        notifier->names.held = NULL;
        (void)pthread_cond_signal(&notifier->names.wanted);
    }
    pthread_mutex_unlock(&notifier->lock);
}

void notifier_settle(struct notifier *notifier)
{
    const struct notices *inodes = &notifier->inodes;
    int result = 0;

    pthread_mutex_lock(&notifier->lock);
    uint64_t noted = inodes->noted;
    if (inodes->told < noted) {
        const struct timespec until =
            vf_clock_timespec(vf_clock_monotonic_ms() + SETTLE_MAX_MS);

        while (result == 0 && !notifier->is_ending && inodes->told < noted)
            result = pthread_cond_timedwait(&notifier->told, &notifier->lock,
                                            &until);
    }
    pthread_mutex_unlock(&notifier->lock);
}

static void *run(void *context)
{
    struct notices *notices = context;
    struct notifier *notifier = notices->notifier;

    pthread_mutex_lock(&notifier->lock);
    while (!notifier->is_ending) {
        struct notice *notice = take(notices);

        if (notice == NULL) {
            (void)pthread_cond_wait(&notices->wanted, &notifier->lock);
            continue;
        }
        pthread_mutex_unlock(&notifier->lock);
        tell(notifier, notice);
        free(notice);
        pthread_mutex_lock(&notifier->lock);
        notices->told++;
        if (notices == &notifier->inodes)
            (void)pthread_cond_broadcast(&notifier->told);
    }
    pthread_mutex_unlock(&notifier->lock);
    return NULL;
}

static int start(struct notifier *notifier, struct notices *notices)
{
    notices->notifier = notifier;
    (void)pthread_cond_init(&notices->wanted, NULL);
    int result = pthread_create(&notices->thread, NULL, run, notices);
    notices->is_running = result == 0;
    return -result;
}

int notifier_init(struct notifier *notifier, struct fuse_session *session,
                  struct vf_tree *tree)
{
    const struct vf_tree_watch watch = {.entry_changed = on_entry,
                                        .content_changed = on_content,
                                        .context = notifier};

    (void)pthread_mutex_init(&notifier->lock, NULL);
    notifier->session = session;
    notifier->tree = tree;
    int result = vf_clock_init_cond(&notifier->told);
    if (result == 0)
        result = start(notifier, &notifier->names);
    if (result == 0)
        result = start(notifier, &notifier->inodes);
    if (result == 0)
        vf_tree_set_watch(tree, &watch);
    return result;
}

/* The lock stays, for who still serves. */
static void end(struct notices *notices)
{
    if (!notices->is_running)
        return;
    (void)pthread_join(notices->thread, NULL);
    notices->is_running = false;
    pthread_mutex_lock(&notices->notifier->lock);
    while (notices->first != NULL) {
        struct notice *next = notices->first->next;

        free(notices->first);
        notices->first = next;
    }
    notices->last = NULL;
    pthread_mutex_unlock(&notices->notifier->lock);
}

void notifier_done(struct notifier *notifier)
{
    const struct vf_tree_watch none = {0};

    if (!notifier->names.is_running)
        return;
    vf_tree_set_watch(notifier->tree, &none);
    pthread_mutex_lock(&notifier->lock);
    notifier->is_ending = true;
    (void)pthread_cond_signal(&notifier->names.wanted);
    if (notifier->inodes.is_running)
        (void)pthread_cond_signal(&notifier->inodes.wanted);
    (void)pthread_cond_broadcast(&notifier->told);
    pthread_mutex_unlock(&notifier->lock);
    end(&notifier->names);
    end(&notifier->inodes);
}
