# SPDX-License-Identifier: MIT
"""Pages, cursors and filters."""

import pytest

from vaultd_server import Client


def pages(client, path, query=""):
    """Every object, page by page; checks each envelope."""
    found, cursor = [], None
    while True:
        page = client.get(path + "?" + query
                          + (f"&page={cursor}" if cursor else "")).json
        assert list(page) == ["data", "next_page", "first_id", "last_id",
                              "has_more"]
        ids = [o["id"] for o in page["data"]]
        assert (page["first_id"], page["last_id"]) == (
            (ids[0], ids[-1]) if ids else (None, None))
        assert page["has_more"] == (page["next_page"] is not None)
        found += ids
        cursor = page["next_page"]
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 100])
def test_pages_give_every_object_once_newest_first(client, limit):
    ids = [client.vault(str(i)) for i in range(7)]
    assert pages(client, "/vaults", f"limit={limit}") == ids[::-1]


def test_order_oldest_turns_lists_around(vaultd):
    token = vaultd.token()
    vaultd.start("--order", "oldest")
    client = Client(vaultd, token)
    ids = [client.vault(str(i)) for i in range(5)]
    assert pages(client, "/vaults", "limit=2") == ids
    page = client.get(f"/vaults?before_id={ids[3]}&limit=2").json
    assert [o["id"] for o in page["data"]] == ids[1:3] and page["has_more"]


def test_a_page_has_20_by_default(client):
    ids = [client.vault(str(i)) for i in range(21)]
    page = client.get("/vaults").json
    assert [o["id"] for o in page["data"]] == ids[:0:-1]
    assert page["has_more"]


def test_after_and_before_are_neighbours_of_an_id(client):
    ids = [client.vault(str(i)) for i in range(6)][::-1]

    def ask(query):
        page = client.get(f"/vaults?{query}").json
        return [ids.index(o["id"]) for o in page["data"]], page["has_more"]

    assert ask(f"after_id={ids[2]}") == ([3, 4, 5], False)
    assert ask(f"after_id={ids[2]}&limit=2") == ([3, 4], True)
    assert ask(f"before_id={ids[3]}") == ([0, 1, 2], False)
    assert ask(f"before_id={ids[3]}&limit=2") == ([1, 2], True)
    assert ask(f"after_id={ids[5]}") == ([], False)
    assert ask(f"before_id={ids[0]}") == ([], False)
    back = client.get(f"/vaults?before_id={ids[5]}&limit=2").json
    assert ask(f"page={back['next_page']}&limit=2") == ([1, 2], True)


def test_a_cursor_outlives_its_object_and_new_objects_do_not_shift_it(client):
    ids = [client.vault(str(i)) for i in range(4)][::-1]
    first = client.get("/vaults?limit=2").json
    client.delete(f"/vaults/{ids[1]}")
    client.vault("new")
    rest = client.get(f"/vaults?limit=2&page={first['next_page']}").json
    assert [o["id"] for o in rest["data"]] == ids[2:]
    assert client.get(f"/vaults?after_id={ids[1]}").json["first_id"] == ids[2]


def test_cursors_exclude_each_other(client):
    vault = client.vault()
    client.vault()
    page = client.get("/vaults?limit=1").json["next_page"]
    for query, param in [
            (f"page={page}&after_id={vault}", "after_id"),
            (f"page={page}&before_id={vault}", "before_id"),
            (f"after_id={vault}&before_id={vault}", "before_id")]:
        assert client.get(f"/vaults?{query}").error == (
            400, "invalid_request_error", param)


@pytest.mark.parametrize("query, param", [
    ("limit=0", "limit"), ("limit=101", "limit"), ("limit=", "limit"),
    ("limit", "limit"), ("limit=-1", "limit"), ("limit=1x", "limit"),
    ("limit=99999999999999999999", "limit"), ("limit=+5", "limit"),
    ("include_archived=yes", "include_archived"),
    ("include_archived=", "include_archived"),
    ("page=x", "page"), ("page=", "page"), ("page=a", "page"),
    ("after_id=x", "after_id"), ("before_id=", "before_id"),
    ("after_id=vcred_" + "0" * 32, "after_id"),
    ("name=%FF", "name"),
])
def test_a_query_that_is_refused_is_named(client, query, param):
    assert client.get(f"/vaults?{query}").error == (
        400, "invalid_request_error", param)


def test_name_finds_vaults_whatever_the_case(client):
    ids = {name: client.vault(name) for name in ("Prod", "ÉCOLE", "100%_x")}
    for needle, found in [("prod", ["Prod"]), ("ROD", ["Prod"]), ("o", [
            "ÉCOLE", "Prod"]), ("%C3%A9cole", ["ÉCOLE"]), ("%25_", ["100%_x"]),
            ("_%25", []), ("", ["100%_x", "ÉCOLE", "Prod"])]:
        assert pages(client, "/vaults", f"limit=1&name={needle}") == [
            ids[n] for n in found], needle


def test_name_finds_credentials_by_their_url(client):
    vault = client.vault()
    git = client.credential(vault, client.bearer("https://MCP.github.com/x"))
    client.credential(vault, client.bearer("https://mcp.other.com"))
    client.credential(vault, client.variable("GITHUB"))
    path = f"/vaults/{vault}/credentials"
    assert pages(client, path, "name=github") == [git]
    assert len(pages(client, path, "limit=1")) == 3


def test_archived_objects_are_listed_on_request(client):
    vault = client.vault()
    kept = client.credential(vault, client.bearer("https://a"))
    gone = client.credential(vault, client.bearer("https://b"))
    path = f"/vaults/{vault}/credentials"
    client.post(f"{path}/{gone}/archive")
    assert pages(client, path) == [kept]
    assert pages(client, path, "include_archived=false") == [kept]
    assert pages(client, path, "include_archived=true&limit=1") == [gone, kept]


def test_the_list_of_a_vault_that_is_not_there_is_404(client):
    assert client.get(
        f"/vaults/vault_{'0' * 32}/credentials").error[0] == 404
