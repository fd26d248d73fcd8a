/* SPDX-License-Identifier: MIT
 *
 * bare_fuse SOURCE MOUNTPOINT: the files and directories below SOURCE, read
 * into memory once and served read-only as fast as libfuse can: the floor that
 * a mount of vaultfs is measured against. What it serves never changes, so that
 * nothing is locked, counted or forgotten, and answers may be kept for an hour.
 *
 * Says "ready" when mounted. Ends upon SIGTERM or umount.
 */
#define FUSE_USE_VERSION 312
#include <dirent.h>
#include <err.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOUR 3600.0
#define THREADS 1024 /* as vaultfs has */

struct node {
    struct fuse_entry_param entry;
    const char *name;
    char *data;
    struct node *children; /* in the order of their names, "." and ".." too */
    size_t count;
};

static struct node root;
static struct statvfs source;

static void load_file(struct node *node)
{
    size_t size = (size_t)node->entry.attr.st_size;
    FILE *file = fopen(node->name, "re");

    node->data = malloc(size + 1);
    if (file == NULL || fread(node->data, 1, size, file) != size)
        err(1, "%s", node->name);
    (void)fclose(file);
}

/* Its name is in the current directory. */
static void load(struct node *node)
{
    struct dirent **found;

    node->entry.ino = (fuse_ino_t)(uintptr_t)node;
    node->entry.attr_timeout = node->entry.entry_timeout = HOUR;
    if (lstat(node->name, &node->entry.attr) < 0)
        err(1, "%s", node->name);
    if (S_ISREG(node->entry.attr.st_mode))
        load_file(node);
    if (!S_ISDIR(node->entry.attr.st_mode) || strcmp(node->name, ".") == 0 ||
        strcmp(node->name, "..") == 0)
        return;
    int count = chdir(node->name) < 0 ? -1 : scandir(".", &found, 0, alphasort);
    node->children = calloc(count < 0 ? 0 : (size_t)count, sizeof(*node));
    for (int i = 0; i < count; i++) {
        node->children[node->count].name = found[i]->d_name;
        load(&node->children[node->count++]);
    }
    if (count < 0 || chdir("..") < 0)
        err(1, "%s", node->name);
}

static const struct node *node_of(fuse_ino_t ino)
{
    return ino == FUSE_ROOT_ID ? &root : (const struct node *)(uintptr_t)ino;
}

static int compare_name(const void *name, const void *node)
{
    return strcmp(name, ((const struct node *)node)->name);
}

static void op_lookup(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    const struct fuse_entry_param none = {.entry_timeout = HOUR};
    const struct node *parent = node_of(ino);
    const struct node *node = bsearch(name, parent->children, parent->count,
                                      sizeof(*node), compare_name);

    (void)fuse_reply_entry(req, node != NULL ? &node->entry : &none);
}

static void op_stat(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fuse_reply_attr(req, &node_of(ino)->entry.attr, HOUR);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    fi->keep_cache = fi->cache_readdir = fi->noflush = 1;
    (void)fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    const struct node *node = node_of(ino);
    size_t end = (size_t)node->entry.attr.st_size, start = (size_t)offset;
    size_t left = start < end ? end - start : 0;

    (void)fuse_reply_buf(req, node->data + start, left < size ? left : size);
}

static void op_list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    const struct node *node = node_of(ino);
    char *data = malloc(size);
    size_t used = 0, needed = 0;

    for (off_t i = offset; i < (off_t)node->count; i++, used += needed) {
        const struct node *child = &node->children[i];

        needed = fuse_add_direntry_plus(req, data + used, size - used,
                                        child->name, &child->entry, i + 1);
        if (needed > size - used)
            break;
    }
    (void)fuse_reply_buf(req, data, used);
    free(data);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    (void)fuse_reply_statfs(req, &source);
}

static const struct fuse_lowlevel_ops operations = {
    .lookup = op_lookup,
    .getattr = op_stat,
    .open = op_open,
    .opendir = op_open,
    .readdirplus = op_list,
    .read = op_read,
    .statfs = op_statfs,
};

int main(int argc, char **argv)
{
    char *arguments[] = {argv[0], (char[]){"-oro,default_permissions"}, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(2, arguments);
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    char *mountpoint = argc == 3 ? realpath(argv[2], NULL) : NULL;

    root.name = argc == 3 ? realpath(argv[1], NULL) : NULL;
    if (mountpoint == NULL || root.name == NULL || statvfs(root.name, &source))
        errx(2, "usage: bare_fuse SOURCE MOUNTPOINT, directories both");
    load(&root);
    struct fuse_session *session =
        fuse_session_new(&args, &operations, sizeof(operations), NULL);
    if (session == NULL || fuse_set_signal_handlers(session) < 0 ||
        fuse_session_mount(session, mountpoint) < 0)
        return 1;
    fuse_loop_cfg_set_max_threads(config, THREADS);
    fuse_loop_cfg_set_idle_threads(config, THREADS);
    (void)puts("ready");
    (void)fflush(stdout);
    int result = fuse_session_loop_mt(session, config);
    fuse_session_unmount(session);
    _exit(result < 0); /* the tree goes with the process */
}
