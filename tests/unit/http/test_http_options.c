/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_base_url_is_checked(void **state)
{
    static const struct {
        const char *url;
        int result;
    } cases[] = {
        {"https://api.example.test/api/v1/cloud", 0},
        {"https://api.example.test:8443", 0},
        {"HTTPS://api.example.test/", 0},
        {"http://127.0.0.1:1", 0},
        {"http://127.255.1.2", 0},
        {"http://[::1]:80/x", 0},
        {"http://localhost", 0},
        {"http://LOCALHOST/", 0},
        {"http://api.example.test", -EINVAL},
        {"http://128.0.0.1", -EINVAL},
        {"http://0.0.0.0", -EINVAL},
        {"http://[::2]", -EINVAL},
        {"http://[::ffff:127.0.0.1]", -EINVAL},
        {"http://127.0.0.1.example.test", -EINVAL},
        {"http://localhost.example.test", -EINVAL},
        {"http://localhost@example.test", -EINVAL},
        {"http://127.0.0.1\\@example.test", -EINVAL},
        {"https://sesame@api.example.test", -EINVAL},
        {"https://u:sesame@api.example.test", -EINVAL},
        {"https://api.example.test?sesame", -EINVAL},
        {"https://api.example.test/#sesame", -EINVAL},
        {"https://", -EINVAL},
        {"https://a b", -EINVAL},
        {"https://a\r\nb", -EINVAL},
        {"https://a:99999", -EINVAL},
        {"ftp://localhost", -EINVAL},
        {"file:///etc/passwd", -EINVAL},
        {"localhost", -EINVAL},
        {"", -EINVAL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_http *http = NULL;
        struct vf_error err = {0};
        int result = vf_http_new(
            &(struct vf_http_options){.base_url = cases[i].url}, &http, &err);

        if (result != cases[i].result)
            print_error("%s: %s\n", cases[i].url, err.message);
        assert_int_equal(result, cases[i].result);
        assert_int_equal(err.code, -result);
        assert_int_equal(http != NULL, result == 0);
        assert_null(strstr(err.message, "sesame"));
        vf_http_free(http);
    }
}

static void other_options_are_checked(void **state)
{
    char long_path[110];
    struct vf_http *http = NULL;

    memset(long_path, 'x', sizeof(long_path));
    long_path[0] = '/';
    long_path[108] = '\0';
    const struct {
        struct vf_http_options options;
        int result;
    } cases[] = {
        {{.base_url = "http://localhost", .unix_socket = long_path}, -EINVAL},
        {{.base_url = "http://localhost", .unix_socket = ""}, -EINVAL},
        {{.base_url = "https://x.test", .cacert = "/nonexistent"}, -EPROTO},
        {{.base_url = "https://x.test", .cacert = "/"}, -EPROTO},
        {{.base_url = "https://x.test", .cacert = "/dev/null"}, -EPROTO},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(vf_http_new(&cases[i].options, &http, NULL),
                         cases[i].result);
    long_path[107] = '\0';
    vf_http_free(client_new_with(&(struct vf_http_options){
        .base_url = "http://any.test", .unix_socket = long_path}));
}

/* And never quoted: it may hold a password. A plain-http origin has none. */
static void a_proxy_in_the_environment_is_checked(void **state)
{
    static const struct {
        const char *proxy;
        int result;
    } cases[] = {
        {"http://proxy.test:3128", 0},
        {"http://u:sesame@proxy.test", 0},
        {"https://proxy.test", 0},
        {"socks5h://proxy.test", 0},
        {"proxy.test:3128", 0},
        {"", 0},
        {"gopher://u:sesame@proxy.test", -EINVAL},
        {"http://u:sesame@[::bad", -EINVAL},
        {"http://u:sesame@proxy.test:99999", -EINVAL},
        {"http://", -EINVAL},
        {"sesame sesame", -EINVAL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_http *http = NULL;
        struct vf_error err = {0};

        assert_int_equal(setenv("https_proxy", cases[i].proxy, 1), 0);
        int result =
            vf_http_new(&(struct vf_http_options){.base_url = "https://x.test"},
                        &http, &err);
        if (result != cases[i].result)
            print_error("%s: %s\n", cases[i].proxy, err.message);
        assert_int_equal(result, cases[i].result);
        assert_null(strstr(err.message, "sesame"));
        vf_http_free(http);
        vf_http_free(client_new("http://localhost"));
    }
    assert_int_equal(unsetenv("https_proxy"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_url_is_checked),
        cmocka_unit_test(a_proxy_in_the_environment_is_checked),
        cmocka_unit_test(other_options_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
