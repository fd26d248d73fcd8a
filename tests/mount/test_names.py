# SPDX-License-Identifier: MIT
"""Names: what others call their vaults, as directories; and the way back."""

import errno
import json
import os
import re

import pytest

from support.process import wait_for
from support.service import Counter
from support.specs import bearer, text, variable

# Never as they are: a terminal, a shell or the kernel takes them for more.
ESCAPED = re.compile(
    "[/\x00-\x1f\x7f\x80-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
    "|^[.-]|^ | $|%(?=[0-9A-Fa-f]{2})"
)


def percent(match):
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


def encoded(name):
    """The names section's rule, written a second time."""
    return ESCAPED.sub(percent, name)


NASTY = [
    "plain",
    "two words",
    "a/b",
    "/",
    "/etc/passwd",
    ".",
    "..",
    "../..",
    ".hidden",
    ".vault.json",
    ".archive",
    ".vaultfs",
    "-rf",
    "--help",
    " leading",
    "trailing ",
    "tab\there",
    "new\nline",
    "carriage\rreturn",
    "\x1b[31mred\x1b[0m",
    "bell\x07del\x7f",
    "c1\x85\x9b",
    "line\u2028para\u2029",
    "right\u202eto\u2066left\u200f",
    "50%",
    "100%25",
    "%2F",
    "%41 and %zz and %4",
    "%%41",
    "ünï ✓ 𝄞 日本",
    "e\u0301",
    "quote'\"`$(id)\\",
    "*?[a]{b}",
    "name.json",
    "x" * 255,
    "null",
]


@pytest.mark.parametrize("name", NASTY, ids=ascii)
def test_a_display_name_is_shown_by_the_rule_and_reached_by_it(mounts, service, name):
    vault = service.make_vault(name)
    mount = mounts()
    assert os.listdir(mount.path) == [encoded(name)]
    shown_there = json.loads((mount / encoded(name) / ".vault.json").read_text())
    assert shown_there["id"] == vault["id"]
    assert shown_there["display_name"] == name


@pytest.mark.parametrize("name", NASTY, ids=ascii)
def test_mkdir_of_a_shown_name_makes_that_display_name(mount, service, name):
    if len(encoded(name).encode()) > 255:
        pytest.skip("a directory's name has 255 bytes")
    os.mkdir(mount / encoded(name))
    assert [v["display_name"] for v in service.vaults()] == [name]
    assert os.listdir(mount.path) == [encoded(name)]
    mount.refresh()
    wait_for(lambda: os.listdir(mount.path) == [encoded(name)])


def test_mkdir_of_an_encoded_slash(mount, service):
    assert mount.sh("mkdir 'a%2Fb'")
    assert [v["display_name"] for v in service.vaults()] == ["a/b"]
    assert mount.sh("ls").out == "a%2Fb\n"


@pytest.mark.parametrize("name", ["a%2fb", "%41bc", "a%20b", "caf%C3%A9", "a%FFb"])
def test_mkdir_never_makes_a_directory_that_is_not_there_afterwards(
    mount, service, name
):
    """Names that no display name is shown as: refused, or reachable as typed."""
    try:
        os.mkdir(mount / name)
    except OSError as reason:
        assert reason.errno == errno.EINVAL
        assert service.vaults() == []
    else:
        assert os.path.isdir(mount / name)
        assert os.listdir(mount.path) == [name]


def test_a_name_of_bytes_that_are_not_text_is_refused_or_comes_back(mount, service):
    path = os.fsencode(mount.path) + b"/a\xffb"
    try:
        os.mkdir(path)
    except OSError as reason:
        assert reason.errno in (errno.EINVAL, errno.EILSEQ)
        assert service.vaults() == []
    else:
        assert os.path.isdir(path)


SCRATCH = [
    "x.tmp",
    "x.swp",
    "x.bak",
    "x.orig",
    "x.new",
    "x.part",
    "x.old",
    "back~",
    "#hash",
    "4913",
    "sedAb12Cd",
    "tmpabcd_123",
    "XXabcdef",
    "000",
]


@pytest.mark.parametrize("name", SCRATCH)
def test_a_display_name_that_would_be_scratch_is_escaped(mounts, service, name):
    service.make_vault(name)
    mount = mounts()
    escaped = f"%{ord(name[0]):02X}{name[1:]}"
    assert os.listdir(mount.path) == [escaped]
    assert os.path.isdir(mount / escaped)


@pytest.mark.parametrize("name", [*SCRATCH, ".hidden", ".archive2"])
def test_W_vault_mkdir_of_a_scratch_or_dotted_name_is_EPERM(mount, service, name):
    with Counter(service) as sent:
        with pytest.raises(OSError) as raised:
            os.mkdir(mount / name)
    assert raised.value.errno == errno.EPERM
    assert sent.count("POST") == 0


@pytest.mark.parametrize("name", [".f.json.swp", "f.json~", ".#f.json", "4913"])
def test_a_scratch_name_is_never_sent(mount, service, name):
    os.mkdir(mount / "prod")
    with Counter(service) as sent:
        mount.sh(f"echo '{json.dumps(bearer())}' > 'prod/{name}'")
    assert sent.count("POST") == 0
    assert service.credentials_of("prod") == {}


@pytest.mark.parametrize("name", ["f.tmp.json", "sed.json", "4913.json", "a~b.json"])
def test_a_name_that_ends_in_json_is_not_scratch(mount, service, name):
    os.mkdir(mount / "prod")
    (mount / "prod" / name).write_bytes(text(bearer()))
    assert list(service.credentials_of("prod")) == [name]


# Length


def test_a_long_display_name_is_cut_at_a_character_and_marked(mounts, service):
    vault = service.make_vault("é" * 200)
    (name,) = os.listdir(mounts().path)
    assert len(name.encode()) in (254, 255)
    assert name == "é" * ((255 - 7) // 2) + "~" + vault["id"][-6:]


def test_a_long_name_is_never_cut_inside_an_escape(mounts, service):
    service.make_vault("ab" + "/" * 120 + "é" * 60)
    mount = mounts()
    (name,) = os.listdir(mount.path)
    assert len(name.encode()) <= 255
    stem = name.rpartition("~")[0]
    assert re.fullmatch("ab(%2F)*é*", stem), name
    assert os.path.isdir(mount / name)


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127 + "x"], ids=["ascii", "wide"])
def test_a_name_of_255_bytes_is_taken(mount, service, name):
    os.mkdir(mount / name)
    assert service.vault(name)["display_name"] == name
    assert mount.ls() == [name]
    (mount / name / ("y" * 250 + ".json")).write_bytes(text(bearer()))
    assert list(service.credentials_of(name)) == ["y" * 250 + ".json"]


def test_a_name_of_256_bytes_is_ENAMETOOLONG(mount, service):
    with pytest.raises(OSError) as raised:
        os.mkdir(mount / ("x" * 256))
    assert raised.value.errno == errno.ENAMETOOLONG


# Twice the same


def test_of_two_vaults_of_a_name_the_oldest_keeps_it(mounts, service):
    made = [service.make_vault("twin") for _ in range(3)]
    mount = mounts()
    expected = {"twin": made[0]["id"]}
    expected |= {f"twin~{v['id'][-6:]}": v["id"] for v in made[1:]}
    assert set(mount.ls()) == set(expected)
    for name, vault_id in expected.items():
        assert json.loads((mount / name / ".vault.json").read_text())["id"] == vault_id


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_the_order_of_a_list_does_not_decide_who_keeps_a_name(
    services, mounts, order
):
    service = services("--order", order)
    first, second = service.make_vault("twin"), service.make_vault("twin")
    mount = mounts(source=service.url, token=service.token)
    kept = json.loads((mount / "twin/.vault.json").read_text())
    assert kept["id"] == first["id"]
    assert set(mount.ls()) == {"twin", f"twin~{second['id'][-6:]}"}


def test_a_shown_name_stays_with_its_vault_while_the_mount_lives(
    mount, mounts, service
):
    first, second = service.make_vault("twin"), service.make_vault("twin")
    other = f"twin~{second['id'][-6:]}"
    mount.refresh()
    wait_for(lambda: set(mount.ls()) == {"twin", other})
    service.ok("DELETE", f"/vaults/{first['id']}")
    mount.refresh()
    wait_for(lambda: mount.ls() == [other])
    assert not os.path.exists(mount / "twin")
    # Nobody has seen it here.
    assert mounts().ls() == ["twin"]


def test_a_newer_vault_does_not_take_a_shown_name(mount, service):
    os.mkdir(mount / "prod")
    mine = service.vault("prod")
    theirs = service.make_vault("prod")
    mount.refresh()
    other = f"prod~{theirs['id'][-6:]}"
    wait_for(lambda: set(mount.ls()) == {"prod", other})
    assert json.loads((mount / "prod/.vault.json").read_text())["id"] == mine["id"]


def test_rm_of_a_twin_removes_that_one(mounts, service):
    first, second = service.make_vault("twin"), service.make_vault("twin")
    mount = mounts()
    assert mount.ls()
    os.rmdir(mount / f"twin~{second['id'][-6:]}")
    assert [v["id"] for v in service.vaults()] == [first["id"]]


# Credentials made elsewhere


def test_a_credential_made_elsewhere_is_named_after_what_it_is_for(mounts, service):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(host="mcp.github.com", path="/sse"))
    service.make_credential(
        vault["id"], bearer(host="mcp.atlassian.com", path="/v1/sse")
    )
    service.make_credential(vault["id"], variable("SLACK_TOKEN"))
    assert mounts().ls("prod") == [
        "SLACK_TOKEN.json",
        "mcp.atlassian.com_v1_sse.json",
        "mcp.github.com_sse.json",
    ]


def test_two_credentials_of_one_address_get_two_names(services, mounts):
    service = services("--duplicate", "allow")
    vault = service.make_vault("prod")
    made = [service.make_credential(vault["id"], bearer()) for _ in range(2)]
    names = mounts(source=service.url, token=service.token).ls("prod")
    mark = "~" + made[1]["id"][-6:]
    assert len(names) == 2 and "mcp.github.com_sse.json" in names
    (other,) = set(names) - {"mcp.github.com_sse.json"}
    assert other in (
        f"mcp.github.com_sse{mark}.json",
        f"mcp.github.com_sse.json{mark}",
    )


@pytest.mark.parametrize("name", ["../evil.json", ".vault.json", "a/b.json", "-x", "..", "x.tmp"])
def test_a_kept_name_that_is_nasty_is_escaped_too(mounts, service, name):
    vault = service.make_vault("prod")
    made = service.make_credential(vault["id"], bearer(), name)
    mount = mounts()
    assert sorted(os.listdir(mount / "prod"))[0] != ".."
    (shown_name,) = mount.ls("prod")
    assert "/" not in shown_name and shown_name[0] == "%" or name == "a/b.json"
    assert json.loads((mount / "prod" / shown_name).read_text())["id"] == made["id"]


def test_an_odd_file_name_is_kept_as_it_was_written(mount, mounts, service):
    os.mkdir(mount / "prod")
    names = ["ünï ✓.json", "two words", "50%.json", "*.json", "a%2Fb.json"]
    for i, name in enumerate(names):
        (mount / "prod" / name).write_bytes(text(bearer(host=f"h{i}.example")))
    assert mount.ls("prod") == sorted(names)
    assert mounts().ls("prod") == sorted(names)
