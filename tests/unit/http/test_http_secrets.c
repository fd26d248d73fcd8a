/* SPDX-License-Identifier: MIT
 *
 * A secret that was sent leaves no copy in this process. The test looks for it
 * in all of its own memory, and never writes it down: it knows the secret as a
 * mask of itself.
 */
#include "client.h"
#include "server.h"

#include "vaultfs/text.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OWN_FREE false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_OWN_FREE false
#endif
#endif
#ifndef HAS_OWN_FREE
#define HAS_OWN_FREE true
#endif

#define CANARY_SIZE 40
#define MASK 0x5A

/* The test's copy of what it looks for. */
static unsigned char masked[CANARY_SIZE];

/* What the search reads through, and must not find itself in. */
static unsigned char window[1 << 20];

static bool starts_here(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((bytes[i] ^ MASK) != masked[i])
            return false;
    return true;
}

/* Half a canary counts as a find. */
static unsigned count_in(int memory, uintptr_t from, uintptr_t to)
{
    size_t needle = CANARY_SIZE / 2;
    unsigned found = 0;

    while (to - from >= needle) {
        size_t size = to - from < sizeof(window) ? to - from : sizeof(window);
        ssize_t got = pread(memory, window, size, (off_t)from);

        if (got < (ssize_t)needle)
            break;
        for (size_t i = 0; i + needle <= (size_t)got; i++)
            if (starts_here(window + i, needle))
                found++;
        from += (size_t)got - needle + 1;
    }
    vf_wipe(window, sizeof(window));
    return found;
}

static unsigned count_copies(void)
{
    uintptr_t start = (uintptr_t)window, end = start + sizeof(window);
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long from, to;
    char rights[5], line[512];
    unsigned found = 0;

    assert_true(memory >= 0);
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) != 3 ||
            rights[0] != 'r' || strstr(line, "[v") != NULL)
            continue;
        if (from <= start && end <= to) {
            found += count_in(memory, from, start);
            found += count_in(memory, end, to);
        } else {
            found += count_in(memory, from, to);
        }
    }
    (void)fclose(maps);
    (void)close(memory);
    return found;
}

/* A random secret that only the secret's own memory holds in clear. */
static struct vf_secret *make_canary(void)
{
    struct vf_secret *secret = NULL;

    vf_random_bytes(masked, sizeof(masked));
    assert_int_equal(vf_secret_from("", 0, &secret, NULL), 0);
    for (size_t i = 0; i < sizeof(masked); i++) {
        char byte = (char)('a' + masked[i] % 26);

        masked[i] = (unsigned char)byte ^ MASK;
        assert_int_equal(vf_secret_append(secret, &byte, 1, NULL), 0);
    }
    return secret;
}

static unsigned requests_with_canary;

static void answer_and_forget(struct server *server, int fd, unsigned index)
{
    static struct request request;

    while (server_read(server, fd, &request)) {
        size_t at = 0;

        while (at + CANARY_SIZE <= request.body_size &&
               !starts_here((unsigned char *)request.body + at, CANARY_SIZE))
            at++;
        if (at + CANARY_SIZE <= request.body_size)
            requests_with_canary++;
        for (const char *c = request.head; *c != '\0'; c++)
            if (strlen(c) >= CANARY_SIZE &&
                starts_here((const unsigned char *)c, CANARY_SIZE))
                requests_with_canary++;
        vf_wipe(&request, sizeof(request));
        if (!server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
            break;
    }
    vf_wipe(&request, sizeof(request));
}

static void skip_unless_free_wipes(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    if (!HAS_OWN_FREE ||
        (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL)) {
        print_message("skipped: sanitizers and valgrind bring a free() that "
                      "does not wipe\n");
        skip();
    }
}

static void expect_clean_after(struct vf_http_request *request)
{
    struct server *server = server_start(answer_and_forget);
    struct vf_http *http = client_new(server_url(server));

    requests_with_canary = 0;
    assert_true(count_copies() >= 1);
    request->deadline_ms = vf_clock_monotonic_ms() + PATIENCE_MS;
    struct outcome outcome = client_perform(http, request);
    assert_int_equal(outcome.result, 0);
    vf_http_reply_done(&outcome.reply);
    assert_int_equal(requests_with_canary, 1);
    /* The one is the secret's own. */
    assert_int_equal(count_copies(), 1);
    vf_secret_unref(request->body);
    vf_secret_unref(request->token);
    assert_int_equal(count_copies(), 0);
    vf_http_free(http);
    server_stop(server);
}

static void a_secret_body_leaves_no_copy(void **state)
{
    skip_unless_free_wipes();
    struct vf_secret *body = make_canary();
    expect_clean_after(&(struct vf_http_request){.method = VF_HTTP_POST,
                                                 .path = "/",
                                                 .body = body,
                                                 .is_body_secret = true});
}

static void a_token_leaves_no_copy(void **state)
{
    skip_unless_free_wipes();
    struct vf_secret *token = make_canary();
    expect_clean_after(
        &(struct vf_http_request){.path = "/",
                                  .token_header = "Authorization",
                                  .token_prefix = "Bearer ",
                                  .token = token});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_body_leaves_no_copy),
        cmocka_unit_test(a_token_leaves_no_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
