/* SPDX-License-Identifier: MIT */
#include "request.h"

#include <stdlib.h>
#include <string.h>

static void on_interrupt(fuse_req_t req, void *data)
{
    struct mount_request *request = data;

    vf_caller_interrupt(request->tree, &request->caller);
}

struct vf_tree *mount_tree(fuse_req_t req)
{
    return ((struct vf_mount *)fuse_req_userdata(req))->tree;
}

void mount_begin(struct mount_request *request, fuse_req_t req,
                 const char *operation)
{
    memset(request, 0, sizeof(*request));
    request->req = req;
    request->tree = mount_tree(req);
    request->caller.tid = fuse_req_ctx(req)->pid;
    request->operation = operation;
    fuse_req_interrupt_func(req, on_interrupt, request);
}

void mount_end(struct mount_request *request)
{
    fuse_req_interrupt_func(request->req, NULL, NULL);
}

void mount_settle(struct mount_request *request)
{
    struct vf_mount *mount = fuse_req_userdata(request->req);

    notifier_settle(&mount->notifier);
}

void mount_report(const struct mount_request *request,
                  const struct vf_node *node, const char *name)
{
    const struct vf_mount *mount = fuse_req_userdata(request->req);

    if (request->err.code == 0 || request->err.message[0] == '\0')
        return;
    pid_t process = vf_caller_process(&request->caller);
    char *path = vf_tree_path(request->tree, node, name);
    const struct vf_record record = {
        .operation = request->operation,
        .path = path != NULL ? path : "?",
        .pid = process > 0 ? process : request->caller.tid,
        .error = &request->err,
    };
    mount->options.sink(mount->options.sink_context, &record);
    free(path);
}

void mount_reply_error(struct mount_request *request,
                       const struct vf_node *node, const char *name, int result)
{
    mount_end(request);
    if (result < 0)
        mount_report(request, node, name);
    (void)fuse_reply_err(request->req, -result);
}

struct vf_node *mount_node(fuse_req_t req, fuse_ino_t ino)
{
    if (ino == FUSE_ROOT_ID)
        return vf_tree_root(mount_tree(req));
    return (struct vf_node *)(uintptr_t)ino;
}

fuse_ino_t mount_ino(struct vf_tree *tree, const struct vf_node *node)
{
    if (node == vf_tree_root(tree))
        return FUSE_ROOT_ID;
    return (fuse_ino_t)(uintptr_t)node;
}

struct vf_file *mount_file(const struct fuse_file_info *fi)
{
    return (struct vf_file *)(uintptr_t)fi->fh;
}

struct fuse_entry_param mount_entry_param(struct vf_tree *tree,
                                          const struct vf_entry *entry)
{
    return (struct fuse_entry_param){
        .ino = mount_ino(tree, entry->node),
        .generation = 1,
        .attr = entry->attr,
        .attr_timeout = (double)entry->valid_ms / 1000,
        .entry_timeout = (double)entry->valid_ms / 1000,
    };
}

void mount_reply_entry(struct mount_request *request,
                       const struct vf_entry *entry)
{
    const struct fuse_entry_param param =
        mount_entry_param(request->tree, entry);

    mount_end(request);
    if (fuse_reply_entry(request->req, &param) < 0)
        vf_tree_forget(request->tree, entry->node, 1);
}
