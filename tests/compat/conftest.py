"""The models of the shared data, each loaded once for all tests that ask for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import model_zoo
import pytest

from .encode_pair import Pair

# Left to the slow tests: the largest vocabulary, cut as the small one of starcoder is.
SLOW = {"gguf-command-r"}
MODELS = [
    pytest.param(model, marks=pytest.mark.slow if model.name in SLOW else (), id=model.name)
    for model in model_zoo.MODELS
]


@pytest.fixture(scope="session", params=MODELS)
def pair(request: pytest.FixtureRequest, shared_file: Callable[[str], Path]) -> Pair:
    """A model here and in the library of comparison.

    pytest groups the tests by it: one model at a time is loaded, and its expected ids are computed once.
    """
    pytest.importorskip("tokenizers" if request.param.is_hf else "tiktoken")
    return Pair(request.param, shared_file)
