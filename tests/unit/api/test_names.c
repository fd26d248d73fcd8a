/* SPDX-License-Identifier: MIT */
#include "names.h"

#include "vaultfs/api.h"
#include "vaultfs/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SERVICE "https://api.example"

/* A deadline that does not pass. */
#define IN_TIME (vf_clock_monotonic_ms() + 30000)

static char top[64];
static char directory[128];

static int set_up(void **state)
{
    (void)snprintf(top, sizeof(top), "/tmp/vf-test-names-XXXXXX");
    if (mkdtemp(top) == NULL)
        return -1;
    (void)snprintf(directory, sizeof(directory), "%s/state/vaultfs", top);
    return 0;
}

static int tear_down(void **state)
{
    char command[256];

    (void)snprintf(command, sizeof(command), "chmod -R u+w %s; rm -r %s", top,
                   top);
    return system(command);
}

static struct vf_names *open_names(const char *service)
{
    struct vf_names *names = NULL;

    assert_int_equal(vf_names_new(directory, service, &names), 0);
    return names;
}

static void keep(struct vf_names *names, const char *vault_id, const char *id,
                 const char *name)
{
    const struct vf_name_change change = {id, name};

    assert_int_equal(
        vf_names_change(names, vault_id, &change, 1, IN_TIME, NULL), 0);
}

static void assert_name(struct vf_names *names, const char *vault_id,
                        const char *id, const char *expected)
{
    char *name = NULL;

    assert_int_equal(vf_names_find(names, vault_id, id, &name, NULL), 0);
    if (expected == NULL)
        assert_null(name);
    else
        assert_string_equal(name, expected);
    free(name);
}

/* The one file of a kind in the directory, by its suffix. */
static const char *find_file(const char *suffix)
{
    static char path[512];
    char command[512];

    (void)snprintf(command, sizeof(command), "ls -d %s/*%s", directory, suffix);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(path, sizeof(path), pipe));
    assert_int_equal(pclose(pipe), 0);
    path[strcspn(path, "\n")] = '\0';
    return path;
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void names_outlive_who_kept_them(void **state)
{
    struct vf_names *names = open_names(SERVICE);

    assert_name(names, "v1", "c1", NULL);
    keep(names, "v1", "c1", "git hub \"1\".json");
    keep(names, "v1", "c2", "a.json");
    keep(names, "v1", "c2", "b.json");
    vf_names_free(names);

    names = open_names(SERVICE);
    assert_name(names, "v1", "c1", "git hub \"1\".json");
    assert_name(names, "v1", "c2", "b.json");
    assert_name(names, "v2", "c1", NULL);
    vf_names_free(names);
}

static void nobody_else_can_read_them(void **state)
{
    struct vf_names *names = open_names(SERVICE);
    char above[128];

    umask(0);
    keep(names, "v1", "c1", "a.json");
    umask(022);
    (void)snprintf(above, sizeof(above), "%s/state", top);
    assert_int_equal(mode_of(above), 0700);
    assert_int_equal(mode_of(directory), 0700);
    assert_int_equal(mode_of(find_file(".json")), 0600);
    assert_int_equal(mode_of(find_file(".lock")), 0600);
    vf_names_free(names);
}

static void looking_makes_nothing(void **state)
{
    struct vf_names *names = open_names(SERVICE);

    assert_name(names, "v1", "c1", NULL);
    assert_int_equal(access(directory, F_OK), -1);
    vf_names_free(names);
}

static void each_service_has_names_of_its_own(void **state)
{
    struct vf_names *one = open_names(SERVICE);
    struct vf_names *other = open_names("https://other.example");

    keep(one, "v1", "c1", "a.json");
    assert_name(other, "v1", "c1", NULL);
    vf_names_free(one);
    vf_names_free(other);
}

static void what_another_mount_keeps_is_seen_and_stays(void **state)
{
    struct vf_names *one = open_names(SERVICE);
    struct vf_names *other = open_names(SERVICE);

    keep(one, "v1", "c1", "a.json");
    assert_name(other, "v1", "c1", "a.json");
    keep(other, "v1", "c2", "b.json");
    keep(one, "v1", "c3", "c.json");
    assert_name(one, "v1", "c2", "b.json");
    assert_name(other, "v1", "c1", "a.json");
    assert_name(other, "v1", "c3", "c.json");
    vf_names_free(one);
    vf_names_free(other);
}

static void names_go_with_the_credential_or_its_vault(void **state)
{
    struct vf_names *names = open_names(SERVICE);

    keep(names, "v1", "c1", "a.json");
    keep(names, "v1", "c2", "b.json");
    keep(names, "v2", "c3", "c.json");
    keep(names, "v1", "c1", NULL);
    assert_name(names, "v1", "c1", NULL);
    assert_name(names, "v1", "c2", "b.json");
    assert_int_equal(vf_names_forget(names, "v1", IN_TIME, NULL), 0);
    assert_name(names, "v1", "c2", NULL);
    assert_name(names, "v2", "c3", "c.json");
    vf_names_free(names);
}

static void an_object_gets_its_name_for_its_label(void **state)
{
    struct vf_names *names = open_names(SERVICE);
    struct vf_object objects[] = {{.id = "c1", .label = strdup("l.json")},
                                  {.id = "c2", .label = strdup("l.json")}};

    keep(names, "v1", "c2", "b.json");
    assert_int_equal(vf_names_fill(names, "v1", objects, 2, NULL), 0);
    assert_null(objects[0].name);
    assert_string_equal(objects[0].label, "l.json");
    assert_string_equal(objects[1].name, "b.json");
    assert_null(objects[1].label);
    vf_object_done(&objects[0]);
    vf_object_done(&objects[1]);
    vf_names_free(names);
}

static void write_file(const char *text)
{
    FILE *file = fopen(find_file(".json"), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void a_damaged_file_is_told_and_left_alone(void **state)
{
    static const char *const texts[] = {
        "", "{", "[]", "{}", "{\"vaults\":[]}", "{\"vaults\":{}} {}",
    };
    struct vf_names *names = open_names(SERVICE);
    const struct vf_name_change change = {"c2", "b.json"};
    struct vf_error err;
    char *name;

    keep(names, "v1", "c1", "a.json");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_file(texts[i]);
        assert_int_equal(vf_names_find(names, "v1", "c1", &name, &err),
                         -EBADMSG);
        assert_non_null(strstr(err.message, directory));
        assert_int_equal(
            vf_names_change(names, "v1", &change, 1, IN_TIME, &err), -EBADMSG);
        assert_int_equal(mode_of(find_file(".json")), 0600);
    }
    write_file("{\"vaults\":{\"v1\":{\"c1\":\"z.json\",\"c2\":7},\"v2\":7}}");
    assert_name(names, "v1", "c1", "z.json");
    assert_name(names, "v1", "c2", NULL);
    assert_name(names, "v2", "c1", NULL);
    vf_names_free(names);
}

static void a_link_in_its_place_is_not_followed(void **state)
{
    struct vf_names *names = open_names(SERVICE);
    char path[512], target[256];
    char *name;

    keep(names, "v1", "c1", "a.json");
    (void)snprintf(path, sizeof(path), "%s", find_file(".json"));
    (void)snprintf(target, sizeof(target), "%s/elsewhere", top);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(vf_names_find(names, "v1", "c1", &name, NULL), -ELOOP);
    vf_names_free(names);
}

static void without_any_change_it_is_seen_whether_one_could_be_made(
    void **state)
{
    struct vf_names *names = open_names(SERVICE);
    char above[128];
    struct vf_error err;

    assert_int_equal(vf_names_check(names, IN_TIME, NULL), 0);
    assert_int_equal(mode_of(directory), 0700);
    vf_names_free(names);

    /* A file where a directory should be stops root as well. */
    (void)snprintf(above, sizeof(above), "%s/file", top);
    assert_int_equal(close(creat(above, 0600)), 0);
    (void)snprintf(directory, sizeof(directory), "%s/file/vaultfs", top);
    names = open_names(SERVICE);
    assert_int_equal(vf_names_check(names, IN_TIME, &err), -ENOTDIR);
    assert_non_null(strstr(err.message, directory));
    vf_names_free(names);
}

static void a_name_that_is_not_text_is_refused(void **state)
{
    struct vf_names *names = open_names(SERVICE);
    const struct vf_name_change change = {"c1", "a\xFF"};

    assert_int_equal(vf_names_change(names, "v1", &change, 1, IN_TIME, NULL),
                     -EINVAL);
    assert_name(names, "v1", "c1", NULL);
    vf_names_free(names);
}

static void without_a_place_there_are_no_names(void **state)
{
    const struct vf_name_change change = {"c1", "a.json"};

    assert_int_equal(vf_names_change(NULL, "v1", &change, 1, IN_TIME, NULL), 0);
    assert_int_equal(vf_names_forget(NULL, "v1", IN_TIME, NULL), 0);
    assert_name(NULL, "v1", "c1", NULL);
}

/* By another process, as far as locks go. */
static int hold_lock(void)
{
    int fd = open(find_file(".lock"), O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    return fd;
}

static void a_lock_is_waited_for_until_the_deadline(void **state)
{
    struct vf_names *names = open_names(SERVICE);
    const struct vf_name_change change = {"c2", "b.json"};
    struct vf_error err;

    keep(names, "v1", "c1", "a.json");
    int fd = hold_lock();
    assert_int_equal(vf_names_change(names, "v1", &change, 1,
                                     vf_clock_monotonic_ms() + 20, &err),
                     -ETIMEDOUT);
    assert_non_null(strstr(err.message, find_file(".lock")));
    assert_int_equal(close(fd), 0);
    assert_int_equal(vf_names_change(names, "v1", &change, 1, 0, &err), 0);
    vf_names_free(names);
}

static void *keep_another(void *argument)
{
    const struct vf_name_change change = {"c2", "b.json"};

    return vf_names_change(argument, "v1", &change, 1, IN_TIME, NULL) == 0
               ? argument
               : NULL;
}

/* Whether a thread of ours sleeps or ends is all the same: it has begun. */
static void who_reads_waits_for_no_lock(void **state)
{
    struct vf_names *names = open_names(SERVICE);
    pthread_t writer;
    void *result;

    keep(names, "v1", "c1", "a.json");
    int fd = hold_lock();
    assert_int_equal(pthread_create(&writer, NULL, keep_another, names), 0);
    for (int i = 0; i < 1000; i++) {
        assert_name(names, "v1", "c1", "a.json");
        (void)sched_yield();
    }
    assert_int_equal(close(fd), 0);
    assert_int_equal(pthread_join(writer, &result), 0);
    assert_non_null(result);
    assert_name(names, "v1", "c2", "b.json");
    vf_names_free(names);
}

/* A writer was killed, or somebody laid a trap. */
static void what_stands_in_the_place_of_the_new_file_is_not_written_to(
    void **state)
{
    struct vf_names *names = open_names(SERVICE);
    char place[512], other[256], text[16] = "";

    keep(names, "v1", "c1", "a.json");
    (void)snprintf(place, sizeof(place), "%s", find_file(".json"));
    memcpy(place + strlen(place) - 4, "new", sizeof("new"));
    (void)snprintf(other, sizeof(other), "%s/other", top);
    FILE *file = fopen(other, "w+");
    assert_non_null(file);
    assert_true(fputs("precious", file) >= 0);
    assert_int_equal(fflush(file), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(i == 0 ? link(other, place) : symlink(other, place),
                         0);
        keep(names, "v1", i == 0 ? "c2" : "c3", "b.json");
    }
    assert_name(names, "v1", "c2", "b.json");
    assert_name(names, "v1", "c3", "b.json");
    rewind(file);
    assert_non_null(fgets(text, sizeof(text), file));
    assert_string_equal(text, "precious");
    assert_int_equal(fclose(file), 0);
    vf_names_free(names);
}

static void what_could_not_be_read_again_is_not_written(void **state)
{
    enum { TOO_LONG = 17 * 1024 * 1024 };
    struct vf_names *names = open_names(SERVICE);
    char *name = malloc(TOO_LONG + 1);

    assert_non_null(name);
    memset(name, 'n', TOO_LONG);
    name[TOO_LONG] = '\0';
    const struct vf_name_change change = {"c2", name};
    keep(names, "v1", "c1", "a.json");
    assert_int_equal(vf_names_change(names, "v1", &change, 1, IN_TIME, NULL),
                     -EFBIG);
    vf_names_free(names);
    names = open_names(SERVICE);
    assert_name(names, "v1", "c1", "a.json");
    vf_names_free(names);
    free(name);
}

#define WRITERS 4
#define ROUNDS 25

/* Each as a mount of its own. */
static void *write_many(void *argument)
{
    const char *vault_id = argument;
    struct vf_names *names = NULL;
    char id[16];

    if (vf_names_new(directory, SERVICE, &names) < 0)
        return NULL;
    for (unsigned i = 0; i < ROUNDS; i++) {
        const struct vf_name_change change = {id, id};

        (void)snprintf(id, sizeof(id), "c%u", i);
        if (vf_names_change(names, vault_id, &change, 1, IN_TIME, NULL) < 0) {
            vf_names_free(names);
            return NULL;
        }
    }
    vf_names_free(names);
    return argument;
}

static void writers_at_the_same_time_lose_nothing(void **state)
{
    static char vaults[WRITERS][4] = {"v1", "v2", "v3", "v4"};
    pthread_t threads[WRITERS];
    struct vf_names *names = open_names(SERVICE);
    char id[16];

    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, write_many, vaults[i]), 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        void *result;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
    for (unsigned i = 0; i < WRITERS * ROUNDS; i++) {
        (void)snprintf(id, sizeof(id), "c%u", i / WRITERS);
        assert_name(names, vaults[i % WRITERS], id, id);
    }
    vf_names_free(names);
}

#define NAMES_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMES_TEST(names_outlive_who_kept_them),
        NAMES_TEST(nobody_else_can_read_them),
        NAMES_TEST(looking_makes_nothing),
        NAMES_TEST(each_service_has_names_of_its_own),
        NAMES_TEST(what_another_mount_keeps_is_seen_and_stays),
        NAMES_TEST(names_go_with_the_credential_or_its_vault),
        NAMES_TEST(an_object_gets_its_name_for_its_label),
        NAMES_TEST(a_damaged_file_is_told_and_left_alone),
        NAMES_TEST(a_link_in_its_place_is_not_followed),
        NAMES_TEST(without_any_change_it_is_seen_whether_one_could_be_made),
        NAMES_TEST(a_name_that_is_not_text_is_refused),
        NAMES_TEST(without_a_place_there_are_no_names),
        NAMES_TEST(a_lock_is_waited_for_until_the_deadline),
        NAMES_TEST(who_reads_waits_for_no_lock),
        NAMES_TEST(what_stands_in_the_place_of_the_new_file_is_not_written_to),
        NAMES_TEST(what_could_not_be_read_again_is_not_written),
        NAMES_TEST(writers_at_the_same_time_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
