"""Least squares with the standard errors that our series need: clustered by seller, or robust to autocorrelation.

Written on numpy (importing statsmodels takes seconds and pandas); the tests hold every figure against statsmodels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """Coefficients, residuals and the bread (X'X)^-1 of a regression; `known` says which coefficients are determined
    by the data (the others are of no meaning)."""

    x: Floats
    coefficients: Floats
    residuals: Floats
    bread: Floats
    known: NDArray[np.bool_]
    rank: int


def fit(x: Floats, y: Floats) -> Fit:
    """Ordinary least squares; `x` has shape (rows, terms) and may be short of rank."""
    scale = np.sqrt((x**2).sum(axis=0))
    # a column that is nothing but rounding after effects were taken out tells nothing
    dead = scale <= 1e-9 * max(1.0, math.sqrt(len(x)))
    scaled = np.where(dead, 0.0, x / np.where(dead, 1.0, scale))
    inverse, known, rank = _invert(scaled.T @ scaled)
    unit = np.where(dead, 0.0, 1.0 / np.where(dead, 1.0, scale))
    bread = unit[:, None] * inverse * unit[None, :]
    coefficients = bread @ (x.T @ y)
    return Fit(x, coefficients, y - x @ coefficients, bread, known & ~dead, rank)


def _invert(gram: Floats) -> tuple[Floats, NDArray[np.bool_], int]:
    """(Pseudo-)inverse of a Gram matrix with ones (or zeros) on its diagonal, which terms it determines, its rank."""
    try:
        # ten times quicker than the eigenvectors, and nearly always enough
        if float((np.diag(np.linalg.cholesky(gram)) ** 2).min(initial=1.0)) > 1e-8:
            whole: Floats = np.linalg.inv(gram).astype(np.float64)
            return whole, np.ones(len(gram), dtype=bool), len(gram)
    except np.linalg.LinAlgError:
        pass  # short of rank
    values, vectors = np.linalg.eigh(gram)
    usable = values > 1e-10 * max(float(values.max(initial=0.0)), 1e-300)
    inverse: Floats = (vectors[:, usable] / values[usable]) @ vectors[:, usable].T
    # determined: no part of it lies in the null space
    return inverse, (vectors[:, ~usable] ** 2).sum(axis=1) < 1e-8, int(usable.sum())


def demean(columns: Floats, group: NDArray[np.int64], weight: Floats) -> Floats:
    """Columns (rows, terms) with the weighted mean of each group taken out (Frisch-Waugh-Lovell: the same as a dummy
    for each group)."""
    codes = np.unique(group, return_inverse=True)[1]
    sizes = np.bincount(codes, weight)
    means = np.stack([np.bincount(codes, column * weight) / sizes for column in columns.T], axis=1)
    found: Floats = columns - means[codes]
    return found


def influence(found: Fit, cluster: NDArray[np.int64], clusters: int) -> Floats:
    """What each cluster adds to the error of each coefficient, shape (clusters, terms): the cluster-robust covariance
    is its cross product."""
    scores = found.x * found.residuals[:, None]
    summed = np.stack([np.bincount(cluster, column, clusters) for column in scores.T], axis=1)
    added: Floats = summed @ found.bread
    return added


def hac_covariance(found: Fit, position: NDArray[np.int64], lags: int) -> Floats:
    """Newey & West 1987 covariance (Bartlett kernel) times n / (n - k). `position` is each row's place in time: rows
    that are missing in between count as zero scores (Parzen 1963; Datta & Du 2012), so that a gap keeps its length."""
    width = int(position.max() - position.min()) + 1
    scores = np.zeros((width, found.x.shape[1]))
    scores[position - position.min()] = found.x * found.residuals[:, None]
    meat = scores.T @ scores
    for lag in range(1, min(lags, width - 1) + 1):
        cross = scores[lag:].T @ scores[:-lag]
        meat += (1 - lag / (lags + 1)) * (cross + cross.T)
    rows, terms = found.x.shape
    covariance: Floats = found.bread @ meat @ found.bread * rows / (rows - terms)
    return covariance


def newey_west_lags(rows: int) -> int:
    """floor(4 (T / 100)^(2/9)), the rule of thumb of Newey & West 1994."""
    return int(4 * (rows / 100) ** (2 / 9))


def t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t: below 30 degrees of freedom by bisection of its closed form, above by the expansion of
    Abramowitz & Stegun 26.7.5 (off by less than 1e-8 there)."""
    if freedom < 30:
        return _t_by_bisection(probability, freedom)
    z = NormalDist().inv_cdf(probability)
    n = float(freedom)
    terms = (
        z, (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / n**power for power, term in enumerate(terms))


def _t_by_bisection(probability: float, freedom: int) -> float:
    if probability < 0.5:
        return -_t_by_bisection(1 - probability, freedom)
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        if t_cdf(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def t_cdf(t: float, freedom: int) -> float:
    """Distribution function of Student's t with whole degrees of freedom (Abramowitz & Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    if freedom == 1:
        inside = 2 * angle / math.pi
    elif freedom % 2:
        term = total = cosine
        for k in range(3, freedom - 1, 2):
            term *= cosine**2 * (k - 1) / k
            total += term
        inside = 2 / math.pi * (angle + sine * total)
    else:
        term = total = 1.0
        for k in range(2, freedom - 1, 2):
            term *= cosine**2 * (k - 1) / k
            total += term
        inside = sine * total
    return (1 + inside) / 2
