# SPDX-License-Identifier: MIT
"""README.md is what people do first: every command in it runs as printed."""

import re
import shlex
import shutil
from dataclasses import dataclass

import pytest

from support.mount import end_daemons, mounts_below
from support.paths import BUILD, REPO, environment
from support.process import run

README = REPO / "README.md"

# What prepares the machine is the continuous integration's own first step.
PREPARES = re.compile(r"(sudo|apt|apt-get|git clone|cd|meson|ninja|scripts/\S+)\b")

HERE_DOCUMENT = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")

@dataclass(frozen=True)
class Command:
    line: int
    text: str  # with its here-documents

    @property
    def typed(self):
        """The command without its here-documents."""
        has_more = HERE_DOCUMENT.search(self.text)
        return self.text.splitlines()[0] if has_more else self.text


def blocks(text):
    """The console blocks of a Markdown text, with the number of their line."""
    lines, inside, start = [], False, 0
    for number, line in enumerate(text.splitlines(), 1):
        if not inside and line.strip() == "```console":
            lines, inside, start = [], True, number
        elif inside and line.strip() == "```":
            inside = False
            yield start, lines
        elif inside:
            lines.append(line)


def commands(text):
    """Lines that begin with "$ ", with what continues them; output is not."""
    for start, lines in blocks(text):
        at = 0
        while at < len(lines):
            first = at
            at += 1
            if not lines[first].startswith("$ "):
                continue
            parts = [lines[first][2:]]
            while parts[-1].endswith("\\") and at < len(lines):
                parts.append(lines[at])
                at += 1
            for end in HERE_DOCUMENT.findall("\n".join(parts)):
                while at < len(lines):
                    parts.append(lines[at])
                    at += 1
                    if parts[-1] == end:
                        break
            yield Command(start + first + 1, "\n".join(parts))


def test_the_parser_of_examples_sees_here_documents_and_continuations():
    text = "```console\n$ cat > f <<'E'\n{}\nE\nout\n$ a \\\n  b\n```\n$ no\n"
    found = [(c.line, c.text) for c in commands(text)]
    assert found == [(2, "cat > f <<'E'\n{}\nE"), (6, "a \\\n  b")]


@pytest.fixture(scope="module")
def examples():
    if not README.exists():
        pytest.skip("there is no README.md")
    found = list(commands(README.read_text(encoding="utf-8")))
    assert found, "README.md has no console blocks"
    return found


FAKE_PASS = """#!/bin/sh
# What `pass show NAME` prints: the secret, then notes.
printf 'secret-of-%s\\nlogin: me\\n' "$(printf %s "$2" | tr / -)"
"""


def session(examples):
    """One bash script that runs all, and says which command failed."""
    script = ["set -o pipefail", "shopt -s expand_aliases"]
    skipped = []
    for command in examples:
        if PREPARES.match(command.text):
            skipped.append(command)
            continue
        text = command.text.replace("build/fs/", f"{shlex.quote(str(BUILD))}/fs/")
        failure = shlex.quote(f"README.md:{command.line} failed: {command.typed}")
        script += [text, f"[ $? -eq 0 ] || {{ echo {failure} >&2; exit 99; }}"]
    return "\n".join(script) + "\n", skipped


def test_every_command_of_the_readme_works(examples, tmp_path, capsys):
    home, tools = tmp_path / "home", tmp_path / "bin"
    for directory in (home, tools, home / "work"):
        directory.mkdir()
    (tools / "pass").write_text(FAKE_PASS)
    (tools / "pass").chmod(0o755)
    env = environment(home)
    env["PATH"] = f"{tools}:{BUILD}/fs:{env['PATH']}"
    for variable, path in (
        ("XDG_DATA_HOME", "share"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_RUNTIME_DIR", "run"),
        ("XDG_CONFIG_HOME", "config"),
    ):
        (home / path).mkdir(mode=0o700)
        env[variable] = str(home / path)
    script, skipped = session(examples)
    (tmp_path / "session.sh").write_text(script)
    try:
        # The directory where a reader would be: a clone, with scripts and all.
        result = run(
            ["/bin/bash", str(tmp_path / "session.sh")],
            120,
            env=env,
            cwd=workplace(tmp_path),
        )
    finally:
        for point in mounts_below(home):
            end_daemons(point)
    with capsys.disabled():
        for command in skipped:
            print(f"\nnot run, prepares the machine: {command.typed}", end="")
    assert result.status == 0, result.err + result.out


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
