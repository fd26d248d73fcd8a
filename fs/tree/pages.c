/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_MAX 10000
#define IDLE_PAGES_MAX 10

/* Move a page's objects behind those that are here. */
static int gather(struct vf_pages *pages, struct vf_page *page)
{
    size_t count = pages->all.count + page->count;

    if (count > pages->capacity) {
        size_t capacity =
            count > 2 * pages->capacity ? count : 2 * pages->capacity;
        struct vf_object *objects =
            reallocarray(pages->all.objects, capacity, sizeof(*objects));

        if (objects == NULL)
            return -ENOMEM;
        pages->all.objects = objects;
        pages->capacity = capacity;
    }
    if (page->count > 0)
        memcpy(pages->all.objects + pages->all.count, page->objects,
               page->count * sizeof(*page->objects));
    pages->all.count = count;
    pages->all.took_ms += page->took_ms;
    page->count = 0; /* moved */
    free(pages->all.next);
    pages->all.next = page->next;
    page->next = NULL;
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Note the ids that are not noted yet; whether one is new. */
static int note_ids(struct vf_pages *pages, bool *ret_is_new)
{
    bool is_new = false;

    for (; pages->noted < pages->all.count; pages->noted++) {
        const char *id = pages->all.objects[pages->noted].id;

        if (tfind(id, &pages->ids, compare_ids) != NULL)
            continue;
        char *copy = strdup(id);
        if (copy == NULL || tsearch(copy, &pages->ids, compare_ids) == NULL) {
            free(copy);
            return -ENOMEM;
        }
        is_new = true;
    }
    *ret_is_new = is_new;
    return 0;
}

int vf_pages_add(struct vf_pages *pages, struct vf_page *page,
                 struct vf_error *err)
{
    bool is_new;
    int result = gather(pages, page);

    vf_page_done(page);
    *page = (struct vf_page){0};
    pages->count++;
    if (result == 0 && pages->all.next == NULL)
        return 0;
    if (result < 0 || note_ids(pages, &is_new) < 0)
        return vf_error_set(err, ENOMEM, "no memory to list");
    pages->idle = is_new ? 0 : pages->idle + 1;
    if (pages->idle == IDLE_PAGES_MAX)
        return vf_error_set(err, EBADMSG,
                            "the list does not end: %d pages brought nothing "
                            "new",
                            IDLE_PAGES_MAX);
    if (pages->count == PAGES_MAX)
        return vf_error_set(err, EBADMSG,
                            "the list does not end: page %d is not the last",
                            PAGES_MAX);
    return 0;
}

void vf_pages_done(struct vf_pages *pages)
{
    tdestroy(pages->ids, free);
    vf_page_done(&pages->all);
    *pages = (struct vf_pages){0};
}
