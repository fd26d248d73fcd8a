# SPDX-License-Identifier: MIT
"""Helpers of the tests that run the real programs."""
