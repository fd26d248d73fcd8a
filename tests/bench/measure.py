# SPDX-License-Identifier: MIT
"""What a measurement is made of: samples, contenders, cases, bounds and goals."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field


class Skipped(Exception):
    """A contender that cannot run on this machine; the text says why."""


@dataclass
class Sample:
    """One run of one contender, which has seen that the work was done."""

    value: float  # in the unit of its case
    api: int | None = None  # requests to the service; None: not counted
    fuse: dict | None = None  # FUSE requests by operation
    more: dict = field(default_factory=dict)  # for the JSON alone


@dataclass
class Result:
    """All that one contender did in a case."""

    samples: list = field(default_factory=list)
    skipped: str | None = None
    trouble: str | None = None

    @property
    def is_measured(self):
        return bool(self.samples) and self.trouble is None

    @property
    def median(self):
        return statistics.median(s.value for s in self.samples)

    @property
    def api(self):
        """The least and the most requests of a sample, or None."""
        return spread(s.api for s in self.samples)

    @property
    def fuse(self):
        return spread(
            None if s.fuse is None else sum(s.fuse.values()) for s in self.samples
        )


def spread(numbers):
    known = [n for n in numbers if n is not None]
    return (min(known), max(known)) if known else None


@dataclass(frozen=True)
class Bound:
    """What a sample is divided by: computed, or from other contenders' samples of
    the same round, so that what shakes a round shakes both. of() gets a round's
    values by contender; KeyError when one was not measured.

    Whoever takes less than least() has not been fast: the measurement is wrong.
    """

    name: str
    of: Callable[[dict], float]
    least: Callable[[dict], float] | None = None


def seconds(name, value):
    return Bound(name, lambda values: value, lambda values: value)


def counted(count, thing):
    return f"{count} {thing}{'' if count == 1 else 's'}"


def round_trips(count, delay_ms):
    return seconds(counted(count, "round trip"), count * delay_ms / 1000)


def other(contender):
    return Bound(contender, lambda values: values[contender])


def floor(contender):
    """Another contender, than which nobody is faster."""
    return Bound(contender, other(contender).of, other(contender).of)


# How far below the least possible is still what two runs of the same differ by.
SCATTER = 0.05

REACHED, MISSED = "yes", "no"
NOT_COMPARED = "not compared"  # there is nothing to compare with
NOISE = "noise"  # less than the least possible


@dataclass(frozen=True)
class Goal:
    """A figure to reach. judge() gets the case and the contender's name; it says
    REACHED or why not."""

    text: str
    judge: Callable[["Case", str], str]


def verdict(is_met):
    return REACHED if is_met else MISSED


def ratio_goal(text, is_met):
    def judge(case, name):
        ratio = case.ratio_of(name)
        if ratio is None:
            return NOT_COMPARED
        return NOISE if case.is_noise(name) else verdict(is_met(ratio))

    return Goal(text, judge)


def ratio_at_most(limit):
    return ratio_goal(f"<= {limit:g}x", lambda ratio: ratio <= limit)


def ratio_at_least(limit):
    return ratio_goal(f">= {limit:g}x", lambda ratio: ratio >= limit)


def value_at_most(limit, text):
    def judge(case, name):
        if case.is_noise(name):
            return NOISE
        return verdict(case.results[name].median <= limit)

    return Goal(f"<= {text}", judge)


MOUNTING_MS = 30  # what a mount may take beside its round trips


def in_round_trips(count, delay_ms):
    """Of something that a mount is part of."""
    limit_ms = count * delay_ms + MOUNTING_MS
    text = f"{counted(count, 'round trip')} + {MOUNTING_MS} ms"
    return value_at_most(limit_ms / 1000, text)


def requests(count):
    """In every sample, not in the median. Not met when they were not counted."""

    def judge(case, name):
        return verdict(all(s.api == count for s in case.results[name].samples))

    return Goal(counted(count, "request"), judge)


def not_behind(contender):
    def judge(case, name):
        ratio = case.ratio_to(name, other(contender).of)
        if ratio is None:
            return NOT_COMPARED
        return NOISE if case.is_noise(name) else verdict(ratio <= 1)

    return Goal(f"not behind {contender}", judge)


def only_operations(allowed, text):
    """No FUSE request in any sample but those operations. Not met when they were
    not counted."""

    def judge(case, name):
        return verdict(
            all(
                s.fuse is not None and not {o for o, n in s.fuse.items() if n} - allowed
                for s in case.results[name].samples
            )
        )

    return Goal(text, judge)


@dataclass
class Case:
    """One thing to do. contenders maps a name to a function of the round, which
    returns a Sample; it raises Skipped, or anything else when there is trouble."""

    title: str
    contenders: dict
    delay_ms: float | None = None
    bounds: dict = field(default_factory=dict)  # a contender's Bound
    goals: dict = field(default_factory=dict)  # a contender's Goals
    unit: str = "s"
    once: frozenset = frozenset()  # contenders that are too slow for every round
    share: float = 1  # of the rounds: less for what is slow, more for what is short
    note: str = ""  # what a reader of its figures has to know
    results: dict = field(default_factory=dict)

    def rounds_of(self, rounds):
        return max(1, int(rounds * self.share))

    @property
    def full_title(self):
        delay = "" if self.delay_ms is None else f" at {self.delay_ms:g} ms"
        return self.title + delay

    def values_of(self, number):
        """A round's values by contender."""
        return {
            name: result.samples[number].value
            for name, result in self.results.items()
            if result.is_measured and number < len(result.samples)
        }

    def ratio_to(self, name, of):
        """The median of a contender's ratios within the rounds; None where what it
        is compared with was not measured."""
        ratios = []
        for number, sample in enumerate(self.results[name].samples):
            try:
                value = of(self.values_of(number))
            except KeyError:
                continue
            if value > 0:
                ratios.append(sample.value / value)
        return statistics.median(ratios) if ratios else None

    def ratio_of(self, name):
        """To its bound."""
        bound = self.bounds.get(name)
        return None if bound is None else self.ratio_to(name, bound.of)

    def is_noise(self, name):
        """Whether a contender took less than anybody can."""
        bound = self.bounds.get(name)
        if bound is None or bound.least is None:
            return False
        ratio = self.ratio_to(name, bound.least)
        return ratio is not None and ratio < 1 - SCATTER
