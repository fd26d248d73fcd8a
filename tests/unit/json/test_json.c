/* SPDX-License-Identifier: MIT */
#include "vaultfs/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/secret.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CANARY "canary-5f1c"

/* The bytes in a block of their exact size, so that a read beyond the end is a
 * sanitizer's finding. */
static int parse_exact(const char *text, size_t size, struct vf_json **ret,
                       struct vf_error *err)
{
    char *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    memcpy(copy, text, size);
    int result = vf_json_parse(copy, size, ret, err);
    free(copy);
    return result;
}

static struct vf_json *parse(const char *text)
{
    struct vf_json *json = NULL;
    struct vf_error err = {0};

    if (parse_exact(text, strlen(text), &json, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return json;
}

static void assert_renders(const struct vf_json *json, const char *wanted)
{
    char *text;
    size_t size;

    assert_int_equal(vf_json_render_compact(json, &text, &size), 0);
    assert_string_equal(text, wanted);
    assert_int_equal(size, strlen(wanted));
    free(text);
}

static void what_is_json_comes_back_as_it_was_written(void **state)
{
    static const char *const same[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "123456789012345678901234567890",
        "-0",
        "0.10",
        "-0.0",
        "1e3",
        "1E+3",
        "1e-300",
        "1e99999",
        "3.14159265358979323846264338327950288",
        "\"\"",
        "\"a\\\"b\\\\c/d\"",
        "\"\\b\\f\\n\\r\\t\"",
        "\"\\u0000\\u0001\\u001f\"",
        "\"\x7f\"",
        "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"",
        "[]",
        "{}",
        "[[],{},[null]]",
        "{\"\":1,\"z\":2,\"a\":3}",
        "{\"a\":{\"a\":{\"a\":[{\"a\":1},{\"a\":2}]}}}",
    };

    for (size_t i = 0; i < COUNT(same); i++) {
        struct vf_json *json = parse(same[i]);

        assert_renders(json, same[i]);
        vf_json_free(json);
    }
}

static void what_can_be_written_in_two_ways_comes_back_in_one(void **state)
{
    static const struct {
        const char *text;
        const char *wanted;
    } pairs[] = {
        {" \t\r\n{ \"a\" : [ 1 , 2 ] } \n", "{\"a\":[1,2]}"},
        {"\"\\/\\u0041\\u00e9\\u20AC\"", "\"/A\xC3\xA9\xE2\x82\xAC\""},
        {"\"\\ud83d\\uDE00\"", "\"\xF0\x9F\x98\x80\""},
        {"\"\\u000a\\u001F\\u0022\\u005c\"", "\"\\n\\u001f\\\"\\\\\""},
        {"{\"\\u0061\\n\":1}", "{\"a\\n\":1}"},
    };

    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct vf_json *json = parse(pairs[i].text);

        assert_renders(json, pairs[i].wanted);
        vf_json_free(json);
    }
}

static void what_is_not_json_is_refused_at_its_byte(void **state)
{
#define BAD(text, offset)                                                      \
    {                                                                          \
        text, sizeof(text) - 1, offset                                         \
    }
    static const struct {
        const char *text;
        size_t size;
        size_t offset;
    } bad[] = {
        BAD("", 0),
        BAD("  ", 2),
        BAD("\xEF\xBB\xBF{}", 0),
        BAD("{} {}", 3),
        BAD("{}x", 2),
        BAD("{}\0", 2),
        BAD("\0", 0),
        BAD("1 2", 2),
        BAD("nul", 0),
        BAD("nulll", 4),
        BAD("True", 0),
        BAD("NaN", 0),
        BAD("Infinity", 0),
        BAD("-Infinity", 0),
        BAD("[NaN]", 1),
        BAD("undefined", 0),
        BAD("'a'", 0),
        BAD("{'a':1}", 1),
        BAD("{a:1}", 1),
        BAD("{1:1}", 1),
        BAD("[1,]", 3),
        BAD("[,1]", 1),
        BAD("[1 2]", 3),
        BAD("[1", 2),
        BAD("[1}", 2),
        BAD("{\"a\":1,}", 7),
        BAD("{,}", 1),
        BAD("{\"a\"}", 4),
        BAD("{\"a\" 1}", 5),
        BAD("{\"a\":}", 5),
        BAD("{\"a\":1 \"b\":2}", 7),
        BAD("{\"a\":1]", 6),
        BAD("{\"a\":1", 6),
        BAD("/* x */ 1", 0),
        BAD("1 // x", 2),
        BAD("# x\n1", 0),
        BAD("\"a", 2),
        BAD("\"a\\", 2),
        BAD("\"a\\\"", 4),
        BAD("\"\\x41\"", 1),
        BAD("\"\\'\"", 1),
        BAD("\"\\0\"", 1),
        BAD("\"\\\0\"", 1),
        BAD("\"\\u12\"", 1),
        BAD("\"\\u12g4\"", 1),
        BAD("\"\\U0041\"", 1),
        BAD("\"\\ud800\"", 1),
        BAD("\"\\ud800x\"", 1),
        BAD("\"\\ud800\\n\"", 1),
        BAD("\"\\ud800\\ud800\"", 1),
        BAD("\"\\udc00\"", 1),
        BAD("\"\\udc00\\ud800\"", 1),
        BAD("\"\\udc00\\udc00\"", 1),
        BAD("\"ab\ncd\"", 3),
        BAD("\"\t\"", 1),
        BAD("\"a\0b\"", 2),
        BAD("\"\x1f\"", 1),
        BAD("\"a\xff\"", 2),
        BAD("\"\xc0\x80\"", 1),
        BAD("\"\xed\xa0\x80\"", 1),
        BAD("\"\xf4\x90\x80\x80\"", 1),
        BAD("\"\xe2\x82\"", 1),
        BAD("\"\xe2\x82", 1),
        BAD("\xc2\xa0{}", 0),
        BAD("{}\xc2\x85", 2),
        BAD("\f1", 0),
        BAD("\v1", 0),
        BAD("01", 0),
        BAD("-01", 0),
        BAD("00", 0),
        BAD("+1", 0),
        BAD("-", 0),
        BAD("- 1", 0),
        BAD(".5", 0),
        BAD("5.", 0),
        BAD("5.e1", 0),
        BAD("1e", 0),
        BAD("1e+", 0),
        BAD("1e1.5", 3),
        BAD("0x10", 1),
        BAD("1_000", 1),
        BAD("1,", 1),
        BAD("{\"a\":1,\"a\":1}", 7),
        BAD("{\"a\":null,\"a\":2}", 10),
        BAD("{\"a\":1,\"b\":2,\"\\u0061\":3}", 13),
        BAD("{\"\":1,\"\":2}", 6),
        BAD("[{\"x\":{\"k\":[],\"k\":{}}}]", 14),
        BAD("{\"a\\u0000b\":1}", 1),
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct vf_json *json = (struct vf_json *)state;
        struct vf_error err;
        char wanted[64];

        if (parse_exact(bad[i].text, bad[i].size, &json, &err) != -EINVAL)
            fail_msg("accepted: %s", bad[i].text);
        assert_ptr_equal(json, state);
        assert_int_equal(err.code, EINVAL);
        (void)snprintf(wanted, sizeof(wanted), "at byte %zu:", bad[i].offset);
        if (strstr(err.message, wanted) == NULL)
            fail_msg("%s: %s, not %s", bad[i].text, err.message, wanted);
        assert_int_equal(vf_json_parse(bad[i].text, bad[i].size, &json, NULL),
                         -EINVAL);
    }
}

static void an_error_never_quotes_the_text(void **state)
{
    static const char *const bad[] = {
        "{\"a\":" CANARY "}",
        "{\"" CANARY "\" 1}",
        "{\"" CANARY "\":1,\"" CANARY "\":2}",
        "{\"a\":\"" CANARY "\n\"}",
        "{\"a\":\"" CANARY "\"} " CANARY,
        ("{\"a\":\"" CANARY),
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct vf_json *json;
        struct vf_error err;

        assert_int_equal(parse_exact(bad[i], strlen(bad[i]), &json, &err),
                         -EINVAL);
        assert_null(strstr(err.message, "canary"));
    }
}

static void nesting_ends_at_the_limit(void **state)
{
    char text[2 * (VF_JSON_DEPTH_MAX + 1) + 1];
    struct vf_json *json;

    for (size_t depth = VF_JSON_DEPTH_MAX; depth <= VF_JSON_DEPTH_MAX + 1;
         depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        int result = parse_exact(text, 2 * depth, &json, NULL);
        assert_int_equal(result, depth > VF_JSON_DEPTH_MAX ? -EINVAL : 0);
        if (result == 0)
            vf_json_free(json);
    }
}

static void no_prefix_of_an_object_is_json(void **state)
{
    static const char text[] =
        "{\"a\":[1,-2.5e3,true,null,\"x\\u00e9\\ud83d\\ude00\"],\"b\":{}}";
    struct vf_json *json;

    for (size_t size = 0; size < sizeof(text) - 1; size++)
        assert_int_equal(parse_exact(text, size, &json, NULL), -EINVAL);
    vf_json_free(parse(text));
}

/* Whatever is accepted after a few changed bytes has one meaning: rendered and
 * read again, in both layouts, it is equal. */
static void a_damaged_text_is_refused_or_survives_a_round_trip(void **state)
{
    static const char seed[] = "{\"a\":[1,-2.5e3,true,null,\"x\\u00e9\\n\"],"
                               "\"b\":{\"c\":\"\xC3\xA9\",\"d\":\"\"},\"e\":0}";
    static const char bytes[] = "{}[]\",:\\u0019ntfae.-+ \n\xC3\xA9";
    unsigned accepted = 0;

    srand(7);
    for (int round = 0; round < 200000; round++) {
        struct vf_json *json, *again;
        char text[sizeof(seed)];
        char *out;
        size_t size;

        memcpy(text, seed, sizeof(seed));
        for (int n = rand() % 4; n >= 0; n--)
            text[(size_t)rand() % (sizeof(seed) - 1)] =
                bytes[(size_t)rand() % (sizeof(bytes) - 1)];
        if (parse_exact(text, sizeof(seed) - 1, &json, NULL) < 0)
            continue;
        accepted++;
        assert_int_equal(round % 2 ? vf_json_render_pretty(json, &out, &size)
                                   : vf_json_render_compact(json, &out, &size),
                         0);
        assert_int_equal(parse_exact(out, size, &again, NULL), 0);
        assert_true(vf_json_equal(json, again));
        free(out);
        vf_json_free(json);
        vf_json_free(again);
    }
    assert_true(accepted > 1000);
}

static void pretty_text_is_two_spaces_a_level_and_one_newline(void **state)
{
    struct vf_json *json =
        parse("{\"id\":\"v/1\",\"n\":[1,[2.50,{}],[]],\"m\":{\"k\":null},"
              "\"e\":{},\"t\":true}");
    static const char wanted[] = "{\n"
                                 "  \"id\": \"v/1\",\n"
                                 "  \"n\": [\n"
                                 "    1,\n"
                                 "    [\n"
                                 "      2.50,\n"
                                 "      {}\n"
                                 "    ],\n"
                                 "    []\n"
                                 "  ],\n"
                                 "  \"m\": {\n"
                                 "    \"k\": null\n"
                                 "  },\n"
                                 "  \"e\": {},\n"
                                 "  \"t\": true\n"
                                 "}\n";
    char *text;
    size_t size;

    assert_int_equal(vf_json_render_pretty(json, &text, &size), 0);
    assert_string_equal(text, wanted);
    assert_int_equal(size, sizeof(wanted) - 1);
    free(text);
    vf_json_free(json);

    assert_int_equal(vf_json_render_pretty(NULL, &text, &size), 0);
    assert_string_equal(text, "null\n");
    free(text);
}

static void pretty_text_goes_as_deep_as_json_does(void **state)
{
    char text[2 * VF_JSON_DEPTH_MAX + 1], *out;
    struct vf_json *json;
    size_t size, at = 0;

    memset(text, '[', VF_JSON_DEPTH_MAX);
    memset(text + VF_JSON_DEPTH_MAX - 1, '1', 1);
    memset(text + VF_JSON_DEPTH_MAX, ']', VF_JSON_DEPTH_MAX - 1);
    assert_int_equal(parse_exact(text, 2 * VF_JSON_DEPTH_MAX - 1, &json, NULL),
                     0);
    assert_int_equal(vf_json_render_pretty(json, &out, &size), 0);
    for (size_t level = 0; level < VF_JSON_DEPTH_MAX; level++) {
        assert_int_equal(strspn(out + at, " "), 2 * level);
        at += 2 * level + 1;
        assert_int_equal(out[at++], '\n');
    }
    free(out);
    vf_json_free(json);
}

static void a_name_may_be_of_any_length(void **state)
{
    char text[80];

    for (int length = 0; length < 70; length++) {
        (void)snprintf(text, sizeof(text), "{\"%.*s\":1}", length,
                       "abcdefghijklmnopqrstuvwxyz0123456789"
                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
        struct vf_json *json = parse(text);

        assert_renders(json, text);
        vf_json_free(json);
    }
}

static void types_are_told_apart_and_never_converted(void **state)
{
    struct vf_json *json =
        parse("{\"s\":\"5\",\"i\":5,\"d\":5.0,\"b\":true,\"n\":null,\"a\":[7],"
              "\"o\":{\"x\":1},\"z\":\"a\\u0000b\",\"h\":9223372036854775808}");
    struct vf_json *value;
    size_t size;

    assert_int_equal(vf_json_count(json), 9);
    assert_string_equal(vf_json_get_string(json, "s"), "5");
    assert_null(vf_json_get_string(json, "i"));
    assert_null(vf_json_get_string(json, "z"));
    assert_null(vf_json_get_string(json, "absent"));
    assert_null(vf_json_get_string(NULL, "s"));
    assert_true(vf_json_get(json, "z", &value));
    assert_memory_equal(vf_json_string(value, &size), "a\0b", 4);
    assert_int_equal(size, 3);
    assert_true(vf_json_get(json, "n", &value));
    assert_null(value);
    assert_true(vf_json_get(json, "s", &value));
    assert_int_equal(vf_json_int(value), 0);
    assert_false(vf_json_bool(value));
    assert_false(vf_json_get(value, "s", NULL));
    assert_true(vf_json_get(json, "i", &value));
    assert_int_equal(vf_json_int(value), 5);
    assert_false(vf_json_bool(value));
    assert_null(vf_json_string(value, &size));
    assert_true(vf_json_get(json, "d", &value));
    assert_int_equal(vf_json_type(value), VF_JSON_DOUBLE);
    assert_int_equal(vf_json_int(value), 0);
    assert_true(vf_json_get(json, "h", &value));
    assert_int_equal(vf_json_type(value), VF_JSON_DOUBLE);
    assert_true(vf_json_get(json, "a", &value));
    assert_int_equal(vf_json_count(value), 1);
    assert_int_equal(vf_json_int(vf_json_at(value, 0)), 7);
    assert_null(vf_json_at(value, 1));
    assert_null(vf_json_at(json, 0));
    assert_false(vf_json_get(value, "a", NULL));
    vf_json_free(json);
}

static void equal_means_the_same_type_and_content(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        bool is_equal;
    } pairs[] = {
        {"null", "null", true},
        {"null", "false", false},
        {"null", "{}", false},
        {"1", "1", true},
        {"1", "1.0", false},
        {"1", "\"1\"", false},
        {"1.5", "1.5", true},
        {"1.5", "1.7", false},
        {"99999999999999999998", "99999999999999999999", false},
        {"\"a\\u0000b\"", "\"a\\u0000c\"", false},
        {"\"a\\u0000b\"", "\"a\"", false},
        {"[1,2]", "[2,1]", false},
        {"[1,2]", "[1,2,3]", false},
        {"[null]", "[]", false},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true},
        {"{\"a\":1,\"b\":null}", "{\"a\":1,\"c\":null}", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"{\"a\":[{\"b\":1}]}", "{\"a\":[{\"b\":2}]}", false},
        {"{}", "[]", false},
    };

    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct vf_json *a = parse(pairs[i].a), *b = parse(pairs[i].b);

        assert_int_equal(vf_json_equal(a, b), pairs[i].is_equal);
        assert_int_equal(vf_json_equal(b, a), pairs[i].is_equal);
        vf_json_free(a);
        vf_json_free(b);
    }
}

static int find_third(void *context, const char *key, struct vf_json *value)
{
    size_t *seen = context;

    return ++*seen == 3 ? 42 : 0;
}

static void each_stops_where_it_is_told(void **state)
{
    struct vf_json *json = parse("{\"a\":1,\"b\":2,\"c\":3,\"d\":4}");
    size_t seen = 0;

    assert_int_equal(vf_json_each(json, find_third, &seen), 42);
    assert_int_equal(seen, 3);
    assert_int_equal(vf_json_each(NULL, find_third, &seen), 0);
    vf_json_free(json);
}

static void what_is_built_renders_in_order(void **state)
{
    struct vf_json *object, *array, *copy;

    assert_int_equal(vf_json_new_object(&object), 0);
    assert_int_equal(vf_json_new_array(&array), 0);
    assert_int_equal(vf_json_set_string(object, "s", "a\"b"), 0);
    assert_int_equal(vf_json_set_string(object, "n", NULL), 0);
    assert_int_equal(vf_json_set_string_sized(object, "z", "a\0b", 3), 0);
    assert_int_equal(vf_json_set_int(object, "i", INT64_MIN), 0);
    assert_int_equal(vf_json_set_bool(object, "b", true), 0);
    assert_int_equal(vf_json_push(array, parse("1.50")), 0);
    assert_int_equal(vf_json_push(array, NULL), 0);
    assert_int_equal(vf_json_set(object, "a", array), 0);
    assert_int_equal(vf_json_copy(object, &copy), 0);
    assert_int_equal(vf_json_set_int(object, "s", 7), 0); /* keeps its place */
    vf_json_remove(object, "n");
    vf_json_remove(object, "absent");
    assert_int_equal(vf_json_set_string(object, "bad", "\xff"), -EINVAL);
    assert_renders(object, "{\"s\":7,\"z\":\"a\\u0000b\","
                           "\"i\":-9223372036854775808,\"b\":true,"
                           "\"a\":[1.50,null]}");
    vf_json_free(object);
    assert_renders(copy, "{\"s\":\"a\\\"b\",\"n\":null,\"z\":\"a\\u0000b\","
                         "\"i\":-9223372036854775808,\"b\":true,"
                         "\"a\":[1.50,null]}");
    vf_json_free(copy);
    assert_int_equal(vf_json_copy(NULL, &copy), 0);
    assert_null(copy);
}

static void every_write_only_field_goes_at_any_depth(void **state)
{
    struct vf_json *json =
        parse("{\"token\":\"" CANARY "\",\"auth\":{\"type\":\"mcp_oauth\","
              "\"access_token\":{\"deep\":\"" CANARY "\"},\"refresh\":{"
              "\"refresh_token\":[\"" CANARY "\"],\"scope\":\"token\","
              "\"token_endpoint_auth\":{\"client_secret\":\"" CANARY "\"}}},"
              "\"data\":[[{\"secret_value\":\"" CANARY "\",\"id\":1}],"
              "{\"\\u0074oken\":\"" CANARY "\"}],\"tokens\":2}");

    vf_json_strip_secrets(json);
    assert_renders(json, "{\"auth\":{\"type\":\"mcp_oauth\",\"refresh\":{"
                         "\"scope\":\"token\",\"token_endpoint_auth\":{}}},"
                         "\"data\":[[{\"id\":1}],{}],\"tokens\":2}");
    vf_json_free(json);
    vf_json_strip_secrets(NULL);
}

static struct vf_secret *new_secret(void)
{
    struct vf_secret *secret;

    assert_int_equal(vf_secret_new(0, &secret, NULL), 0);
    return secret;
}

static void the_writer_writes_json_into_locked_memory(void **state)
{
    static const char wanted[] =
        "{\"auth\":{\"type\":\"a\\\"b\",\"token\":\"x\\u0000\\n\"},"
        "\"list\":[\"p\",null,{\"k\":[1,{}]},[],[\"q\"]],\"empty\":{},"
        "\"last\":null}";
    struct vf_secret *secret = new_secret();
    struct vf_json *value = parse("{\"k\":[1,{}]}");
    struct vf_json_writer writer;

    vf_json_writer_init(&writer, secret);
    vf_json_write_begin(&writer, NULL, '{');
    vf_json_write_begin(&writer, "auth", '{');
    vf_json_write_string(&writer, "type", "a\"b", 3);
    vf_json_write_string(&writer, "token", "x\0\n", 3);
    vf_json_write_end(&writer, '}');
    vf_json_write_begin(&writer, "list", '[');
    vf_json_write_string(&writer, NULL, "p", 1);
    vf_json_write_null(&writer, NULL);
    vf_json_write_value(&writer, NULL, value);
    vf_json_write_begin(&writer, NULL, '[');
    vf_json_write_end(&writer, ']');
    vf_json_write_begin(&writer, NULL, '[');
    vf_json_write_string(&writer, NULL, "q", 1);
    vf_json_write_end(&writer, ']');
    vf_json_write_end(&writer, ']');
    vf_json_write_begin(&writer, "empty", '{');
    vf_json_write_end(&writer, '}');
    vf_json_write_null(&writer, "last");
    vf_json_write_end(&writer, '}');
    assert_int_equal(writer.result, 0);
    assert_int_equal(vf_secret_size(secret), sizeof(wanted) - 1);
    assert_memory_equal(vf_secret_data(secret), wanted, sizeof(wanted) - 1);
    vf_json_free(value);
    vf_secret_unref(secret);
}

static void every_byte_survives_the_writer_and_the_parser(void **state)
{
    struct vf_secret *secret = new_secret();
    struct vf_json_writer writer;
    struct vf_json *json;
    char bytes[128];
    size_t size = 0;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    vf_json_writer_init(&writer, secret);
    vf_json_write_string(&writer, NULL, bytes, sizeof(bytes));
    assert_int_equal(writer.result, 0);
    assert_int_equal(parse_exact(vf_secret_data(secret), vf_secret_size(secret),
                                 &json, NULL),
                     0);
    const char *text = vf_json_string(json, &size);
    assert_int_equal(size, sizeof(bytes));
    assert_memory_equal(text, bytes, sizeof(bytes));
    vf_json_free(json);
    vf_secret_unref(secret);
}

static void the_writers_first_failure_sticks(void **state)
{
    struct vf_secret *secret = new_secret();
    struct vf_json_writer writer;

    vf_json_writer_init(&writer, secret);
    vf_json_write_begin(&writer, NULL, '[');
    vf_json_write_string(&writer, NULL, "a\xff", 2);
    assert_int_equal(writer.result, -EINVAL);
    size_t size = vf_secret_size(secret);
    vf_json_write_string(&writer, NULL, "fine", 4);
    vf_json_write_end(&writer, ']');
    assert_int_equal(writer.result, -EINVAL);
    assert_int_equal(vf_secret_size(secret), size);
    vf_secret_unref(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_json_comes_back_as_it_was_written),
        cmocka_unit_test(what_can_be_written_in_two_ways_comes_back_in_one),
        cmocka_unit_test(what_is_not_json_is_refused_at_its_byte),
        cmocka_unit_test(an_error_never_quotes_the_text),
        cmocka_unit_test(nesting_ends_at_the_limit),
        cmocka_unit_test(no_prefix_of_an_object_is_json),
        cmocka_unit_test(a_damaged_text_is_refused_or_survives_a_round_trip),
        cmocka_unit_test(pretty_text_is_two_spaces_a_level_and_one_newline),
        cmocka_unit_test(pretty_text_goes_as_deep_as_json_does),
        cmocka_unit_test(a_name_may_be_of_any_length),
        cmocka_unit_test(types_are_told_apart_and_never_converted),
        cmocka_unit_test(equal_means_the_same_type_and_content),
        cmocka_unit_test(each_stops_where_it_is_told),
        cmocka_unit_test(what_is_built_renders_in_order),
        cmocka_unit_test(every_write_only_field_goes_at_any_depth),
        cmocka_unit_test(the_writer_writes_json_into_locked_memory),
        cmocka_unit_test(every_byte_survives_the_writer_and_the_parser),
        cmocka_unit_test(the_writers_first_failure_sticks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
