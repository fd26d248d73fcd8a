# SPDX-License-Identifier: MIT
"""W-*, E-*: the tools that people use, and what the server holds afterwards.

Every case of the table in cases.py; `--table` prints what came of each."""

import json
import re
import shutil

import pytest

import table
from cases import (
    BARE,
    CREATE,
    DELETE,
    DIALECTS,
    EINVAL,
    EOPNOTSUPP,
    EXISTING,
    FAILS,
    FULL,
    NEW,
    OTHERS,
    UPDATE,
    WRITING,
    WRONG,
)
from support.process import wait_for
from support.service import Counter
from workbench import changes

KINDS = [("archive", r"/archive$"), ("credential", r"/credentials/[^/]+$"),
         ("credentials", r"/credentials$"), ("vault", r"/vaults/[^/]+$"),
         ("vaults", r"/vaults$")]


def document_for(place, case):
    """The document that the tool writes, as an object."""
    if case.over == NEW or case.document == FULL:
        document = place.spec("mcp.github.com", "young")
        if case.document == BARE:
            del document["auth"]["token"]
    else:
        document = json.loads(place.file.read_text())
        if place.keeps_metadata:
            document["metadata"]["team"] = "young"
    if case.document == WRONG:
        document["colour"] = "blue"
    return document


def edits_for(place, case):
    """The same change for sed, which perl takes too, and for jq."""
    sed, jq = ['s/"team": "old"/"team": "young"/;'], ['.metadata.team = "young"']
    if case.document == FULL:
        token = place.tokens[-1]
        field = "token" if place.keeps_metadata else "access_token"
        kind = '"type": "static_bearer"'
        sed.append(f's/{kind}/{kind}, "{field}": "{token}"/;')
        jq.append(f'.auth.token = "{token}"')
    if case.document == WRONG:
        sed.append('s/"display_name"/"colour": "blue", "display_name"/;')
        jq.append('.colour = "blue"')
    return "\n".join(sed) + "\n", " | ".join(jq) + "\n"


def prepare(place, case):
    place.fill(has_target=case.over == EXISTING)
    document = document_for(place, case)
    sed, jq = edits_for(place, case)
    info = json.loads((place.vault / ".vault.json").read_text())
    files = {
        "doc.json": json.dumps(document) + "\n",
        "lines.json": json.dumps(document, indent=2) + "\n",
        "edit.sed": sed,
        "edit.jq": jq,
        "vault.json": json.dumps({"credentials": [document]}) + "\n",
        "info.json": json.dumps(info | {"metadata": {"team": "young"}}) + "\n",
        "wrong.json": json.dumps(info | {"metadata": {"team": 1}}) + "\n",
        "info.sed": 's/"metadata": {}/"metadata": {"team": "young"}/\n',
    }
    for name, content in files.items():
        (place.work / name).write_text(content)


# The requests of a change, by the first word of how it is told.
REQUESTS = {
    "created": (CREATE,),
    "rotated": (UPDATE,),
    "edited": (UPDATE,),
    "renamed": (UPDATE,),
    "deleted": (DELETE,),
    "archived": (("POST", "archive"),),
    "replaced": (DELETE, CREATE),
    "created vault": (("POST", "vaults"),),
    "edited the": (("POST", "vault"),),
    "renamed the": (("POST", "vault"),),
}


def requests_of(case):
    if case.requests is not None:
        return sorted(case.requests)
    found = []
    for claim in case.changes:
        words = claim.split()
        found += REQUESTS.get(" ".join(words[:2])) or REQUESTS[words[0]]
    return sorted(found)


def kinds_of(requests):
    """The requests that change something, as the table tells them."""
    found = []
    for request in requests:
        if request.method != "GET":
            kind = next(k for k, pattern in KINDS if re.search(pattern, request.path))
            found.append((request.method, kind))
    return sorted(found)


def check_exit(case, result):
    if case.exit == FAILS:
        assert result.status != 0, result
    else:
        assert result.status == case.exit, result
    assert re.search(case.says, result.err + result.out), result
    if case.exit == 0 and not case.is_chatty:
        assert result.err == ""


def check_held(case, place, after):
    """What was written is what is held: its secret, and its metadata."""
    for claim in case.changes:
        verb, _, path = claim.partition(" ")
        if verb not in ("created", "rotated", "edited", "replaced") or "vault" in path:
            continue
        (held,) = [h for h in after.values() if h.path == path and not h.is_archived]
        assert held.metadata == ({"team": "young"} if place.keeps_metadata else {})
        if verb != "edited":
            assert list(held.secrets.values()) == [place.tokens[-1]]


def check_shown(case, place):
    """The mount shows what the server holds, and nothing else is left."""
    shown = place.shown()
    if not place.vault.exists():
        assert not shown
        return
    assert set(place.mount.ls(place.name)) == set(shown) - case.hidden | case.left
    for name in shown.keys() - case.hidden - case.left:
        assert (place.vault / name).read_text() in shown[name]


# What a user sees of an errno, where every tool prints its text.
ERRNOS = {EINVAL: "EINVAL", EOPNOTSUPP: "EOPNOTSUPP"}


def check_record(case, place, before):
    """The reason is one command away, and names the field; after a tool that has
    removed the credential first, it names that too."""
    code = "EINVAL" if case.param is not None else ERRNOS.get(case.says)
    if code is None:
        return

    def found():
        return [
            record
            for record in place.records()
            if record["errno"] == code
            and (case.param is None or record["param"] == case.param)
        ]

    record = wait_for(found, what=f"a record of {code} {case.param}")[-1]
    assert record["message"]
    if case.param == "auth.token" and "deleted github.json" in case.changes:
        (deleted,) = [k for k, held in before.items() if held.path == "github.json"]
        assert deleted in record["message"]


def check_secrets(place, result):
    """No secret of the case is in what was said and logged."""
    said = {
        "the output": result.out + result.err,
        "the mount's log": place.mount.log.read_text(errors="replace"),
        "vaultd's log": place.service.log.read_text(errors="replace"),
    }
    for where, text in said.items():
        for token in place.tokens:
            assert token not in text, f"a secret is in {where}"


def left_over(place):
    if not place.vault.exists():
        return ()
    return tuple(sorted(set(place.mount.ls(place.name)) - set(place.shown())))


def try_case(case, place):
    prepare(place, case)
    before = place.holds()
    with Counter(place.service) as sent:
        result = place.run(case.command)
    place.check_alive()
    after = place.holds()
    found = changes(before, after)
    table.rows.append(
        table.Row(case.title, case.over, case.document, result.status,
                  frozenset(found), left_over(place), found == case.changes)
    )
    assert found == case.changes, result
    check_exit(case, result)
    check_held(case, place, after[1])
    check_shown(case, place)
    check_record(case, place, before[1])
    check_secrets(place, result)
    if "deleted the vault" not in case.changes:
        assert kinds_of(sent.requests) == requests_of(case)
    assert case.may_look or sent.count("GET") == 0, sent.requests


def parameters(cases):
    for case in cases:
        marks = [pytest.mark.slow] if case.is_slow else []
        if shutil.which(case.needs) is None:
            marks.append(pytest.mark.skip(reason=f"{case.needs} is not installed"))
        yield pytest.param(case, id=case.id, marks=marks)


@pytest.mark.parametrize("case", parameters(WRITING))
def test_a_tool_that_writes(case, place):
    place = place()
    try_case(case, place)
    if case.exit != 0:  # who moves keeps what could not be moved
        assert (place.work / "doc.json").exists()


@pytest.mark.parametrize("case", parameters(OTHERS))
def test_a_tool_that_moves_removes_copies_or_looks(case, place):
    try_case(case, place())


@pytest.mark.parametrize("case", parameters(DIALECTS))
def test_a_tool_on_another_dialect(case, place):
    try_case(case, place("--dialect", case.dialect))
