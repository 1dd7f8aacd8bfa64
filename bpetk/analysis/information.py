"""How tokens are spread: entropy, Zipf's law, use of the vocabulary, and what follows for an output layer.

All functions take counts: how often each token was seen, one number an id, in any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = Sequence[int] | NDArray[Any]

ALPHA = 2.5
"""Order of the Rényi entropy that Zouhar et al. 2023 found best."""
WIDTH = 1024
"""Width of the hidden state for which cutoffs are suggested."""
SHRINK = 4
"""Each further cluster of an adaptive softmax has vectors so many times shorter."""
_FIT_POINTS = 200
HEAD_SHARE = 0.8
"""Share of the text that the head of an adaptive softmax covers at least: tails have less to say with."""
_MOST_TAILS = 3


def rank_frequency(counts: Counts) -> NDArray[np.int64]:
    """Give the counts above zero, largest first: element r - 1 is the frequency of rank r.

    Examples
    --------
    >>> rank_frequency([0, 3, 5, 1]).tolist()
    [5, 3, 1]
    """
    array = np.asarray(counts, np.int64)
    found: NDArray[np.int64] = np.sort(array[array > 0])[::-1]
    return found


def entropy(counts: Counts, alpha: float = 1.0) -> float | None:
    r"""Give the Rényi entropy in bits; ``alpha=1`` is Shannon's.

    With p the relative frequencies, :math:`H_\alpha = \log_2(\sum p^\alpha) / (1 - \alpha)` and
    :math:`H_1 = -\sum p \log_2 p`.

    Returns
    -------
    float or None
        None if nothing was counted.

    Examples
    --------
    >>> entropy([1, 1, 1, 1]), entropy([2, 1, 1]), entropy([2, 1, 1], alpha=2)
    (2.0, 1.5, 1.415037499278844)
    """
    seen = rank_frequency(counts)
    if not len(seen):
        return None
    p = seen / seen.sum()
    if alpha == 1:
        return max(0.0, float(-(p * np.log2(p)).sum()))
    return max(0.0, float(np.log2((p**alpha).sum()) / (1 - alpha)))


def efficiency(counts: Counts, size: int, alpha: float = 1.0) -> float | None:
    """Give the entropy as a share of the largest that ``size`` tokens could have, log2(size) (Zouhar et al. 2023).

    It says how evenly tokens are used. It is no measure of quality: Cognetta et al. 2024 give tokenizers where it rises
    while translations get worse.

    Parameters
    ----------
    counts
        How often each token was seen.
    size
        Tokens in the vocabulary, or those that were seen: say which.
    alpha
        Order of the entropy.

    Examples
    --------
    >>> efficiency([1, 1, 1, 1], 16)
    0.5
    """
    bits = entropy(counts, alpha)
    return None if bits is None or size < 2 else bits / math.log2(size)


@dataclass(frozen=True)
class ZipfFit:
    """A straight line through the rank-frequency curve on log-log paper.

    Attributes
    ----------
    exponent
        s in frequency = scale / rank ** s; natural language has about 1.
    scale
        Frequency that the line gives to rank 1.
    r_squared
        Share of the variation that the line explains; 1 is a perfect line.
    """

    exponent: float
    scale: float
    r_squared: float


def zipf_fit(counts: Counts) -> ZipfFit | None:
    """Fit Zipf's law by least squares on the logarithms.

    Up to 200 ranks evenly spread on the logarithmic axis are taken, so that the many rare tokens do not outvote the
    others.

    Returns
    -------
    ZipfFit or None
        None for fewer than three tokens.

    Examples
    --------
    >>> fit = zipf_fit([1200, 600, 400, 300, 240, 200])
    >>> round(fit.exponent, 6), round(fit.scale, 3), round(fit.r_squared, 6)
    (1.0, 1200.0, 1.0)
    """
    seen = rank_frequency(counts)
    if len(seen) < 3:
        return None
    ranks = spread_ranks(len(seen), _FIT_POINTS)
    x, y = np.log10(ranks), np.log10(seen[ranks - 1])
    slope, start = np.polyfit(x, y, 1)
    around = float(((y - y.mean()) ** 2).sum())
    left = float(((y - (start + slope * x)) ** 2).sum())
    return ZipfFit(-float(slope), float(10**start), 1 - left / around if around else 1.0)


def spread_ranks(n: int, points: int) -> NDArray[np.int64]:
    """Give ranks from 1 to n, at most so many, evenly spread on a logarithmic axis.

    Examples
    --------
    >>> spread_ranks(100, 5).tolist()
    [1, 3, 10, 32, 100]
    """
    found: NDArray[np.int64] = np.unique(np.rint(np.geomspace(1, n, points)).astype(np.int64))
    return found


def rank_covering(counts: Counts, share: float) -> int | None:
    """Give how many of the most frequent tokens make up this share of all.

    Examples
    --------
    >>> rank_covering([6, 2, 1, 1], 0.8)
    2
    """
    seen = rank_frequency(counts)
    if not len(seen):
        return None
    return int(np.searchsorted(np.cumsum(seen), share * int(seen.sum()) - 1e-9)) + 1


def frequency_classes(counts: Counts) -> list[tuple[int, int, int]]:
    """Sort tokens into frequency classes: one of class k is 2 ** k times rarer than the most frequent one.

    Returns
    -------
    list[tuple[int, int, int]]
        Class (log2 of the quotient, rounded), tokens in it, their occurrences; classes in order, empty ones left out.

    Examples
    --------
    >>> frequency_classes([100, 49, 26, 24, 1])
    [(0, 1, 100), (1, 1, 49), (2, 2, 50), (7, 1, 1)]
    """
    seen = rank_frequency(counts)
    if not len(seen):
        return []
    of_token = np.floor(np.log2(seen[0] / seen) + 0.5).astype(np.int64)
    tokens, occurrences = np.bincount(of_token), np.bincount(of_token, weights=seen)
    return [(int(k), int(tokens[k]), int(occurrences[k])) for k in np.flatnonzero(tokens)]


@dataclass(frozen=True)
class Cluster:
    """One part of an adaptive softmax: ranks, share of the text, length of its vectors."""

    first_rank: int
    last_rank: int
    share: float
    width: int


@dataclass(frozen=True)
class SoftmaxPlan:
    """Where to cut the vocabulary for an adaptive softmax.

    Attributes
    ----------
    cutoffs
        Ranks after which a cluster ends, without the last.
    clusters
        The head, then the tails.
    cost, full_cost
        Multiplications for a token, with the clusters and without.
    """

    cutoffs: tuple[int, ...]
    clusters: tuple[Cluster, ...]
    cost: float
    full_cost: float

    @property
    def saving(self) -> float:
        """Share of the multiplications that are saved."""
        return 1 - self.cost / self.full_cost


def softmax_plan(
    counts: Counts, size: int, *, width: int = WIDTH, shrink: int = SHRINK
) -> SoftmaxPlan | None:
    """Choose cutoffs for an adaptive softmax (Grave et al. 2017).

    The head holds the most frequent tokens and one entry for each tail; tail i is entered for a share p_i of the tokens
    and has vectors of ``width / shrink ** i`` numbers:

    cost = width (head + tails) + sum of p_i (width w_i + w_i n_i), against width size

    in multiplications for a token. Cuts are tried at the borders of the frequency classes, with a head that covers at
    least 80 % of the text and up to three tails; the cheapest is given. This is the part of their model that grows with
    the matrices; fixed costs of a processor, which favour fewer clusters, are not in it, and neither is what shorter
    vectors cost in quality.

    Parameters
    ----------
    counts
        How often each token was seen.
    size
        Tokens in the vocabulary; those that were not seen are the last ones of the last tail.
    width
        Width of the hidden state.
    shrink
        How much shorter the vectors of each further tail are.

    Returns
    -------
    SoftmaxPlan or None
        None if no such cut saves anything.

    Examples
    --------
    >>> plan = softmax_plan([900, 50, 50], 1000, width=16)
    >>> plan.cutoffs, round(plan.cost, 9), plan.full_cost
    ((1, 3), 55.2, 16000)
    """
    seen = rank_frequency(counts)
    if not len(seen):
        return None
    total = int(seen.sum())
    mass = np.concatenate([[0], np.cumsum(seen)]) / total
    borders = np.cumsum([tokens for _, tokens, _ in frequency_classes(seen)]).tolist()
    borders = [border for border in borders if border < size and mass[border] >= HEAD_SHARE]

    def share(start: int, end: int) -> float:
        return float(mass[min(end, len(seen))] - mass[min(start, len(seen))])

    best: tuple[float, tuple[int, ...]] = (float(width * size), ())
    for tails in range(1, _MOST_TAILS + 1):
        for cuts in combinations(borders, tails):
            cost = float(width * (cuts[0] + tails))
            for i, (start, end) in enumerate(zip(cuts, (*cuts[1:], size), strict=True), 1):
                inner = max(1, width // shrink**i)
                cost += share(start, end) * inner * (width + end - start)
            best = min(best, (cost, cuts))
    cost, cutoffs = best
    if not cutoffs:
        return None
    edges = (0, *cutoffs, size)
    clusters = tuple(
        Cluster(start + 1, end, share(start, end), max(1, width // shrink**i))
        for i, (start, end) in enumerate(pairwise(edges))
    )
    return SoftmaxPlan(cutoffs, clusters, cost, width * size)
