# SPDX-License-Identifier: MIT
"""--token-command: what it is given, and what comes of what it does."""

import errno
import re

import pytest

from support.errnos import errno_of
from support.paths import VAULTFS
from support.process import run, wait_for
from support.sources import DEFAULT_VARIABLES, Given
from support.tokens import token_leaks
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


def test_each_run_of_a_command_has_the_same_environment(
    world, bare_mounts, issuer, tmp_path
):
    """It must not find at noon what it will not find at night."""
    seen = tmp_path / "seen"
    command = (
        f"env -u _ -u SHLVL | sort >{seen}.next; "
        f"n=$(ls {seen}.[0-9]* 2>/dev/null | wc -l); mv {seen}.next {seen}.$n; "
        f"cat {tmp_path}/token"
    )
    (tmp_path / "token").write_text(world.token)
    secrets = dict.fromkeys((*DEFAULT_VARIABLES, "ANTHROPIC_API_KEY"), world.unknown)
    mount = bare_mounts("--token-command", command, env=secrets | {"WHO": "me"})
    issuer.revoke("mine")
    (tmp_path / "token").write_text(issuer.token("next"))
    (mount / "d").mkdir()
    runs = [path.read_text() for path in sorted(tmp_path.glob("seen.[0-9]*"))]
    assert len(runs) == 2 and runs[0] == runs[1]
    assert "WHO=me\n" in runs[0]
    assert not any(name in runs[0] for name in secrets)
    assert token_leaks(world.secrets(), runs[0]) == []


def test_a_token_that_a_later_run_puts_on_the_wrong_stream_is_shown_nowhere(
    bare_mounts, issuer, command
):
    """A helper that fails, and says with what: no token that is known here."""
    mount = bare_mounts("--token-command", command.text + " || { cat wrong >&2; false; }")
    secrets = {"first": issuer.token("again"), "wrong": issuer.token("wrong")}
    (command.directory / "wrong").write_text(f"cannot use {secrets['wrong']} now\n")
    issuer.revoke("first")
    command.fail()
    assert errno_of((mount / "d").mkdir) == errno.EKEYREJECTED
    mount.refresh()  # a look that fails while access has ended, too
    wait_for(lambda: command.runs >= 3, what="the look")
    assert errno_of((mount / "d").mkdir) == errno.EKEYREJECTED
    assert "cannot use [...] now" in mount.record("/d")["message"]
    said = [mount.sh(f"{VAULTFS} {verb} {mount.path}") for verb in ("why", "status")]
    shown = [r.out + r.err for r in said] + [mount.log.read_text()]
    for name in ("status", "errors", "last_error", "metrics"):
        shown.append((mount / ".vaultfs" / name).read_text())
    assert "cannot use [...] now" in shown[0]
    for text in shown:
        assert token_leaks(secrets, text) == []
