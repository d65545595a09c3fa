"""Sums a reader may know: the totals along each split, and of the days of a week or month.

A cell that is withheld alone in such a sum is its total less the others. `close_pattern` withholds more until no cell
can be had so (secondary suppression). Source: Hundepool et al. 2012, Statistical Disclosure Control (Wiley), 4.3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np

from index.buckets import By, bucket_of
from index.export.crowd import Cell
from index.measures.ask import UNKNOWN

Line = tuple[Cell, ...]
LARGEST_AUDIT = 1_200
"""Withheld cells in one connected system of sums up to which it is solved exactly."""


def build_lines(cells: Iterable[Cell], splits: Sequence[str], by: By, *, shares: bool = False) -> list[Line]:
    """Every sum of at least one cell: along each split in a bucket; of days, the week's and the month's.

    With `shares` also the sums over known substances only: those stand in every row of `share`.
    """
    groups: dict[tuple[object, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        bucket, series = cell
        for place, name in enumerate(splits):
            rest = (series[:place], series[place + 1 :])
            groups["split", bucket, place, rest].append(cell)
            if shares and name == "substance" and series[place] != UNKNOWN:
                groups["known", bucket, place, rest].append(cell)
        if by == "day":
            groups["week", bucket_of(bucket, "week"), series].append(cell)
            groups["month", bucket_of(bucket, "month"), series].append(cell)
    return [tuple(group) for group in groups.values()]


def close_pattern(
    withheld: Collection[Cell], lines: Sequence[Line], unsafe: Callable[[Collection[Cell]], bool],
    size: Callable[[Cell], int],
) -> set[Cell]:
    """The cells to withhold so that no sum gives one back, nor the sum of a group that is itself too small.

    The smallest cell of a line is sacrificed first, by `size`, then by name: the same content gives the same choice.
    """
    pattern = set(withheld)
    while True:
        before = len(pattern)
        for line in lines:
            hidden = [cell for cell in line if cell in pattern]
            while hidden and (len(hidden) == 1 or unsafe(hidden)):
                more = _smallest((cell for cell in line if cell not in pattern), size)
                if more is None:
                    break  # the whole line is withheld: so is its total, in a release that asks for it
                pattern.add(more)
                hidden.append(more)
        if len(pattern) == before:
            pattern |= _break_solutions(pattern, lines, size)
        if len(pattern) == before:
            return pattern


def _smallest(cells: Iterable[Cell], size: Callable[[Cell], int]) -> Cell | None:
    return min(cells, key=lambda cell: (size(cell), cell[0], tuple(map(str, cell[1]))), default=None)


def _break_solutions(pattern: set[Cell], lines: Sequence[Line], size: Callable[[Cell], int]) -> set[Cell]:
    """One more cell beside each that the sums together determine, though none does alone."""
    found: set[Cell] = set()
    for hidden, own in _components(pattern, lines):
        if len(hidden) < 3 or len(hidden) > LARGEST_AUDIT:
            continue
        for cell in solve(hidden, own):
            beside = [other for line in own if cell in line for other in line if other not in pattern | found]
            more = _smallest(beside, size)
            if more is not None:
                found.add(more)
                break  # the system has changed: solve it again
    return found


def solve(hidden: Sequence[Cell], lines: Sequence[Line]) -> list[Cell]:
    """Those of the withheld cells that the lines' totals, all known, determine exactly."""
    place = {cell: number for number, cell in enumerate(hidden)}
    matrix = np.zeros((len(lines), len(hidden)))
    for row, line in enumerate(lines):
        for cell in line:
            if cell in place:
                matrix[row, place[cell]] = 1.0
    _, singular, rows = np.linalg.svd(matrix)
    rank = int(np.sum(singular > 1e-9))
    free = rows[rank:]  # a cell is determined if no solution of the homogeneous system moves it
    return [cell for cell, number in place.items() if not len(free) or np.max(np.abs(free[:, number])) < 1e-9]


def _components(pattern: set[Cell], lines: Sequence[Line]) -> list[tuple[list[Cell], list[Line]]]:
    """Withheld cells that sums connect, with those sums."""
    root: dict[Cell, Cell] = {cell: cell for cell in pattern}

    def find(cell: Cell) -> Cell:
        while root[cell] != cell:
            root[cell] = root[root[cell]]
            cell = root[cell]
        return cell

    touched = [(line, [cell for cell in line if cell in root]) for line in lines]
    for _, hidden in touched:
        for cell in hidden[1:]:
            root[find(cell)] = find(hidden[0])
    parts: dict[Cell, tuple[list[Cell], list[Line]]] = defaultdict(lambda: ([], []))
    for cell in sorted(pattern, key=str):
        parts[find(cell)][0].append(cell)
    for line, hidden in touched:
        if hidden:
            parts[find(hidden[0])][1].append(line)
    return list(parts.values())
