"""How much of the births a bucket may hold, where crawls differ in number or fail.

A listing that came into being while nobody looked is first seen later: what a gap lacks, the bucket after it has on
top.
"""

from __future__ import annotations

import numpy as np

from index.detect.base import Floats


def baseline_exposure(exposure: Floats, judged: Floats) -> Floats:
    """Exposure of each bucket as part of a baseline; 0: left out, since its count may belong to other days.

    `judged` is its effective exposure. Where the two differ by much (a short bucket, or one after a gap), nobody knows
    how much of the births it holds: read either way, such buckets make a quiet market look restless.
    """
    own = np.nan_to_num(np.asarray(exposure, dtype=np.float64))
    return np.where(own >= 0.7 * judged, (own + judged) / 2, 0.0)


def effective_exposure(exposure: Floats, carry: bool, memory: int, window: int = 30) -> Floats:
    """Exposure of each bucket for counts of what is first seen; 0 stays 0. Uses earlier buckets alone.

    With `carry`, a bucket counts for the usual exposure at least (the median of the last `window` known ones: a week in
    which but the last crawl worked shows the whole week's births), and for what was missing in the buckets just
    before it, up to `memory` of them: after a full bucket nothing is owed.
    """
    exposure = np.nan_to_num(np.asarray(exposure, dtype=np.float64))
    if not carry:
        return exposure
    result = np.zeros_like(exposure)
    usual_values: list[float] = []
    owed = 0.0
    for index, own in enumerate(exposure):
        usual = float(np.median(usual_values[-window:])) if usual_values else 0.0
        if own <= 0:
            owed = min(owed + usual, memory * usual)
            continue
        usual_values.append(float(own))
        result[index] = max(own, usual) + owed
        owed = max(0.0, usual - own)
    return result
