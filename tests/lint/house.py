# SPDX-License-Identifier: MIT
"""The house rules that need no compiler: licence lines, what stands at the top
of the repository, and no trace of the machine that something was made on."""

import re

import files

TOP = {"fs", "include", "tests", "scripts", "meson.build", "README.md",
       "LICENSE", ".ci", ".clang-format", ".editorconfig", ".gitignore"}
SOURCE = {".c", ".h", ".py", ".sh", ".build"}
SPDX = "SPDX-License-Identifier: MIT"
WORKPLACE = re.compile(r"(?<![\w.~}$])/(work|root)\b(?!-)")


def is_source(path, text):
    return path.suffix in SOURCE or text.startswith("#!")


def check_text(root, path, text):
    name = path.relative_to(root)
    if is_source(path, text) and not any(
            SPDX in line for line in text.splitlines()[:2]):
        yield f"{name}:1: no SPDX line"
    for number, line in enumerate(text.splitlines(), 1):
        if match := WORKPLACE.search(line):
            yield f"{name}:{number}: a path of somebody's machine: {match[0]}"


def check(root):
    for path in sorted(root.iterdir()):
        if path.name not in TOP and not files.is_leftover(path):
            yield f"{path.name}:1: does not belong at the top"
    for path in files.walk(root):
        text = files.text_of(path)
        if text is not None:
            yield from check_text(root, path, text)


if __name__ == "__main__":
    files.main(check)
