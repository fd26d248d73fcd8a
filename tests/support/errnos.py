# SPDX-License-Identifier: MIT
"""What a call into a mount failed with."""


def errno_of(action, *args):
    """The errno of a call; 0 for success."""
    try:
        action(*args)
    except OSError as reason:
        return reason.errno
    return 0
