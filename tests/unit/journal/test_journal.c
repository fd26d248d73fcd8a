/* SPDX-License-Identifier: MIT
 *
 * The journal of creations whose outcome is not known (W-idempotent).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <dirent.h>

#include <cmocka.h>

#include "vaultfs/journal.h"

#define DAY_S (24L * 60 * 60)
#define SERVICE "https://api.example.com/v1"

static char base[64], directory[80];

/* The clock, as journals read it. */
static long clock_shift_s;

time_t __real_time(time_t *ret);
time_t __wrap_time(time_t *ret);

time_t __wrap_time(time_t *ret)
{
    return __real_time(ret) + clock_shift_s;
}

static int setup(void **state)
{
    strcpy(base, "/tmp/vaultfs-journal-XXXXXX");
    assert_non_null(mkdtemp(base));
    snprintf(directory, sizeof(directory), "%s/vaultfs", base);
    clock_shift_s = 0;
    return 0;
}

static int teardown(void **state)
{
    DIR *entries = opendir(directory);
    const struct dirent *entry;

    while (entries != NULL && (entry = readdir(entries)) != NULL)
        (void)unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries != NULL)
        closedir(entries);
    (void)rmdir(directory);
    (void)rmdir(base);
    return 0;
}

static struct vf_journal *open_for(const char *service)
{
    struct vf_journal *journal;

    assert_int_equal(vf_journal_open(directory, service, &journal, NULL), 0);
    return journal;
}

/* The name of the n-th file; false when there are not so many. */
static bool file_at(unsigned n, char ret[static 400])
{
    DIR *entries = opendir(directory);
    const struct dirent *entry;
    bool is_found = false;

    while (!is_found && (entry = readdir(entries)) != NULL)
        if (entry->d_name[0] != '.' && n-- == 0) {
            snprintf(ret, 400, "%s/%s", directory, entry->d_name);
            is_found = true;
        }
    closedir(entries);
    return is_found;
}

static unsigned files(void)
{
    char path[400];
    unsigned count = 0;

    while (file_at(count, path))
        count++;
    return count;
}

/* A daemon that is killed with one creation in flight. */
static void leave(const char *vault, const char *name, char *ret_key)
{
    int pipes[2], status;

    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        struct vf_journal *journal = open_for(SERVICE);
        char key[VF_UUID_SIZE];
        bool is_old;

        vf_journal_begin(journal, vault, name, key, &is_old);
        (void)!write(pipes[1], key, sizeof(key));
        raise(SIGKILL);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], ret_key, VF_UUID_SIZE), VF_UUID_SIZE);
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

/* An entry of that age in the only file. */
static void write_slot(size_t slot, const char *key, long age_s,
                       const char *name)
{
    char path[400], line[512] = "";

    assert_true(file_at(0, path));
    int fd = open(path, O_WRONLY);
    snprintf(line, sizeof(line), "%s %ld vault_1 %s\n", key,
             (long)time(NULL) - age_s, name);
    assert_int_equal(pwrite(fd, line, sizeof(line), (off_t)(512 * slot)),
                     sizeof(line));
    close(fd);
}

static void no_journal_means_new_keys_that_are_kept_nowhere(void **state)
{
    char first[VF_UUID_SIZE], second[VF_UUID_SIZE];
    bool is_old = true;

    vf_journal_begin(NULL, "vault_1", "a.json", first, &is_old);
    assert_false(is_old);
    vf_journal_end(NULL, "vault_1", "a.json", first);
    vf_journal_begin(NULL, "vault_1", "a.json", second, &is_old);
    assert_false(is_old);
    assert_string_not_equal(first, second);
    assert_int_equal(vf_journal_count(NULL), 0);
    vf_journal_close(NULL);
}

static void an_unknown_outcome_keeps_its_key_until_it_is_known(void **state)
{
    struct vf_journal *journal = open_for(SERVICE);
    char first[VF_UUID_SIZE], second[VF_UUID_SIZE];
    bool is_old;

    vf_journal_begin(journal, "vault_1", "a.json", first, &is_old);
    assert_false(is_old);
    assert_int_equal(vf_journal_count(journal), 0); /* in flight */
    vf_journal_end(journal, "vault_1", "a.json", first);
    assert_int_equal(vf_journal_count(journal), 1);
    vf_journal_begin(journal, "vault_1", "b.json", second, &is_old);
    assert_false(is_old);
    vf_journal_begin(journal, "vault_2", "a.json", second, &is_old);
    assert_false(is_old);
    vf_journal_begin(journal, "vault_1", "a.json", second, &is_old);
    assert_true(is_old);
    assert_string_equal(first, second);
    vf_journal_end(journal, "vault_1", "a.json", NULL);
    assert_int_equal(vf_journal_count(journal), 0);
    vf_journal_begin(journal, "vault_1", "a.json", second, &is_old);
    assert_false(is_old);
    assert_string_not_equal(first, second);
    vf_journal_close(journal);
}

static void the_key_of_the_last_attempt_is_the_one_that_is_kept(void **state)
{
    struct vf_journal *journal = open_for(SERVICE);
    char key[VF_UUID_SIZE], other[VF_UUID_SIZE];
    bool is_old;

    vf_journal_begin(journal, "", "prod", key, &is_old);
    vf_uuid4(other);
    vf_journal_end(journal, "", "prod", other);
    vf_journal_close(journal);
    journal = open_for(SERVICE);
    assert_int_equal(vf_journal_count(journal), 1);
    vf_journal_begin(journal, "", "prod", key, &is_old);
    assert_true(is_old);
    assert_string_equal(key, other);
    vf_journal_end(journal, "", "prod", NULL);
    vf_journal_close(journal);
}

static void what_a_killed_daemon_left_is_taken_over(void **state)
{
    char left[VF_UUID_SIZE], key[VF_UUID_SIZE];
    bool is_old;

    leave("vault_1", "a name with \xC3\xA4, spaces .json", left);
    assert_int_equal(files(), 1);
    struct vf_journal *journal = open_for(SERVICE);
    assert_int_equal(files(), 1); /* ours, instead of that one */
    assert_int_equal(vf_journal_count(journal), 1);
    vf_journal_begin(journal, "vault_1", "a name with \xC3\xA4, spaces .json",
                     key, &is_old);
    assert_true(is_old);
    assert_string_equal(key, left);
    vf_journal_end(journal, "vault_1", "a name with \xC3\xA4, spaces .json",
                   NULL);
    vf_journal_close(journal);
    assert_int_equal(files(), 0);
}

static void what_was_taken_over_survives_a_second_kill(void **state)
{
    char first[VF_UUID_SIZE], second[VF_UUID_SIZE], key[VF_UUID_SIZE];
    bool is_old;

    leave("vault_1", "a.json", first);
    leave("vault_1", "b.json", second);
    assert_int_equal(files(), 1);
    struct vf_journal *journal = open_for(SERVICE);
    assert_int_equal(vf_journal_count(journal), 2);
    vf_journal_begin(journal, "vault_1", "a.json", key, &is_old);
    assert_string_equal(key, first);
    vf_journal_begin(journal, "vault_1", "b.json", key, &is_old);
    assert_string_equal(key, second);
    vf_journal_close(journal);
    /* An outcome that was never told is as unknown as before. */
    assert_int_equal(files(), 1);
}

static void a_living_daemon_keeps_its_own(void **state)
{
    struct vf_journal *first = open_for(SERVICE), *second;
    char key[VF_UUID_SIZE];
    bool is_old;

    vf_journal_begin(first, "vault_1", "a.json", key, &is_old);
    second = open_for(SERVICE);
    assert_int_equal(vf_journal_count(second), 0);
    vf_journal_begin(second, "vault_1", "a.json", key, &is_old);
    assert_false(is_old);
    assert_int_equal(files(), 2);
    vf_journal_end(first, "vault_1", "a.json", NULL);
    vf_journal_end(second, "vault_1", "a.json", NULL);
    vf_journal_close(first);
    vf_journal_close(second);
    assert_int_equal(files(), 0);
}

static void another_service_is_another_journal(void **state)
{
    char left[VF_UUID_SIZE];

    leave("vault_1", "a.json", left);
    struct vf_journal *journal = open_for("https://other.example.com");
    assert_int_equal(vf_journal_count(journal), 0);
    vf_journal_close(journal);
    assert_int_equal(files(), 1);
}

static void a_key_is_forgotten_when_services_have_forgotten_it(void **state)
{
    char left[VF_UUID_SIZE], key[VF_UUID_SIZE];
    bool is_old;

    leave("vault_1", "a.json", left);
    write_slot(0, left, DAY_S + 1, "a.json");
    write_slot(1, left, DAY_S - 60, "b.json");
    struct vf_journal *journal = open_for(SERVICE);
    assert_int_equal(vf_journal_count(journal), 1);
    vf_journal_begin(journal, "vault_1", "b.json", key, &is_old);
    assert_true(is_old);
    vf_journal_close(journal);
}

static void keep_unknown(struct vf_journal *journal, const char *name,
                         char ret_key[static VF_UUID_SIZE])
{
    bool is_old;

    vf_journal_begin(journal, "vault_1", name, ret_key, &is_old);
    vf_journal_end(journal, "vault_1", name, ret_key);
}

static void a_clock_that_was_set_back_loses_no_key(void **state)
{
    struct vf_journal *journal = open_for(SERVICE);
    char key[VF_UUID_SIZE], again[VF_UUID_SIZE];
    bool is_old;

    keep_unknown(journal, "a.json", key);
    vf_journal_close(journal);
    clock_shift_s = -30 * DAY_S;
    journal = open_for(SERVICE);
    assert_int_equal(vf_journal_count(journal), 1);
    vf_journal_begin(journal, "vault_1", "a.json", again, &is_old);
    assert_true(is_old);
    assert_string_equal(again, key);
    vf_journal_close(journal);
}

static void an_entry_ends_by_itself_and_leaves_its_slot(void **state)
{
    struct vf_journal *journal = open_for(SERVICE);
    char key[VF_UUID_SIZE], again[VF_UUID_SIZE], path[400];
    struct stat st;
    bool is_old;

    keep_unknown(journal, "a.json", key);
    clock_shift_s = DAY_S - 60;
    assert_int_equal(vf_journal_count(journal), 1);
    clock_shift_s = DAY_S + 1;
    assert_int_equal(vf_journal_count(journal), 0);
    keep_unknown(journal, "b.json", again);
    assert_true(file_at(0, path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 512);
    vf_journal_begin(journal, "vault_1", "a.json", again, &is_old);
    assert_false(is_old);
    assert_string_not_equal(again, key);
    vf_journal_end(journal, "vault_1", "a.json", NULL);
    clock_shift_s = 2 * (DAY_S + 1);
    vf_journal_close(journal);
    assert_int_equal(files(), 0);
}

/* The key of a last attempt lives as long as any other. */
static void a_new_key_has_a_new_life(void **state)
{
    struct vf_journal *journal = open_for(SERVICE);
    char key[VF_UUID_SIZE], other[VF_UUID_SIZE];

    keep_unknown(journal, "a.json", key);
    clock_shift_s = DAY_S - 60;
    vf_uuid4(other);
    vf_journal_end(journal, "vault_1", "a.json", other);
    clock_shift_s = DAY_S + 60;
    assert_int_equal(vf_journal_count(journal), 1);
    vf_journal_close(journal);
}

static void what_was_seen_is_settled_but_not_what_is_in_flight(void **state)
{
    struct vf_journal *journal = open_for(SERVICE);
    char key[VF_UUID_SIZE], again[VF_UUID_SIZE];
    bool is_old;

    vf_journal_settle(NULL, "vault_1", "a.json");
    keep_unknown(journal, "a.json", key);
    vf_journal_settle(journal, "vault_2", "a.json");
    vf_journal_settle(journal, "vault_1", "b.json");
    assert_int_equal(vf_journal_count(journal), 1);
    vf_journal_begin(journal, "vault_1", "a.json", again, &is_old);
    assert_true(is_old);
    vf_journal_settle(journal, "vault_1", "a.json");
    vf_journal_end(journal, "vault_1", "a.json", again);
    assert_int_equal(vf_journal_count(journal), 1);
    vf_journal_settle(journal, "vault_1", "a.json");
    assert_int_equal(vf_journal_count(journal), 0);
    vf_journal_close(journal);
    assert_int_equal(files(), 0);
}

static void without_a_directory_keys_are_kept_in_memory(void **state)
{
    struct vf_journal *journal;
    char key[VF_UUID_SIZE], again[VF_UUID_SIZE];
    bool is_old;

    assert_int_equal(vf_journal_open(NULL, SERVICE, &journal, NULL), 0);
    keep_unknown(journal, "a.json", key);
    assert_int_equal(vf_journal_count(journal), 1);
    vf_journal_begin(journal, "vault_1", "a.json", again, &is_old);
    assert_true(is_old);
    assert_string_equal(again, key);
    vf_journal_close(journal);
}

/* RLIMIT_FSIZE stands for a full disk: writes fail, all else works. */
static void a_file_without_room_is_no_hindrance(void **state)
{
    struct vf_journal *journal = open_for(SERVICE);
    char key[VF_UUID_SIZE], again[VF_UUID_SIZE];
    struct rlimit old, none;
    bool is_old;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    keep_unknown(journal, "a.json", key);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    vf_journal_begin(journal, "vault_1", "a.json", again, &is_old);
    assert_true(is_old);
    assert_string_equal(again, key);
    vf_journal_end(journal, "vault_1", "a.json", NULL);
    vf_journal_close(journal);
    assert_int_equal(files(), 0);
}

static void slots_that_make_no_sense_are_passed_over(void **state)
{
    static const char *const lines[] = {
        "\n",
        "not a line\n",
        "0d1a9f1e-0000-4000-8000-000000000000 12 vault_1\n",
        "0d1a9f1e-0000-4000-8000-000000000000 x vault_1 a.json\n",
        "short 99999999999 vault_1 a.json\n",
        "no newline",
    };
    char path[400], slot[512], left[VF_UUID_SIZE];

    leave("vault_1", "a.json", left);
    assert_true(file_at(0, path));
    int fd = open(path, O_WRONLY);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        memset(slot, 'x', sizeof(slot));
        memcpy(slot, lines[i], strlen(lines[i]));
        assert_int_equal(pwrite(fd, slot, sizeof(slot), (off_t)(512 * (i + 1))),
                         512);
    }
    memset(slot, 0xFF, sizeof(slot));
    assert_int_equal(pwrite(fd, slot, 100, 512 * 8), 100); /* cut short */
    close(fd);
    struct vf_journal *journal = open_for(SERVICE);
    assert_int_equal(vf_journal_count(journal), 1);
    vf_journal_close(journal);
}

static void the_file_does_not_grow_with_use(void **state)
{
    struct vf_journal *journal = open_for(SERVICE);
    char key[VF_UUID_SIZE], path[400];
    struct stat st;
    bool is_old;

    vf_journal_begin(journal, "vault_1", "left.json", key, &is_old);
    vf_journal_end(journal, "vault_1", "left.json", key);
    for (int i = 0; i < 100; i++) {
        vf_journal_begin(journal, "vault_1", "a.json", key, &is_old);
        vf_journal_end(journal, "vault_1", "a.json", NULL);
    }
    assert_true(file_at(0, path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 2 * 512);
    assert_int_equal(st.st_mode & 0777, 0600);
    vf_journal_close(journal);
}

static void a_name_that_does_not_fit_is_not_kept(void **state)
{
    struct vf_journal *journal = open_for(SERVICE);
    char key[VF_UUID_SIZE], name[400];
    bool is_old;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    vf_journal_begin(journal, "vault_1", name, key, &is_old);
    vf_journal_end(journal, "vault_1", name, key);
    vf_journal_begin(journal, "vault_1", "two\nlines", key, &is_old);
    vf_journal_end(journal, "vault_1", "two\nlines", key);
    assert_int_equal(vf_journal_count(journal), 0);
    vf_journal_close(journal);
    assert_int_equal(files(), 0);
}

static void a_directory_that_others_may_enter_is_refused(void **state)
{
    struct vf_journal *journal = NULL;
    struct vf_error err;

    assert_int_equal(mkdir(directory, 0755), 0);
    assert_int_equal(chmod(directory, 0755), 0);
    assert_int_equal(vf_journal_open(directory, SERVICE, &journal, &err),
                     -EACCES);
    assert_non_null(strstr(err.message, "not ours alone"));
    assert_null(journal);
    assert_int_equal(rmdir(directory), 0);
    assert_int_equal(symlink(base, directory), 0);
    assert_true(vf_journal_open(directory, SERVICE, &journal, &err) < 0);
    assert_int_equal(unlink(directory), 0);
}

static void a_file_that_cannot_be_made_is_no_hindrance(void **state)
{
    struct vf_journal *journal = open_for(SERVICE);
    char key[VF_UUID_SIZE], again[VF_UUID_SIZE];
    bool is_old;

    assert_int_equal(rmdir(directory), 0);
    vf_journal_begin(journal, "vault_1", "a.json", key, &is_old);
    assert_false(is_old);
    vf_journal_end(journal, "vault_1", "a.json", key);
    vf_journal_begin(journal, "vault_1", "a.json", again, &is_old);
    assert_true(is_old);
    assert_string_equal(again, key);
    vf_journal_close(journal);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_journal_means_new_keys_that_are_kept_nowhere),
        TEST(an_unknown_outcome_keeps_its_key_until_it_is_known),
        TEST(the_key_of_the_last_attempt_is_the_one_that_is_kept),
        TEST(what_a_killed_daemon_left_is_taken_over),
        TEST(what_was_taken_over_survives_a_second_kill),
        TEST(a_living_daemon_keeps_its_own),
        TEST(another_service_is_another_journal),
        TEST(a_key_is_forgotten_when_services_have_forgotten_it),
        TEST(a_clock_that_was_set_back_loses_no_key),
        TEST(an_entry_ends_by_itself_and_leaves_its_slot),
        TEST(a_new_key_has_a_new_life),
        TEST(what_was_seen_is_settled_but_not_what_is_in_flight),
        TEST(without_a_directory_keys_are_kept_in_memory),
        TEST(a_file_without_room_is_no_hindrance),
        TEST(slots_that_make_no_sense_are_passed_over),
        TEST(the_file_does_not_grow_with_use),
        TEST(a_name_that_does_not_fit_is_not_kept),
        TEST(a_directory_that_others_may_enter_is_refused),
        TEST(a_file_that_cannot_be_made_is_no_hindrance),
    };

    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
