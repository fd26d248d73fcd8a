# SPDX-License-Identifier: MIT
"""What a run has to say: the table, and the JSON."""

from collections import Counter
from dataclasses import asdict

from .measure import MISSED, NOISE, NOT_COMPARED, REACHED
from .table import Row, as_objects, lines_of, rows_of, wrapped


def rows_of_run(run):
    """A job that could not begin, or broke off, has a row for that."""
    rows = [row for case in run["cases"] for row in rows_of(case)]
    if run["trouble"] is not None:
        rows.append(Row(run["job"].name, "", "", remark=f"trouble: {run['trouble']}"))
    return rows


def print_table(runs, machine):
    """Returns whether everything ran."""
    rows = [row for run in runs for row in rows_of_run(run)]
    print(head_of(runs, machine), end="\n\n")
    for line in lines_of(rows):
        print(line)
    for note in notes_of(runs):
        print(f"\n{note}")
    print_summary(rows)
    warn_of_company(runs, machine["processors"])
    return not any(row.remark.startswith("trouble") for row in rows)


def head_of(runs, machine):
    loads = [run[when][0] for run in runs for when in ("load_before", "load_after")]
    return (
        f"{machine['date']}, revision {machine['revision']}, "
        f"Linux {machine['kernel']}, "
        f"{machine['processors']} CPUs ({machine['processor']}), "
        f"load {min(loads):.1f} to {max(loads):.1f}"
    )


def notes_of(runs):
    for case in (case for run in runs for case in run["cases"] if case.note):
        yield wrapped(f"{case.full_title}: {case.note}")


def print_summary(rows):
    verdicts = Counter(verdict for row in rows for _, verdict in row.targets)
    counts = {
        "missed": verdicts[MISSED],
        "lost in noise": verdicts[NOISE],
        "not compared": verdicts[NOT_COMPARED],
        "contenders skipped": sum(row.remark.startswith("skipped") for row in rows),
        "in trouble": sum(row.remark.startswith("trouble") for row in rows),
    }
    parts = [f"{verdicts[REACHED]} of {verdicts.total()} targets reached"]
    parts += [f"{count} {what}" for what, count in counts.items() if count]
    print(f"\n{', '.join(parts)}")


def warn_of_company(runs, processors):
    """What we do ourselves is about a process each for our processors."""
    load = max((run["load_before"][0] for run in runs), default=0)
    if load > 2 * processors:
        print(
            f"the machine was busy (load {load:.1f} on {processors} processors): "
            "trust the counts, measure the times again"
        )


def case_as_object(case):
    return {
        "title": case.title,
        "delay_ms": case.delay_ms,
        "unit": case.unit,
        "contenders": {
            name: {
                "median": result.median if result.is_measured else None,
                "ratio": case.ratio_of(name) if result.is_measured else None,
                "skipped": result.skipped,
                "trouble": result.trouble,
                "samples": [asdict(sample) for sample in result.samples],
            }
            for name, result in case.results.items()
        },
        "rows": as_objects(rows_of(case)),
    }


def as_json(runs, machine, options):
    return {
        "machine": machine,
        "rounds": options.rounds,
        "is_quick": options.quick,
        "jobs": [
            {
                "name": run["job"].name,
                "title": run["job"].title,
                "trouble": run["trouble"],
                "seconds": round(run["seconds"], 3),
                "load_before": run["load_before"],
                "load_after": run["load_after"],
                "cases": [case_as_object(case) for case in run["cases"]],
            }
            for run in runs
        ],
    }
