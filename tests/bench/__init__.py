# SPDX-License-Identifier: MIT
"""How fast the mount is, beside the least possible and beside what people use.

scripts/bench runs it. A job sets a stage up and says what its cases are; a case
is one thing to do, done by several contenders in turn, round after round.
"""
