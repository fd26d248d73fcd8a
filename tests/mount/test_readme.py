# SPDX-License-Identifier: MIT
"""README.md is what people do first: every command in it runs as printed."""

import re
import shutil

import pytest

from support.examples import commands, execute, is_printed, markdown_blocks
from support.paths import BUILD, REPO

README = REPO / "README.md"

# What prepares the machine is the continuous integration's own first step.
PREPARES = re.compile(r"(sudo|apt|apt-get|git clone|cd|meson|ninja|scripts/\S+)\b")


def test_the_parser_of_examples_sees_here_documents_and_continuations():
    text = """
```console
$ cat > f <<'E'
{}
E
out
$ a \\
  b
$ jq '{a:
  1}'
```
$ no
"""
    found = [(c.line, c.text, c.output) for c in commands(markdown_blocks(text))]
    assert found == [
        (3, "cat > f <<'E'\n{}\nE", "out\n"),
        (7, "a \\\n  b", ""),
        (9, "jq '{a:\n  1}'", ""),
    ]


def test_three_dots_stand_for_any_lines_of_the_output():
    assert is_printed("a\n...\nd\n", "a\nb\nc\nd\n")
    assert is_printed("a\n...\n", "a\n")
    assert not is_printed("a\n...\nd\n", "a\nb\n")
    assert not is_printed("a.c\n", "abc\n")


@pytest.fixture(scope="module")
def examples():
    found = list(commands(markdown_blocks(README.read_text(encoding="utf-8"))))
    assert found, "README.md has no console blocks"
    return found


def test_every_command_of_the_readme_works(examples, tmp_path, capsys):
    prepares = [e for e in examples if PREPARES.match(e.text)]
    with capsys.disabled():
        for command in prepares:
            print(f"\nnot run, prepares the machine: {command.typed}", end="")
    rest = [e for e in examples if e not in prepares]
    # The directory where a reader would be: a clone, with scripts and all.
    execute("README.md", rest, tmp_path, workplace(tmp_path))


def workplace(tmp_path):
    """A directory that looks like the repository and may be written to."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for entry in REPO.iterdir():
        if entry.name not in (".git", "build"):
            (clone / entry.name).symlink_to(entry)
    (clone / "build").symlink_to(BUILD)
    return clone


def test_the_tools_of_the_examples_are_there(examples):
    for command in examples:
        if not PREPARES.match(command.text):
            for tool in ("jq", "tar", "git"):
                if re.search(rf"(^|\| *){tool} ", command.typed):
                    assert shutil.which(tool), f"{tool} is not installed"
