# SPDX-License-Identifier: MIT
"""Who may know whom.

A module includes and links the modules of lower rank; a library is touched by
one module alone; only mount, cli and vaultd write to the log. vaultd stands
aside: it uses base and json, and nothing uses it.
"""

import re
from pathlib import Path

import files

RANK = {"base": 0, "json": 1, "http": 1, "journal": 1, "auth": 2, "spec": 2,
        "report": 2, "api": 3, "tree": 4, "mount": 5, "cli": 6}
MAY_USE = {name: {name} | {other for other in RANK if RANK[other] < rank}
           for name, rank in RANK.items()}
MAY_USE["vaultd"] = {"vaultd", "base", "json"}
MAY_USE["tree"] -= {"json", "http"}  # it has the service for that

# A public header belongs to the module of its name, but for these.
HEADERS = {name: name for name in RANK if name != "base"} | {
    "error": "base", "secret": "base", "clock": "base", "text": "base",
    "log": "base", "path": "base", "name": "tree"}

# Headers and pkg-config name of each library, and its one user.
LIBRARIES = [
    (r"json-c/.*|json(_.*)?\.h|linkhash\.h|arraylist\.h|printbuf\.h",
     "json-c", "json"),
    (r"curl/.*", "libcurl", "http"),
    (r"fuse.*", "fuse3", "mount"),
    (r"microhttpd.*", "libmicrohttpd", "vaultd"),
    (r"sqlite3.*", "sqlite3", "vaultd"),
    (r"sodium.*", "libsodium", "vaultd"),
    (r"pthread\.h", "threads", "base"),
]
LINK_OWNER = {name: owner for _, name, owner in LIBRARIES}
MAY_LOG = {"base", "mount", "cli", "vaultd"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
LOG_CALL = re.compile(r"\bvf_log(_\w+)?\s*\(")
DLOPEN = re.compile(r"\bdlm?open\s*\(")
DEPENDENCY = re.compile(r"\bdependency\(\s*'([^']+)'")
NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


def at(root, path, text, offset, what):
    line = text.count("\n", 0, offset) + 1
    return f"{path.relative_to(root)}:{line}: {what}"


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def without_comments(text):
    return NOISE.sub(
        lambda m: m.group() if m.group()[0] == '"' else blank(m), text)


def module_of(root, path):
    parts = path.relative_to(root).parts
    if parts[0] == "include":
        return HEADERS.get(path.stem)
    return parts[1]


def judge_include(root, path, module, is_system, name):
    """What is wrong with an include, or None."""
    if name.startswith("vaultfs/"):
        owner = HEADERS.get(Path(name).stem)
        if owner is None:
            return f"{name} belongs to no module: name it in layers.py"
        if owner not in MAY_USE[module]:
            return f"{module} may not know {owner} ({name})"
        return None
    if not is_system and (path.parent / name).is_file():
        owner = (path.parent / name).resolve().relative_to(root).parts
        folder = ("fs", module)
        return None if owner[:2] == folder else f"{name} is private to {owner[1]}"
    if name == "dlfcn.h":
        return "nothing is loaded at run time"
    for pattern, library, owner in LIBRARIES:
        if re.fullmatch(pattern, name) and owner not in (module, "base"):
            return f"{library} is for {owner} alone ({name})"
    if not is_system:
        return f'"{name}" is no private header of {module}'
    return None


def check_source(root, path):
    text = without_comments(files.text_of(path))
    code = NOISE.sub(blank, text)
    module = module_of(root, path)
    if module not in MAY_USE:
        yield at(root, path, text, 0, "of no module: name it in layers.py")
        return
    for match in INCLUDE.finditer(text):
        wrong = judge_include(root, path, module, match[1] == "<", match[2])
        if wrong:
            yield at(root, path, text, match.start(), wrong)
    for match in DLOPEN.finditer(code):
        yield at(root, path, text, match.start(), "nothing is loaded at run time")
    if module not in MAY_LOG:
        for match in LOG_CALL.finditer(code):
            yield at(root, path, text, match.start(),
                     f"{module} does not log: errors travel")


def judge_links(module, expression):
    """What is wrong with the dependencies of a module's build target."""
    for name in DEPENDENCY.findall(expression):
        if LINK_OWNER.get(name) not in (module, "base"):
            yield f"{module} may not link {name}"
    for name in re.findall(r"\w+", DEPENDENCY.sub("", expression)):
        if name in MAY_USE and name not in MAY_USE[module]:
            yield f"{module} may not link {name}"


def without_meson_comments(text):
    return re.sub(r"#[^\n]*", blank, text)


def check_module_build(root, path):
    text = without_meson_comments(files.text_of(path))
    module = module_of(root, path)
    if module not in MAY_USE:
        return
    for match in DEPENDENCY.finditer(text):
        for wrong in judge_links(module, match.group()):
            yield at(root, path, text, match.start(), wrong)
    for match in re.finditer(r"\bdependencies:\s*(\[[^\]]*\]|\w+)", text):
        for wrong in judge_links(module, DEPENDENCY.sub("", match[1])):
            yield at(root, path, text, match.start(), wrong)


def call_at(text, start):
    """The text of a call from its name to the bracket that closes it."""
    depth = 0
    for end in range(text.index("(", start), len(text)):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        if depth == 0:
            return text[start:end + 1]
    return text[start:]


def expand(text, call):
    """The call with the variables in it replaced by what they stand for."""
    variables = dict(re.findall(r"^\s*(\w+)\s*\+?=\s*(\[[^\]]*\]|\S[^\n]*)",
                                text, re.M))
    for _ in variables:
        call = re.sub(r"(?<!['/\w])(\w+)(?!['\w/:]|\s*:)",
                      lambda m: variables.get(m[1], m[1]), call)
    return call


def check_programs(root, path):
    """The programs are put together in fs/meson.build."""
    text = without_meson_comments(files.text_of(path))
    for match in re.finditer(r"\bexecutable\(\s*'(\w+)'", text):
        module = {"vaultfs": "cli", "vaultd": "vaultd"}.get(match[1])
        if module is None:
            yield at(root, path, text, match.start(), f"what is {match[1]}?")
            continue
        call = re.sub(r"'[^']*\.[ch]'", "",
                      expand(text, call_at(text, match.start())))
        for wrong in judge_links(module, call.split(",", 1)[-1]):
            yield at(root, path, text, match.start(), wrong)


def check(root):
    for top in ("include", "fs"):
        for path in files.walk(root, root / top):
            if path.suffix in (".c", ".h"):
                yield from check_source(root, path)
            elif path.name == "meson.build" and path.parent == root / "fs":
                yield from check_programs(root, path)
            elif path.name == "meson.build":
                yield from check_module_build(root, path)


if __name__ == "__main__":
    files.main(check)
