/* SPDX-License-Identifier: MIT
 *
 * Bodies of credentials to put tests together from, and what every test asks of
 * a parse.
 */
#ifndef VF_TESTS_SPEC_BODIES_H
#define VF_TESTS_SPEC_BODIES_H

#include "vaultfs/spec.h"

#include <stddef.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Stands where secrets stand; without digits and short, so that it would be
 * shown if it were taken for a name. */
#define CANARY "canary_value"

#define URL "\"mcp_server_url\":\"https://h/\""
#define FLAT_AUTH "\"type\":\"static_bearer\",\"access_token\":\"" CANARY "\""
#define FLAT(more) "{" URL "," FLAT_AUTH more "}"
#define BEARER(more)                                                           \
    "\"auth\":{\"type\":\"static_bearer\"," URL ",\"token\":\"" CANARY         \
    "\"" more "}"
#define NESTED(more) "{" BEARER("") more "}"
#define WITH_URL(url) "{\"mcp_server_url\":\"" url "\"," FLAT_AUTH "}"
#define WITH_TOKEN(token)                                                      \
    "{\"auth\":{\"type\":\"static_bearer\"," URL ",\"token\":" token "}}"
#define OAUTH(more)                                                            \
    "{\"auth\":{\"type\":\"mcp_oauth\"," URL ",\"access_token\":\"" CANARY     \
    "\"" more "}}"
#define ENDPOINT "\"token_endpoint\":\"https://h/t\""
#define CLIENT "\"client_id\":\"c\",\"refresh_token\":\"" CANARY "\""
#define NO_AUTH "\"token_endpoint_auth\":{\"type\":\"none\"}"
#define REFRESH(fields) OAUTH(",\"refresh\":{" fields "}")
#define ENDPOINT_AUTH(fields)                                                  \
    REFRESH(CLIENT "," ENDPOINT ",\"token_endpoint_auth\":{" fields "}")
#define VARIABLE(more)                                                         \
    "{\"auth\":{\"type\":\"environment_variable\",\"secret_name\":\"A_1\","    \
    "\"secret_value\":\"" CANARY "\"" more "}}"
#define WITH_NAME(name)                                                        \
    "{\"auth\":{\"type\":\"environment_variable\",\"secret_name\":\"" name     \
    "\",\"secret_value\":\"" CANARY "\"}}"
#define NETWORKING(fields) VARIABLE(",\"networking\":{" fields "}")
#define HOSTS(hosts) NETWORKING("\"type\":\"limited\",\"allowed_hosts\":" hosts)
#define INJECTION(value) VARIABLE(",\"injection_location\":" value)
#define METADATA(members) NESTED(",\"metadata\":{" members "}")

#define TIMES                                                                  \
    "\"created_at\":\"2026-05-18T15:34:35.387093Z\","                          \
    "\"updated_at\":\"2026-05-18T15:34:36Z\""
#define TAGS "\"metadata\":{\"" VF_SPEC_NAME_KEY "\":\"g.json\",\"team\":\"a\"}"

/* What a read shows of a credential: whose auth has these members, and with
 * members of its own instead of the usual display_name and metadata. */
#define SHOWN(auth, own)                                                       \
    "{\"id\":\"vcred_1\",\"type\":\"vault_credential\","                       \
    "\"vault_id\":\"vault_1\",\"auth\":{" auth "}," own                        \
    ",\"archived_at\":null," TIMES "}"
#define AS_READ(auth) SHOWN(auth, "\"display_name\":null," TAGS)
#define BEARER_AS_READ AS_READ("\"type\":\"static_bearer\"," URL)

/* The same of one in the flat form. */
#define FLAT_AS_READ(more)                                                     \
    "{\"id\":\"vcred_1\",\"vault_id\":\"vault_1\"," URL                        \
    ",\"protocol\":\"sse\",\"type\":\"static_bearer\","                        \
    "\"status\":\"active\"," TIMES more "}"

#define GRANT "\"type\":\"mcp_oauth\"," URL
#define SCOPED(auth, scope)                                                    \
    GRANT ",\"expires_at\":null,\"refresh\":{\"client_id\":\"c\"," ENDPOINT    \
          ",\"token_endpoint_auth\":{" auth "},\"scope\":\"" scope "\"}"
#define POST "\"type\":\"client_secret_post\""
#define GRANT_AS_READ AS_READ(SCOPED(POST, "a"))
#define VARIABLE_AS_READ(more)                                                 \
    AS_READ("\"type\":\"environment_variable\",\"secret_name\":\"A_1\"" more)
#define LIMITED "{\"type\":\"limited\",\"allowed_hosts\":[\"h\"]}"

/* A spec; the test fails if it is refused. shown may be NULL. */
struct vf_spec *parse(const char *text, const char *shown);

/* It is refused, the field is named in the message too, and no CANARY is in it.
 * part is of the message, or NULL. */
void assert_refused(const char *text, const char *shown, const char *param,
                    const char *part);
void assert_vault_refused(const char *text, const char *shown,
                          const char *param, const char *part);

void assert_secret(const struct vf_secret *secret, const char *wanted);
void assert_json(const struct vf_json *json, const char *wanted); /* compact */

/* The document as read is an edit of it that brings nothing. */
void assert_edits_itself(const char *shown);

/* vf_spec_is_same_identity() */
bool is_same(const struct vf_spec *spec, const char *shown);

#endif
