# SPDX-License-Identifier: MIT
"""Each check sees what it is for: violations are planted in a copy of the
repository, and must be found where they are; and what is right must pass."""

import functools
import shutil
from pathlib import Path

import pytest

import examples
import files
import house
import layers
import layout

REPOSITORY = Path(__file__).resolve().parents[2]
SPDX = "SPDX-License-Identifier: MIT"


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """The repository without its sources: what is planted needs none."""
    copy = tmp_path_factory.mktemp("lint") / "copy"
    shutil.copytree(REPOSITORY, copy, symlinks=True, ignore=left_out)
    (copy / "fs/base/private.h").write_text(c())
    return copy


def left_out(folder, names):
    is_tests = Path(folder) == REPOSITORY / "tests"
    return [name for name in names
            if is_tests or name.endswith(".c") or files.is_leftover(Path(name))]


@functools.cache
def violations(check, root):
    return frozenset(check(root))


def found(check, root, path, text):
    """Plant a file; what the check says that it did not say before."""
    before = violations(check, root)
    target = root / path
    kept = target.read_bytes() if target.exists() else None
    made = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    try:
        return [what for what in check(root) if what not in before]
    finally:
        target.unlink() if kept is None else target.write_bytes(kept)
        for folder in made:
            folder.rmdir()


def c(*lines):
    return "\n".join((f"/* {SPDX} */", *lines, ""))


def meson(*lines):
    return "\n".join((f"# {SPDX}", *lines, ""))


WRONG_LAYERS = {
    "base knows json": ("fs/base/x.c", c('#include "vaultfs/json.h"')),
    "json knows http, of its own rank": (
        "fs/json/x.c", c('#include "vaultfs/http.h"')),
    "auth knows spec, of its own rank": (
        "fs/auth/x.c", c('#include "vaultfs/spec.h"')),
    "api knows the names of tree": (
        "fs/api/x.c", c('#include "vaultfs/name.h"')),
    "tree knows mount": ("fs/tree/x.c", c('#include "vaultfs/mount.h"')),
    "written with spaces": ("fs/tree/x.c", c('  #  include <vaultfs/cli.h>')),
    "vaultd knows spec": ("fs/vaultd/x.c", c('#include "vaultfs/spec.h"')),
    "a public header knows a higher one": (
        "include/vaultfs/text.h", c('#include "vaultfs/api.h"')),
    "a public header of nobody": ("include/vaultfs/stray.h", c()),
    "an include of a header of nobody": (
        "fs/cli/x.c", c('#include "vaultfs/stray.h"')),
    "another module's private header": (
        "fs/mount/x.c", c('#include "../base/private.h"')),
    "a private header that is not there": (
        "fs/mount/x.c", c('#include "stray.h"')),
    "json-c in api": ("fs/api/x.c", c("#include <json-c/json.h>")),
    "json-c by its short name": ("fs/api/x.c", c("#include <json_object.h>")),
    "curl in auth": ("fs/auth/x.c", c("#include <curl/curl.h>")),
    "fuse in tree": ("fs/tree/x.c", c("#include <fuse_lowlevel.h>")),
    "fuse3 in cli": ("fs/cli/x.c", c("#include <fuse3/fuse.h>")),
    "microhttpd in http": ("fs/http/x.c", c("#include <microhttpd.h>")),
    "sqlite in tree": ("fs/tree/x.c", c("#include <sqlite3.h>")),
    "sodium in base": ("fs/base/x.c", c("#include <sodium.h>")),
    "dlfcn": ("fs/cli/x.c", c("#include <dlfcn.h>")),
    "dlopen": ("fs/cli/x.c", c('void *f(void) { return dlopen("x", 1); }')),
    "http logs": ("fs/http/x.c", c('void f(void) { vf_log(0, "x"); }')),
    "tree logs a record": ("fs/tree/x.c", c("f() { vf_log_record (r); }")),
    "a module of no rank": ("fs/stray/x.c", c()),
    "spec links json-c": ("fs/spec/meson.build", meson(
        "x = static_library('spec', dependencies: [dependency('json-c')])")),
    "json links an unknown library": ("fs/json/meson.build", meson(
        "jansson = dependency('jansson')")),
    "auth links api": ("fs/auth/meson.build", meson(
        "x = static_library('auth', dependencies: [base, api])")),
    "auth links api alone": ("fs/auth/meson.build", meson(
        "x = static_library('auth', dependencies: api)")),
    "vaultd links fuse": ("fs/meson.build", meson(
        "executable('vaultd', 'vaultd/main.c',",
        "  dependencies: [base, json, dependency('fuse3')])")),
    "vaultd links tree": ("fs/meson.build", meson(
        "executable('vaultd', 'vaultd/main.c', dependencies: [base, tree])")),
    "vaultfs links sqlite by a variable": ("fs/meson.build", meson(
        "store = dependency('sqlite3')",
        "others = [base, store]",
        "executable('vaultfs', 'cli/main.c', dependencies: [cli, others])")),
    "another program": ("fs/meson.build", meson("executable('stray')")),
}

RIGHT_LAYERS = {
    "tree knows its own and lower ones": ("fs/tree/x.c", c(
        '#include "vaultfs/name.h"', '#include "vaultfs/tree.h"',
        '#include "vaultfs/api.h"', '#include "vaultfs/text.h"')),
    "json-c in json": ("fs/json/x.c", c("#include <json-c/json.h>")),
    "vaultd and its libraries": ("fs/vaultd/x.c", c(
        '#include "vaultfs/json.h"', "#include <microhttpd.h>",
        "#include <sodium.h>", "#include <sqlite3.h>")),
    "anybody and the C library": ("fs/api/x.c", c(
        "#include <pthread.h>", "#include <stdio.h>")),
    "the log in a comment or a string": ("fs/api/x.c", c(
        "/* vf_log(x) and dlopen() */ // vf_log(x)",
        'const char *text = "vf_log(x)";')),
    "an include in a comment": ("fs/base/x.c", c(
        "/*", '#include "vaultfs/tree.h"', "*/")),
    "mount logs": ("fs/mount/x.c", c('void f(void) { vf_log(0, "x"); }')),
    "vaultd's program": ("fs/meson.build", meson(
        "# not dependency('fuse3')",
        "store = [dependency('sqlite3'), dependency('libsodium')]",
        "executable('vaultd', files('vaultd/http.c', 'vaultd/api.c'),",
        "  dependencies: [base, json, store, dependency('libmicrohttpd')])")),
    "vaultfs's program": ("fs/meson.build", meson(
        "executable('vaultfs', 'cli/main.c', wiping_allocator,",
        "  dependencies: [cli, mount, tree, api, base])")),
}

WRONG_HOUSE = {
    "C without a licence": ("fs/base/x.c", "int x;\n"),
    "Python without a licence": ("tests/x.py", "x = 1\n"),
    "a script without a licence": ("scripts/x", "#!/bin/sh\ntrue\n"),
    "a build file without a licence": ("tests/x/meson.build", "\n"),
    "something else at the top": ("notes.txt", "x\n"),
    "a folder at the top": ("src/x.txt", "x\n"),
    "a path of a workplace": ("README.md", "see /" + "work/main\n"),
    "a path of root": ("fs/x.txt", "'/" + "root/x'\n"),
}

RIGHT_HOUSE = {
    "C with a licence": ("fs/base/x.c", c()),
    "a script with a licence": ("scripts/x", f"#!/bin/sh\n# {SPDX}\n"),
    "a build folder": ("build-x/x.c", "int x;\n"),
    "paths like those": ("README.md", "a/root /rootfs /workspace ~/work\n"),
}


def sh(*lines):
    return "\n".join(("#!/bin/sh", f"# {SPDX}", *lines, ""))


def session(*lines):
    return "\n".join(("# Title", "```console", *lines, "```", ""))


DOCUMENT = '{"mcp_server_url": "https://x", "access_token": "ghp_x"}'

WRONG_EXAMPLES = {
    "an option": ("README.md", session("$ vaultfs mount --token pt-1 m")),
    "an option with =": ("README.md", session("$ vaultfs m --token=$TOKEN")),
    "an option in prose": ("README.md", "Say `vaultfs --access-token X`.\n"),
    "a block without a prompt": (
        "README.md", "```sh\nvaultfs --token pt-1 m\n```\n"),
    "jq --arg": ("README.md", session(
        "$ jq -n --arg token \"$(pass x)\" '{token: $token}'")),
    "a header": ("scripts/x", sh('curl -H "Authorization: Bearer $T" u')),
    "a header on the next line": (
        "scripts/x", sh("curl \\", "  --header 'x-api-key: k' u")),
    "echo": ("README.md", session(f"$ echo '{DOCUMENT}' > x.json")),
    "printf": ("scripts/x", sh(
        """printf '{"auth":{"token":"%s"}}' "$t" > f""")),
    "a here-string": ("scripts/x", sh(f"cat > f <<< '{DOCUMENT}'")),
    "over several lines": ("README.md", session(
        "$ echo '{", '"token": "x"', "}' > x.json")),
    "curl -d": ("scripts/x", sh(
        r'curl -d "{\"secret_value\":\"x\"}" u')),
    "jq -n": ("README.md", session("$ jq -n '{token: \"x\"}' > f")),
    "a variable's literal": ("README.md", session("$ QODER_PAT=pt-1 vaultfs m")),
    "an exported literal": ("scripts/x", sh("export QODER_PAT='pt-1'")),
    "env": ("README.md", session('$ env QODER_PAT="$(pass x)" vaultfs m')),
    "after a here-document": ("README.md", session(
        "$ cat > f <<'X'", DOCUMENT, "X", f"$ echo '{DOCUMENT}' > f")),
    "the manual": ("fs/vaultfs.1", "vaultfs mount --token pt-1\n"),
    "the template of a manual": ("fs/x.8.in", "--client-secret=x\n"),
}

RIGHT_EXAMPLES = {
    "a here-document": ("README.md", session(
        "$ cat > prod/github.json <<'JSON'", DOCUMENT, "JSON")),
    "a here-document in a script": ("scripts/x", sh(
        "cat > f <<EOF", DOCUMENT, "EOF")),
    "jq -R": ("README.md", session(
        "$ pass show x | jq -R '{auth: {type: \"static_bearer\", token: .}}'")),
    "a woven document": ("README.md", session(
        """$ { printf '{"access_token":"'; pass x; printf '"}'; } > f""")),
    "a document in its own block": (
        "README.md", f"```json\n{DOCUMENT}\n```\n"),
    "output": ("README.md", session("$ cat f", DOCUMENT)),
    "a file and a variable's name": ("README.md", session(
        "$ vaultfs mount --token-file ~/t --token-env QODER_PAT m",
        "$ vaultd token create --name x > t")),
    "a variable from a command": ("README.md", session(
        '$ QODER_PAT="$(pass x)" vaultfs mount m',
        "$ QODER_PAT=$(pass x) vaultfs mount m")),
    "a C source": ("fs/base/x.c", f"const char *x = \"--token x\";\n"),
}


def cases(table):
    return pytest.mark.parametrize("path,text", table.values(), ids=table.keys())


@cases(WRONG_LAYERS)
def test_layers_finds(original, path, text):
    assert any(what.startswith(f"{path}:")
               for what in found(layers.check, original, path, text))


@cases(RIGHT_LAYERS)
def test_layers_allows(original, path, text):
    assert found(layers.check, original, path, text) == []


@cases(WRONG_HOUSE)
def test_house_finds(original, path, text):
    top = path.split("/")[0]
    assert any(what.startswith((f"{path}:", f"{top}:"))
               for what in found(house.check, original, path, text))


@cases(RIGHT_HOUSE)
def test_house_allows(original, path, text):
    assert found(house.check, original, path, text) == []


@cases(WRONG_EXAMPLES)
def test_examples_finds(original, path, text):
    assert any(what.startswith(f"{path}:")
               for what in found(examples.check, original, path, text))


@cases(RIGHT_EXAMPLES)
def test_examples_allows(original, path, text):
    assert found(examples.check, original, path, text) == []


@pytest.mark.skipif(not shutil.which("clang-format"), reason="no clang-format")
def test_layout_finds_a_brace_out_of_place(original):
    text = c("int f(void) {", "    return 0;", "}")
    assert found(layout.check, original, "fs/base/x.c", text) == [
        "fs/base/x.c:2: run clang-format -i"]
