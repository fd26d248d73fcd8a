# SPDX-License-Identifier: MIT
"""Where a token comes from: each source, there or not, and what came of it.

Every row of the table at the top is run; `--table` prints what came of each."""

import json
import os
import pty
import re
from dataclasses import dataclass

import pytest

from outcomes import tell
from support.paths import VAULTFS
from support.process import finish, spawn
from support.sources import (
    DEFAULT_VARIABLES,
    NAMES,
    SAME,
    SOURCES,
    VARIABLE,
    Given,
    content_for,
    give,
)
from support.tokens import seconds_from_now, token_leaks, write_private
from world import assert_says_nothing_secret, check, mount

ORDER = list(SOURCES)

NOT_CONFIGURED = "auth_not_configured"
VARIABLE_NOT_CONFIGURED = "auth_access_token_env_var_not_configured"

may_chown = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can give a file away"
)

# Accounts that every Debian has.
NOBODY = 65534


@dataclass(frozen=True)
class Case:
    source: str
    state: str
    content: object  # of the world: what is there, or None
    errno: str | None = None  # None: it works
    type: str = ""
    says: str = ""  # a regular expression
    change: object = None  # of the place of the content, before it is used

    @property
    def id(self):
        return f"{self.source}: {self.state}"


def present(source):
    return Case(source, "present", lambda w: content_for(source, w.good(source)))


def refused(source):
    return Case(
        source,
        "unknown to the service",
        lambda w: content_for(source, w.unknown),
        errno="EKEYREJECTED",
        type="authentication_error",
    )


def malformed(source, state, damage):
    def content(world):
        good = world.good(source)
        return content_for(source, damage(good[:20], good[20:]))

    return Case(source, state, content, "EINVAL", says=NAMES[source])


ABSENT = {
    "token_file": ("ENOENT", "", "/token"),
    "token_fd 0": ("EINVAL", "", "descriptor 0"),
    "token_fd 9": ("EBADF", "", "9"),
    "token_command": ("ECHILD", "", "1"),
    "service_account_key_file": ("ENOENT", "", "/key"),
    "token_env": ("ENOKEY", VARIABLE_NOT_CONFIGURED, VARIABLE),
    "env_file": ("ENOENT", "", r"/\.env"),
    "credentials directory": ("ENOKEY", NOT_CONFIGURED, "--token-file"),
    "default variable": ("ENOKEY", NOT_CONFIGURED, "--token-file"),
}

EMPTY = {
    "token_file": ("EINVAL", "", "/token"),
    "token_fd 0": ("EINVAL", "", "descriptor 0"),
    "token_fd 9": ("EINVAL", "", "descriptor 9"),
    "token_command": ("EINVAL", "", "command"),
    "service_account_key_file": ("EINVAL", "", "/key"),
    "token_env": ("ENOKEY", VARIABLE_NOT_CONFIGURED, VARIABLE),
    "env_file": ("ENOKEY", VARIABLE_NOT_CONFIGURED, VARIABLE),
    "credentials directory": ("EINVAL", "", "vaultfs-token"),
    "default variable": ("ENOKEY", NOT_CONFIGURED, "--token-file"),
}


def mode(bits):
    return lambda path: path.chmod(bits)


def directory(path):
    path.unlink()
    path.mkdir()


def pipe(path):
    path.unlink()
    os.mkfifo(path, 0o600)


def given_away(path):
    os.chown(path, NOBODY, NOBODY)


def as_systemd_has_it(path):
    """For a unit with User=: root's, and an access list lets the user read."""
    os.chown(path, 0, 0)
    path.chmod(0o440)


def link_loop(path):
    path.unlink()
    path.symlink_to(path)


def linked(path):
    path.symlink_to(path.rename(path.with_name("elsewhere")))


# Sources that are files, and what is wrong with a file.
FILES = ("token_file", "service_account_key_file", "env_file", "credentials directory")
WRONG_FILES = [
    ("mode 0640", mode(0o640), "EACCES"),
    ("mode 0604", mode(0o604), "EACCES"),
    ("mode 0620", mode(0o620), "EACCES"),
    ("a directory", directory, "EINVAL"),
    ("a named pipe", pipe, "EINVAL"),
    ("a link to itself", link_loop, "ELOOP"),
    ("another owner", given_away, "EACCES"),
]


def json_cases():
    source = "token_command, JSON"

    def case(state, content, *rest, **more):
        return Case(source, state, content, *rest, **more)

    def told(**members):
        return lambda w: json.dumps({"access_token": w.token} | members)

    yield case("an end ahead", told(expires_at=seconds_from_now(3600)))
    yield case("no end told (null)", told(expires_at=None))
    yield case("other members", told(token_type="Bearer", more={"a": [1]}))
    yield case("white space around", lambda w: f"\n {told()(w)} \n")
    yield case(
        "its end has passed", told(expires_at=seconds_from_now(-60)), "EKEYEXPIRED"
    )
    yield case("no access_token", lambda w: "{}", "EINVAL", says="access_token")
    for wrong in (5, None, ["x"]):
        yield case(
            f"access_token {json.dumps(wrong)}",
            told(access_token=wrong),
            "EINVAL",
            says="access_token",
        )
    for wrong in (5, "tomorrow", "2026-13-01T00:00:00Z", ""):
        yield case(
            f"expires_at {json.dumps(wrong)}",
            told(expires_at=wrong),
            "EINVAL",
            says="expires_at",
        )
    yield case("cut off", lambda w: told()(w)[:-2], "EINVAL", says="command")
    yield case("text behind", lambda w: told()(w) + "x", "EINVAL", says="command")


def all_cases():
    for source in SOURCES:
        yield present(source)
        yield refused(source)
        yield malformed(source, "a space inside", lambda a, b: f"{a} {b}")
        yield malformed(source, "a tab inside", lambda a, b: f"{a}\t{b}")
        yield malformed(source, "not ASCII", lambda a, b: f"{a}\u00e9{b}")
    for source in ABSENT:
        yield Case(source, "absent", lambda w: None, *ABSENT[source])
        yield Case(source, "empty", lambda w: "", *EMPTY[source])
    for source in FILES:
        for state, change, name in WRONG_FILES:
            if (source, state) == ("credentials directory", "mode 0640"):
                continue  # systemd's own are so
            yield Case(
                source,
                state,
                lambda w, source=source: content_for(source, w.good(source)),
                name,
                says=NAMES[source],
                change=change,
            )
        yield Case(
            source,
            "mode 0400",
            lambda w, source=source: content_for(source, w.good(source)),
            change=mode(0o400),
        )
        yield Case(
            source,
            "behind a link",
            lambda w, source=source: content_for(source, w.good(source)),
            change=linked,
        )
    yield Case(
        "credentials directory",
        "mode 0440 and root's",
        lambda w: w.token,
        change=as_systemd_has_it,
    )
    yield from json_cases()


def place_of(case):
    return ORDER.index(case.source)


CHOWNS = (given_away, as_systemd_has_it)

CASES = [
    pytest.param(
        number, case, marks=may_chown if case.change in CHOWNS else (), id=case.id
    )
    for number, case in enumerate(sorted(all_cases(), key=place_of))
]


@pytest.mark.parametrize("number, case", CASES)
def test_what_comes_of_a_source(world, number, case, record_property):
    given = give(case.source, world.home.path / "source", case.content(world))
    if case.change is not None:
        case.change(given.file)
    status, told, checked = check(world, given)
    mounted = mount(world, given)
    error = told.get("error", {})
    words = error.get("message", "-")
    tell(
        record_property,
        number,
        case.source,
        case.state,
        status,
        mounted.status,
        error.get("errno", "-"),
        error.get("type") or "-",
        words.replace(str(world.home.path), "~"),
    )
    assert_says_nothing_secret(world, checked, mounted)
    assert told["accepted"] is (case.errno is None), told
    assert status == mounted.status == (0 if case.errno is None else 2)
    if case.errno is None:
        assert re.search(NAMES[case.source], told["token"]["source"]), told
        assert "error" not in told
        return
    assert (error["errno"], error["type"]) == (case.errno, case.type), error
    assert re.search(case.says, words), words
    assert words in mounted.err, mounted
    assert case.type in mounted.err


@pytest.mark.parametrize("source", FILES)
@pytest.mark.parametrize("is_linked", [False, True], ids=["there", "by a link"])
def test_a_file_that_the_mount_would_hide_is_refused(world, source, is_linked):
    """Every later look at it would wait for the mount that waits for it."""
    point = world.home.point()
    place = point / "deep"
    if is_linked:
        place = world.home.path / "link"
        place.symlink_to(point)
    content = content_for(source, world.good(source))
    given = give(source, place, content)
    result = mount(world, given)
    assert result.status != 0 and "hidden by the mount" in result.err, result
    assert str(given.file) in result.err
    assert check(world, given)[0] == 0, "nothing is to be mounted"


# What is trimmed


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"], ids=["none", "LF", "CRLF"])
@pytest.mark.parametrize("source", [s for s in SOURCES if "JSON" not in s])
def test_a_newline_at_the_end_is_no_part_of_a_token(world, source, ending):
    content = world.good(source) + ending
    if source == "env_file":
        content = content.removesuffix("\n")  # its builder ends the line
    status, _, result = check(world, give(source, world.home.path / "s", content))
    assert status == 0, result


@pytest.mark.parametrize("source", ["token_file", "token_fd 0", "token_command"])
@pytest.mark.parametrize("tail", ["\n\n", " \n", "\nlogin: me\n", "\n\0"], ids=repr)
def test_more_than_one_line_is_no_token(world, source, tail):
    given = give(source, world.home.path / "s", world.token + tail)
    status, told, result = check(world, given)
    assert (status, told["error"]["errno"]) == (2, "EINVAL"), told
    assert_says_nothing_secret(world, result)


def test_several_lines_from_a_descriptor_say_how_to_take_the_first(world):
    given = give("token_fd 0", world.home.path / "s", f"{world.token}\nlogin: me\n")
    assert "head" in check(world, given)[1]["error"]["message"]


def test_a_token_that_is_too_long_is_refused_unsent(world, service):
    given = give("token_file", world.home.path / "s", "x" * 65537)
    before = len(service.requests())
    status, told, _ = check(world, given)
    assert (status, told["error"]["errno"]) == (2, "EINVAL")
    assert len(service.requests()) == before


def test_a_terminal_is_no_source(world):
    ours, theirs = pty.openpty()
    try:
        process = spawn(
            [str(VAULTFS), "check", world.url, "--token-fd", "0"],
            stdin=theirs,
            env=world.home.env,
        )
        result = finish(process)
    finally:
        os.close(ours)
        os.close(theirs)
    assert result.status == 2 and "terminal" in result.err, result


# The order


PAIRS = [
    (earlier, later)
    for number, earlier in enumerate(ORDER)
    for later in ORDER[number + 1 :]
    if {earlier, later} not in SAME
]
in_pairs = pytest.mark.parametrize(
    "earlier, later", PAIRS, ids=[" before ".join(pair) for pair in PAIRS]
)


def both(world, earlier, later, is_earlier_good):
    """Two sources at once; one has what the service takes, the other has not."""
    given = []
    for source, is_good in ((earlier, is_earlier_good), (later, not is_earlier_good)):
        token = world.good(source) if is_good else world.unknown
        place = world.home.path / source.replace(" ", "-")
        given.append(give(source, place, content_for(source, token)))
    fed = [g for g in given if g.fd is not None]
    return Given(
        given[0].options + given[1].options,
        given[0].env | given[1].env,
        fed[0].fd if fed else None,
        fed[0].file if fed else None,
    )


@in_pairs
def test_the_earlier_source_wins(world, earlier, later):
    status, told, result = check(world, both(world, earlier, later, True))
    assert status == 0 and re.search(NAMES[earlier], told["token"]["source"]), result


@in_pairs
def test_a_later_source_does_not_help_out(world, earlier, later):
    status, told, _ = check(world, both(world, earlier, later, False))
    assert (status, told["error"]["errno"]) == (2, "EKEYREJECTED"), told


@pytest.mark.parametrize("earlier", range(len(DEFAULT_VARIABLES) - 1))
def test_the_default_variables_have_an_order(world, earlier):
    first, *others = DEFAULT_VARIABLES[earlier:]
    env = {first: world.token} | dict.fromkeys(others, world.unknown)
    status, told, result = check(world, Given(env=env))
    assert status == 0 and first in told["token"]["source"], result


@pytest.mark.parametrize("name", DEFAULT_VARIABLES)
def test_a_default_variable_may_come_from_the_env_file(world, name):
    path = write_private(world.home.path / ".env", f"{name}={world.token}\n")
    given = Given(("--env-file", path), {name: world.unknown})
    status, told, result = check(world, given)
    assert status == 0 and name in told["token"]["source"], result


def test_another_manner_has_another_variable(home, services):
    service = services("--dialect", "anthropic")
    env = {"ANTHROPIC_API_KEY": service.token}
    env |= dict.fromkeys(DEFAULT_VARIABLES, "pt-for-another-service")
    given = Given(("--dialect", "anthropic"), env)
    result = given.run(home, "check", service.url)
    assert result and "ANTHROPIC_API_KEY" in result.out + result.err, result
    given = Given(("--dialect", "anthropic"), {DEFAULT_VARIABLES[0]: service.token})
    result = given.run(home, "check", service.url)
    assert result.status == 2 and "ANTHROPIC_API_KEY" in result.err, result


# The codes, wherever somebody looks for them


@pytest.mark.parametrize(
    "options, code",
    [((), NOT_CONFIGURED), (("--token-env", VARIABLE), VARIABLE_NOT_CONFIGURED)],
    ids=[NOT_CONFIGURED, VARIABLE_NOT_CONFIGURED],
)
def test_the_error_code_is_in_the_text_in_json_and_in_the_log(world, options, code):
    given = Given(options)
    result = given.run(world.home, "check", world.url)
    assert result.status == 2 and code in result.err, result
    assert check(world, given)[1]["error"]["type"] == code
    result = mount(world, given)
    assert result.status == 2 and code in result.err, result
    result = given.run(
        world.home,
        "mount",
        world.url,
        world.home.point(),
        "-f",
        "--log-format",
        "json",
    )
    assert result.status == 2
    lines = [json.loads(x) for x in result.err.splitlines() if x.startswith("{")]
    assert [x["type"] for x in lines if x.get("type")] == [code], result


@pytest.mark.parametrize("verb", ["check", "mount"])
def test_the_login_of_qodercli_is_explained(world, service, verb):
    given = Given(("--auth", "qodercli"), {DEFAULT_VARIABLES[0]: world.token})
    args = (world.home.point(),) if verb == "mount" else ()
    before = len(service.requests())
    result = given.run(world.home, verb, world.url, *args)
    assert result.status == 2, result
    assert "cloud_agent_auth_requires_access_token" in result.err
    assert "--token-file" in result.err
    assert len(service.requests()) == before


def test_auth_access_token_is_the_ordinary_way(world):
    given = Given(("--auth", "access-token"), {DEFAULT_VARIABLES[0]: world.token})
    assert check(world, given)[0] == 0


def test_check_tells_scopes_and_end_but_no_value(world, issuer):
    token = issuer.token("narrow", "--scope", "vaults:read")
    end = seconds_from_now(3600)
    content = json.dumps({"access_token": token, "expires_at": end})
    given = give("token_command, JSON", world.home.path / "s", content)
    _, told, _ = check(world, given)
    assert told["accepted"] is True
    assert "vaults:read" in json.dumps(told["scopes"])
    assert "vaults:write" not in json.dumps(told["scopes"])
    assert told["token"]["expires_at"] == end
    result = given.run(world.home, "check", world.url)
    assert result and "vaults:read" in result.out and end in result.out, result
    assert token_leaks({"token": token}, result.out + result.err) == []


def test_a_key_is_of_no_use_to_a_service_without_an_exchange(home, services, issuer):
    service = services("--dialect", "anthropic")
    given = give("service_account_key_file", home.path / "s", issuer.key("mine"))
    result = given.run(home, "check", service.url, "--dialect", "anthropic")
    assert result.status in (1, 2) and "key" in result.err, result
    assert service.requests() == []
