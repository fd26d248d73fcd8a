# SPDX-License-Identifier: MIT
"""What is tried: each tool over each name with each document, and what has to
come of it.

A command runs in a directory beside the mount that holds the document. It knows
$root, the mount; $vault, a vault with the credential jira.json; $file, its
github.json, which is there or not; $other, another vault with a github.json;
$name, the vault's name; $doc, the document; $tools, the helpers beside this file.
"""

from dataclasses import dataclass, field, replace

NEW, EXISTING = "new", "existing"

# What a document brings. WRONG has a field that nobody knows.
FULL, BARE, WRONG = "yes", "no", "refused"

FAILS = "not 0"

EINVAL = "Invalid argument"
EOPNOTSUPP = "Operation not supported"
# How mv tells EINVAL of a rename.
SUBDIRECTORY = "to a subdirectory of itself"


@dataclass(frozen=True)
class Case:
    tool: str
    command: str
    changes: frozenset = frozenset()  # as bench.changes() tells them
    exit: object = 0
    says: str = ""  # a regular expression, found in what a user sees
    over: str = EXISTING
    document: str = "-"
    needs: str = "sh"
    param: str | None = None  # the field that an EINVAL record has to name, or ""
    # Names in the vault beside the credentials, and credentials without one.
    left: frozenset = frozenset()
    hidden: frozenset = frozenset()
    requests: tuple | None = None  # what changed something; None: as the changes say
    is_slow: bool = False
    is_chatty: bool = False  # says something though nothing failed
    dialect: str = "qoder"

    @property
    def title(self):
        return self.tool if self.dialect == "qoder" else f"{self.dialect}: {self.tool}"

    @property
    def id(self):
        return f"{self.title} | {self.over} | {self.document}"

    @property
    def may_look(self):
        """Whether listings are asked for: of archives, and before a vault goes."""
        vaults = any("vault" in claim.split() for claim in self.changes)
        return vaults or ".archive" in self.command or "rmdir" in self.command


# What a tool that writes a document leads to. "lost" is what became of the
# credential when the tool had removed it before the write was refused.
WRITES = {
    (NEW, FULL): "created",
    (NEW, BARE): "refused",
    (EXISTING, FULL): "rotated",
    (EXISTING, BARE): "edited",
    (EXISTING, WRONG): "refused",
}
UNLINKS_FIRST = WRITES | {
    (EXISTING, FULL): "replaced",
    (EXISTING, BARE): "lost",
    (EXISTING, WRONG): "lost",
}
APPENDS = WRITES | {
    (EXISTING, FULL): "refused",
    (EXISTING, BARE): "refused",
}
EXCLUSIVE = {
    (NEW, FULL): "created",
    (NEW, BARE): "refused",
    (EXISTING, FULL): "there already",
}
# Needs a file that it can read.
EDITS = {
    (EXISTING, FULL): "rotated",
    (EXISTING, BARE): "edited",
    (EXISTING, WRONG): "refused",
}
# Removes what it could not write whole.
REMOVES_AFTER = WRITES | {(EXISTING, WRONG): "lost"}

CREATE = ("POST", "credentials")
UPDATE = ("POST", "credential")
DELETE = ("DELETE", "credential")

# By effect: what changed at the server, and the requests that did it.
EFFECTS = {
    "created": ({"created github.json"}, (CREATE,)),
    "rotated": ({"rotated github.json"}, (UPDATE,)),
    "edited": ({"edited github.json"}, (UPDATE,)),
    "replaced": ({"replaced github.json"}, (DELETE, CREATE)),
    "lost": ({"deleted github.json"}, (DELETE,)),
    "refused": (set(), ()),
    "there already": (set(), ()),
}
FAILURES = {"lost", "refused", "there already"}


@dataclass(frozen=True)
class Tool:
    """A tool that writes $file from doc.json, or edits it."""

    tool: str
    command: str
    effects: dict = field(default_factory=lambda: WRITES)
    needs: str = "sh"
    says: str = EINVAL
    exit: object = FAILS  # of a failure
    left: tuple = ()  # after success over an existing name
    left_new: tuple = ()  # after success over a new name
    left_failed: tuple = ()  # after a failure
    backup_failed: tuple = ()  # the same, over an existing name only
    hidden_failed: tuple = ()
    is_slow: bool = False

    def cases(self):
        for (over, document), effect in self.effects.items():
            yield self.case(over, document, effect)

    def case(self, over, document, effect):
        changes, requests = EFFECTS[effect]
        has_failed = effect in FAILURES
        left = self.left if over == EXISTING else self.left_new
        hidden = ()
        if has_failed:
            left = self.left_failed
            if over == EXISTING:
                left += self.backup_failed
                hidden = self.hidden_failed
        return Case(
            self.tool,
            self.command,
            frozenset(changes),
            self.exit if has_failed else 0,
            self.says if has_failed else "",
            over,
            document,
            self.needs,
            self.param(document, effect),
            frozenset(left),
            frozenset(hidden),
            requests,
            self.is_slow,
        )

    def param(self, document, effect):
        if effect not in ("refused", "lost") or self.effects is APPENDS:
            return None
        if self.effects is UNLINKS_FIRST and effect == "lost":
            return "auth.token"  # to a new name, what was read lacks its secret
        return {BARE: "auth.token", WRONG: "colour"}.get(document)


def vim(name, *options, **more):
    # Without backupskip= it makes no backup of what is below /tmp.
    settings = " ".join(options)
    return Tool(
        f"vim, {name}",
        f"vim -N -u NONE -i NONE -es --cmd 'set backupskip= {settings}'"
        " -c '%d' -c '0read doc.json' -c 'wq' $file",
        needs="vim",
        says="",  # its silent mode says nothing, and tells by its exit status
        **more,
    )


def emacs(name, *settings, **more):
    # Its own predicate makes no backup of what is below /tmp.
    always = "(setq backup-enable-predicate (lambda (file) t))"
    forms = " ".join((always, *settings))
    return Tool(
        f"emacs --batch, {name}",
        f"emacs -Q --batch --eval '(condition-case failure (progn {forms}"
        ' (find-file (getenv "file")) (erase-buffer)'
        ' (insert-file-contents (getenv "doc")) (save-buffer)) (error'
        ' (message "%s" (error-message-string failure)) (kill-emacs 1)))\'',
        needs="emacs",
        says="[Ii]nvalid argument",
        **more,
    )


def python(name, code, effects=WRITES, **more):
    return Tool(
        f"python, {name}",
        f"/usr/bin/python3 - <<'END'\n"
        "import os, shutil, sys, tempfile\n"
        "from pathlib import Path\n"
        "file, document = Path(os.environ['file']), Path('doc.json').read_bytes()\n"
        f"{code}\nEND",
        effects,
        needs="/usr/bin/python3",
        **more,
    )


def node(name, code, effects=WRITES, **more):
    more.setdefault("says", "EINVAL")
    return Tool(
        f"node, {name}",
        "node -e '\nconst fs = require(\"fs\"), file = process.env.file;\n"
        f'const document = fs.readFileSync("doc.json");\n{code}\'',
        effects,
        needs="node",
        **more,
    )


TEMPORARY = """
with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as f:
    f.write(document)
    f.flush()
    os.fsync(f.fileno())
try:
    os.replace(f.name, file)
except OSError:
    os.unlink(f.name)
    raise
"""

TOOLS = [
    # Shells
    Tool("cat >", "cat doc.json > $file"),
    Tool("cat >>", "cat doc.json >> $file", APPENDS),
    Tool("bash echo >", 'echo "$(< doc.json)" > $file'),
    Tool("dash echo >", "dash -c 'echo \"$(cat doc.json)\" > $file'", needs="dash",
         says="I/O error"),
    Tool("printf, line by line", "while IFS= read -r line; do"
         " printf '%s\\n' \"$line\" || exit; done < lines.json > $file"),
    # coreutils
    Tool("cp", "cp doc.json $file"),
    Tool("cp -p", "cp -p doc.json $file"),
    Tool("cp -a", "cp -a doc.json $file"),
    Tool("cp -f", "cp -f doc.json $file"),
    Tool("cp --remove-destination", "cp --remove-destination doc.json $file",
         UNLINKS_FIRST),
    Tool("cp --backup", "cp --backup=simple doc.json $file",
         left=("github.json~",)),
    Tool("install", "install -m 600 doc.json $file", UNLINKS_FIRST),
    Tool("mv, from elsewhere", "mv doc.json $file", UNLINKS_FIRST),
    Tool("dd", "dd if=doc.json of=$file status=none"),
    Tool("dd bs=4", "dd if=doc.json of=$file bs=4 status=none"),
    Tool("dd conv=notrunc,fsync",
         "dd if=doc.json of=$file conv=notrunc,fsync status=none"),
    Tool("tee", "tee $file < doc.json > copy"),
    Tool("tee -a", "tee -a $file < doc.json > copy", APPENDS),
    # Pipes and filters
    Tool("jq . > f.tmp && mv", "jq . doc.json > $file.tmp && mv $file.tmp $file",
         needs="jq", says=SUBDIRECTORY, left_failed=("github.json.tmp",)),
    Tool("jq > f.new && mv -f",
         "jq -f edit.jq $file > $file.new && mv -f $file.new $file", EDITS,
         needs="jq", says=SUBDIRECTORY, left_failed=("github.json.new",)),
    Tool("jq | sponge", "jq -f edit.jq $file | sponge $file", EDITS, needs="sponge"),
    Tool("sponge", "sponge $file < doc.json", needs="sponge"),
    Tool("sed -i", "sed -i -f edit.sed $file", EDITS),
    Tool("sed -i.bak", "sed -i.bak -f edit.sed $file", EDITS,
         left=("github.json.bak",), backup_failed=("github.json.bak",),
         hidden_failed=("github.json",)),
    Tool("sed -i --follow-symlinks", "sed -i --follow-symlinks -f edit.sed $file",
         EDITS),
    Tool("perl -i", "perl -i -p edit.sed $file", EDITS, needs="perl"),
    Tool("perl -i.bak", "perl -i.bak -p edit.sed $file", EDITS, needs="perl",
         left=("github.json.bak",), backup_failed=("github.json.bak",),
         hidden_failed=("github.json",)),
    # Copying programs
    Tool("rsync", "rsync doc.json $file", needs="rsync", exit=23),
    Tool("rsync -a", "rsync -a doc.json $file", needs="rsync", exit=23),
    Tool("rsync --inplace", "rsync --inplace doc.json $file", needs="rsync"),
    Tool("rsync --inplace --no-whole-file",
         "rsync --inplace --no-whole-file doc.json $file", needs="rsync"),
    Tool("rsync --backup", "rsync --backup doc.json $file", needs="rsync", exit=23,
         left=("github.json~",), backup_failed=("github.json~",),
         hidden_failed=("github.json",)),
    Tool("tar -x --overwrite", "cp doc.json github.json && tar -cf - github.json |"
         " tar -xf - --overwrite -C $vault", exit=2),
    Tool("tar -x", "cp doc.json github.json && tar -cf - github.json |"
         " tar -xf - -C $vault", UNLINKS_FIRST, exit=2),
    Tool("tar -x --unlink-first", "cp doc.json github.json && tar -cf - github.json |"
         " tar -xf - --unlink-first -C $vault", UNLINKS_FIRST, exit=2),
    # Editors
    vim("backupcopy=yes", "backupcopy=yes", backup_failed=("github.json~",)),
    vim("backupcopy=no", "backupcopy=no"),
    vim("backupcopy=auto", "backupcopy=auto"),
    vim("backupcopy=breaksymlink", "backupcopy=auto,breaksymlink", is_slow=True),
    vim("backupcopy=no, backup", "backupcopy=no", "backup",
        left=("github.json~",)),
    vim("nowritebackup, noswapfile", "nowritebackup", "noswapfile", is_slow=True),
    Tool("nano", "/usr/bin/python3 $tools/type_into_nano.py $file doc.json",
         needs="nano", says="Invalid argument|Error writing"),
    Tool("nano --backup",
         "/usr/bin/python3 $tools/type_into_nano.py --backup $file doc.json",
         needs="nano", says="Invalid argument|Error writing",
         left=("github.json~",), backup_failed=("github.json~",), is_slow=True),
    emacs("backup by renaming", left=("github.json~",)),
    emacs("backup by copying", "(setq backup-by-copying t)", left=("github.json~",),
          backup_failed=("github.json~",), is_slow=True),
    emacs("no backup", "(setq make-backup-files nil)", is_slow=True),
    # Python
    python("open", "with file.open('wb') as f:\n    f.write(document)"),
    python("open, no close", "open(file, 'wb', 0).write(document)"),
    python("open 'r+'", "with file.open('r+b') as f:\n    f.write(document)\n"
           "    f.truncate()", EDITS),
    python("open 'x'", "with file.open('xb') as f:\n    f.write(document)",
           EXCLUSIVE, says="Errno (22|17)"),
    python("tempfile, os.replace", TEMPORARY),
    python("shutil.copy", "shutil.copy('doc.json', file)"),
    python("shutil.copy2", "shutil.copy2('doc.json', file)"),
    python("shutil.move", "shutil.move('doc.json', file)"),
    # node
    node("writeFile", "fs.writeFileSync(file, document);"),
    node("writeFile, flag wx", 'fs.writeFileSync(file, document, {flag: "wx"});',
         EXCLUSIVE, says="EINVAL|EEXIST"),
    node("writeFile, flag a", "fs.appendFileSync(file, document);", APPENDS,
         is_slow=True),
    node("writeFile, rename", 'fs.writeFileSync(file + ".tmp", document);\n'
         'fs.renameSync(file + ".tmp", file);', left_failed=("github.json.tmp",)),
    node("copyFile", 'fs.copyFileSync("doc.json", file);', REMOVES_AFTER, is_slow=True),
    node("createWriteStream", "fs.createWriteStream(file).end(document);",
         is_slow=True),
]

WRITING = [case for tool in TOOLS for case in tool.cases()]


def left(*names):
    return frozenset(names)


def does(*claims):
    return frozenset(claims)


MOVING = [
    Case("mv, to a new name", "mv $file $vault/hub.json",
         does("renamed github.json to hub.json")),
    Case("mv -n, to a new name", "mv -n $file $vault/hub.json",
         does("renamed github.json to hub.json")),
    Case("mv, over another", "mv $file $vault/jira.json",
         does("renamed github.json to jira.json", "deleted jira.json"),
         requests=(UPDATE, DELETE)),
    Case("mv -n, over another", "mv -n $file $vault/jira.json || [ $? = 1 ]"),
    Case("mv -b, over another", "mv -b $file $vault/jira.json",
         does("renamed github.json to jira.json"), left=left("jira.json~")),
    Case("mv, to a scratch name", "mv $file $vault/github.json.bak",
         left=left("github.json.bak"), hidden=left("github.json")),
    Case("mv, there and back", "mv $file $file.bak && mv $file.bak $file"),
    Case("mv, two exchanged",
         "mv $file $file.tmp && mv $vault/jira.json $file"
         " && mv $file.tmp $vault/jira.json",
         does("renamed github.json to jira.json", "renamed jira.json to github.json"),
         requests=(UPDATE, UPDATE)),
    Case("mv, .bak and rm", "mv $file $file.bak && rm $file.bak",
         does("deleted github.json")),
    Case("mv, between vaults", "mv $file $other/", exit=1, says=EOPNOTSUPP),
    Case("mv, between vaults, a new name", "mv $file $other/hub.json", exit=1,
         says=EOPNOTSUPP),
    Case("mv -f, between vaults", "mv -f $file $other/", exit=1, says=EOPNOTSUPP),
    Case("mv, from a vault to the root", "mv $file $root/", exit=1, says=EOPNOTSUPP),
    Case("mv, a scratch file to another vault",
         "cp doc.json $vault/a.tmp && mv $vault/a.tmp $other/a.json", exit=1,
         says=EOPNOTSUPP, document=FULL, left=left("a.tmp")),
    Case("mv, a scratch file from the root to a vault",
         "cp doc.json $root/$name.tmp; mv $root/$name.tmp $vault/a.json; s=$?;"
         " rm $root/$name.tmp; exit $s", exit=1, says=EOPNOTSUPP, document=FULL),
    Case("mv, a touched name to another vault",
         "touch $vault/a.json && mv $vault/a.json $other/", exit=1,
         says=EOPNOTSUPP, left=left("a.json")),
    Case("mv, out of the mount", "mv $file out.json && jq -e '.auth.type' out.json",
         does("deleted github.json")),
    Case("mv, a vault", "mv $vault $vault-moved", exit=1, says=EOPNOTSUPP),
    Case("mv, a vault over a vault", "mv -T $vault $other", exit=1,
         says=f"{EOPNOTSUPP}|Directory not empty|File exists"),
    Case("mv, a vault into a vault", "mv $vault $other/", exit=1, says=EOPNOTSUPP),
    Case("mv, a vault out of the mount", "mv $vault out && cat out/github.json",
         does("deleted the vault")),
    Case("mv, a directory into the mount", "mkdir $name-moved"
         " && mv doc.json $name-moved/github.json && mv $name-moved $root/",
         does("created vault moved", "created moved/github.json"), document=FULL),
    Case("mv, a directory without secrets into the mount", "mkdir $name-moved"
         " && mv doc.json $name-moved/github.json && mv $name-moved $root/",
         does("created vault moved"), exit=1, says=EINVAL, document=BARE, over=NEW),
    Case("mv, into .archive", "mv $file $vault/.archive/",
         does("archived github.json")),
    Case("mv, into .archive, by name", "mv $file $vault/.archive/github.json",
         does("archived github.json")),
    Case("mv, out of .archive",
         "mv $file $vault/.archive/ && mv $vault/.archive/github.json $vault/",
         does("archived github.json"), exit=1, says=EOPNOTSUPP),
    Case("mv, out of .archive and the mount", "mv $file $vault/.archive/ &&"
         " mv $vault/.archive/github.json out.json", does("deleted github.json"),
         requests=(("POST", "archive"), DELETE)),
    Case("mv, into the .archive of another vault", "mv $file $other/.archive/",
         exit=1, says=EOPNOTSUPP),
    Case("mv, into the root's .archive", "mv $file $root/.archive/", exit=1,
         says=EOPNOTSUPP),
    Case("mv, a vault into .archive", "mv $vault $root/.archive/",
         does("archived the vault")),
]

REMOVING = [
    Case("rm", "rm $file", does("deleted github.json")),
    Case("rm -f, a name that is not there", "rm -f $file", over=NEW),
    Case("rm -r", "rm -r $vault", does("deleted the vault")),
    Case("rm -r *", "rm -r $vault/*",
         does("deleted github.json", "deleted jira.json"), requests=(DELETE, DELETE)),
    Case("rm -r, as a scratch file is there", "cp doc.json $vault/a.tmp"
         " && touch $vault/new.json && rm -r $vault", does("deleted the vault"),
         document=FULL),
    Case("rmdir, a full vault", "rmdir $vault", exit=1, says="Directory not empty"),
    Case("find -delete", "find $vault -name 'g*.json' -delete",
         does("deleted github.json")),
    Case("find -delete, the vault", "find $vault -delete",
         does("deleted the vault")),
    Case("find -exec rm", "find $vault -type f -name 'g*' -exec rm {} +",
         does("deleted github.json")),
    Case("python, shutil.rmtree", "/usr/bin/python3 -c"
         " 'import os, shutil; shutil.rmtree(os.environ[\"vault\"])'",
         does("deleted the vault"), needs="/usr/bin/python3"),
    Case("node, rm recursive",
         "node -e 'require(\"fs\").rmSync(process.env.vault, {recursive: true})'",
         does("deleted the vault"), needs="node"),
    Case("shred", "shred $file", exit=1, says=EINVAL),
    Case("shred -u", "shred -u $file", exit=1, says=EINVAL),
    Case("shred -u -n0", "shred -u -n0 $file", does("deleted github.json")),
    Case("unlink", "unlink $file", does("deleted github.json")),
]

NO_CHANGE = [
    Case("touch", "touch $file"),
    Case("touch", "touch $file", over=NEW, left=left("github.json")),
    Case("touch -d", "touch -d 2001-01-01 $file"),
    Case("touch and rm", "touch $file && rm $file", over=NEW),
    Case(": >", ": > $file", param=""),
    Case(": >", ": > $file", over=NEW, left=left("github.json")),
    Case("cp /dev/null", "cp /dev/null $file", param=""),
    Case("truncate -s 0", "truncate -s 0 $file", param=""),
    Case("truncate -s 10", "truncate -s 10 $file", exit=1, says=EINVAL),
    Case("truncate, to its size", "truncate -s $(stat -c %s $file) $file"),
    Case("fallocate", "fallocate -l 100 $file", exit=1,
         says="not supported|Operation not"),
    Case("chmod", "chmod 644 $file && [ $(stat -c %a $file) = 600 ]"),
    Case("chown, to the owner", "chown $(id -u):$(id -g) $file"),
    Case("chown, to another", "chown 12345 $file", exit=1,
         says="Operation not permitted"),
    Case("ln", "ln $file $vault/hub.json", exit=1, says="Operation not permitted"),
    Case("ln -s", "ln -s github.json $vault/hub.json", exit=1,
         says="Operation not permitted"),
    Case("mkfifo", "mkfifo $vault/pipe", exit=1, says="Operation not permitted"),
    Case("cat f > f", "cat $file > copy && cat copy > $file"),
    Case("half a document", "head -c 20 doc.json > $file", document=FULL, exit=FAILS,
         says="Invalid argument"),
    Case("half a document", "head -c 20 doc.json > $file", document=FULL, exit=FAILS,
         says="Invalid argument", over=NEW),
    Case("cp -a, out", "cp -a $vault out && cmp $file out/github.json"
         " && [ $(find out -type f | wc -l) = 3 ]"),
    Case("cp -r, out", "cp -r $vault out && diff -r $vault out"),
    Case("rsync -a, out", "rsync -a $vault/ out && diff -r $vault out"
         " && [ -z \"$(rsync -ai $vault/ out)\" ]", needs="rsync"),
    Case("rsync -a --delete, out", "mkdir out && touch out/old"
         " && rsync -a --delete $vault/ out && diff -r $vault out", needs="rsync"),
    Case("rsync -a, out and in", "rsync -a $vault/ out && rsync -a out/ $vault",
         needs="rsync"),
    Case("tar, out", "tar -C $vault -cf out.tar . && mkdir out"
         " && tar -C out -xf out.tar && diff -r $vault out"),
    Case("tar -S, out", "tar -C $vault -Scf out.tar . && mkdir out"
         " && tar -C out -xf out.tar && diff -r $vault out"),
    Case("grep -r", "grep -rl old $vault | grep -c ."),
    Case("python, shutil.copytree, out", "/usr/bin/python3 -c 'import os, shutil;"
         " shutil.copytree(os.environ[\"vault\"], \"out\")' && diff -r $vault out",
         needs="/usr/bin/python3"),
]

# `out` is the vault as it was read, with the team of github.json changed.
TAKE_OUT = "cp -a $vault out && sed -i s/old/young/ out/github.json && "

RESTORING = [
    Case("cp -a, files in", TAKE_OUT + "cp -a out/*.json $vault/",
         does("edited github.json"), document=BARE),
    Case("cp -u, files in", TAKE_OUT + "cp -u out/*.json $vault/",
         does("edited github.json"), document=BARE),
    Case("rsync -a, in", TAKE_OUT + "rsync -a out/ $vault",
         does("edited github.json"), needs="rsync", document=BARE),
    Case("rsync -a --inplace, in", TAKE_OUT + "rsync -a --inplace out/ $vault",
         does("edited github.json"), needs="rsync", document=BARE),
    Case("rsync -ac, in", TAKE_OUT + "rsync -ac out/ $vault",
         does("edited github.json"), needs="rsync", document=BARE),
    Case("rsync -a --delete, in", TAKE_OUT + "rm out/jira.json"
         " && rsync -a --delete out/ $vault",
         does("edited github.json", "deleted jira.json"), needs="rsync",
         document=BARE, requests=(DELETE, UPDATE)),
    Case("tar --overwrite, files in", TAKE_OUT + "tar -C out -cf out.tar github.json"
         " jira.json && tar -C $vault -xf out.tar --overwrite",
         does("edited github.json"), document=BARE),
    # All of it, with the vault's own file, which this service cannot change.
    Case("cp -a, a backup in", TAKE_OUT + "cp -a out/. $vault",
         does("edited github.json"), exit=1, says=EOPNOTSUPP, document=BARE),
    Case("tar --overwrite, a backup in", TAKE_OUT + "tar -C out -cf out.tar ."
         " && tar -C $vault -xf out.tar --overwrite", does("edited github.json"),
         exit=2, says=EOPNOTSUPP, document=BARE),
    Case("cp -r, a directory in", "mkdir d && cp doc.json d/github.json"
         " && cp -r d $root/$name-copy",
         does("created vault copy", "created copy/github.json"), document=FULL,
         over=NEW),
    Case("cp -a, a directory in", "mkdir -m 700 d && cp doc.json d/github.json"
         " && cp -a d $root/$name-copy",
         does("created vault copy", "created copy/github.json"), document=FULL,
         over=NEW),
    Case("cp -a, a backup as a new vault", "cp -a $vault out"
         " && cp -a out $root/$name-copy", does("created vault copy"), exit=1,
         says=EINVAL, document=BARE),
    Case("rsync -a, a directory in", "mkdir d && cp doc.json d/github.json"
         " && rsync -a d/ $root/$name-copy",
         does("created vault copy", "created copy/github.json"), document=FULL,
         over=NEW, needs="rsync"),
    Case("tar -x, a directory in", "mkdir $name-copy && cp doc.json"
         " $name-copy/github.json && tar -cf - $name-copy | tar -C $root -xf -",
         does("created vault copy", "created copy/github.json"), document=FULL,
         over=NEW),
    Case("python, shutil.copytree, in", "mkdir d && cp doc.json d/github.json"
         " && /usr/bin/python3 -c 'import os, shutil;"
         ' shutil.copytree("d", os.environ["vault"] + "-copy")\'',
         does("created vault copy", "created copy/github.json"), document=FULL,
         over=NEW, needs="/usr/bin/python3"),
]

# W-vault: a spec of a whole vault, written to the root under its name.
MADE = does("created vault made", "created made/github.json")
SPECS = [
    Case(f"{tool}, a vault spec", command.replace("SPEC", "$root/$name-made.json")
         + " && ls $root/$name-made && ! ls $root | grep made.json",
         MADE, document=FULL, over=NEW, needs=tool.split()[0])
    for tool, command in (
        ("cp", "cp vault.json SPEC"),
        ("cp -p", "cp -p vault.json SPEC"),
        ("cat >", "cat vault.json > SPEC"),
        ("tee", "tee SPEC < vault.json > copy"),
        ("jq > f.tmp && mv", "jq . vault.json > SPEC.tmp && mv SPEC.tmp SPEC"),
        ("rsync", "rsync -a vault.json SPEC"),
        ("install", "install -m 600 vault.json SPEC"),
        ("vim", "vim -N -u NONE -i NONE -es -c '0read vault.json' -c wq SPEC"),
        ("mv", "mv vault.json SPEC"),
    )
]

# More files than there may be scratch files at a time.
MANY = range(70)
COPY_MANY = (
    "mkdir d && for i in {0..69}; do sed s/mcp.github/mcp$i.github/ doc.json >"
    " d/g$i.json || exit; done && "
)
CREATED_MANY = does("created vault copy", *(f"created copy/g{i}.json" for i in MANY))

TWICE = [
    Case("vim, :w twice", "vim -N -u NONE -i NONE -es --cmd 'set backupskip='"
         " -c '%d' -c '0read doc.json' -c w -c '%s/young/old/' -c w"
         " -c '%s/old/young/' -c wq $file", does("rotated github.json"),
         document=FULL, needs="vim", requests=(UPDATE, UPDATE, UPDATE)),
    Case("rsync -a, 70 files in", COPY_MANY + "rsync -a d/ $root/$name-copy",
         CREATED_MANY, document=FULL, over=NEW, needs="rsync", is_slow=True),
    Case("sed -i, 70 files", COPY_MANY + "cp -r d $root/$name-copy"
         " && sed -i s/young/old/ $root/$name-copy/*.json"
         " && sed -i s/old/young/ $root/$name-copy/*.json", CREATED_MANY,
         document=FULL, over=NEW, is_slow=True,
         requests=(("POST", "vaults"), *[CREATE] * 70, *[UPDATE] * 140)),
]

# A repository whose work tree is the vault, with a first commit.
GIT = (
    "git init -q --separate-git-dir=g tree && rm -r tree &&"
    " git config --file g/config core.worktree $vault &&"
    " git config --file g/config user.name a &&"
    " git config --file g/config user.email a@example.com &&"
    " export GIT_DIR=$PWD/g && cd $vault && git add -A && git commit -qm one && "
)
# An edit of the document on the mount, behind the commit.
EDIT = 'cd - > /dev/null && sed -i -f edit.sed $file && cd $vault && '

GITTING = [
    Case("git add, status, log", GIT + "[ -z \"$(git status --porcelain)\" ]"
         " && git log --stat | grep -q github.json && git fsck", needs="git"),
    Case("git diff", GIT + EDIT + "git diff | grep '^+.*\"young\"' && git status"
         " --porcelain | grep -q '^ M github.json'", does("edited github.json"),
         needs="git", document=BARE),
    Case("git commit -a", GIT + EDIT + "git commit -qam two"
         " && [ $(git log --oneline | wc -l) = 2 ]", does("edited github.json"),
         needs="git", document=BARE),
    Case("git checkout, nothing changed", GIT + "git checkout -q -- .", needs="git"),
    Case("git checkout -f", GIT + EDIT + "git checkout -q -f -- github.json",
         does("deleted github.json"), exit=FAILS, says="unable to write",
         param="auth.token", needs="git",
         document=BARE, requests=(DELETE, UPDATE)),
    Case("git reset --hard", GIT + EDIT + "git reset -q --hard",
         does("deleted github.json"), exit=FAILS, says="unable to write",
         param="auth.token", needs="git",
         document=BARE, requests=(DELETE, UPDATE)),
    Case("git stash", GIT + EDIT + "git stash -q",
         does("deleted github.json"), exit=FAILS, says="unable to write",
         param="auth.token", needs="git",
         document=BARE, requests=(DELETE, UPDATE)),
    Case("git rm", GIT + "git rm -q github.json", does("deleted github.json"),
         needs="git"),
    Case("git mv", GIT + "git mv github.json hub.json",
         does("renamed github.json to hub.json"), needs="git"),
]

# The vault's own file, where the service cannot change a vault.
FIXED = [
    Case("cp, over .vault.json", "cp info.json $info", exit=1, says=EOPNOTSUPP),
    Case("sed -i .vault.json", "sed -i s/{}/{}/ $info", exit=4, says=EOPNOTSUPP),
    Case("mv, .vault.json", "mv $info $vault/x.bak", exit=1, says=EOPNOTSUPP),
    Case("mv, .vault.json to a credential", "mv $info $vault/x.json", exit=1,
         says="Operation not"),
    Case("rm .vault.json", "rm -f $info && [ ! -e $info ]"),
]

OTHERS = [*MOVING, *REMOVING, *NO_CHANGE, *RESTORING, *SPECS, *TWICE, *GITTING, *FIXED]


def on(dialect, *cases):
    return [replace(case, dialect=dialect) for case in cases]


EDITED = does("edited the vault")

# The same file where the service can; and the vault's name. info.json is the
# document, with the metadata changed.
ANTHROPIC = on(
    "anthropic",
    *(case for case in WRITING if case.tool in
      ("cat >", "install", "sed -i", "rsync", "vim, backupcopy=no")),
    Case("cp, over .vault.json", "cp info.json $info", EDITED),
    Case("cp, .vault.json as it is", "cp $info copy && cp copy $info"),
    Case("cat >, a refused .vault.json", "cat wrong.json > $info", exit=FAILS,
         says=EINVAL),
    Case("sed -i .vault.json", "sed -i -f info.sed $info", EDITED),
    Case("sed -i.bak .vault.json", "sed -i.bak -f info.sed $info", EDITED,
         left=left(".vault.json.bak")),
    Case("jq > .tmp && mv, .vault.json",
         "jq . info.json > $info.tmp && mv $info.tmp $info", EDITED, needs="jq"),
    Case("vim .vault.json", "vim -N -u NONE -i NONE -es --cmd 'set backupskip="
         " backupcopy=no' -c '%d' -c '0read info.json' -c wq $info", EDITED,
         needs="vim"),
    Case("rsync, .vault.json", "rsync info.json $info", EDITED, needs="rsync"),
    Case("cp -a, a backup in", "cp -a $vault out && sed -i -f info.sed"
         " out/.vault.json && cp -a out/. $vault", EDITED),
    Case("rsync -a, a backup in", "rsync -a $vault/ out && sed -i -f info.sed"
         " out/.vault.json && rsync -a out/ $vault", EDITED, needs="rsync"),
    Case("mv, a vault", "mv $vault $vault-moved && ls $vault-moved/github.json",
         does("renamed the vault to vault moved")),
    Case("mv -T, a vault over a vault", "mv -T $vault $other", exit=1,
         says="Directory not empty|File exists"),
)

# A service without updates, which keeps neither names nor metadata.
FLAT = on(
    "qoder-flat",
    *(tool.case(NEW, FULL, "created") for tool in TOOLS if tool.tool in
      ("cp", "tee", "rsync", "vim, backupcopy=no")),
    # It refuses a second one for the same URL: so the old goes first.
    *(replace(tool.case(EXISTING, FULL, "replaced"), requests=(CREATE, DELETE, CREATE))
      for tool in TOOLS if tool.tool in
      ("cp", "tee", "sed -i", "rsync", "vim, backupcopy=no", "vim, backupcopy=yes")),
    Case("cat f > f", "cat $file > copy && cat copy > $file"),
    Case("mv, a vault", "mv $vault $vault-moved", exit=1, says=EOPNOTSUPP),
    Case("mv, between vaults", "mv $file $other/", exit=1, says=EOPNOTSUPP),
    Case("rm", "rm $file", does("deleted github.json")),
)

DIALECTS = [*ANTHROPIC, *FLAT]
