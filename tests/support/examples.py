# SPDX-License-Identifier: MIT
"""The examples of a text, executed as they are printed.

A line that begins with "$ " is a command, with the lines that the shell would
ask for after it; lines that follow are its output. All commands of a text run
in one shell, one after another. Each must succeed, unless the next one is
`echo $?`; what is printed of its output is compared, and a line "..." stands
for anything.
"""

import re
import shlex
from dataclasses import dataclass

from .mount import end_daemons, mounts_below
from .paths import BUILD, environment
from .process import run

HERE_DOCUMENT = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
STATUS = "echo $?"

FAKE_PASS = """#!/bin/sh
# What `pass show NAME` prints: the secret, then notes.
printf 'secret-of-%s\\nlogin: me\\n' "$(printf %s "$2" | tr / -)"
"""


@dataclass(frozen=True)
class Command:
    line: int
    text: str  # with its here-documents
    output: str = ""

    @property
    def typed(self):
        """The command without its here-documents."""
        has_more = HERE_DOCUMENT.search(self.text)
        return self.text.splitlines()[0] if has_more else self.text


def markdown_blocks(text):
    """The console blocks of a Markdown text, with the number of their line."""
    lines, is_inside, start = [], False, 0
    for number, line in enumerate(text.splitlines(), 1):
        if not is_inside and line.strip() == "```console":
            lines, is_inside, start = [], True, number
        elif is_inside and line.strip() == "```":
            is_inside = False
            yield start, lines
        elif is_inside:
            lines.append(line)


def manual_blocks(text):
    """The literal displays of a manual page."""
    lines, is_inside, start = [], False, 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(".Bd -literal"):
            lines, is_inside, start = [], True, number
        elif is_inside and line == ".Ed":
            is_inside = False
            yield start, lines
        elif is_inside:
            lines.append(line.removeprefix("\\&").replace("\\e", "\\"))


def wants_more(command):
    """Whether the shell would ask for another line."""
    if command.endswith("\\"):
        return True
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return True
    return False


def take_command(lines):
    """The command that begins a list of lines; they are taken from it."""
    parts = [lines.pop(0).removeprefix("$ ")]
    while wants_more("\n".join(parts)) and lines:
        parts.append(lines.pop(0))
    for end in HERE_DOCUMENT.findall("\n".join(parts)):
        while lines and parts[-1] != end:
            parts.append(lines.pop(0))
    return "\n".join(parts)


def commands(blocks):
    for start, lines in blocks:
        rest = list(lines)
        while rest:
            number = start + 1 + len(lines) - len(rest)
            if not rest[0].startswith("$ "):
                rest.pop(0)
                continue
            text, output = take_command(rest), []
            while rest and not rest[0].startswith("$ "):
                output.append(rest.pop(0))
            yield Command(number, text, "".join(f"{line}\n" for line in output))


def script(name, examples, results):
    """One bash script that runs all, and says which command failed."""
    lines = ["set -o pipefail"]
    for number, example in enumerate(examples):
        text = example.text.replace("build/fs/", f"{shlex.quote(str(BUILD))}/fs/")
        output = shlex.quote(str(results / str(number)))
        if text == STATUS:
            lines.append("(exit $example_status)")
        lines += [f"{{ {text}", f"}} > {output} 2>&1", "example_status=$?"]
        if [e.text for e in examples[number + 1 : number + 2]] != [STATUS]:
            failure = shlex.quote(f"{name}:{example.line} failed: {example.typed}")
            lines.append(
                "[ $example_status -eq 0 ] || "
                f"{{ echo {failure}; cat {output}; exit 99; }} >&2"
            )
    return "\n".join(lines) + "\n"


def is_printed(expected, output):
    """Whether an output is what the text prints; "..." stands for anything."""
    parts = re.split(r"^\.\.\.\n", expected, flags=re.M)
    return re.fullmatch("(?:.*\n)*?".join(map(re.escape, parts)), output) is not None


def home_of(tmp_path):
    """A user who has nothing yet, and the environment of their shell."""
    home, tools = tmp_path / "home", tmp_path / "bin"
    for directory in (home, tools, home / "work"):
        directory.mkdir()
    (tools / "pass").write_text(FAKE_PASS)
    (tools / "pass").chmod(0o755)
    env = environment(home)
    env["PATH"] = f"{tools}:{BUILD}/fs:{env['PATH']}"
    for variable in ("DATA", "STATE", "CONFIG"):
        env[f"XDG_{variable}_HOME"] = str(home / variable.lower())
    env["XDG_RUNTIME_DIR"] = str(home / "run")
    for variable, path in env.items():
        if variable.startswith("XDG_"):
            (home / path).mkdir(mode=0o700)
    return home, env


def execute(name, examples, tmp_path, cwd=None):
    """Runs all of a text's examples; what it says of each is true afterwards."""
    home, env = home_of(tmp_path)
    results = tmp_path / "results"
    results.mkdir()
    session = tmp_path / "session.sh"
    session.write_text(script(name, examples, results))
    try:
        result = run(["/bin/bash", str(session)], 120, env=env, cwd=cwd or home)
    finally:
        for point in mounts_below(home):
            end_daemons(point)
    assert result.status == 0, result.err + result.out
    for number, example in enumerate(examples):
        output = (results / str(number)).read_text()
        is_true = not example.output or is_printed(example.output, output)
        assert is_true, f"{name}:{example.line} {example.typed} printed:\n{output}"
