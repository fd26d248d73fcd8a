# SPDX-License-Identifier: MIT
"""The manual pages: every example runs as printed, and the options that they
describe are those of the program."""

import re
import shutil

import pytest

from support.examples import commands, execute, manual_blocks
from support.paths import REPO, VAULTD, VAULTFS
from support.process import run

MANUAL = REPO / "fs" / "man"
PAGES = sorted(MANUAL.glob("*.[1-8]"))

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
needs_mandoc = pytest.mark.skipif(
    shutil.which("mandoc") is None, reason="mandoc is not installed"
)


def examples_of(page):
    return list(commands(manual_blocks(page.read_text(encoding="utf-8"))))


def test_every_example_of_the_semantics_works(tmp_path):
    page = MANUAL / "vaultfs.7"
    execute(page.name, examples_of(page), tmp_path)


@needs_mandoc
@every_page
def test_a_page_is_printed_with_the_examples_that_are_executed(page):
    printed = run(["mandoc", "-T", "utf8", "-O", "width=100", str(page)])
    lines = {line.strip() for line in re.sub(".\b", "", printed.out).splitlines()}
    for example in examples_of(page):
        for line in f"$ {example.text}\n{example.output}".splitlines():
            assert line.strip() in lines


@needs_mandoc
@every_page
def test_a_page_has_no_warning(page):
    result = run(["mandoc", "-T", "lint", "-W", "warning", str(page)])
    assert (result.status, result.out) == (0, "")


def options_of_the_page(name, heading):
    """The long options below each heading, as a page has them."""
    options, command = {}, None
    for line in (MANUAL / name).read_text(encoding="utf-8").splitlines():
        if line.startswith(heading + " "):
            command = line.split()[1]
            options[command] = set()
        for option in re.findall(r"Fl -([\w-]+)", line) if line[:3] == ".It" else ():
            options[command].add(option)
    return options


def options_of_the_program(program, *command):
    help_text = run([str(program), *command, "--help"])
    assert help_text, help_text
    return set(re.findall(r"^  (?:-\w, |    )?--([\w-]+)", help_text.out, re.M))


def commands_of_the_program():
    help_text = run([str(VAULTFS), "--help"]).out
    found = re.findall(r"^ *(?:Usage: )? *vaultfs ([a-z]+)", help_text, re.M)
    assert "mount" in found
    return set(found)


def test_the_manual_has_the_commands_and_options_that_the_program_has():
    page = options_of_the_page("vaultfs.1", ".Ss")
    assert set(page) == commands_of_the_program()
    for command, options in page.items():
        assert options | {"help"} == options_of_the_program(VAULTFS, command), command


def test_the_manual_has_the_options_that_vaultd_has():
    page = options_of_the_page("vaultd.1", ".Sh")
    grants = options_of_the_program(VAULTD, "token")
    assert page["TOKENS"] | {"help"} == grants
    assert options_of_the_program(VAULTD, "key") == grants
    assert page["SERVER"] | {"help", "version"} == options_of_the_program(VAULTD)
