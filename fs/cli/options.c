/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "option_table.h"

#include "vaultfs/text.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What mount(8) adds or fstab holds for others. All of them are so, or have
 * nothing to act on: files here are neither executable nor devices. One that
 * ends in '-' or '=' stands for all that begin with it. */
static const char *const neutral[] = {
    "rw",    "defaults", "auto",  "noauto",  "nofail",   "_netdev",  "user",
    "users", "nouser",   "user=", "dev",     "nodev",    "suid",     "nosuid",
    "exec",  "noexec",   "atime", "noatime", "relatime", "comment=", "x-",
};

/* What is being filled, and what was given already. */
struct parse {
    unsigned command;
    struct vf_options options;
    uint32_t given; /* a bit for each row of the table */
};

/* "token_file" is "token-file": people write both in fstab. */
static bool is_name(const char *name, const char *text, size_t size)
{
    if (strlen(name) != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (name[i] != (text[i] == '_' ? '-' : text[i]))
            return false;
    return true;
}

static const struct vf_option *find_long(unsigned command, const char *text,
                                         size_t size)
{
    for (const struct vf_option *option = vf_option_table; option->name != NULL;
         option++)
        if ((option->commands & command) && is_name(option->name, text, size))
            return option;
    return NULL;
}

static const struct vf_option *find_letter(unsigned command, char letter)
{
    for (const struct vf_option *option = vf_option_table; option->name != NULL;
         option++)
        if ((option->commands & command) && option->letter == letter)
            return option;
    return NULL;
}

static bool is_neutral(const char *text)
{
    for (size_t i = 0; i < sizeof(neutral) / sizeof(neutral[0]); i++) {
        size_t size = strlen(neutral[i]);
        bool is_prefix = strchr("-=", neutral[i][size - 1]) != NULL;

        if (is_prefix ? strncmp(text, neutral[i], size) == 0
                      : strcmp(text, neutral[i]) == 0)
            return true;
    }
    return false;
}

/* Digits, with up to three more after a point when scale is 1000; further
 * digits are read and mean nothing. */
static int parse_number(const char *text, int64_t scale, int64_t *ret)
{
    int64_t value = 0;
    bool is_fraction = false;

    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text == '.' && !is_fraction && scale > 1 && text[1] != '\0') {
            is_fraction = true;
            continue;
        }
        if (!isdigit((unsigned char)*text) || value > INT64_MAX / 100000)
            return -EINVAL;
        if (is_fraction && scale == 1)
            continue;
        value = value * 10 + (*text - '0');
        if (is_fraction)
            scale /= 10;
    }
    *ret = value * scale;
    return 0;
}

static int parse_choice(const char *choices, const char *text, unsigned *ret)
{
    unsigned place = 0;

    for (;;) {
        size_t size = strcspn(choices, "|");

        if (strlen(text) == size && memcmp(choices, text, size) == 0) {
            *ret = place;
            return 0;
        }
        if (choices[size] == '\0')
            return -EINVAL;
        choices += size + 1;
        place++;
    }
}

static char *absolute_path(const char *path)
{
    struct vf_buf whole = VF_BUF_INIT;
    char directory[PATH_MAX];

    if (path[0] != '/') {
        if (getcwd(directory, sizeof(directory)) == NULL)
            return NULL;
        vf_buf_printf(&whole, "%s/", directory);
    }
    vf_buf_puts(&whole, path);
    if (whole.is_broken)
        vf_buf_free(&whole);
    return whole.data;
}

static int set_number(const struct vf_option *option, const char *value,
                      int64_t *ret, struct vf_error *err)
{
    bool is_seconds = option->kind == VF_OPTION_SECONDS;
    int64_t number;

    if (parse_number(value, is_seconds ? 1000 : 1, &number) < 0)
        return vf_error_set(err, EINVAL, "--%s: not a number%s", option->name,
                            is_seconds ? " of seconds" : "");
    if (number < option->min)
        return vf_error_set(err, EINVAL, "--%s: must be above 0", option->name);
    if (number > option->max)
        return vf_error_set(err, EINVAL, "--%s: must be at most %lld",
                            option->name,
                            (long long)option->max / (is_seconds ? 1000 : 1));
    *ret = number;
    return 0;
}

static int set_text(const struct vf_option *option, const char *value,
                    char **ret, struct vf_error *err)
{
    if (*value == '\0')
        return vf_error_set(err, EINVAL, "--%s: the value is empty",
                            option->name);
    char *copy =
        option->kind == VF_OPTION_PATH ? absolute_path(value) : strdup(value);
    if (copy == NULL)
        return vf_error_set(err, ENOMEM, "--%s: cannot keep the value",
                            option->name);
    free(*ret);
    *ret = copy;
    return 0;
}

static int set_value(const struct vf_option *option, const char *value,
                     struct vf_options *options, struct vf_error *err)
{
    char *field = (char *)options + option->offset;

    switch (option->kind) {
    case VF_OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case VF_OPTION_TEXT:
    case VF_OPTION_PATH:
        return set_text(option, value, (char **)(void *)field, err);
    case VF_OPTION_SECONDS:
    case VF_OPTION_COUNT:
        return set_number(option, value, (int64_t *)(void *)field, err);
    case VF_OPTION_CHOICE:
        if (parse_choice(option->value_name, value,
                         (unsigned *)(void *)field) == 0)
            return 0;
        return vf_error_set(err, EINVAL, "--%s: must be one of %s",
                            option->name, option->value_name);
    case VF_OPTION_LIST:
        break;
    }
    return vf_error_set(err, EINVAL, "--%s cannot be given here", option->name);
}

/* One option from the user. value is NULL when none was given. */
static int give(struct parse *parse, const struct vf_option *option,
                const char *value, struct vf_error *err)
{
    uint32_t bit = UINT32_C(1) << (option - vf_option_table);

    if (option->kind == VF_OPTION_FLAG && value != NULL)
        return vf_error_set(err, EINVAL, "--%s takes no value", option->name);
    if (option->kind != VF_OPTION_FLAG && value == NULL)
        return vf_error_set(err, EINVAL, "--%s needs a value: %s", option->name,
                            option->value_name);
    if (option->kind != VF_OPTION_FLAG && (parse->given & bit))
        return vf_error_set(err, EINVAL, "--%s is given twice", option->name);
    parse->given |= bit;
    return set_value(option, value, &parse->options, err);
}

static int give_item(struct parse *parse, const char *item,
                     struct vf_error *err)
{
    size_t size = strcspn(item, "=");
    const struct vf_option *option = find_long(parse->command, item, size);

    if (*item == '\0' || (option == NULL && is_neutral(item)))
        return 0;
    if (option == NULL)
        return vf_error_set(err, EINVAL, "-o: unknown option %.*s", (int)size,
                            item);
    return give(parse, option, item[size] == '=' ? item + size + 1 : NULL, err);
}

/* Items end at a comma; a backslash takes the next character as it is. */
static int give_list(struct parse *parse, const char *list,
                     struct vf_error *err)
{
    char *item = strdup(list);
    int result = 0;
    size_t size = 0;

    if (item == NULL)
        return vf_error_set(err, ENOMEM, "-o: no memory");
    for (;; list++) {
        if (*list != '\0' && *list != ',') {
            if (*list == '\\' && list[1] != '\0')
                list++;
            item[size++] = *list;
            continue;
        }
        item[size] = '\0';
        size = 0;
        result = give_item(parse, item, err);
        if (result < 0 || *list == '\0')
            break;
    }
    free(item);
    return result;
}

static int give_or_list(struct parse *parse, const struct vf_option *option,
                        const char *value, struct vf_error *err)
{
    if (option->kind == VF_OPTION_LIST && value != NULL)
        return give_list(parse, value, err);
    return give(parse, option, value, err);
}

/* "--name", "--name=value" or "--name" "value"; *argv is moved past it. */
static int parse_long(struct parse *parse, char *const **argv,
                      struct vf_error *err)
{
    const char *name = *(*argv)++ + 2;
    size_t size = strcspn(name, "=");
    const struct vf_option *option = find_long(parse->command, name, size);
    const char *value = NULL;

    if (option == NULL)
        return vf_error_set(err, EINVAL, "unknown option --%.*s", (int)size,
                            name);
    if (name[size] == '=')
        value = name + size + 1;
    else if (option->kind != VF_OPTION_FLAG && **argv != NULL)
        value = *(*argv)++;
    return give_or_list(parse, option, value, err);
}

/* "-f", "-fd", "-oVALUE" or "-o" "VALUE"; *argv is moved past it. */
static int parse_letters(struct parse *parse, char *const **argv,
                         struct vf_error *err)
{
    for (const char *letter = *(*argv)++ + 1; *letter != '\0'; letter++) {
        const struct vf_option *option = find_letter(parse->command, *letter);
        const char *value = NULL;

        if (option == NULL)
            return vf_error_set(err, EINVAL, "unknown option -%c", *letter);
        if (option->kind != VF_OPTION_FLAG) {
            if (letter[1] != '\0')
                value = letter + 1;
            else if (**argv != NULL)
                value = *(*argv)++;
            return give_or_list(parse, option, value, err);
        }
        int result = give(parse, option, NULL, err);
        if (result < 0)
            return result;
    }
    return 0;
}

static int parse_operand(struct parse *parse, const char *operand,
                         struct vf_error *err)
{
    struct vf_options *options = &parse->options;

    if (options->operands_count == VF_OPERANDS_MAX)
        return vf_error_set(err, EINVAL, "too many arguments");
    options->operands[options->operands_count++] = operand;
    return 0;
}

static int parse_all(struct parse *parse, char *const argv[],
                     struct vf_error *err)
{
    bool is_ended = false;
    int result = 0;

    while (result == 0 && *argv != NULL) {
        const char *word = *argv;

        if (is_ended || word[0] != '-' || word[1] == '\0') {
            result = parse_operand(parse, word, err);
            argv++;
        } else if (strcmp(word, "--") == 0) {
            is_ended = true;
            argv++;
        } else if (word[1] == '-') {
            result = parse_long(parse, &argv, err);
        } else {
            result = parse_letters(parse, &argv, err);
        }
    }
    return result;
}

static int set_initial(struct vf_options *options, struct vf_error *err)
{
    for (const struct vf_option *option = vf_option_table; option->name != NULL;
         option++) {
        if (option->initial == NULL)
            continue;
        int result = set_value(option, option->initial, options, err);
        if (result < 0)
            return result;
    }
    return 0;
}

int vf_options_parse(unsigned command, char *const argv[],
                     struct vf_options *ret, struct vf_error *err)
{
    struct parse parse = {.command = command, .options.token_fd = -1};
    int result = set_initial(&parse.options, err);

    if (result == 0)
        result = parse_all(&parse, argv, err);
    if (result < 0) {
        vf_options_done(&parse.options);
        return result;
    }
    parse.options.is_foreground |= parse.options.is_debug;
    *ret = parse.options;
    return 0;
}

void vf_options_done(struct vf_options *options)
{
    for (const struct vf_option *option = vf_option_table; option->name != NULL;
         option++)
        if (option->kind == VF_OPTION_TEXT || option->kind == VF_OPTION_PATH)
            free(*(char **)(void *)((char *)options + option->offset));
    *options = (struct vf_options){0};
}
