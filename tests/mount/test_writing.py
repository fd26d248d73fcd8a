# SPDX-License-Identifier: MIT
"""W-*: what a write does, seen by the writer and by another client."""

import errno
import json
import os
import shutil
import sys

import pytest

from support.faultproxy import error
from support.handles import open_new, raises, write_file
from support.process import run, wait_for
from support.service import CREDENTIAL, CREDENTIALS, Counter
from support.specs import bearer, flat, oauth, shown, text, variable, when

MIB = 1024 * 1024


# W-commit


def test_W_commit_the_write_that_completes_the_document_does_the_request(
    prod, service
):
    document = text(bearer())
    end = document.rindex(b"}")
    fd = open_new(prod / "github.json")
    try:
        assert os.write(fd, b" \n\t") == 3
        assert os.write(fd, document[:10]) == 10
        assert os.write(fd, document[10:end]) == end - 10
        assert service.credentials_of("prod") == {}
        assert os.write(fd, document[end : end + 1]) == 1
        assert list(service.credentials_of("prod")) == ["github.json"]
        assert os.write(fd, b"\n \n") == 3
    finally:
        os.close(fd)
    assert len(service.credentials_of("prod")) == 1


def test_W_commit_a_brace_inside_a_string_does_not_complete_the_document(prod, service):
    spec = bearer(token='}"\\}{', metadata={"a}": '"}'})
    document = json.dumps(spec).encode()
    fd = open_new(prod / "f.json")
    try:
        for byte in document[:-1]:
            assert os.write(fd, bytes([byte])) == 1
        assert service.credentials_of("prod") == {}
        assert os.write(fd, document[-1:]) == 1
    finally:
        os.close(fd)
    assert service.credentials_of("prod")["f.json"]["metadata"]["a}"] == '"}'


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_W_commit_a_refused_echo_fails_in_the_shell_that_wrote_it(
    mount, prod, service, shell
):
    write_file(prod / "first.json", text(bearer()))
    result = mount.sh(
        f"echo '{json.dumps(bearer())}' > prod/second.json", shell=f"/bin/{shell}"
    )
    assert result.status != 0
    # dash prints "I/O error" whatever the errno.
    assert shell == "dash" or os.strerror(errno.EEXIST) in result.err
    assert not os.path.exists(prod / "second.json")
    assert list(service.credentials_of("prod")) == ["first.json"]
    assert mount.record("/prod/second.json")["errno"] == "EEXIST"


WAYS = {
    "echo": "echo \"$SPEC\" > prod/f.json",
    "printf_lines": "printf '%s\\n' \"$LINES\" > prod/f.json",
    "here_document": "cat > prod/f.json <<JSON\n$LINES\nJSON",
    "append": "echo \"$SPEC\" >> prod/f.json",
    "cat": "cat ../spec.json > prod/f.json",
    "cp": "cp ../spec.json prod/f.json",
    "cp_a": "cp -a ../spec.json prod/f.json",
    "cp_p": "cp -p ../spec.json prod/f.json",
    "tee": "tee prod/f.json < ../spec.json",
    "tee_a": "tee -a prod/f.json < ../spec.json",
    "dd": "dd if=../spec.json of=prod/f.json",
    "dd_4": "dd if=../spec.json of=prod/f.json bs=4 status=none",
    "dd_notrunc": "dd if=../spec.json of=prod/f.json bs=7 conv=notrunc,fsync",
    "jq": "printf %s \"$SECRET\" | jq -R --argjson spec \"$PUBLIC\""
    " '$spec * {auth: {token: .}}' > prod/f.json",
    "install": "install -m 600 ../spec.json prod/f.json",
    "mv_from_elsewhere": "cp ../spec.json ../copy.json && mv ../copy.json prod/f.json",
    "python": """python3 -c 'import os
open("prod/f.json", "w").write(os.environ["SPEC"])'""",
    "python_dump": """python3 -c 'import json, os
with open("prod/f.json", "w") as file:
    json.dump(json.loads(os.environ["SPEC"]), file, indent=2)'""",
    "python_copyfile": """python3 -c 'import shutil
shutil.copyfile("../spec.json", "prod/f.json")'""",
    "rsync_inplace": "rsync --inplace ../spec.json prod/f.json",
}


# Only for a redirection of its own does the shell make a difference.
SHELL_AND_WAY = [("bash", way) for way in WAYS]
SHELL_AND_WAY += [
    ("dash", way) for way in ("echo", "printf_lines", "here_document", "append")
]


@pytest.mark.parametrize("shell, way", SHELL_AND_WAY)
def test_W_commit_with_the_tools_that_people_use(mount, prod, service, way, shell):
    tool = WAYS[way].split()[0]
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    spec = bearer(metadata={"team": "core"})
    public = bearer(metadata={"team": "core"})
    del public["auth"]["token"]
    mount.env |= {
        "SPEC": json.dumps(spec),
        "PUBLIC": json.dumps(public),
        "SECRET": spec["auth"]["token"],
        "LINES": json.dumps(spec, indent=2),
    }
    (mount.directory / "spec.json").write_bytes(text(spec))
    with Counter(service) as sent:
        result = mount.sh(WAYS[way], shell=f"/bin/{shell}")
        assert result, result
    assert sent.count("POST") == 1
    created = service.credentials_of("prod")["f.json"]
    assert created["auth"] == public["auth"]
    assert created["metadata"]["team"] == "core"
    assert (prod / "f.json").read_text() == shown(created)


@pytest.mark.parametrize("tool", ["cat", "cp", "tee", "dd", "jq", "python"])
def test_W_commit_a_refusal_by_the_service_fails_in_the_tool(
    mounts, proxy, service, tool
):
    service.make_vault("prod")
    mount = mounts(source=proxy.url)
    proxy.on("POST", CREDENTIALS, error(403))
    (mount.directory / "spec.json").write_bytes(text(bearer()))
    command = {
        "cat": "cat ../spec.json > prod/f.json",
        "cp": "cp ../spec.json prod/f.json",
        "tee": "tee prod/f.json < ../spec.json",
        "dd": "dd if=../spec.json of=prod/f.json",
        "jq": "jq . ../spec.json > prod/f.json",
        "python": """python3 -c 'import shutil
shutil.copyfile("../spec.json", "prod/f.json")'""",
    }[tool]
    result = mount.sh(command)
    assert result.status != 0
    # jq says nothing, Python says it in a traceback.
    assert tool == "jq" or result.err.count("Permission denied") == 1, result.err
    assert mount.ls("prod") == []


@pytest.mark.parametrize(
    "spec",
    [bearer(), flat(), oauth(), variable(), flat(protocol="streamable_http")],
    ids=["bearer", "flat", "oauth", "variable", "flat_http"],
)
def test_W_commit_takes_every_documented_form(prod, service, spec):
    write_file(prod / "f.json", text(spec))
    created = service.credentials_of("prod")["f.json"]
    auth = spec.get("auth", spec)
    identity = "secret_name" if "secret_name" in auth else "mcp_server_url"
    assert created["auth"]["type"] == auth["type"]
    assert created["auth"][identity] == auth[identity]
    assert "example" not in (prod / "f.json").read_text()
    if auth["type"] == "mcp_oauth":
        assert created["auth"]["expires_at"] == auth["expires_at"]
        refresh = created["auth"]["refresh"]
        assert refresh["client_id"] == auth["refresh"]["client_id"]
        assert refresh["token_endpoint_auth"] == {"type": "client_secret_post"}


def test_W_commit_a_secret_woven_in_by_the_shell(mount, prod, service):
    # A command in the middle inherits the descriptor and flushes half of it.
    result = mount.sh(
        """{
            printf '{"mcp_server_url":"https://mcp.github.com/sse","protocol":"sse",'
            printf '"type":"static_bearer","access_token":"'
            printf 'woven\\n' | head -n1 | tr -d '\\n'
            printf '"}\\n'
        } > prod/github.json"""
    )
    assert result, result
    assert list(service.credentials_of("prod")) == ["github.json"]


# W-draft


def test_W_draft_two_writers_of_one_file_have_two_drafts(prod, service):
    documents = [text(bearer(metadata={"by": by})) for by in ("one", "two")]
    fds = [open_new(prod / "f.json") for _ in documents]
    try:
        for fd, document in zip(fds, documents):
            os.write(fd, document[:20])
        for fd, document in zip(fds, documents):
            os.write(fd, document[20:])
    finally:
        for fd in fds:
            os.close(fd)
    (created,) = service.credentials(service.vault("prod")["id"])
    assert created["metadata"]["by"] == "two"
    assert json.loads((prod / "f.json").read_text())["id"] == created["id"]


def test_W_draft_a_reader_never_sees_the_draft(prod):
    write_file(prod / "f.json", text(bearer()))
    before = (prod / "f.json").read_text()
    fd = os.open(prod / "f.json", os.O_RDWR)
    try:
        assert os.pread(fd, 65536, 0).decode() == before
        os.pwrite(fd, b'{"auth": {"type": "static_bearer", "token": "sesame', 0)
        assert os.pread(fd, 65536, 0).decode() == before
        assert os.fstat(fd).st_size == len(before)
        assert (prod / "f.json").read_text() == before
    finally:
        # An unfinished document, told to who opened the handle.
        with raises(errno.EINVAL):
            os.close(fd)


def test_W_draft_an_append_to_a_credential_is_refused(prod, service):
    write_file(prod / "f.json", text(bearer()))
    before = (prod / "f.json").read_text()
    fd = os.open(prod / "f.json", os.O_WRONLY | os.O_APPEND)
    with raises(errno.EINVAL):
        os.write(fd, text(bearer(token="other")))
    os.close(fd)
    assert (prod / "f.json").read_text() == before


def test_W_draft_an_append_to_a_new_name_gathers(prod, service):
    document = text(bearer())
    fd = open_new(prod / "f.json", os.O_APPEND)
    for at in range(0, len(document), 16):
        os.write(fd, document[at : at + 16])
    os.close(fd)
    assert list(service.credentials_of("prod")) == ["f.json"]


def test_W_draft_a_first_write_inside_a_credential_is_refused(prod):
    write_file(prod / "f.json", text(bearer()))
    fd = os.open(prod / "f.json", os.O_WRONLY)
    with raises(errno.EINVAL):
        os.pwrite(fd, b"}", 7)
    os.close(fd)


def test_W_draft_writes_in_any_order_make_a_document(prod, service):
    document = json.dumps(bearer()).encode()
    a, b = len(document) // 3, 2 * len(document) // 3
    fd = open_new(prod / "f.json")
    os.pwrite(fd, document[b:], b)
    os.pwrite(fd, document[a:b], a)
    assert service.credentials_of("prod") == {}
    os.pwrite(fd, document[:a], 0)
    assert list(service.credentials_of("prod")) == ["f.json"]
    os.close(fd)


def test_W_draft_a_gap_is_refused(mount, prod, service):
    document = json.dumps(bearer()).encode()
    fd = open_new(prod / "f.json")
    with raises(errno.EINVAL):
        # Whichever of the two tells.
        try:
            os.pwrite(fd, document[:10], 0)
            os.pwrite(fd, document[12:], 12)
        finally:
            os.close(fd)
    wait_for(lambda: mount.ls("prod") == [], what="the end of the draft")
    assert service.credentials_of("prod") == {}


def test_W_draft_more_than_a_mebibyte_is_EFBIG(prod, service):
    head = b'{"metadata": {"a": "'
    fd = open_new(prod / "f.json")
    os.write(fd, head)
    with raises(errno.EFBIG):
        for _ in range(17):
            os.write(fd, b"x" * (MIB // 16))
    os.close(fd)
    assert service.credentials_of("prod") == {}


def test_W_draft_a_large_document_below_the_cap_is_taken(prod, service):
    document = json.dumps(bearer()).encode()
    padded = b" " * (MIB - len(document)) + document
    write_file(prod / "f.json", padded)
    assert list(service.credentials_of("prod")) == ["f.json"]


def test_W_draft_truncating_to_nothing_starts_over(prod, service):
    fd = open_new(prod / "f.json")
    os.write(fd, b'{"auth": {"type": "mcp_o')
    os.ftruncate(fd, 0)
    os.pwrite(fd, text(bearer()), 0)
    os.close(fd)
    created = service.credentials_of("prod")["f.json"]
    assert created["auth"]["type"] == "static_bearer"


def test_W_draft_truncating_to_the_documents_length_is_accepted(prod, service):
    document = text(bearer())
    fd = open_new(prod / "f.json")
    os.write(fd, document)
    os.ftruncate(fd, len(document))
    os.fsync(fd)
    os.close(fd)
    assert list(service.credentials_of("prod")) == ["f.json"]


def test_W_draft_every_handle_starts_empty(prod, service):
    write_file(prod / "f.json", text(bearer(metadata={"v": "1"})))
    fd = os.open(prod / "f.json", os.O_WRONLY)  # no O_TRUNC
    os.write(fd, text(bearer(metadata={"v": "2"})))
    os.close(fd)
    assert service.credentials_of("prod")["f.json"]["metadata"]["v"] == "2"


# W-empty


def test_W_empty_a_touched_name_is_local_and_listed(mount, prod, service):
    with Counter(service) as sent:
        assert mount.sh("touch prod/new.json")
        assert mount.ls("prod") == ["new.json"]
        assert os.stat(prod / "new.json").st_size == 0
        assert (prod / "new.json").read_bytes() == b""
    assert sent.count("POST") == 0
    assert service.credentials_of("prod") == {}


def test_W_empty_a_touched_name_can_be_written_later(mount, prod, service):
    assert mount.sh("touch prod/new.json")
    write_file(prod / "new.json", text(bearer()))
    assert mount.ls("prod") == ["new.json"]
    assert list(service.credentials_of("prod")) == ["new.json"]


def test_W_empty_a_touched_name_does_not_hinder_rmdir(mount, prod, service):
    assert mount.sh("touch prod/new.json")
    os.rmdir(prod)
    assert service.vaults() == []


@pytest.mark.parametrize("command", [": > prod/f.json", "cp /dev/null prod/f.json"])
def test_W_empty_emptying_a_credential_changes_nothing_and_says_so(
    mount, prod, service, command
):
    write_file(prod / "f.json", text(bearer()))
    before = (prod / "f.json").read_text()
    with Counter(service) as sent:
        assert mount.sh(command)
    assert sent.count("POST") == sent.count("DELETE") == 0
    assert (prod / "f.json").read_text() == before
    assert mount.record("/prod/f.json")


def test_W_empty_touching_a_credential_is_no_request(mount, prod, service):
    write_file(prod / "f.json", text(bearer()))
    with Counter(service) as sent:
        assert mount.sh("touch prod/f.json && touch -d 2001-02-03 prod/f.json")
    assert sent.total == 0


# W-incomplete

HALF = b'{"auth": {"type": "static_bearer", '


def test_W_incomplete_close_tells_who_opened_the_handle(mount, prod, service):
    fd = open_new(prod / "f.json")
    os.write(fd, HALF)
    with raises(errno.EINVAL):
        os.close(fd)
    wait_for(lambda: mount.ls("prod") == [], what="the end of the draft")
    assert service.credentials_of("prod") == {}


def test_W_incomplete_close_tells_nobody_else_and_keeps_the_draft(prod, service):
    document = text(bearer())
    fd = open_new(prod / "f.json")
    os.write(fd, document[:30])
    script = f"import os; os.close({fd})"  # raises what close reports
    result = run([sys.executable, "-c", script], pass_fds=[fd])
    assert result, result.err
    os.write(fd, document[30:])
    os.close(fd)
    assert list(service.credentials_of("prod")) == ["f.json"]


def test_W_incomplete_cp_of_half_a_document_fails(mount, prod, service):
    (mount.directory / "half.json").write_bytes(HALF)
    result = mount.sh("cp ../half.json prod/f.json")
    assert result.status != 0
    assert os.strerror(errno.EINVAL) in result.err
    wait_for(lambda: mount.ls("prod") == [], what="the end of the draft")
    assert service.credentials_of("prod") == {}


def test_W_incomplete_a_dropped_draft_leaves_a_record(mount, prod):
    mount.sh("printf '{\"auth\": {' > prod/f.json")
    assert mount.record("/prod/f.json")["errno"] == "EINVAL"
    wait_for(lambda: mount.ls("prod") == [], what="the end of the draft")


def test_W_incomplete_half_a_document_leaves_a_credential_as_it_was(mount, prod):
    write_file(prod / "f.json", text(bearer()))
    before = (prod / "f.json").read_text()
    mount.sh("printf '{\"auth\": {' > prod/f.json")
    assert mount.record("/prod/f.json")["errno"] == "EINVAL"
    assert (prod / "f.json").read_text() == before


# W-sticky


def test_W_sticky_a_failed_commit_is_repeated_until_truncation(prod, service):
    write_file(prod / "first.json", text(bearer()))
    fd = open_new(prod / "second.json")
    with raises(errno.EEXIST):
        os.write(fd, text(bearer()))
    with Counter(service) as sent:
        with raises(errno.EEXIST):
            os.write(fd, b"\n")
        with raises(errno.EEXIST):
            os.write(fd, text(bearer(host="other.example")))
        with raises(errno.EEXIST):
            os.fsync(fd)
    assert sent.total == 0
    os.ftruncate(fd, 0)
    os.pwrite(fd, text(bearer(host="other.example")), 0)
    os.close(fd)
    assert sorted(service.credentials_of("prod")) == ["first.json", "second.json"]


def test_W_sticky_close_after_a_failed_write_succeeds(prod):
    fd = open_new(prod / "f.json")
    with raises(errno.EINVAL):
        os.write(fd, b'{"nonsense": 1}')
    os.close(fd)
    assert not os.path.exists(prod / "f.json")


def test_W_sticky_cp_prints_one_message(mount, prod):
    (mount.directory / "bad.json").write_text('{"nonsense": 1}')
    result = mount.sh("cp ../bad.json prod/f.json")
    assert result.status != 0
    assert result.err.count("cp:") == 1, result.err


def test_W_sticky_only_white_space_may_follow_a_commit(prod, service):
    fd = open_new(prod / "f.json")
    os.write(fd, text(bearer()))
    assert os.write(fd, b" \r\n\t") == 4
    with raises(errno.EINVAL):
        os.write(fd, b"{")
    os.close(fd)
    assert list(service.credentials_of("prod")) == ["f.json"]


def test_W_sticky_a_document_with_something_after_it_is_refused(prod, service):
    with Counter(service) as sent:
        with raises(errno.EINVAL):
            write_file(prod / "f.json", json.dumps(bearer()).encode() + b" x")
    assert sent.count("POST") == 0


# W-create


def test_W_create_makes_one_request_and_keeps_the_name(prod, service):
    with Counter(service) as sent:
        write_file(prod / "github.json", text(bearer(metadata={"team": "core"})))
    assert sent.count("POST", CREDENTIALS) == 1
    assert sent.total == 1
    (created,) = service.credentials(service.vault("prod")["id"])
    assert created["metadata"] == {"team": "core", "vaultfs.name": "github.json"}


def test_W_create_the_name_is_the_same_on_another_mount(prod, mounts):
    write_file(prod / "my key.json", text(bearer()))
    assert mounts().ls("prod") == ["my key.json"]


def test_W_create_leaves_no_file_after_a_failed_write(mount, prod, service):
    write_file(prod / "first.json", text(bearer()))
    for name in ("a.json", "b.json"):
        with raises(errno.EEXIST):
            write_file(prod / name, text(bearer()))
        with raises(errno.ENOENT):
            os.stat(prod / name)
        assert mount.ls("prod") == ["first.json"]
    assert mount.sh("ls prod").out.split() == ["first.json"]


def test_W_create_exclusively_fails_on_what_exists(prod):
    write_file(prod / "f.json", text(bearer()))
    with raises(errno.EEXIST):
        open_new(prod / "f.json", os.O_EXCL)


def test_W_rotate_the_same_spec_again_is_one_update(mount, prod, service):
    write_file(prod / "f.json", text(bearer()))
    (first,) = service.credentials(service.vault("prod")["id"])
    for command in ("cp ../spec.json prod/f.json", "cat ../spec.json > prod/f.json"):
        (mount.directory / "spec.json").write_bytes(text(bearer()))
        with Counter(service) as sent:
            assert mount.sh(command)
        assert sent.count("POST", CREDENTIAL) == 1
        assert sent.total == 1
    (second,) = service.credentials(service.vault("prod")["id"])
    assert second["id"] == first["id"]
    assert second["metadata"]["vaultfs.name"] == "f.json"


@pytest.mark.parametrize(
    "first, second",
    [
        (bearer(token="one"), bearer(token="two")),
        (flat(token="one"), flat(token="two")),
        (flat(token="one"), bearer(token="two")),
        (oauth(token="one"), oauth(token="two")),
        (variable(value="one"), variable(value="two")),
    ],
    ids=["bearer", "flat", "flat_to_nested", "oauth", "variable"],
)
def test_W_rotate_a_new_secret_arrives_and_the_id_stays(
    service, proxy, mounts, first, second
):
    mount = mounts("--ttl", "600", source=proxy.url)
    os.mkdir(mount / "prod")
    write_file(mount / "prod/f.json", text(first))
    before = service.credentials_of("prod")["f.json"]
    rows = service.rows_digest(before["id"])
    write_file(mount / "prod/f.json", text(second))
    after = service.credentials_of("prod")["f.json"]
    assert after["id"] == before["id"]
    (update,) = proxy.of("POST", CREDENTIAL)
    auth = json.loads(update.body)["auth"]
    assert auth["type"] == before["auth"]["type"]
    assert "two" in auth.values()
    assert service.rows_digest(before["id"]) != rows
    assert when(after["updated_at"]) > when(before["updated_at"])


def test_W_rotate_a_full_spec_replaces_the_metadata_as_a_whole(prod, service):
    write_file(prod / "f.json", text(bearer(metadata={"a": "1", "b": "1"})))
    write_file(prod / "f.json", text(bearer(metadata={"b": "2"})))
    kept = service.credentials_of("prod")["f.json"]["metadata"]
    assert kept == {"b": "2", "vaultfs.name": "f.json"}


def test_W_rotate_another_identity_replaces_the_credential(prod, service):
    write_file(prod / "f.json", text(bearer(host="one.example")))
    before = service.credentials_of("prod")["f.json"]
    write_file(prod / "f.json", text(bearer(host="two.example")))
    (after,) = service.credentials(service.vault("prod")["id"])
    assert after["id"] != before["id"]
    assert "two.example" in (prod / "f.json").read_text()


def test_W_rotate_of_what_is_gone_at_the_service_creates_it(mount, prod, service):
    write_file(prod / "f.json", text(bearer()))
    gone = service.credentials_of("prod")["f.json"]
    service.ok("DELETE", f"/vaults/{gone['vault_id']}/credentials/{gone['id']}")
    write_file(prod / "f.json", text(bearer()))
    made = service.credentials_of("prod")["f.json"]
    assert made["id"] != gone["id"]
    assert mount.ls("prod") == ["f.json"]
    assert json.loads((prod / "f.json").read_text())["id"] == made["id"]


# W-strict

URL = "https://mcp.github.com/sse"
STRICT = {
    "unknown_field": (bearer(colour="red"), "colour"),
    "unknown_field_in_auth": (
        {"auth": bearer()["auth"] | {"colour": "red"}},
        "auth.colour",
    ),
    "token_is_a_number": (bearer(token=5), "auth.token"),
    "flat_token_is_a_number": (flat(token=5), "access_token"),
    "newline_in_token": (bearer(token="s3same\nopen"), "auth.token"),
    "control_in_token": (bearer(token="s3same\x01open"), "auth.token"),
    "newline_in_value": (variable(value="s3same\n"), "auth.secret_value"),
    "relative_url": (flat() | {"mcp_server_url": "/sse"}, "mcp_server_url"),
    "ftp_url": (flat() | {"mcp_server_url": "ftp://h/x"}, "mcp_server_url"),
    "userinfo": (flat() | {"mcp_server_url": "https://u:p@h/"}, "mcp_server_url"),
    "no_host": (flat() | {"mcp_server_url": "https:///x"}, "mcp_server_url"),
    "unknown_type": ({"auth": {"type": "magic"}}, "auth.type"),
    "unknown_flat_type": (flat(type="magic"), "type"),
    "unknown_protocol": (flat(protocol="smtp"), "protocol"),
    "no_type": ({"auth": {"mcp_server_url": URL, "token": "s3same"}}, "auth.type"),
    "no_url": ({"auth": {"type": "static_bearer", "token": "s"}}, "auth.mcp_server_url"),
    "no_secret": (
        {"auth": {"type": "static_bearer", "mcp_server_url": URL}},
        "auth.token",
    ),
    "empty_secret": (bearer(token=""), "auth.token"),
    "bad_secret_name": (variable(name="1X"), "auth.secret_name"),
    "metadata_is_a_list": (bearer(metadata=[]), "metadata"),
    "metadata_value_is_a_number": (bearer(metadata={"team": 5}), "metadata.team"),
    "metadata_value_too_long": (bearer(metadata={"team": "x" * 513}), "metadata.team"),
    "metadata_key_too_long": (bearer(metadata={"k" * 65: "v"}), None),
    "metadata_too_many": (bearer(metadata={f"k{i}": "v" for i in range(17)}), None),
    "both_forms": (flat() | bearer(), None),
    "auth_is_a_string": ({"auth": "s3same"}, "auth"),
    "nothing": ({}, None),
}


@pytest.mark.parametrize("case", STRICT)
def test_W_strict_is_refused_before_any_request(mount, prod, service, case):
    spec, param = STRICT[case]
    with Counter(service) as sent:
        with raises(errno.EINVAL):
            write_file(prod / "f.json", text(spec))
    assert sent.count("POST") == 0
    record = mount.record("/prod/f.json")
    assert record["errno"] == "EINVAL"
    if param is not None:
        assert record["param"] == param
    assert record["message"]
    for secret in ("s3same", "ghp_example", "u:p"):
        assert secret not in mount.log.read_text()


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b"null",
        b'"x"',
        b'{"auth": }',
        b"{'auth': 1}",
        b'{"auth": {"type": "static_bearer", "token": "a", "token": "b"}}',
        b'{"auth": "\xff\xfe"}',
        b'{"metadata": ' + b'{"a":' * 40 + b"1" + b"}" * 41,
        b"hello\n",
    ],
    ids=lambda document: document[:24].decode("latin-1"),
)
def test_W_strict_what_is_no_JSON_object_is_refused(mount, prod, service, document):
    with Counter(service) as sent:
        with raises(errno.EINVAL):
            write_file(prod / "f.json", document)
    assert sent.count("POST") == 0
    assert not os.path.exists(prod / "f.json")
    assert mount.record("/prod/f.json")["errno"] == "EINVAL"


def test_W_strict_the_limits_themselves_are_accepted(prod, service):
    metadata = {f"{i:02}" + "k" * 62: "é" * 512 for i in range(15)}
    write_file(prod / "f.json", text(bearer(metadata=metadata)))
    created = service.credentials_of("prod")["f.json"]
    assert created["metadata"] == metadata | {"vaultfs.name": "f.json"}
