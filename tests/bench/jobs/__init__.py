# SPDX-License-Identifier: MIT
"""The jobs, in the order of the table."""

from . import change, cold, scale, start, warm

JOBS = cold.JOBS + change.JOBS + warm.JOBS + scale.JOBS + start.JOBS
