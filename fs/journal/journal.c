/* SPDX-License-Identifier: MIT
 *
 * What is in flight, or was when its answer was lost, in a table that is also
 * in the file, slot for slot. One write puts an entry there and one takes it
 * away, so that the file neither grows nor needs to be cleaned up, and a daemon
 * that is killed at any moment leaves each slot as it was or as it was to be.
 * What the file cannot take, for want of a directory or of room, is in the
 * table all the same.
 */
#include "vaultfs/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

/* How long services keep a key. */
#define KEY_LIFE_S ((int64_t)24 * 60 * 60)
/* In place of an id, none of which has a dot. */
#define NO_VAULT "."
#define VAULT_ID_MAX 64
#define NAME_MAX_BYTES 255

/* With key "": a slot that is free. */
struct entry {
    int64_t made_s;  /* CLOCK_REALTIME, for other processes */
    bool is_unknown; /* else it is in flight */
    char key[VF_UUID_SIZE];
    char vault_id[VAULT_ID_MAX + 1];
    char name[NAME_MAX_BYTES + 1];
};

struct vf_journal {
    pthread_mutex_t lock;
    int directory_fd; /* -1: none */
    int fd;           /* -1: there was nothing to keep yet, or no place */
    char prefix[VF_JOURNAL_PREFIX_SIZE];
    char file[VF_JOURNAL_FILE_SIZE];
    struct entry *entries;
    size_t count; /* slots */
};

/* One from the future is young: the clock was set back. */
static bool is_young(const struct entry *entry)
{
    return (int64_t)time(NULL) - entry->made_s < KEY_LIFE_S;
}

static bool is_free(const struct entry *entry)
{
    return entry->key[0] == '\0' || (entry->is_unknown && !is_young(entry));
}

static bool fits(const char *vault_id, const char *name)
{
    return strlen(vault_id) <= VAULT_ID_MAX && strlen(name) <= NAME_MAX_BYTES &&
           strpbrk(vault_id, " \n") == NULL && strchr(name, '\n') == NULL;
}

/* --- One entry as a line --- */

static void print(const struct entry *entry, char ret[VF_JOURNAL_SLOT_SIZE])
{
    const char *vault_id =
        entry->vault_id[0] != '\0' ? entry->vault_id : NO_VAULT;

    (void)snprintf(ret, VF_JOURNAL_SLOT_SIZE, "%s %" PRId64 " %s %s",
                   entry->key, entry->made_s, vault_id, entry->name);
}

static bool scan(const char *line, struct entry *ret)
{
    char key[VF_UUID_SIZE], vault_id[VAULT_ID_MAX + 1];
    int64_t made_s;
    int end = 0;

    if (sscanf(line, "%36s %" SCNd64 " %64s%n", key, &made_s, vault_id, &end) !=
            3 ||
        strlen(key) != VF_UUID_SIZE - 1 || line[end] != ' ' ||
        !fits(vault_id, line + end + 1))
        return false;
    *ret = (struct entry){.made_s = made_s, .is_unknown = true};
    memcpy(ret->key, key, sizeof(key));
    if (strcmp(vault_id, NO_VAULT) != 0)
        memcpy(ret->vault_id, vault_id, strlen(vault_id) + 1);
    memcpy(ret->name, line + end + 1, strlen(line + end + 1) + 1);
    return true;
}

/* --- The table; lock held --- */

static struct entry *find(const struct vf_journal *journal,
                          const char *vault_id, const char *name)
{
    for (size_t i = 0; i < journal->count; i++) {
        struct entry *entry = &journal->entries[i];

        if (!is_free(entry) && strcmp(entry->vault_id, vault_id) == 0 &&
            strcmp(entry->name, name) == 0)
            return entry;
    }
    return NULL;
}

/* A free slot, or NULL: no memory. */
static struct entry *add_slot(struct vf_journal *journal)
{
    for (size_t i = 0; i < journal->count; i++)
        if (is_free(&journal->entries[i]))
            return &journal->entries[i];
    struct entry *entries = reallocarray(journal->entries, journal->count + 1,
                                         sizeof(*journal->entries));
    if (entries == NULL)
        return NULL;
    journal->entries = entries;
    entries[journal->count] = (struct entry){0};
    return &entries[journal->count++];
}

/* Put what the slot holds now into the file. */
static int save(struct vf_journal *journal, const struct entry *entry)
{
    size_t slot = (size_t)(entry - journal->entries);
    char line[VF_JOURNAL_SLOT_SIZE];
    int result = 0;

    if (journal->directory_fd < 0)
        return -ENOENT;
    if (journal->fd < 0)
        result = vf_journal_file_make(journal->directory_fd, journal->prefix,
                                      journal->file, &journal->fd);
    if (result < 0)
        return result;
    if (entry->key[0] == '\0')
        return vf_journal_file_put(journal->fd, slot, NULL);
    print(entry, line);
    return vf_journal_file_put(journal->fd, slot, line);
}

/* Whether it is in the file, too: 0, or why not. */
static int keep(struct vf_journal *journal, const struct entry *kept)
{
    struct entry *entry = find(journal, kept->vault_id, kept->name);

    if (entry == NULL)
        entry = add_slot(journal);
    if (entry == NULL)
        return -ENOMEM;
    *entry = *kept;
    return save(journal, entry);
}

static bool take(void *context, const char *line)
{
    struct entry entry;

    if (!scan(line, &entry) || !is_young(&entry))
        return true;
    return keep(context, &entry) == 0;
}

/* --- The interface --- */

int vf_journal_open(const char *directory, const char *service,
                    struct vf_journal **ret, struct vf_error *err)
{
    struct vf_journal *journal = calloc(1, sizeof(*journal));
    int result = 0;

    if (journal == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a journal");
    journal->directory_fd = journal->fd = -1;
    if (directory != NULL)
        result = vf_journal_directory(directory, &journal->directory_fd, err);
    if (result < 0) {
        free(journal);
        return result;
    }
    (void)snprintf(journal->prefix, sizeof(journal->prefix),
                   "journal-%016" PRIx64 "-",
                   vf_hash64(service, strlen(service)));
    (void)pthread_mutex_init(&journal->lock, NULL);
    if (directory != NULL)
        vf_journal_file_inherit(journal->directory_fd, journal->prefix, take,
                                journal);
    *ret = journal;
    return 0;
}

/* What is still in flight is as unknown as the rest. */
static bool is_used(const struct vf_journal *journal)
{
    size_t i = 0;

    while (i < journal->count && is_free(&journal->entries[i]))
        i++;
    return i < journal->count;
}

void vf_journal_close(struct vf_journal *journal)
{
    if (journal == NULL)
        return;
    if (journal->fd >= 0 && !is_used(journal))
        (void)unlinkat(journal->directory_fd, journal->file, 0);
    if (journal->fd >= 0)
        (void)close(journal->fd);
    if (journal->directory_fd >= 0)
        (void)close(journal->directory_fd);
    (void)pthread_mutex_destroy(&journal->lock);
    free(journal->entries);
    free(journal);
}

/* Returns whether the key is old. */
static bool begin(struct vf_journal *journal, const char *vault_id,
                  const char *name, char ret_key[static VF_UUID_SIZE])
{
    struct entry *known = find(journal, vault_id, name);
    struct entry entry = {.made_s = (int64_t)time(NULL)};

    if (known != NULL) {
        known->is_unknown = false;
        memcpy(ret_key, known->key, sizeof(known->key));
        return true;
    }
    memcpy(entry.key, ret_key, sizeof(entry.key));
    memcpy(entry.vault_id, vault_id, strlen(vault_id) + 1);
    memcpy(entry.name, name, strlen(name) + 1);
    (void)!keep(journal, &entry);
    return false;
}

void vf_journal_begin(struct vf_journal *journal, const char *vault_id,
                      const char *name, char ret_key[static VF_UUID_SIZE],
                      bool *ret_is_old)
{
    vf_uuid4(ret_key);
    *ret_is_old = false;
    if (journal == NULL || !fits(vault_id, name))
        return;
    pthread_mutex_lock(&journal->lock);
    *ret_is_old = begin(journal, vault_id, name, ret_key);
    pthread_mutex_unlock(&journal->lock);
}

static void end(struct vf_journal *journal, struct entry *entry,
                const char *key)
{
    bool is_saved = key != NULL && strcmp(entry->key, key) == 0;

    entry->is_unknown = key != NULL;
    if (is_saved)
        return;
    if (key != NULL)
        memcpy(entry->key, key, sizeof(entry->key));
    else
        entry->key[0] = '\0';
    entry->made_s = (int64_t)time(NULL);
    (void)!save(journal, entry);
}

void vf_journal_end(struct vf_journal *journal, const char *vault_id,
                    const char *name, const char *key)
{
    if (journal == NULL)
        return;
    pthread_mutex_lock(&journal->lock);
    struct entry *entry = find(journal, vault_id, name);
    if (entry != NULL)
        end(journal, entry, key);
    pthread_mutex_unlock(&journal->lock);
}

void vf_journal_settle(struct vf_journal *journal, const char *vault_id,
                       const char *name)
{
    if (journal == NULL)
        return;
    pthread_mutex_lock(&journal->lock);
    struct entry *entry = find(journal, vault_id, name);
    if (entry != NULL && entry->is_unknown)
        end(journal, entry, NULL);
    pthread_mutex_unlock(&journal->lock);
}

static bool is_counted(const struct entry *entry)
{
    return !is_free(entry) && entry->is_unknown;
}

size_t vf_journal_count(struct vf_journal *journal)
{
    size_t count = 0;

    if (journal == NULL)
        return 0;
    pthread_mutex_lock(&journal->lock);
    for (size_t i = 0; i < journal->count; i++)
        count += is_counted(&journal->entries[i]);
    pthread_mutex_unlock(&journal->lock);
    return count;
}
