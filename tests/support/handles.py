# SPDX-License-Identifier: MIT
"""Files opened and written as a program does it, call by call."""

import errno
import os


def raises(code):
    """Expects an OSError of one errno."""

    class Expectation:
        def __enter__(self):
            return self

        def __exit__(self, kind, value, _):
            assert isinstance(value, OSError), f"no failure, or {value!r}"
            assert value.errno == code, f"{value}, expected {errno.errorcode[code]}"
            return True

    return Expectation()


def open_new(path, flags=0):
    return os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)


def write_file(path, document):
    """One open, one write, one close; each may fail."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        assert os.write(fd, document) == len(document)
    finally:
        os.close(fd)
