# SPDX-License-Identifier: MIT
"""`vaultfs why`, `status` and `refresh`, as a person sees them."""

import json
import os
import re
import signal

import pytest

from support.faultproxy import Hold, close_unanswered, error, html, reply
from support.paths import VAULTFS
from support.process import finish, run, spawn, stop, wait_for
from support.service import CREDENTIAL, CREDENTIALS
from support.specs import bearer, text

DONE, LOCAL = 0, 1


def vaultfs(*arguments, **options):
    return run([VAULTFS, *arguments], **options)


def why(mount):
    """What it says, with what differs from run to run written as dots."""
    result = vaultfs("why", mount.path)
    assert result and result.err == "", result
    said = result.out.replace(str(mount.path), "/mnt")
    said = said.replace(str(mount.directory), "/mnt/..")
    said = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "...", said)
    return re.sub(r"process \d+|[0-9a-f]{8}-[0-9a-f-]{27}", "...", said)


@pytest.fixture
def stage(mounts, proxy, service):
    """A mount behind the proxy with one credential; and a document to write."""

    def start(*options):
        vault = service.make_vault("prod")
        service.make_credential(vault["id"], bearer(host="old.example"), "old.json")
        mount = mounts("--ttl", "600", *options, source=proxy.url)
        assert mount.ls("prod") == ["old.json"]
        (mount.directory / "new.json").write_bytes(text(bearer()))
        return mount

    return start


WRITE = "cat ../new.json > prod/new.json"

# action of the service, options of the mount, what is then said
REFUSALS = {
    "401": (
        error(401, "authentication_error", "the token has ended"),
        """\
Writing /mnt/prod/new.json failed: Key was rejected by service (EKEYREJECTED)
  when:     ...
  by:       cat, ...
  reason:   the token has ended; the access token was refused, and token file \
/mnt/../token has no better one
  answer:   HTTP 401, authentication_error
  request:  req-4711
  advice:   a new token, where it comes from, is taken within 30 s, or at once after \
vaultfs refresh; a descriptor and a variable are read only at the start: for a new one \
mount again, or use a token file from now on
""",
    ),
    "403": (
        error(403, "permission_error", "not yours"),
        """\
Writing /mnt/prod/new.json failed: Permission denied (EACCES)
  when:     ...
  by:       cat, ...
  reason:   not yours
  answer:   HTTP 403, permission_error
  request:  req-4711
  advice:   the token is good, but may not do this: does it lack a scope? vaultfs \
check says what it may do, if the service tells
""",
    ),
    "422": (
        error(422, "invalid_request_error", "no such host", "auth.mcp_server_url"),
        """\
Writing /mnt/prod/new.json failed: Invalid argument (EINVAL)
  when:     ...
  by:       cat, ...
  reason:   no such host
  field:    auth.mcp_server_url
  answer:   HTTP 422, invalid_request_error
  request:  req-4711
  advice:   the service does not take it as it is: change what it names
""",
    ),
    "500": (
        error(500, "api_error", "out of order"),
        """\
Writing /mnt/prod/new.json failed: Remote I/O error (EREMOTEIO)
  when:     ...
  by:       cat, ...
  reason:   out of order; the outcome is unknown: the service may have done it
  answer:   HTTP 500, api_error
  request:  req-4711
  advice:   the service failed: try again, and quote the request id if it goes on
  beware:   look whether it was done before you try again
""",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_why_gives_the_services_own_words(stage, proxy, refusal):
    mount = stage()
    action, expected = REFUSALS[refusal]
    proxy.on("POST", CREDENTIALS, action)
    assert not mount.sh(WRITE)
    assert why(mount) == expected


def test_a_failure_of_ours_does_not_hide_that_of_a_caller(stage, proxy, tmp_path):
    told = tmp_path / "told"
    wait = f"until test -e '{told}'; do sleep 0.01; done"
    mount = stage("--on-auth-expired", f"{wait}; echo no display >&2; false")
    action, expected = REFUSALS["401"]
    proxy.on("POST", CREDENTIALS, action)
    assert not mount.sh(WRITE)
    mount.record("/prod/new.json")
    told.touch()
    wait_for(lambda: "expired access" in why(mount), what="the command's end")
    ours, callers = why(mount).split("\nBefore that:\n")
    assert "Running the command for expired access to /mnt failed: The command" in ours
    assert "no display" in ours
    assert callers == expected


# without a reply, or with one that is none: what is said of reason and advice
SILENCES = {
    "a reply that is lost": (close_unanswered, "EREMOTEIO", "try again"),
    "a page of HTML": (html, "EBADMSG", "is the base URL right?"),
    "a redirect": (
        reply(302, headers={"Location": "https://elsewhere.example/"}),
        "EPROTO",
        "a redirect is not followed",
    ),
}


@pytest.mark.parametrize("silence", SILENCES)
def test_why_says_what_to_do_when_the_service_says_nothing(stage, proxy, silence):
    mount = stage()
    action, name, advice = SILENCES[silence]
    proxy.on("POST", CREDENTIALS, action)
    assert not mount.sh(WRITE)
    said = why(mount)
    assert f"({name})\n" in said
    assert advice in re.search(r"advice: +(.*)\n", said)[1]


def test_why_warns_of_what_may_have_been_done(stage, proxy):
    mount = stage("--timeout", "0.3")
    proxy.on("DELETE", CREDENTIAL, Hold(before_acting=False))
    assert not mount.sh("rm prod/old.json")
    said = why(mount)
    assert said.startswith("Removing /mnt/prod/old.json failed: Connection timed out")
    assert "  beware:   look whether it was done" in said


def test_why_never_advises_to_remove_what_a_service_cannot_change(stage, proxy):
    mount = stage()
    proxy.on("POST", "/archive$", error(405, "invalid_request_error", "no such call"))
    assert not mount.sh("mv prod/old.json prod/.archive/")
    said = why(mount)
    assert "(EOPNOTSUPP)\n" in said and "reason:   " in said
    assert "advice:" not in said


def test_why_says_when_nobody_listens(stage, proxy):
    mount = stage()
    proxy.stop()
    assert not mount.sh(WRITE)
    said = why(mount)
    assert "(ECONNREFUSED)\n" in said and "is the service up" in said


def test_why_names_the_field_and_the_byte(stage):
    mount = stage()
    assert not mount.sh("""echo '{"auth": {"type": "magic"}}' > prod/new.json""")
    said = why(mount)
    assert "  field:    auth.type\n" in said
    assert "nothing was sent: mend this field" in said
    assert "magic" not in said
    assert not mount.sh("""echo '{"auth": !}' > prod/new.json""")
    assert re.search(r"reason: .* at byte 9: ", why(mount))


def test_why_says_what_a_read_only_mount_is(stage):
    mount = stage("--ro")
    assert not mount.sh("mkdir new")
    assert why(mount) == """\
Making /mnt/new failed: Read-only file system (EROFS)
  when:     ...
  by:       mkdir, ...
  reason:   the mount is read-only
  advice:   mount again without --ro to change something
"""


def test_why_tells_of_the_last_failure_alone(stage):
    mount = stage()
    assert not mount.sh("mkdir prod/d; rmdir prod")
    assert why(mount).startswith("Removing /mnt/prod failed: Directory not empty")


def test_why_says_so_when_nothing_has_failed(mount):
    result = vaultfs("why", mount.path)
    assert result.status == DONE
    assert result.out == f"nothing has failed at {mount.path}\n"


def test_why_shows_no_control_bytes(mount):
    name = "a\x1b[31mb\nc\u202ed.json"
    os.mkdir(mount / "prod")
    script = f"import os; os.open({name!r}, os.O_WRONLY | os.O_CREAT)"
    assert not mount.sh(["/usr/bin/python3", "-c", script], cwd=mount / "prod")
    said = vaultfs("why", mount.path).out
    assert said.startswith("Creating ")
    assert all(c == "\n" or c.isprintable() for c in said)
    assert r"a\x1B[31mb\x0Ac\xE2\x80\xAEd.json" in said


def test_status_is_for_people(mount):
    os.mkdir(mount / "prod")
    mount.sh("mkdir prod/d")
    result = vaultfs("status", mount.path)
    assert result.status == DONE
    lines = dict(line.split(":", 1) for line in result.out.splitlines())
    assert lines["mount"].strip().startswith(f"{mount.path}, process {mount.pid}, for ")
    assert lines["token"].strip().endswith("/token, accepted")
    assert lines["known"].strip() == "1 vault, 0 credentials"
    assert lines["notice"].strip().startswith("1 failures")


def test_status_json_is_the_control_file(mount):
    said = json.loads(vaultfs("status", "--json", mount.path).out)
    assert said["pid"] == mount.pid
    assert said.keys() == json.loads((mount / ".vaultfs/status").read_text()).keys()


# Which mount


def test_a_mount_point_may_be_said_in_any_way(mount):
    os.symlink(mount.path, mount.directory / "link")
    for way in (".", f"{mount.path}/", "../link"):
        assert vaultfs("status", way, cwd=mount.path), way


@pytest.mark.parametrize("command", ["status", "why", "refresh"])
def test_what_is_no_mount_is_said(tmp_path, command):
    result = vaultfs(command, tmp_path)
    assert result.status == LOCAL
    assert result.err == f"vaultfs: no vaults are mounted at {tmp_path}\n"
    assert vaultfs(command, tmp_path / "none").status == LOCAL
    assert vaultfs(command, tmp_path, tmp_path).status == LOCAL


# Mounts in a name space of the test's own: others may have theirs.
IN_PRIVATE = ["unshare", "--mount", "--propagation", "private", "/bin/bash", "-c"]
FORGET_OTHERS = """
mapfile -t table < /proc/self/mounts
for line in "${table[@]}"; do
    read -r _ at type _ <<< "$line"
    [[ $type == fuse.vaultfs && $KEPT != *":$at:"* ]] && umount -l "$(printf %b "$at")"
done
"""


def in_private(script, mounts=()):
    kept = "".join(f":{mount.path}:" for mount in mounts)
    return run([*IN_PRIVATE, FORGET_OTHERS + script], env=os.environ | {"KEPT": kept})


@pytest.fixture
def private():
    result = run([*IN_PRIVATE, "true"])
    if not result:
        pytest.skip(f"no mount name space can be made: {result.err.strip()}")
    return in_private


def test_without_a_name_it_is_the_one_mount(mount, private):
    result = private(f"{VAULTFS} why", [mount])
    assert result.out == f"nothing has failed at {mount.path}\n", result


def test_without_a_name_and_a_mount_it_says_so(private):
    result = private(f"{VAULTFS} status")
    assert result.status == LOCAL
    assert result.err == "vaultfs: you have no vaults mounted\n"


def test_without_a_name_it_is_the_mount_that_one_stands_in(mounts):
    mounts()
    mount = mounts()
    (mount / "prod").mkdir()
    for here in (mount.path, mount / "prod"):
        result = mount.sh(f"{VAULTFS} why", cwd=here)
        assert result.out == f"nothing has failed at {mount.path}\n", result


def test_of_several_mounts_one_must_be_named(mounts):
    first, second = mounts(), mounts()
    result = vaultfs("why")
    assert result.status == LOCAL
    assert str(first.path) in result.err and str(second.path) in result.err


def test_a_dead_mount_is_not_in_the_way_of_a_living_one(mounts, private):
    living, dead = mounts(), mounts()
    dead.kill()
    result = private(f"{VAULTFS} why", [living, dead])
    assert result.out == f"nothing has failed at {living.path}\n", result
    living.kill()
    result = private(f"{VAULTFS} why", [living])
    assert result.status == LOCAL
    assert f"the mount at {living.path} is dead" in result.err


@pytest.mark.parametrize("command", ["status", "why", "refresh"])
def test_a_dead_mount_is_said_to_be_dead(mount, command):
    mount.kill()
    result = vaultfs(command, mount.path)
    assert result.status == LOCAL
    assert f"the mount at {mount.path} is dead" in result.err
    assert "vaultfs umount" in result.err


def test_a_daemon_that_hangs_is_not_waited_for_to_list_mounts(mounts, private):
    first, second = mounts(), mounts()
    stop(first.pid)
    try:
        result = private(f"{VAULTFS} why", [first, second])
        assert str(first.path) in result.err and str(second.path) in result.err
    finally:
        os.kill(first.pid, signal.SIGCONT)


def test_a_daemon_that_hangs_can_be_left(mount):
    stop(mount.pid)
    try:
        process = spawn([str(VAULTFS), "why", str(mount.path)])
        process.send_signal(signal.SIGINT)
        assert finish(process, 5).status != DONE
    finally:
        os.kill(mount.pid, signal.SIGCONT)


@pytest.mark.parametrize("command", ["status", "why", "refresh"])
def test_each_command_has_its_help(command):
    result = vaultfs(command, "--help")
    assert result and f"vaultfs {command}" in result.out
    assert "SOURCE" not in result.out and "the one mount" in result.out
    assert ("--json" in result.out) == (command == "status")
