/* SPDX-License-Identifier: MIT
 *
 * The options, each a row of a table.
 */
#ifndef VAULTFS_CLI_OPTION_TABLE_H
#define VAULTFS_CLI_OPTION_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* At most so many: the parser keeps a bit for each. */
#define VF_OPTION_ROWS_MAX 32

enum vf_option_kind {
    VF_OPTION_FLAG,    /* bool */
    VF_OPTION_TEXT,    /* char * */
    VF_OPTION_PATH,    /* char *, made absolute */
    VF_OPTION_SECONDS, /* int64_t, in ms; may have a fraction */
    VF_OPTION_COUNT,   /* int64_t */
    VF_OPTION_CHOICE,  /* unsigned, the place in value_name */
    VF_OPTION_LIST     /* -o: other options, separated by commas */
};

struct vf_option {
    const char *name;
    char letter; /* '\0': none */
    enum vf_option_kind kind;
    unsigned commands;
    size_t offset;
    const char *value_name; /* for the help; for CHOICE the choices */
    const char *initial;    /* NULL: false or NULL */
    int64_t min;            /* of SECONDS (in ms) and COUNT */
    int64_t max;
    const char *help;
};

/* Its last row has no name. */
extern const struct vf_option vf_option_table[];

#endif
