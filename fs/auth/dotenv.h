/* SPDX-License-Identifier: MIT
 *
 * Files of NAME=value lines, as shells and dotenv libraries read them.
 *
 * A line is empty, a comment (#), or NAME=value, with `export` before it or
 * not. A value in single quotes is what is between them; in double quotes \\,
 * \", \n and \$ are \, ", a line's end and $. Quoted values may go over several
 * lines. Without quotes the value ends with the line, or before a # that
 * follows a blank; blanks around it do not count. Nothing is expanded.
 */
#ifndef VF_AUTH_DOTENV_H
#define VF_AUTH_DOTENV_H

#include "vaultfs/error.h"

struct vf_secret;

/*
 * The value of a name, as a new secret: the last that the text gives it. NULL
 * when it gives none or an empty one. -EINVAL: a line, of any name, is
 * malformed; the message has its number, and no text of it. file: for messages.
 * -ENOMEM.
 */
VF_MUST_CHECK int vf_auth_dotenv_find(const struct vf_secret *text,
                                      const char *name, const char *file,
                                      struct vf_secret **ret,
                                      struct vf_error *err);

#endif
