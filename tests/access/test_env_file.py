# SPDX-License-Identifier: MIT
"""--env-file: lines that come before the environment."""

import re

import pytest

from support.sources import VARIABLE, Given
from support.tokens import write_private
from world import assert_says_nothing_secret, check

VARIABLE_NOT_CONFIGURED = "auth_access_token_env_var_not_configured"

LINES = {
    "export": "export {name}={token}",
    "double quotes": '{name}="{token}"',
    "single quotes": "{name}='{token}'",
    "spaces around": "  {name}={token}  ",
    "the last of two": "{name}=pt-old\n{name}={token}",
    "comments and blanks": "# one\n\n   # two\n{name}={token}\n# three",
    "others beside it": "OTHER=x y\nE=\n{name}={token}\n_Z9='a b'",
    "CRLF": "A=b\r\n{name}={token}\r",
}


@pytest.mark.parametrize("line", LINES)
def test_an_env_file_is_read_as_others_read_it(world, line):
    text = LINES[line].format(name=VARIABLE, token=world.token) + "\n"
    path = write_private(world.home.path / ".env", text)
    given = Given(("--token-env", VARIABLE, "--env-file", path))
    status, _, result = check(world, given)
    assert status == 0, result


BROKEN_LINES = ["{token}", "={token}", "9A={token}", '{name}="{token}', "A B={token}"]


@pytest.mark.parametrize("line", BROKEN_LINES)
def test_a_broken_env_file_names_the_line_and_not_its_text(world, line):
    text = "A=b\n\n" + line.format(name=VARIABLE, token=world.token) + "\n"
    path = write_private(world.home.path / ".env", text)
    given = Given(("--token-env", VARIABLE, "--env-file", path))
    status, told, result = check(world, given)
    assert (status, told["error"]["errno"]) == (2, "EINVAL"), result
    assert re.search(r"line 3\b", told["error"]["message"]), told
    assert_says_nothing_secret(world, result)


def test_an_env_file_comes_before_the_environment(world):
    path = write_private(world.home.path / ".env", f"{VARIABLE}={world.token}\n")
    given = Given(
        ("--token-env", VARIABLE, "--env-file", path), {VARIABLE: world.unknown}
    )
    assert check(world, given)[0] == 0


def test_what_an_env_file_does_not_have_comes_from_the_environment(world):
    path = write_private(world.home.path / ".env", "OTHER=x\n")
    given = Given(
        ("--token-env", VARIABLE, "--env-file", path), {VARIABLE: world.token}
    )
    assert check(world, given)[0] == 0
    given.env.clear()
    status, told, _ = check(world, given)
    assert (status, told["error"]["type"]) == (2, VARIABLE_NOT_CONFIGURED)
    assert str(path) in told["error"]["message"]
