/* SPDX-License-Identifier: MIT
 *
 * JSON values: parse with limits, look at, build, strip of secrets, render.
 * The one module that touches json-c. It knows nothing of vaults but the names
 * of the fields that never leave the service.
 *
 * A value is owned by its parent once it was added to one; a value without a
 * parent is freed with vf_json_free(). Values are not thread-safe. Functions
 * that allocate return -ENOMEM. None blocks.
 */
#ifndef VAULTFS_JSON_H
#define VAULTFS_JSON_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_json;
struct vf_secret;

enum vf_json_type {
    VF_JSON_NULL,
    VF_JSON_BOOL,
    VF_JSON_INT,
    VF_JSON_DOUBLE,
    VF_JSON_STRING,
    VF_JSON_ARRAY,
    VF_JSON_OBJECT
};

/* Deeper nesting is refused. Sizes are the caller's to limit. */
#define VF_JSON_DEPTH_MAX 32

/*
 * Parse one JSON text (RFC 8259, UTF-8 checked, white space around allowed).
 * A member that appears twice in one object is an error: which of two tokens
 * was meant is not ours to guess. So are a name with a NUL byte and half of a
 * surrogate pair. An integer that fits int64_t is VF_JSON_INT; all other
 * numbers are VF_JSON_DOUBLE and keep their text. Errors: -EINVAL; the message
 * gives the byte offset and never quotes the text; -ENOMEM. *ret is freed with
 * vf_json_free().
 */
VF_MUST_CHECK int vf_json_parse(const void *text, size_t size,
                                struct vf_json **ret, struct vf_error *err);

void vf_json_free(struct vf_json *json); /* NULL is allowed */

/* Looking. NULL stands for JSON null throughout, also as an argument. */
enum vf_json_type vf_json_type(const struct vf_json *json);
const char *vf_json_type_name(enum vf_json_type type); /* "a string", ... */

/* Whether an object has the member; *ret (may be NULL) is borrowed and is NULL
 * for a member whose value is null. False for what is not an object. */
bool vf_json_get(const struct vf_json *object, const char *key,
                 struct vf_json **ret);

/* The member's string, borrowed, or NULL when there is no such member, it is
 * not a string, or it holds a NUL byte. */
const char *vf_json_get_string(const struct vf_json *object, const char *key);

/* The string of a string value, borrowed; NULL for other types. It is
 * NUL-terminated and may hold NUL bytes: compare with *ret_size. */
const char *vf_json_string(const struct vf_json *json, size_t *ret_size);
int64_t vf_json_int(const struct vf_json *json); /* 0 for other types */
bool vf_json_bool(const struct vf_json *json);   /* false for other types */

/* Elements of an array, members of an object, else 0. */
size_t vf_json_count(const struct vf_json *json);
struct vf_json *vf_json_at(const struct vf_json *array, size_t index);

/* Calls for each member in order; stops at the first result that is not 0 and
 * returns it. The callback must not change the object. */
int vf_json_each(const struct vf_json *object,
                 int (*each)(void *context, const char *key,
                             struct vf_json *value),
                 void *context);

/* The order of members does not count; a VF_JSON_DOUBLE is compared as text. */
bool vf_json_equal(const struct vf_json *a, const struct vf_json *b);

/* Building. */
VF_MUST_CHECK int vf_json_new_object(struct vf_json **ret);
VF_MUST_CHECK int vf_json_new_array(struct vf_json **ret);
VF_MUST_CHECK int vf_json_copy(const struct vf_json *json,
                               struct vf_json **ret);

/* Replace or add a member. vf_json_set() takes value over, also on failure.
 * -EINVAL for a string that is not UTF-8. */
VF_MUST_CHECK int vf_json_set(struct vf_json *object, const char *key,
                              struct vf_json *value);
VF_MUST_CHECK int vf_json_set_string(struct vf_json *object, const char *key,
                                     const char *value); /* NULL: null */
VF_MUST_CHECK int vf_json_set_string_sized(struct vf_json *object,
                                           const char *key, const void *value,
                                           size_t size);
VF_MUST_CHECK int vf_json_set_int(struct vf_json *object, const char *key,
                                  int64_t value);
VF_MUST_CHECK int vf_json_set_bool(struct vf_json *object, const char *key,
                                   bool value);
void vf_json_remove(struct vf_json *object, const char *key);
/* Takes value over, also on failure. */
VF_MUST_CHECK int vf_json_push(struct vf_json *array, struct vf_json *value);

/*
 * The write-only fields of the service: token, access_token, secret_value,
 * refresh_token, client_secret.
 */
bool vf_json_is_secret_key(const char *key);

/* Remove every write-only field, at any depth. */
void vf_json_strip_secrets(struct vf_json *json);

/*
 * Text of a value: members in their order, slashes not escaped, non-ASCII as
 * it is, numbers as they were written. Pretty is two spaces a level, a space
 * after the colon, `{}` and `[]` for what is empty, and one trailing newline;
 * compact has no white space and no newline. *ret is NUL-terminated, freed
 * with free(); *ret_size does not count the NUL. Never render what was not
 * stripped of its secrets: use the writer below.
 */
VF_MUST_CHECK int vf_json_render_pretty(const struct vf_json *json, char **ret,
                                        size_t *ret_size);
VF_MUST_CHECK int vf_json_render_compact(const struct vf_json *json, char **ret,
                                         size_t *ret_size);

/*
 * Writing a request body that carries secrets: straight into locked memory,
 * without a tree of heap strings in between. Commas and escapes are the
 * writer's business. The first failure sticks in `result`: -ENOMEM, or -EINVAL
 * for a string that is not UTF-8.
 */
struct vf_json_writer {
    struct vf_secret *out; /* borrowed */
    int result;
    bool needs_comma;
};

void vf_json_writer_init(struct vf_json_writer *writer, struct vf_secret *out);
/* key is NULL for the outermost value and for elements of arrays. */
void vf_json_write_begin(struct vf_json_writer *writer, const char *key,
                         char bracket); /* '{' or '[' */
void vf_json_write_end(struct vf_json_writer *writer, char bracket);
void vf_json_write_string(struct vf_json_writer *writer, const char *key,
                          const void *value, size_t size);
void vf_json_write_null(struct vf_json_writer *writer, const char *key);
void vf_json_write_value(struct vf_json_writer *writer, const char *key,
                         const struct vf_json *value);

#endif
