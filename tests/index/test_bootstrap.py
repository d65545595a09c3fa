"""Weights are Poisson(1) and the same everywhere; replicates equal a slow bootstrap that copies every value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import bootstrap
from index.bootstrap import count_vendors, median_interval, replicate_totals, total_intervals, vendor_weights


def names(count: int) -> list[str]:
    return [f"m\0t:{number}" for number in range(count)]


def test_weights_are_poisson_and_independent() -> None:
    weights = vendor_weights(names(2_000), seed=0).astype(float)
    shares = np.bincount(weights.astype(int).ravel(), minlength=6)[:6] / weights.size
    expected = [math.exp(-1) / math.factorial(k) for k in range(6)]
    assert shares == pytest.approx(expected, abs=0.0015)
    # a million weights: correlations beyond five standard errors would be a defect
    assert abs(np.corrcoef(weights[:-1].ravel(), weights[1:].ravel())[0, 1]) < 0.005
    assert abs(np.corrcoef(weights[:, :-1].ravel(), weights[:, 1:].ravel())[0, 1]) < 0.005
    assert weights.sum(axis=0).var() == pytest.approx(2_000, rel=0.3)


def test_weights_depend_on_seller_and_seed_alone() -> None:
    weights = vendor_weights(names(10), seed=3)
    assert np.array_equal(vendor_weights(names(10)[::-1], seed=3)[::-1], weights)
    assert np.array_equal(vendor_weights(names(3), seed=3, replicates=20), weights[:3, :20])
    assert not np.array_equal(vendor_weights(names(10), seed=4), weights)
    # pinned: the same on every machine and version
    assert vendor_weights(["a"], seed=0, replicates=12).tolist() == PINNED


PINNED = [[3, 1, 2, 0, 0, 0, 2, 0, 0, 1, 0, 1]]

ENTRIES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 14), st.floats(0, 1e6)), min_size=1, max_size=60)


@given(entries=ENTRIES, at_once=st.sampled_from([50, 700, 4_000_000]))
@settings(max_examples=30, deadline=None)
def test_totals_equal_a_matrix_product(entries: list[tuple[int, int, float]], at_once: int) -> None:
    weights = vendor_weights(names(15), seed=1, replicates=60)
    cell, vendor, amount = (np.array(column) for column in zip(*entries, strict=True))
    dense = np.zeros((5, 15))
    np.add.at(dense, (cell, vendor), amount)
    before = bootstrap._MOST_AT_ONCE
    bootstrap._MOST_AT_ONCE = at_once
    try:
        found = replicate_totals(cell, 5, vendor, amount.astype(float), weights)
    finally:
        bootstrap._MOST_AT_ONCE = before
    assert np.allclose(found, dense @ weights)


@given(votes=st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 14)), min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_medians_equal_those_of_copied_samples(votes: list[tuple[int, int]]) -> None:
    weights = vendor_weights(names(15), seed=2, replicates=80)
    values, vendor = np.array([vote[0] for vote in votes], dtype=float), np.array([vote[1] for vote in votes])
    slow = []
    for replicate in range(80):
        sample = np.repeat(values, weights[vendor, replicate])
        if len(sample):
            slow.append(np.median(sample))
    if not slow:
        return
    assert median_interval(values, vendor, weights) == pytest.approx(tuple(np.quantile(slow, (0.025, 0.975))))


def test_below_ten_known_sellers_there_is_no_interval() -> None:
    cell = np.repeat(np.arange(3), [9, 10, 10])
    vendor = np.concatenate([np.arange(9), np.arange(10), np.arange(1, 11)])
    known = np.array([True] * 10 + [False])
    assert count_vendors(cell, 3, vendor, known).tolist() == [9, 10, 9]
    found = total_intervals(cell, 3, vendor, np.ones(29), vendor_weights(names(11), seed=0), known=known)
    assert [low is None for low, _ in found] == [True, False, True]
    empty = np.zeros(0, dtype=np.int64)
    assert total_intervals(empty, 2, empty, np.zeros(0), vendor_weights([], seed=0), known=np.zeros(0, dtype=bool)) == [
        (None, None), (None, None)]


def test_intervals_of_a_mean_cover_as_often_as_they_say() -> None:
    """400 samples of 40 sellers: the true median lies inside about 95 % of the intervals."""
    generator = np.random.default_rng(7)
    hits = 0
    for sample in range(400):
        values = generator.lognormal(3, 0.5, 40)
        weights = vendor_weights([f"{sample}/{number}" for number in range(40)], seed=0, replicates=300)
        low, high = median_interval(values, np.arange(40), weights)
        hits += low <= math.exp(3) <= high
    assert 0.91 <= hits / 400 <= 0.985


@pytest.mark.parametrize(("size", "sellers"), [(1, 1), (63, 12), (64, 12), (65, 12), (5_000, 40), (30_000, 300)])
def test_medians_of_long_series_equal_those_of_copied_samples(size: int, sellers: int) -> None:
    """Ranks are looked for block by block: sizes around the blocks' ends, and more values than blocks at their least."""
    chance = np.random.default_rng(size)
    values, vendor = chance.integers(1, 900, size).astype(np.float64), chance.integers(0, sellers, size)
    weights = vendor_weights([f"seller {number}" for number in range(sellers)], seed=5, replicates=60)
    copied = [np.repeat(values, weights[vendor, replicate]) for replicate in range(60)]
    medians = [float(np.median(sample)) for sample in copied if len(sample)]
    assert median_interval(values, vendor, weights) == tuple(np.quantile(medians, (0.025, 0.975)))
