/* SPDX-License-Identifier: MIT
 *
 * What the tests of whole calls share: an api over scripted HTTP and auth,
 * with a clock that is the test's, and specs to send.
 */
#ifndef TEST_API_STAGE_H
#define TEST_API_STAGE_H

#include "fake_auth.h"
#include "fake_http.h"
#include "vaultfs/api.h"
#include "vaultfs/json.h"
#include "vaultfs/secret.h"
#include "vaultfs/spec.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEADLINE_MS 30000

#define MADE                                                                   \
    "\"created_at\":\"2026-05-18T15:34:16Z\","                                 \
    "\"updated_at\":\"2026-05-18T15:34:16Z\""
#define TIMES "\"archived_at\":null," MADE
#define ARCHIVED "\"archived_at\":\"2026-05-18T15:34:16Z\"," MADE
#define VAULT_WITH(name, more)                                                 \
    "{\"id\":\"v1\",\"type\":\"vault\",\"display_name\":\"" name "\"," more "}"
#define VAULT VAULT_WITH("prod", "\"metadata\":{}," TIMES)
#define FLAT_VAULT VAULT_WITH("prod", "\"status\":\"active\"," MADE)
#define CREDENTIAL_WITH(url, more)                                             \
    "{\"id\":\"c1\",\"type\":\"vault_credential\",\"vault_id\":\"v1\","        \
    "\"auth\":{\"type\":\"static_bearer\",\"mcp_server_url\":\"" url "\"},"    \
    "" more "}"
#define CREDENTIAL                                                             \
    CREDENTIAL_WITH("https://a/b",                                             \
                    "\"display_name\":null,\"metadata\":{}," TIMES)
#define FLAT_CREDENTIAL(id, url, status)                                       \
    "{\"id\":\"" id "\",\"vault_id\":\"v1\",\"mcp_server_url\":\"" url "\","   \
    "\"protocol\":\"sse\",\"type\":\"static_bearer\",\"status\":\"" status     \
    "\"," MADE "}"
#define ENVELOPE(type, message)                                                \
    "{\"type\":\"error\",\"request_id\":\"from-body\",\"error\":{\"type\":"    \
    "\"" type "\",\"message\":\"" message "\",\"param\":\"auth.token\"}}"

/* The test's clock. A pause moves it to its end, or, where there is a hook,
 * calls that and ends where it is. */
extern int64_t now_ms;
extern void (*pause_hook)(void);

struct stage {
    struct vf_api *api;
    struct vf_service service;
    const struct vf_service_ops *ops;
    char directory[64]; /* for state */
};
extern struct stage stage;

/* An api for one test. *state is the name of the dialect; NULL: "qoder". */
int stage_set_up(void **state);
int stage_tear_down(void **state);
void stage_open(const char *dialect);
void stage_close(void);

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)
#define TEST_OF(dialect, name)                                                 \
    {                                                                          \
#name, name, stage_set_up, stage_tear_down,                            \
            (void *)(uintptr_t)(dialect)                                       \
    }

#define SCRIPT(...)                                                            \
    fake_http_script((const struct fake_answer[]){__VA_ARGS__},                \
                     sizeof((const struct fake_answer[]){__VA_ARGS__}) /       \
                         sizeof(struct fake_answer))

/* Calls, all about vault v1 and credential c1. Where ret may be NULL, the
 * object is dropped. */
int list_vaults(enum vf_list which, const char *cursor, struct vf_page *ret,
                struct vf_error *err);
int list_credentials(enum vf_list which, const char *cursor,
                     struct vf_page *ret, struct vf_error *err);
int list_code(struct vf_error *err); /* of vaults, that fails or is dropped */
int create_vault(const struct vf_vault_spec *spec, struct vf_object *ret,
                 struct vf_page *ret_credentials, struct vf_error *err);
int create(const char *name, const struct vf_spec *spec, struct vf_object *ret,
           struct vf_error *err);
int create_bearer(const char *value, struct vf_error *err);
int update(const char *name, const struct vf_spec *spec, const char *current,
           struct vf_object *ret, struct vf_error *err);
int rename_to(const char *name, const char *current, struct vf_object *ret,
              struct vf_error *err);
int archive(struct vf_error *err);
int delete_vault(struct vf_error *err);

/* The key that creations go under and come back with. */
extern struct vf_key stage_creation;
#define stage_key stage_creation.text

/* A spec from its document, as written over shown (NULL: a new one). */
struct vf_spec *parse_spec(const char *text, const char *shown);
struct vf_vault_spec *parse_vault_spec(const char *text);

struct vf_secret *secret_of(const char *text);
bool is_uuid4(const char *text);
void assert_sent(unsigned number, enum vf_http_method method, const char *path,
                 const char *body);

#endif
