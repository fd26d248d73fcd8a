/* SPDX-License-Identifier: MIT
 *
 * vf_http_perform() by script: a test says what each request is answered, and
 * sees what was asked.
 */
#ifndef TEST_FAKE_HTTP_H
#define TEST_FAKE_HTTP_H

#include "vaultfs/http.h"

#define FAKE_REQUESTS_MAX 8

/* Zero means: no such header. */
struct fake_answer {
    int silence; /* an errno: no reply */
    enum vf_http_fate fate;
    int status;
    const char *body;      /* NULL: empty */
    int64_t retry_after_s; /* plus 1, so that 0 is none */
    const char *should_retry;
    int64_t took_ms;
    const char *request_id;
    const char *location;
    const char *content_type;
    const char *account;
    const char *scopes;
};

struct fake_request {
    enum vf_http_method method;
    char path[256];
    char key[64];
    char request_id[64];
    char accept[64];
    char version[64]; /* anthropic-version */
    char beta[64];    /* anthropic-beta */
    char token[64];   /* with the header's name and prefix */
    char body[8192];
    bool is_body_secret;
    uint64_t group;
    bool is_ahead;
    bool is_impatient;
    int64_t at_ms;
};

/* Forget all requests and take a new script; what goes beyond it fails. */
void fake_http_script(const struct fake_answer *answers, unsigned count);

/* Called with the number of the request, from 1, before it is answered. */
extern void (*fake_http_hook)(unsigned number);

unsigned fake_http_count(void);
const struct fake_request *fake_http_request(unsigned number);

#endif
