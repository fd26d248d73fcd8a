# SPDX-License-Identifier: MIT
"""The table of sources and outcomes that a run leaves.

A test tells its row as a property of its report, which reaches the terminal from
other processes too."""

HEADS = ("source", "what is there", "check", "mount", "errno", "type", "in words")
PROPERTY = "outcome"

# Characters of a message that are told.
WORDS_MAX = 72


def tell(record_property, number, *cells):
    """The row of that number, for tests run in any order."""
    record_property(PROPERTY, [number, *map(str, cells)])


def rows_of(terminal):
    rows = [
        value
        for reports in terminal.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY and report.when == "call"
    ]
    return [tuple(cells) for _, *cells in sorted(rows)]


def shorten(row):
    words = row[-1]
    if len(words) > WORDS_MAX:
        words = words[: WORDS_MAX - 1] + "…"
    return (*row[:-1], words)


def print_table(terminal):
    lines = [HEADS, *map(shorten, rows_of(terminal))]
    widths = [max(map(len, column)) for column in zip(*lines)]
    terminal.section("sources of a token and outcomes")
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths))
        terminal.line("  ".join(cells).rstrip())
