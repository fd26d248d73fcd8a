# SPDX-License-Identifier: MIT
"""A mount and the model of its contract agree on random operations.

VAULTFS_MODEL_EXAMPLES  how many sequences of operations
VAULTFS_MODEL_SEED      which ones
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from machine import Machine
from model import ANTHROPIC, DEMANDING, FLAT, QODER
from mounted import Mounted

EXAMPLES = os.environ.get("VAULTFS_MODEL_EXAMPLES")
SEED = int(os.environ.get("VAULTFS_MODEL_SEED", "1"))
STEPS = 50

every_phase = tuple(Phase)


def explore(factory, examples, phases=every_phase):
    """Fails with the shortest sequence of operations that is not agreed on."""
    run_state_machine_as_test(
        seed(SEED)(factory),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            phases=phases,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def compare(world, summary, examples, name="qoder"):
    explore(lambda: Machine(world), examples)
    summary.append(
        f"model: {world.operations} operations in {examples} sequences on"
        f" {name}, seed {SEED}"
    )


def test_a_mount_does_what_the_contract_says(worlds, summary):
    compare(worlds(QODER), summary, 20)


@pytest.mark.slow
def test_a_mount_does_what_the_contract_says_in_more_sequences(worlds, summary):
    compare(worlds(QODER), summary, int(EXAMPLES or 80))


OTHERS = {
    "anthropic": (ANTHROPIC,),
    "qoder-flat": (FLAT, "--first-credential", "optional"),
    "demanding": (DEMANDING, "--first-credential", "required"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_a_mount_of_another_dialect_does_so_too(worlds, summary, name):
    compare(worlds(*OTHERS[name]), summary, int(EXAMPLES or 20), name)


class LosesRenames(Mounted):
    """Says that it renamed a credential, now and then."""

    def rename(self, vault, name, new_vault, new_name, is_noreplace=False):
        if (name, new_name) != ("a.json", "b.json"):
            super().rename(vault, name, new_vault, new_name, is_noreplace)


def test_a_mount_that_loses_a_rename_is_found_out(worlds):
    world = worlds(QODER)
    with pytest.raises(AssertionError):
        explore(lambda: Machine(world, LosesRenames), 1000, (Phase.generate,))
