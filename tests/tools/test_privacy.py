# SPDX-License-Identifier: MIT
"""E-scratch: what a tool keeps in a scratch file is for that tool alone, while
it is at work and after."""

import fnmatch
import shutil

import pytest

from cases import FULL, Case
from test_tools import check_held, check_secrets, prepare
from workbench import HERE, changes

PEEK = f"/usr/bin/python3 {HERE / 'peek.py'}"

EMACS = (
    "emacs -Q --batch --eval '(progn (find-file (getenv \"file\"))"
    ' (auto-save-mode 1) (erase-buffer) (insert-file-contents (getenv "doc"))'
    ' (do-auto-save t) (call-process-shell-command (getenv "peek"))'
    " (save-buffer))'"
)
PYTHON = """/usr/bin/python3 - <<'END'
import os, subprocess, tempfile
with tempfile.NamedTemporaryFile(dir=os.environ["vault"], delete=False) as f:
    f.write(open("doc.json", "rb").read())
    f.flush()
    subprocess.run(os.environ["peek"], shell=True, check=True)
os.replace(f.name, os.environ["file"])
END"""
NODE = """node -e '
const fs = require("fs"), file = process.env.file;
fs.writeFileSync(file + ".tmp", fs.readFileSync("doc.json"));
require("child_process").execSync(process.env.peek);
fs.renameSync(file + ".tmp", file);'"""
VIM = "vim -N -u NONE -i NONE -es -c '%d' -c '0read doc.json'"

# How each tool lets $peek look while its scratch file is there, and the
# scratch file's name.
TOOLS = {
    "sh": (
        "{ cat doc.json; $peek; } > $file.tmp && mv $file.tmp $file",
        "github.json.tmp",
    ),
    "sed": ("sed -u -i -e '$e $peek' -f edit.sed $file", "sed??????"),
    "perl": (
        "{ echo '$| = 1; system($ENV{peek}) if eof;'; cat edit.sed; } > program.pl &&"
        " perl -i -p program.pl $file",
        "XX??????",
    ),
    "vim": (VIM + " -c preserve -c 'silent !$peek' -c wq $file", ".github.json.swp"),
    "emacs": (EMACS, "#github.json#"),
    "/usr/bin/python3": (PYTHON, "tmp????????"),
    "node": (NODE, "github.json.tmp"),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_E_scratch_only_the_writer_reads_its_scratch_file(tool, place):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    command, pattern = TOOLS[tool]
    place = place()
    case = Case(tool, command, frozenset({"rotated github.json"}), document=FULL)
    prepare(place, case)
    before = place.holds()
    peeked = place.work / "peeked"
    result = place.run(command, peek=PEEK, peeked=str(peeked))
    tries = [line.split(maxsplit=1) for line in peeked.read_text().splitlines()]
    assert any(fnmatch.fnmatch(name, pattern) for name, _ in tries), tries
    assert {what for _, what in tries} == {"EACCES"}, tries
    assert result, result
    after = place.holds()
    assert changes(before, after) == case.changes
    check_held(case, place, after[1])
    check_secrets(place, result)


def test_E_scratch_a_copy_that_was_left_cannot_be_read(place):
    place = place()
    prepare(place, Case("cp", "cp", document=FULL))
    own = set(place.work.iterdir())
    for command in ("cp doc.json $file.tmp", "ln $file.tmp x; ! cat $file.tmp",
                    "! cp $file.tmp out", "! mv $file.tmp out", "test ! -s out",
                    "! diff $file.tmp doc.json", "! tar -C $vault -cf out.tar ."):
        result = place.run(command)
        assert result, result
        check_secrets(place, result)
    for file in set(place.work.iterdir()) - own:
        assert place.tokens[-1] not in file.read_text(errors="replace"), file
    assert place.mount.ls(place.name) == ["github.json", "github.json.tmp", "jira.json"]
