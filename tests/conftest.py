"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # for ``import shared_data``, whatever pytest's import mode

import shared_data

# The clock is no part of any property, and machines may be slow and busy: no deadline, no complaint about
# slow data. In CI the examples are the same in every run: a failure there is about the change at hand.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if shared_data.in_ci() else "default"))


def _or_skip(get: Callable[..., Path]) -> Callable[..., Path]:
    """Skip the test when shared data is missing; in CI fail it."""

    @wraps(get)
    def ask(*args: object, **kwargs: object) -> Path:
        try:
            return get(*args, **kwargs)
        except shared_data.SharedDataMissingError as error:
            if shared_data.in_ci():
                pytest.fail(f"{error} (skipped where CI is not set)", pytrace=False)
            pytest.skip(str(error))

    return ask


@pytest.fixture(scope="session")
def shared_corpus() -> Callable[..., Path]:
    """``shared_corpus(name, size=None)``: path of a shared corpus, see `shared_data.shared_corpus`."""
    return _or_skip(shared_data.shared_corpus)


@pytest.fixture(scope="session")
def shared_file() -> Callable[..., Path]:
    """``shared_file(name)``: path of any other shared file, see `shared_data.shared_file`."""
    return _or_skip(shared_data.shared_file)
