# SPDX-License-Identifier: MIT
"""The last line of a test run tells the truth."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "count-results"

JUNIT = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"/>
<testcase name="c"><failure message="x">y</failure></testcase>
<testcase name="d"><error message="x">y</error></testcase>
<testcase name="e"><skipped message="no /dev/fuse"/></testcase>
</testsuite></testsuites>"""

CMOCKA_GOOD = "[==========] 3 test(s) run.\n[  PASSED  ] 3 test(s).\n"
CMOCKA_BAD = "[  PASSED  ] 2 test(s).\n[  FAILED  ] 1 test(s), listed below:\n"


def meson(*tests):
    return "\n".join(json.dumps({"name": "t", "result": result, "stdout": out})
                     for result, out in tests)


@pytest.fixture
def count(tmp_path):
    def run(*parts):
        lines = []
        for number, (kind, status, report) in enumerate(parts):
            path = tmp_path / str(number)
            if report is not None:
                path.write_text(report)
            lines.append(f"{kind}\t{status}\tpart {number}\t{path}\n")
        (tmp_path / "parts").write_text("".join(lines))
        done = subprocess.run([sys.executable, SCRIPT, tmp_path / "parts"],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.splitlines()[-1]
    return run


def test_all_parts_are_summed(count):
    assert count(("pytest", 1, JUNIT), ("meson", 0, meson(("OK", CMOCKA_GOOD)))) \
        == (1, "5 passed, 2 failed, 1 skipped")


def test_success_is_0_and_skips_are_named_only_when_there_are_any(count):
    assert count(("meson", 0, meson(("OK", CMOCKA_GOOD), ("OK", "")))) \
        == (0, "4 passed, 0 failed")


@pytest.mark.parametrize("result, output, line", [
    ("FAIL", CMOCKA_BAD, "2 passed, 1 failed"),
    ("FAIL", "", "0 passed, 1 failed"),
    ("FAIL", CMOCKA_GOOD, "3 passed, 1 failed"),     # a sanitizer's report
    ("TIMEOUT", "", "0 passed, 1 failed"),
    ("ERROR", "", "0 passed, 1 failed"),
    ("UNEXPECTEDPASS", "", "0 passed, 1 failed"),
])
def test_a_program_that_failed_is_a_failure(count, result, output, line):
    assert count(("meson", 1, meson((result, output)))) == (1, line)


@pytest.mark.parametrize("kind, status, report", [
    ("pytest", 0, None),                             # no report
    ("pytest", 3, "<testsuites/>"),                  # broke off
    ("pytest", 139, "<testsuites><testsuite>"),      # cut
    ("meson", 0, None),
    ("meson", 1, ""),
    ("meson", 0, '{"name": "t", "resu'),
    ("step", 1, None),
])
def test_a_part_that_broke_off_is_a_failure(count, kind, status, report):
    good = ("meson", 0, meson(("OK", "")))
    assert count(good, (kind, status, report)) == (1, "1 passed, 1 failed")


def test_nothing_ran_is_no_success(count):
    assert count() == (1, "0 passed, 0 failed")
    assert count(("pytest", 5, "<testsuites/>")) == (1, "0 passed, 0 failed")
