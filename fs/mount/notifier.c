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
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct notice {
    struct notice *next;
    fuse_ino_t ino;
    bool is_entry;
    char name[]; /* in the directory ino, if is_entry */
};

/* Out of memory: the kernel's own timeouts end the life of what it holds. */
static void add(struct notifier *notifier, fuse_ino_t ino, const char *name)
{
    size_t size = name != NULL ? strlen(name) + 1 : 0;
    struct notice *notice = calloc(1, sizeof(*notice) + size);

    if (notice == NULL)
        return;
    notice->ino = ino;
    notice->is_entry = name != NULL;
    if (name != NULL)
        memcpy(notice->name, name, size);
    pthread_mutex_lock(&notifier->lock);
    if (notifier->last != NULL)
        notifier->last->next = notice;
    else
        notifier->first = notice;
    notifier->last = notice;
    (void)pthread_cond_signal(&notifier->wanted);
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
    const struct hold *hold = notice->is_entry ? notifier->holds : NULL;

    while (hold != NULL && hold->directory != 0 &&
           hold->directory != notice->ino)
        hold = hold->next;
    return hold != NULL;
}

/* The oldest that may be told now, or NULL. */
static struct notice *take(struct notifier *notifier)
{
    struct notice *previous = NULL, *notice = notifier->first;

    while (notice != NULL && is_held(notifier, notice)) {
        previous = notice;
        notice = notice->next;
    }
    if (notice == NULL)
        return NULL;
    if (previous != NULL)
        previous->next = notice->next;
    else
        notifier->first = notice->next;
    if (notifier->last == notice)
        notifier->last = previous;
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
    if (notifier->first != NULL)
        (void)pthread_cond_signal(&notifier->wanted);
    pthread_mutex_unlock(&notifier->lock);
}

static void *run(void *context)
{
    struct notifier *notifier = context;

    pthread_mutex_lock(&notifier->lock);
    while (!notifier->is_ending) {
        struct notice *notice = take(notifier);

        if (notice == NULL) {
            (void)pthread_cond_wait(&notifier->wanted, &notifier->lock);
            continue;
        }
        pthread_mutex_unlock(&notifier->lock);
        tell(notifier, notice);
        free(notice);
        pthread_mutex_lock(&notifier->lock);
    }
    pthread_mutex_unlock(&notifier->lock);
    return NULL;
}

int notifier_init(struct notifier *notifier, struct fuse_session *session,
                  struct vf_tree *tree)
{
    const struct vf_tree_watch watch = {.entry_changed = on_entry,
                                        .content_changed = on_content,
                                        .context = notifier};

    (void)pthread_mutex_init(&notifier->lock, NULL);
    (void)pthread_cond_init(&notifier->wanted, NULL);
    notifier->session = session;
    notifier->tree = tree;
    int result = pthread_create(&notifier->thread, NULL, run, notifier);
    if (result != 0)
        return -result;
    notifier->is_running = true;
    vf_tree_set_watch(tree, &watch);
    return 0;
}

void notifier_done(struct notifier *notifier)
{
    const struct vf_tree_watch none = {0};

    if (!notifier->is_running)
        return;
    vf_tree_set_watch(notifier->tree, &none);
    pthread_mutex_lock(&notifier->lock);
    notifier->is_ending = true;
    (void)pthread_cond_signal(&notifier->wanted);
    pthread_mutex_unlock(&notifier->lock);
    (void)pthread_join(notifier->thread, NULL);
    pthread_mutex_lock(&notifier->lock);
    while (notifier->first != NULL) {
        struct notice *next = notifier->first->next;

        free(notifier->first);
        notifier->first = next;
    }
    notifier->last = NULL;
    pthread_mutex_unlock(&notifier->lock);
    notifier->is_running = false; /* the lock stays, for who still serves */
}
