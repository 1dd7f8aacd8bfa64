"""Entropy, Zipf's law, frequency classes and cutoffs, by hand and by what must always hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk.analysis.information import (
    efficiency,
    entropy,
    frequency_classes,
    rank_covering,
    rank_frequency,
    softmax_plan,
    zipf_fit,
)

counts = st.lists(st.integers(0, 1000), min_size=1, max_size=60)


def test_entropy_by_hand():
    # p = 1/2, 1/4, 1/8, 1/8
    assert entropy([4, 2, 1, 1]) == 1 / 2 * 1 + 1 / 4 * 2 + 2 * (1 / 8 * 3) == 1.75
    assert entropy([4, 2, 1, 1], 2) == pytest.approx(-math.log2(1 / 4 + 1 / 16 + 2 / 64))
    assert efficiency([4, 2, 1, 1], 16) == 1.75 / 4
    assert efficiency([4, 2, 1, 1], 4, 2.5) == pytest.approx(
        math.log2(0.5**2.5 + 0.25**2.5 + 2 * 0.125**2.5) / (1 - 2.5) / 2
    )
    assert entropy([0, 0]) is None
    assert efficiency([3], 1) is None


@given(counts, st.sampled_from([0.5, 1.0, 2.0, 2.5, 5.0]))
def test_entropy_is_between_none_and_all(found, alpha):
    bits = entropy(found, alpha)
    if bits is None:
        assert not any(found)
        return
    assert 0 <= bits <= math.log2(sum(n > 0 for n in found)) + 1e-9
    assert bits <= entropy(found, alpha / 2) + 1e-9  # falls with the order
    assert bits == pytest.approx(entropy(found[::-1], alpha))
    assert bits == pytest.approx(entropy([7 * n for n in found], alpha))


@given(counts)
def test_frequency_classes_are_a_partition(found):
    classes = frequency_classes(found)
    assert sum(tokens for _, tokens, _ in classes) == len(rank_frequency(found))
    assert sum(times for _, _, times in classes) == sum(found)
    assert [k for k, _, _ in classes] == sorted({k for k, _, _ in classes})


@given(counts, st.floats(0.01, 1))
def test_rank_covering_is_the_least(found, share):
    rank = rank_covering(found, share)
    if rank is None:
        return
    seen = rank_frequency(found)
    assert sum(seen[:rank]) >= share * sum(seen) - 1e-6
    assert sum(seen[: rank - 1]) < share * sum(seen)


@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.4])
def test_zipf_fit_finds_the_exponent(exponent):
    ranks = np.arange(1, 3000)
    found = np.rint(1e9 / ranks**exponent).astype(np.int64)
    np.random.default_rng(0).shuffle(found)
    fit = zipf_fit(found)
    assert fit.exponent == pytest.approx(exponent, abs=1e-4)
    assert fit.scale == pytest.approx(1e9, rel=1e-2)
    assert fit.r_squared == pytest.approx(1, abs=1e-6)
    assert zipf_fit([5, 1]) is None


def test_softmax_plan_by_hand():
    # Classes: one token of 80, four of 5. The head must have 80 %: cuts after 1 or 5.
    found, size, width = [80, 5, 5, 5, 5], 100, 8
    after_one = width * (1 + 1) + 0.2 * 2 * (width + 99)
    after_five = width * (5 + 1) + 0.0
    both = width * (1 + 2) + 0.2 * 2 * (width + 4) + 0.0
    plan = softmax_plan(found, size, width=width)
    assert plan.cost == pytest.approx(min(after_one, after_five, both)) == pytest.approx(28.8)
    assert plan.cutoffs == (1, 5)
    assert plan.full_cost == 800
    assert plan.saving == pytest.approx(1 - 28.8 / 800)
    assert [(c.first_rank, c.last_rank, c.width) for c in plan.clusters] == [
        (1, 1, 8),
        (2, 5, 2),
        (6, 100, 1),
    ]
    assert [c.share for c in plan.clusters] == pytest.approx([0.8, 0.2, 0])


@given(counts, st.integers(0, 500))
def test_clusters_of_a_plan_are_the_vocabulary(found, unseen):
    size = len(rank_frequency(found)) + unseen
    plan = softmax_plan(found, size)
    if plan is None:
        return
    assert plan.clusters[0].first_rank == 1 and plan.clusters[-1].last_rank == size
    assert sum(c.share for c in plan.clusters) == pytest.approx(1)
    assert plan.clusters[0].share >= 0.8 - 1e-9
    assert plan.cost < plan.full_cost
