# SPDX-License-Identifier: MIT
"""A job: a stage, and a name to ask for it."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    name: str
    title: str
    stage: Callable  # a context manager of a Bench; it yields Cases


def job(name, title):
    """Turns a generator function, which sets up, yields its cases and cleans up,
    into a Job."""

    def make(function):
        return Job(name, title, contextmanager(function))

    return make
