#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Types into nano: replaces what a file holds by another file and saves it.

usage: type_into_nano.py [OPTION-OF-NANO]... FILE DOCUMENT

Exits with 1, and says what nano said, when it could not save.
"""

import os
import pty
import re
import select
import sys
import time

ESCAPES = re.compile(rb"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])")
SECONDS_MAX = 30


class Screen:
    """What a program wrote to its terminal, without the escape sequences."""

    def __init__(self, fd):
        self.fd = fd
        self.text = ""

    def wait(self, *words):
        """Until one of the words stands there; what was written up to then."""
        deadline = time.monotonic() + SECONDS_MAX
        while not any(word in self.text for word in words):
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.fd], [], [], left)[0]:
                sys.exit(f"nano did not say {' or '.join(words)}: {self.text[-400:]}")
            data = os.read(self.fd, 65536)
            self.text += ESCAPES.sub(b" ", data).decode(errors="replace")
        text, self.text = self.text, ""
        return text

    def type(self, keys):
        os.write(self.fd, keys.encode())


def main(*arguments):
    *options, file, document = arguments
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp("nano", ["nano", "--ignorercfiles", *options, file])
    screen = Screen(fd)
    screen.wait("Help")
    screen.type("\x1bt")  # cut to the end
    screen.type("\x12")  # read a file
    screen.wait("insert")
    screen.type(os.path.abspath(document) + "\r")
    screen.wait("Read", "Inserted")
    screen.type("\x13")  # save
    said = screen.wait("Wrote", "Error")
    has_failed = "Error" in said
    screen.type("\x18")  # leave
    if has_failed:
        said += screen.wait("Save modified")
        screen.type("n")
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        pass  # the terminal is gone, and nano with it
    os.waitpid(pid, 0)
    if has_failed:
        sys.exit(re.search(r"Error.*", said)[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
