# SPDX-License-Identifier: MIT
"""The table of tools and outcomes that a run leaves."""

from dataclasses import dataclass

HEADS = ("tool", "over", "secret", "exit", "what the server holds", "left in the vault")

# What is told of one case in full.
CHANGES_MAX = 3


@dataclass(frozen=True)
class Row:
    tool: str
    over: str
    secret: str
    status: int
    changes: frozenset
    left: tuple
    is_expected: bool  # what the server holds; the test may fail for another reason

    def holds(self):
        told = sorted(self.changes)
        if len(told) > CHANGES_MAX:
            told = [told[-1], f"{len(told) - 1} credentials more"]
        return ", ".join(told) or "as before"

    def cells(self):
        holds = self.holds()
        return (
            self.tool,
            self.over,
            self.secret,
            str(self.status),
            holds if self.is_expected else holds + "   (not what was expected)",
            " ".join(self.left) or "-",
        )


rows = []


def print_table(terminal):
    lines = [HEADS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    terminal.section("tools and outcomes")
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths))
        terminal.line("  ".join(cells).rstrip())
