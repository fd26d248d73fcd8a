# SPDX-License-Identifier: MIT
"""Cases as rows, and rows as text."""

import itertools
import textwrap
from dataclasses import asdict, dataclass, field

from .measure import MISSED

WIDTH = 160  # of the table, at most

HEADS = (
    "job", "delay", "contender", "median", "ratio", "to", "API", "FUSE", "target",
    "reached",
)  # fmt: skip
TO_THE_RIGHT = {"delay", "median", "ratio", "API", "FUSE"}


@dataclass
class Row:
    job: str
    delay: str
    contender: str
    median: str = ""
    ratio: str = ""
    to: str = ""
    API: str = ""
    FUSE: str = ""
    targets: list = field(default_factory=list)  # texts, and whether reached
    remark: str = ""  # instead of figures: why there are none


# By unit: from which value on, what it is divided by, what that is called, and how
# many digits it has.
SCALES = {
    "s": ((10, 1, "s", 1), (1, 1, "s", 2), (1e-3, 1e-3, "ms", 1), (0, 1e-6, "us", 1)),
    "B": ((1e6, 1e6, "MB", 1), (1e4, 1e3, "kB", 1), (-1e18, 1, "B", 0)),
    "/s": ((0, 1, "/s", 0),),
}


def shown(value, unit):
    for start, size, name, digits in SCALES[unit]:
        if value >= start:
            return f"{value / size:.{digits}f} {name}"
    raise ValueError(f"{value} {unit}")


def shown_spread(numbers):
    if numbers is None:
        return ""
    least, most = numbers
    return str(most) if least == most else f"{least}-{most}"


def row_of(case, name):
    delay = "" if case.delay_ms is None else f"{case.delay_ms:g} ms"
    row = Row(case.title, delay, name)
    result = case.results[name]
    goals = case.goals.get(name, ())
    if result.trouble is not None:
        row.remark = f"trouble: {result.trouble}"
    elif not result.samples:
        row.remark = f"skipped: {result.skipped}"
    if row.remark:
        row.targets = [(goal.text, MISSED) for goal in goals]
        return row
    ratio = case.ratio_of(name)
    row.median = shown(result.median, case.unit)
    if name in case.bounds:
        row.to = case.bounds[name].name
        row.ratio = "" if ratio is None else f"{ratio:.2f}"
    row.API, row.FUSE = shown_spread(result.api), shown_spread(result.fuse)
    row.targets = [(goal.text, goal.judge(case, name)) for goal in goals]
    return row


def rows_of(case):
    return [row_of(case, name) for name in case.results]


def cells_of(row):
    """A line for each of its targets, the figures in the first."""
    figures = [getattr(row, head) for head in HEADS[:-2]]
    first, *more = row.targets or [("", "")]
    yield [*figures, *first]
    for target in more:
        yield [*[""] * len(figures), *target]


def lines_of(rows):
    """The table. What a row has in common with the one above is not repeated; a
    remark runs over the figures, and is cut where the table must end."""
    cells = [line for row in rows if not row.remark for line in cells_of(row)]
    cells += [[row.job, row.delay, row.contender] for row in rows if row.remark]
    columns = itertools.zip_longest(HEADS, *cells, fillvalue="")
    widths = [max(map(len, column)) for column in columns]
    yield "  ".join(map(aligned, HEADS, HEADS, widths)).rstrip()
    yield "  ".join("-" * width for width in widths)
    above = None
    for row in rows:
        lines = list(cells_of(row))
        common = (row.job, row.delay)
        if common == above:
            lines[0][:2] = ["", ""]
        above = common
        if row.remark:
            lines = [[*lines[0][:3], row.remark]]
        for line in lines:
            text = "  ".join(map(aligned, HEADS, line, widths)).rstrip()
            yield text[:WIDTH] if row.remark else text


def aligned(head, text, width):
    return text.rjust(width) if head in TO_THE_RIGHT else text.ljust(width)


def wrapped(text):
    return textwrap.fill(text, WIDTH)


def as_objects(rows):
    return [asdict(row) for row in rows]
