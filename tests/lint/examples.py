# SPDX-License-Identifier: MIT
"""No example puts a secret on a command line.

A command line is public: /proc shows it to everybody on the machine, the shell
writes it to a file. So what README, the manual pages and the scripts teach
gives secrets through standard input, files and the environment.
A here-document is standard input, and may hold an example of a secret.
"""

import re
import shlex

import files

FIELD = r"(?:access_token|token|secret_value|refresh_token|client_secret)"
WORD = r"[\w-]*(?:token|secret|password|passwd|api-?key|pat)"
VARIABLE = r"(?:\w*_)?(?:token|secret|password|pat|api_?key)"

RULES = [
    ("an option with a secret for its value",
     re.compile(rf"(?:^|\s)--{WORD}(?:=\S|\s+(?![-|&;<>)\]#])\S)", re.I)),
    ("jq --arg with a secret",
     re.compile(rf"--(?:raw)?arg(?:json)?\s+['\"]?{WORD}\b", re.I)),
    ("curl with the token in an argument",
     re.compile(r"(?:-H|--header)[=\s'\",$]*(?:Authorization|x-api-key)"
                r"|--oauth2-bearer|curl\b.*\s(?:-u|--user)\b", re.I)),
    ("a document with its secret in the command",
     re.compile(rf"\b{FIELD}\\?[\"']?\s*:\s*\\?[\"'][^\"'\\]")),
    ("a secret assigned in the command",
     re.compile(rf"(?:^|[\s;(]){VARIABLE}=(?:'[^']|\"[^\"$]|[^\s'\"$;)])",
                re.I)),
    ("env and sudo show an assignment to everybody",
     re.compile(rf"\b(?:env|sudo)\s+(?:\S+\s+)*?{VARIABLE}=\S", re.I)),
]

HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
FENCE = re.compile(r"^\s*(```+|~~~+)\s*(\S*)")
SHELL_FENCES = {"", "sh", "bash", "shell", "console", "shell-session"}


def is_open(command):
    """Whether the shell would ask for another line."""
    if command.endswith("\\"):
        return True
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return True
    return False


def commands(lines, prompt=""):
    """Number and text of each command, here-documents left out. With a prompt
    the lines that no prompted command asked for are output."""
    lines = iter(lines)
    for number, line in lines:
        if not line.startswith(prompt):
            continue
        command = line[len(prompt):]
        while is_open(command):
            more = next(lines, None)
            if more is None:
                break
            command = command.removesuffix("\\") + "\n" + more[1]
        yield number, command
        for _, end in HEREDOC.findall(command):
            for _, body in lines:
                if body.strip() == end:
                    break


def prompted(block):
    """A block in which a prompt shows what is typed, else all of it is."""
    block = [(number, line.strip()) for number, line in block]
    is_session = any(line.startswith("$ ") for _, line in block)
    return commands(block, "$ " if is_session else "")


def markdown_commands(lines):
    """The commands of fenced blocks, and each code span in the prose."""
    block, fence = None, None
    for number, line in lines:
        match = FENCE.match(line)
        if block is not None:
            if match and match[1].startswith(fence) and not match[2]:
                yield from prompted(block)
                block = None
            else:
                block.append((number, line))
        elif match:
            fence = match[1]
            block = [] if match[2] in SHELL_FENCES else None
            if block is None:
                skip_block(lines, fence)
        else:
            for span in re.findall(r"`([^`]+)`", line):
                yield number, span


def skip_block(lines, fence):
    for _, line in lines:
        if line.strip().startswith(fence):
            return


def is_shell(text):
    return re.match(r"#!.*\b(?:ba|da|z)?sh\b", text) is not None


def commands_of(path, text):
    """The commands that a file teaches or runs, or None if it has none."""
    lines = iter(list(enumerate(text.splitlines(), 1)))
    if path.suffix == ".md":
        return markdown_commands(lines)
    if path.suffix == ".sh" or is_shell(text):
        return commands((number, line.strip()) for number, line in lines)
    if re.search(r"\.[1-8](\.in)?$", path.name):
        return lines
    return None


def check(root):
    for path in files.walk(root):
        text = files.text_of(path)
        found = commands_of(path, text) if text is not None else None
        for number, command in found or ():
            for what, pattern in RULES:
                if pattern.search(command):
                    yield f"{path.relative_to(root)}:{number}: {what}"


if __name__ == "__main__":
    files.main(check)
