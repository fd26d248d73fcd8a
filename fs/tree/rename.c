/* SPDX-License-Identifier: MIT
 *
 * Renaming.
 *
 * What a rename means depends on whose names the two are. From one ordinary
 * name to another it is a request, or two when something is replaced. To a
 * scratch name it is parking (see park.c), from one it is a commit, and between
 * two of them it concerns nobody else. Nothing moves between directories,
 * because no secret can be read to be written again; and the answer is never
 * EXDEV, upon which mv(1) deletes its target before it copies.
 *
 * A rename is one mutation on two names, serial with all others on either (see
 * move.c). What is sent as a document is not: that is a commit under the new
 * name, and the scratch file stays until it has succeeded.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "commit.h"
#include "control.h"
#include "move.h"
#include "scratch.h"
#include "vaultfs/secret.h"

struct rename_request {
    struct vf_move move;
    struct vf_caller *caller;
    pid_t process;
};

/* Whether what is renamed is a text under a tool's name. */
static bool is_document(const struct vf_node *node)
{
    return node->kind == VF_NODE_SCRATCH ||
           (node->kind == VF_NODE_PARKED && !vf_park_is_live(node));
}

static int copy_document(const struct vf_node *source, struct vf_secret **ret,
                         struct vf_error *err)
{
    if (source->kind == VF_NODE_SCRATCH)
        return vf_scratch_copy(source->scratch, ret, err);
    if (source->text == NULL)
        return vf_error_set(err, EINVAL, "it holds no document");
    return vf_secret_from(source->text->data, source->text->size, ret, err);
}

/* The name that was written to a tool's file is committed under another. */
static int send_document(struct vf_tree *tree,
                         const struct rename_request *request,
                         struct vf_node *source, struct vf_error *err)
{
    struct vf_commit commit = {
        .directory = request->move.directory,
        .name = request->move.new_name,
        .node = source->kind == VF_NODE_SCRATCH ? source : NULL,
        .process = request->process,
        .must_be_new = request->move.must_be_new,
    };
    int result = copy_document(source, &commit.bytes, err);

    if (result < 0)
        return result;
    result = vf_commit_run(tree, &commit, request->caller, err);
    if (result < 0)
        return result;
    if (source->kind == VF_NODE_PARKED)
        vf_remove_local(tree, source);
    vf_node_tell_entry(tree, request->move.directory, request->move.new_name);
    return 0;
}

/* Lock held. -ESTALE: what has the name became something else meanwhile. */
static int rename_once(struct vf_tree *tree,
                       const struct rename_request *request,
                       struct vf_error *err)
{
    struct vf_node *directory = request->move.directory;
    struct vf_node *source = vf_move_find(tree, directory, request->move.name);

    if (source == NULL)
        return vf_error_set(err, ENOENT, "it is gone");
    enum vf_name_class new_class =
        vf_node_class(directory, request->move.new_name);
    if (new_class == VF_CLASS_SCRATCH || !is_document(source))
        return vf_move_run(tree, &request->move, request->caller, err);
    if (request->move.must_be_new &&
        vf_move_find(tree, directory, request->move.new_name) != NULL)
        return vf_error_set(err, EEXIST, "the name is taken");
    if (new_class == VF_CLASS_INFO && !vf_tree_can_change_vaults(tree))
        return vf_error_set(err, EOPNOTSUPP,
                            "this service cannot change a "
                            "vault");
    vf_node_ref(source);
    int result = send_document(tree, request, source, err);
    vf_node_unref(tree, source, 1);
    return result;
}

static int rename_inside(struct vf_tree *tree,
                         const struct rename_request *request,
                         struct vf_error *err)
{
    struct vf_node *directory = request->move.directory;
    int result = vf_job_settle(tree, directory,
                               vf_park_key(directory, request->move.name),
                               request->caller);

    if (result == 0)
        result = vf_job_settle(tree, directory,
                               vf_park_key(directory, request->move.new_name),
                               request->caller);
    if (result < 0)
        return result;
    do
        result = rename_once(tree, request, err);
    while (result == -ESTALE);
    return result;
}

static int check_names(const struct vf_node *directory, const char *name,
                       const char *new_name, struct vf_error *err)
{
    int result = vf_archive_check(directory, err);

    if (result == 0 && strlen(new_name) > VF_NAME_MAX)
        result = vf_error_set(err, ENAMETOOLONG, "a name has at most %d bytes",
                              VF_NAME_MAX);
    if (result == 0 && vf_node_class(directory, new_name) == VF_CLASS_ORDINARY)
        result = vf_check_new_name(directory, new_name, NULL, err);
    return result;
}

static int move_out(struct vf_tree *tree, const struct rename_request *request,
                    struct vf_node *new_directory, struct vf_error *err)
{
    if (new_directory->kind == VF_NODE_ARCHIVE)
        return vf_archive_move(tree, request->move.directory,
                               request->move.name, new_directory,
                               request->move.new_name, request->caller, err);
    int result = vf_archive_check(request->move.directory, err);
    return result < 0
               ? result
               : vf_error_set(err, EOPNOTSUPP,
                              "nothing moves between two vaults, or in or out "
                              "of one: a secret cannot be read to be written "
                              "again");
}

int vf_tree_rename(struct vf_tree *tree, struct vf_node *directory,
                   const char *name, struct vf_node *new_directory,
                   const char *new_name, unsigned flags,
                   struct vf_caller *caller, struct vf_error *err)
{
    const struct rename_request request = {
        .move = {.directory = directory,
                 .name = name,
                 .new_name = new_name,
                 .must_be_new = flags == RENAME_NOREPLACE},
        .caller = caller,
        .process = vf_caller_process(caller),
    };
    bool is_inside = directory == new_directory;
    int result = vf_tree_check_writable(tree, err);

    if (result == 0 && (flags & ~(unsigned)RENAME_NOREPLACE) != 0)
        result = vf_error_set(err, EINVAL, "two names cannot be exchanged");
    if (result == 0)
        result = vf_control_check(directory, name, err);
    if (result == 0)
        result = vf_control_check(new_directory, new_name, err);
    if (result == 0 && is_inside)
        result = check_names(directory, name, new_name, err);
    if (result < 0 || (is_inside && strcmp(name, new_name) == 0))
        return result;
    pthread_mutex_lock(&tree->lock);
    result = is_inside ? rename_inside(tree, &request, err)
                       : move_out(tree, &request, new_directory, err);
    pthread_mutex_unlock(&tree->lock);
    return result;
}
