# SPDX-License-Identifier: MIT
"""--token-command: what it is given, and what comes of what it does."""

import re

import pytest

from support.process import run
from support.sources import Given
from world import check, mount

FAILING_COMMANDS = {
    "exit 3": ("ECHILD", "3"),
    "kill -KILL $$": ("ECHILD", "signal|killed|9"),
    "no-such-program": ("ECHILD", "127"),
    "true": ("EINVAL", "command"),
    "yes x | head -c 400000": ("EINVAL", "command"),
}


@pytest.mark.parametrize("command", FAILING_COMMANDS)
def test_a_command_that_fails_says_how(world, command):
    errno_name, says = FAILING_COMMANDS[command]
    given = Given(("--token-command", command))
    status, told, _ = check(world, given)
    assert (status, told["error"]["errno"]) == (2, errno_name), told
    assert re.search(says, told["error"]["message"]), told
    assert mount(world, given).status == 2


@pytest.mark.parametrize("verb", ["check", "mount"])
def test_what_a_command_says_reaches_the_user(world, verb):
    given = Given(("--token-command", "echo touch your key >&2; exit 1"))
    args = (world.home.point(),) if verb == "mount" else ()
    result = given.run(world.home, verb, world.url, *args)
    assert result.status == 2 and "touch your key\n" in result.err, result


def test_a_command_has_our_environment_and_no_input(world):
    command = f'cat; [ "$PWD" = / ] && [ "$WHO" = me ] && printf %s {world.token}'
    given = Given(("--token-command", command), {"WHO": "me"})
    status, _, result = check(world, given)
    assert status == 0, result


def test_a_command_inherits_no_descriptor(world):
    """What a shell has open for us is not for what we run."""
    note = world.home.path / "descriptors"
    command = f"echo /proc/$$/fd/* >{note}; printf %s {world.token}"
    given = Given(("--token-command", command))
    words = given.command("check", world.url)
    shell = ["/bin/bash", "-c", 'exec 7</dev/null; exec "$0" "$@"', *words]
    assert run(shell, env=world.home.env)
    assert "/fd/2" in note.read_text() and "/fd/7" not in note.read_text()


def test_a_command_may_leave_a_child_that_holds_its_output(world):
    # An agent that a helper starts, and that stays.
    note = world.home.path / "pid"
    command = f"sleep 1000 2>&- & echo $! >{note}; printf %s {world.token}"
    status, _, result = check(world, Given(("--token-command", command)))
    try:
        assert status == 0, result
    finally:
        run(["kill", note.read_text().strip()])
