# SPDX-License-Identifier: MIT
"""What scripts/bench makes of its samples, and that it runs."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.fixtures import why_no_fuse
from support.mount import mounts_below
from support.paths import BUILD, REPO
from support.process import ends_within, is_alive, wait_for

from bench import report
from bench.bench import QUICK, Bench
from bench.job import Job
from bench.jobs import JOBS
from bench.measure import (
    Bound, Case, Result, Sample, Skipped, floor, not_behind, only_operations, other,
    ratio_at_least, ratio_at_most, requests, seconds, value_at_most,
)  # fmt: skip
from bench.mounts import FuseCount
from bench.table import WIDTH, Row, lines_of, row_of, shown
from bench.tools import Trouble, run_timed, time_command


def case_of(results, **settings):
    """A case that was run: results are samples' values, a Sample, or a Result."""
    case = Case("job", {}, **settings)
    for name, result in results.items():
        if not isinstance(result, Result):
            result = Result([s if isinstance(s, Sample) else Sample(s) for s in result])
        case.results[name] = result
    return case


# --- Ratios ---


def test_a_ratio_is_of_samples_of_the_same_round():
    """A floor that was slow once makes no target easier, and a round in which all
    were slow says as much as another."""
    case = case_of(
        {"ours": [3.0, 90.0, 3.0], "floor": [2.0, 45.0, 50.0]},
        bounds={"ours": other("floor")},
    )
    assert case.ratio_of("ours") == 1.5
    assert case.ratio_of("floor") is None


def test_a_contender_that_ran_once_is_compared_with_that_round():
    case = case_of(
        {"ours": [3.0, 8.0, 8.0], "slow": [6.0]},
        bounds={"ours": other("slow"), "slow": other("ours")},
    )
    assert (case.ratio_of("ours"), case.ratio_of("slow")) == (0.5, 2.0)


def test_a_bound_is_made_of_several_contenders():
    bound = Bound("a + b", lambda values: values["a"] + values["b"])
    case = case_of({"ours": [6.0], "a": [1.0], "b": [2.0]}, bounds={"ours": bound})
    assert case.ratio_of("ours") == 2.0


@pytest.mark.parametrize(
    "floor",
    [Result(), Result([Sample(1.0)], trouble="it broke"), Result([Sample(0.0)])],
)
def test_without_a_bound_to_compare_with_no_target_of_a_ratio_is_reached(floor):
    case = case_of(
        {"ours": [1.0], "floor": floor},
        bounds={"ours": other("floor")},
        goals={"ours": (ratio_at_most(9), ratio_at_least(0.1))},
    )
    row = row_of(case, "ours")
    assert (row.ratio, verdicts(row)) == ("", ["not compared", "not compared"])


# --- Targets ---


def verdicts(row):
    return [verdict for _, verdict in row.targets]


def reached(*goals, samples, others=None):
    """The verdict, or the verdicts."""
    case = case_of({"ours": samples, **(others or {})}, goals={"ours": goals},
                   bounds={"ours": seconds("the bound", 2.0)})  # fmt: skip
    found = verdicts(row_of(case, "ours"))
    return found if len(found) > 1 else found[0]


def test_the_median_is_what_reaches_a_target():
    samples = [2.0, 3.0, 9.0]
    assert reached(ratio_at_most(1.5), samples=samples) == "yes"
    assert reached(ratio_at_most(1.4), samples=samples) == "no"
    assert reached(value_at_most(3.0, "3 s"), samples=samples) == "yes"
    assert reached(value_at_most(2.9, "2.9 s"), samples=samples) == "no"


def test_each_sample_must_have_made_the_number_of_requests():
    right, wrong = Sample(1.0, api=202), Sample(1.0, api=203)
    assert reached(requests(202), samples=[right, right]) == "yes"
    assert reached(requests(202), samples=[right, right, wrong]) == "no"
    assert reached(requests(202), samples=[1.0]) == "no"
    assert reached(requests(202), samples=[right, Sample(1.0)]) == "no"


def test_requests_for_files_miss_a_target_of_directories_in_any_sample():
    goal = only_operations({"opendir"}, "directories only")
    fine = Sample(1.0, fuse={"opendir": 5, "lookup": 0})
    stray = Sample(1.0, fuse={"opendir": 5, "lookup": 1})
    assert reached(goal, samples=[fine, fine]) == "yes"
    assert reached(goal, samples=[fine, stray]) == "no"
    assert reached(goal, samples=[fine, Sample(1.0)]) == "no"


def test_each_target_is_judged_by_itself():
    goals = ratio_at_most(1.5), not_behind("curl")
    behind = reached(*goals, samples=[2.0], others={"curl": [1.9]})
    assert behind == ["yes", "no"]
    assert reached(not_behind("curl"), samples=[2.0], others={"curl": [2.0]}) == "yes"


@pytest.mark.parametrize(
    "peer",
    [{}, {"curl": Result(skipped="none")}, {"curl": Result([Sample(9.0)], None, "oh")}],
)
def test_who_did_not_run_is_not_beaten(peer):
    assert reached(not_behind("curl"), samples=[2.0], others=peer) == "not compared"


def test_less_than_the_least_possible_is_noise_and_reaches_nothing():
    goals = (
        ratio_at_most(1.5), ratio_at_least(0.5), value_at_most(3.0, "3 s"),
        not_behind("curl"), requests(1),
    )  # fmt: skip
    samples, curl = [Sample(1.8, api=1)] * 2, {"curl": [9.0, 9.0]}
    found = reached(*goals, samples=samples, others=curl)
    assert found == ["noise"] * 4 + ["yes"]
    nearly = [Sample(1.96, api=1)] * 2  # two runs of the same differ by as much
    assert reached(*goals, samples=nearly, others=curl) == ["yes"] * 5


def test_only_a_floor_makes_who_is_faster_noise():
    def judged(bound):
        case = case_of({"ours": [1.0], "bare": [2.0]}, bounds={"ours": bound},
                       goals={"ours": (ratio_at_most(1.5),)})  # fmt: skip
        return verdicts(row_of(case, "ours"))

    assert judged(floor("bare")) == ["noise"]
    assert judged(other("bare")) == ["yes"]


# --- The table ---


@pytest.mark.parametrize(
    "value, unit, text",
    [
        (12.345, "s", "12.3 s"),
        (1.2345, "s", "1.23 s"),
        (0.01234, "s", "12.3 ms"),
        (0.00001234, "s", "12.3 us"),
        (999, "B", "999 B"),
        (-3, "B", "-3 B"),
        (12345, "B", "12.3 kB"),
        (1234567, "B", "1.2 MB"),
        (6562.4, "/s", "6562 /s"),
    ],
)
def test_figures_have_the_unit_that_fits(value, unit, text):
    assert shown(value, unit) == text


def test_a_contender_that_did_not_run_says_why_in_place_of_figures():
    results = {
        "ours": Result(trouble="files: 1 instead of 2"),
        "rclone": Result(skipped="none"),
    }
    case = case_of(results, goals={"ours": (ratio_at_most(1),)})
    ours, rclone = row_of(case, "ours"), row_of(case, "rclone")
    assert ours.remark == "trouble: files: 1 instead of 2" and verdicts(ours) == ["no"]
    assert rclone.remark == "skipped: none" and verdicts(rclone) == []
    text = list(lines_of([ours, rclone]))
    assert text[2].endswith("trouble: files: 1 instead of 2")
    assert text[3].endswith("skipped: none")


def test_a_sample_before_the_trouble_does_not_count():
    case = case_of({"ours": Result([Sample(1.0)], trouble="it broke")})
    assert row_of(case, "ours").median == ""


def test_what_requests_differ_in_is_a_range():
    case = case_of({"ours": [Sample(1.0, 7, {"open": 2}), Sample(1.0, 9, {"open": 2})]})
    row = row_of(case, "ours")
    assert (row.API, row.FUSE) == ("7-9", "2")


def test_columns_line_up_and_a_job_is_named_once():
    rows = [
        Row("a job", "50 ms", "vaultfs", "1.00 s", "1.00", "bound"),
        Row("a job", "50 ms", "curl", "12.00 s", "12.00", "bound"),
        Row("another", "", "vaultfs", "3.0 ms"),
    ]
    heads, rule, *lines = lines_of(rows)
    assert heads.index("median") + len("median") == heads.index("ratio") - 2
    assert rule.split()[0] == "-" * len("another")
    ends = [line.index(row.median) + len(row.median) for line, row in zip(lines, rows)]
    assert len(set(ends)) == 1
    assert lines[0].startswith("a job") and lines[1].startswith(" ")
    assert lines[2].startswith("another")


def test_each_target_has_a_line():
    targets = [("<= 1.5x", "yes"), ("202 requests", "no")]
    rows = [
        Row("a job", "", "vaultfs", "1 s", targets=targets),
        Row("a job", "", "curl", "2 s"),
    ]
    heads, _, first, second, third = lines_of(rows)
    place = heads.index("target")
    assert first.split() == ["a", "job", "vaultfs", "1", "s", "<=", "1.5x", "yes"]
    assert second.split() == ["202", "requests", "no"]
    assert second.index("202") == first.index("<=") == place
    assert third.split() == ["curl", "2", "s"]


def test_a_long_story_of_trouble_does_not_widen_the_table():
    rows = [Row("a job", "", "ours", remark="trouble: " + "x" * 300)]
    heads, _, line = lines_of([*rows, Row("b", "", "ours", "1 s")][:1])
    assert len(line) == WIDTH and len(heads) < WIDTH


# --- Counting ---


class CountedMount:
    """Each look at its count costs a lookup at first, and a read."""

    def __init__(self):
        self.counts = {"lookup": 10, "read": 3}
        self.is_known = False

    def read_fuse(self):
        self.counts["lookup"] += not self.is_known
        self.counts["read"] += 1
        self.is_known = True
        return dict(self.counts)


def test_what_looking_costs_is_not_counted():
    mount = CountedMount()
    with FuseCount(mount) as fuse:
        mount.counts["read"] += 2
        mount.counts["opendir"] = 1
    assert fuse.requests == {"lookup": 0, "read": 2, "opendir": 1}


# --- Time ---


def test_the_end_of_a_command_is_waited_for_and_not_looked_for(monkeypatch):
    """Who looks every now and then rounds all times up to the next look."""
    looks = []
    monkeypatch.setattr(time, "sleep", looks.append)
    seconds, status = time_command(["sleep", "0.2"], 20)
    assert (looks, status) == ([], 0) and seconds >= 0.2


def test_a_command_that_hangs_is_killed_with_its_children():
    hanging = ["sh", "-c", "sleep 1000 & wait"]
    with pytest.raises(Trouble, match="did not end in"):
        time_command(hanging, 0.2)


def test_a_command_that_complains_has_not_done_its_work(tmp_path):
    command = ["sh", "-c", "echo a warning >&2"]
    with pytest.raises(Trouble, match="a warning"):
        run_timed(command, tmp_path, tmp_path / "output")


def test_what_is_timed_does_not_outlive_an_interrupt(monkeypatch, tmp_path):
    pids = tmp_path / "pid"

    def interrupted(process, *_):
        wait_for(lambda: pids.exists() and pids.read_text().endswith("\n"))
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        time_command(["sh", "-c", f"sleep 1000 & echo $! > {pids}; wait"], 300)
    sleeper = int(pids.read_text())
    wait_for(lambda: not is_alive(sleeper), what="the end of what was timed")


# --- The run ---

MACHINE = dict.fromkeys(("revision", "date", "kernel", "processor"), "?")
MACHINE["processors"] = 2


@pytest.fixture
def bench():
    bench = Bench(4, QUICK)
    yield bench
    bench.close()


def run_job(bench, cases):
    @contextmanager
    def stage(bench):
        yield cases

    return bench.run(Job("job", "a job", stage))


def test_contenders_take_turns_and_slow_ones_have_fewer(bench):
    turns = []

    def contender(name):
        return lambda number: turns.append((number, name)) or Sample(1.0)

    both = {"ours": contender("ours"), "peer": contender("peer")}
    once = {"slow": contender("slow")}
    run_job(bench, [
        Case("a", both, once=frozenset({"peer"})), Case("b", once, share=0.5),
    ])  # fmt: skip
    assert turns == [
        (0, "ours"), (0, "peer"), (0, "slow"), (1, "ours"), (1, "slow"), (2, "ours"),
        (3, "ours"),
    ]  # fmt: skip


def test_trouble_of_one_contender_stops_that_one_alone(bench):
    tries = []

    def breaks(number):
        tries.append(number)
        raise OSError("no such thing")

    def skips(number):
        tries.append(number)
        raise Skipped("not installed")

    works = lambda number: Sample(1.0)  # noqa: E731
    case = Case("a", {"breaks": breaks, "skips": skips, "works": works})
    run = run_job(bench, [case])
    assert tries == [0, 0]
    assert case.results["breaks"].trouble == "no such thing"
    assert case.results["skips"].skipped == "not installed"
    assert len(case.results["works"].samples) == 4
    assert not report.print_table([run], MACHINE), "trouble must not look whole"


def test_trouble_with_cleaning_up_does_not_hide_an_interrupt(bench):
    def contender(number):
        try:
            raise KeyboardInterrupt
        finally:
            raise OSError("cannot unmount")

    with pytest.raises(KeyboardInterrupt):
        run_job(bench, [Case("a", {"ours": contender})])


def test_a_job_that_cannot_begin_is_a_row(bench, capsys):
    @contextmanager
    def stage(bench):
        raise OSError("no stage")
        yield

    run = bench.run(Job("staged", "a job", stage))
    assert not report.print_table([run], MACHINE)
    assert "trouble: no stage" in capsys.readouterr().out


def test_what_is_skipped_is_told_and_is_no_trouble(bench, capsys):
    def skips(number):
        raise Skipped("not installed")

    run = run_job(bench, [Case("a", {"skips": skips})])
    assert report.print_table([run], MACHINE)
    assert "skipped: not installed" in capsys.readouterr().out


@pytest.mark.parametrize("load, is_told", [(4.0, False), (4.1, True)])
def test_times_of_a_busy_machine_come_with_a_warning(bench, capsys, load, is_told):
    run = run_job(bench, [Case("a", {"works": lambda number: Sample(1.0)})])
    run["load_before"] = (load, 0, 0)
    run["load_after"] = (9.0, 0, 0)  # our own
    report.print_table([run], MACHINE)
    out = capsys.readouterr().out
    assert ("the machine was busy" in out) == is_told
    assert f"load {load} to 9.0\n" in out


def test_a_note_stands_below_the_table_that_needs_it(bench, capsys):
    works = {"works": lambda number: Sample(1.0)}
    report.print_table(
        [run_job(bench, [Case("a", works, 50, note="word " * 60), Case("b", works)])],
        MACHINE,
    )
    out = capsys.readouterr().out
    assert out.count("a at 50 ms: word word") == 1
    assert max(map(len, out.splitlines())) <= WIDTH


# --- All of it ---


def bench_command(*args, **env):
    env |= {"VAULTFS_BUILD": str(BUILD), "PYTHONPATH": str(REPO / "tests")}
    command = [sys.executable, "-B", "-m", "bench", *map(str, args)]
    return {"args": command, "env": os.environ | env}


def run_bench(*args, **env):
    command = bench_command(*args, **env)
    return subprocess.run(**command, capture_output=True, text=True, timeout=200)


def test_list_names_every_job_once():
    done = run_bench("--list")
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == [job.name for job in JOBS] and len(set(names)) == len(names)


def test_a_job_that_is_not_there_is_trouble():
    done = run_bench("--only", "ls-cold,ls-lukewarm")
    assert done.returncode == 2 and "ls-lukewarm" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(bool(why_no_fuse()), reason=str(why_no_fuse()))
def test_it_runs(tmp_path):
    out = tmp_path / "bench.json"
    jobs = "cat-cold,warm,vaultd-creates"
    done = run_bench("--quick", "--rounds", 1, "--only", jobs, "--json", out,
                     TMPDIR=str(tmp_path))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(out.read_text())
    assert [job["name"] for job in told["jobs"]] == jobs.split(",")
    cases = [case for job in told["jobs"] for case in job["cases"]]
    for case in cases:
        assert case["title"] in done.stdout
        for contender in case["contenders"].values():
            assert contender["samples"] and contender["median"] > 0
    cold = [c["contenders"] for c in cases if c["title"].startswith("cold")]
    assert [c["vaultfs"]["samples"][0]["api"] for c in cold] == [1, 1]
    whole = [c["vaultfs, mount included"]["samples"][0]["api"] for c in cold]
    assert whole == [2, 2]
    assert max(map(len, done.stdout.splitlines()[1:])) <= WIDTH
    assert not mounts_below(tmp_path) and os.listdir(tmp_path) == ["bench.json"]


def commands_with(directory):
    """The command lines of those who work in a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().decode(errors="replace").split("\0")
            if f"{directory}/" in "\0".join(command):
                found.append(command)
    return found


@pytest.mark.slow
@pytest.mark.skipif(bool(why_no_fuse()), reason=str(why_no_fuse()))
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_nothing_is_left_by_who_is_told_to_end(tmp_path, number):
    """Again and again, and all that it started with it, as by a terminal that
    closes; and nobody reads what it says."""
    unread, said = os.pipe()
    os.close(unread)
    command = bench_command("--quick", "--rounds", 100000, "--only", "ls-cold",
                            TMPDIR=str(tmp_path))  # fmt: skip
    process = subprocess.Popen(
        **command, stdout=said, stderr=said, start_new_session=True
    )
    os.close(said)
    try:
        wait_for(lambda: mounts_below(tmp_path), 60, "a mount")
        assert len(commands_with(tmp_path)) >= 3  # vaultd, the distance, the mount
        for _ in range(1000):
            os.killpg(process.pid, number)
            if ends_within(process, 0.05):
                break
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 2
    assert not mounts_below(tmp_path) and not os.listdir(tmp_path)
    assert not commands_with(tmp_path)
