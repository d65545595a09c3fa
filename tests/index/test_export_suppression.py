"""Small groups are withheld, and no sum, other measure or other release gives them back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from export_world import DAYS, SIZES, ask, build, control, fill_up, history
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_world import START, a_day

from config.errors import UsageError
from index.export.crowd import Cell
from index.export.earlier import build_judge
from index.export.lines import Line, build_lines, close_pattern, solve
from index.export.metadata import Publication
from index.export.package import answer, read_versions, write_package
from index.export.question import Control, Question
from index.export.suppress import SUPPRESSED, Released, breaks_money_rules
from index.export.verify import verify_package
from index.store import Store

KEY = b"k" * 32
NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = build(tmp_path_factory.mktemp("small") / "s.db")
    yield made
    made.close()


def release(store: Store, question: Question, **rules: object) -> dict[str, tuple[Released, ...]]:
    return answer(store, question, control(**rules), vendor_key=KEY).rows


def values(rows: tuple[Released, ...]) -> dict[tuple[date, str | None], float | None]:
    return {(each.row.bucket, next(iter(each.row.splits.values()), None)): each.row.value for each in rows}


def test_few_listings_are_withheld_with_all_their_figures_and_many_are_told(store: Store) -> None:
    rows = release(store, ask("listings", "price", "turnover", split=("substance",)))
    for measure, some in rows.items():
        by_name = [each for each in some if each.row.splits["substance"] == "heroin"]
        assert len(by_name) == 3
        for each in by_name:
            assert each.suppressed
            assert (each.row.value, each.n, each.row.low, each.row.reason) == (None, None, None, SUPPRESSED)
            assert all(one is None or isinstance(one, str) for one in each.row.extras.values())
            assert each.row.crawls == 7, "what the crawls saw of the market is no secret"
        assert any(each.row.value for each in some if each.row.splits["substance"] == "mdma"), measure


def test_one_withheld_cell_never_stands_alone_in_its_sum(store: Store) -> None:
    told = values(release(store, ask("listings", split=("substance",)))["listings"])
    for week in {bucket for bucket, _ in told}:
        hidden = {name for (bucket, name), value in told.items() if bucket == week and value is None}
        assert hidden == {"heroin", "cannabis-herb"}, "the smallest that could be told goes with it"


def test_what_is_withheld_in_one_measure_no_other_tells(store: Store) -> None:
    rows = release(store, ask("listings", "offers", "vendors", "share", "new", split=("substance",)))
    hidden = [{(e.row.bucket, e.row.splits["substance"]) for e in some if e.suppressed} for some in rows.values()]
    assert all(each == hidden[0] for each in hidden)
    for each in rows["share"]:
        assert each.row.extras["unknown"] is None or each.row.extras["unknown"] == 0


def test_share_of_some_alone_is_refused_since_its_total_tells_of_the_others(store: Store) -> None:
    with pytest.raises(UsageError, match="sum of the others"):
        release(store, ask("share", substance=("mdma", "mephedrone", "cannabis-herb")))


def test_restricted_release_tells_everything_under_a_fresh_vendor_key(store: Store) -> None:
    question = ask("listings", split=("vendor",))
    with pytest.raises(UsageError, match="one vendor"):
        release(store, question)
    one = answer(store, question, control(level="restricted"), vendor_key=b"1" * 32).rows["listings"]
    two = answer(store, question, control(level="restricted"), vendor_key=b"2" * 32).rows["listings"]
    names = [{str(each.row.splits["vendor"]) for each in rows} for rows in (one, two)]
    assert len(names[0]) == len(names[1]) == sum(vendors for _, vendors in SIZES.values())
    assert not names[0] & names[1]
    assert not any("abcdef01" in name for name in names[0])
    week = [each.row.splits["vendor"] for each in one if each.row.bucket == START]
    assert week == sorted(week, key=str), "the order of the old names must not show"
    assert sorted(each.row.value or 0 for each in one) == sorted(each.row.value or 0 for each in two)


def test_gap_keeps_its_own_reason_and_an_empty_cell_stays_zero(tmp_path: Path) -> None:
    crawls, observations = history(days=14)
    crawls = [each if each.started.date() < a_day(7) else each.model_copy(update={"coverage": ()}) for each in crawls]
    with_gap = build(tmp_path / "none.db", days=1)
    with_gap.forget(market="m")
    fill_up(with_gap, crawls, [row for row in observations if row.substance != "heroin"])
    rows = release(with_gap, ask("listings", split=("substance",), substance=("heroin", "mdma")))["listings"]
    by_week = {(each.row.bucket, each.row.splits["substance"]): each for each in rows}
    empty = by_week[START, "heroin"]
    assert (empty.row.value, empty.n, empty.suppressed) == (0.0, 0, False)
    gap = by_week[a_day(7), "mdma"]
    assert gap.row.value is None
    assert gap.row.reason not in {None, SUPPRESSED}
    with_gap.close()


@pytest.mark.parametrize(
    ("amounts", "unsafe"),
    [
        ([], False),
        ([10, 10, 10, 10], True),  # four vendors
        ([10, 10, 10, 10, 10], False),
        ([86, 5, 4, 3, 2], True),  # 86 of 100
        ([84, 4, 4, 4, 4], False),  # the others but the second come to 12, a tenth of 84 is 8.4
        ([50, 46, 1.5, 1.5, 1], True),  # 4 left over: the second knows the first to within 8 %
    ],
)
def test_money_rules_by_hand(amounts: list[float], unsafe: bool) -> None:
    assert breaks_money_rules(amounts, control()) is unsafe


@given(st.lists(st.floats(0.01, 1e6), min_size=5, max_size=12), st.floats(1, 60))
def test_p_rule_is_about_how_well_the_second_largest_can_guess(amounts: list[float], p: float) -> None:
    ordered = sorted(amounts, reverse=True)
    guess = sum(amounts) - ordered[1]  # total less its own: an upper bound of the largest
    off = (guess - ordered[0]) / ordered[0]
    if abs(off - p / 100) > 1e-6:
        found = breaks_money_rules(amounts, Control(as_of=START, p=p, dominance=100))
        assert found is (off < p / 100)


def test_dominated_money_is_withheld_though_its_listings_are_told(tmp_path: Path) -> None:
    crawls, observations = history()
    big = [
        row.model_copy(update={"amount_usd": 5_000_000, "amount": 5_000_000})
        if (row.vendor or "").startswith("abcdef01:md") and row.offer in {"mdma-0", "mdma-10", "mdma-20"} else row
        for row in observations
    ]
    made = build(tmp_path / "d.db", days=1)
    made.forget(market="m")
    fill_up(made, crawls, big)
    rows = release(made, ask("turnover", "listings", substance=("mdma",)))
    assert {each.row.reason for each in rows["turnover"]} == {SUPPRESSED}
    assert all(each.row.value == 30 for each in rows["listings"])
    made.close()


def determined(hidden: list[Cell], lines: list[Line]) -> set[Cell]:
    """Withheld cells that the sums give away, by comparing ranks (another way than the code's)."""
    place = {cell: number for number, cell in enumerate(hidden)}
    matrix = np.array([[float(cell in line) for cell in hidden] for line in lines])
    rank = np.linalg.matrix_rank(matrix)
    return {
        cell for cell in hidden
        if np.linalg.matrix_rank(np.vstack([matrix, np.eye(len(hidden))[place[cell]]])) == rank
    }


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 5), st.integers(2, 5), st.data())
def test_sums_of_rows_and_columns_determine_no_withheld_cell(height: int, width: int, data: st.DataObject) -> None:
    cells: list[Cell] = [(START, (f"r{row}", f"c{column}")) for row, column in product(range(height), range(width))]
    sizes = dict(zip(cells, data.draw(st.lists(st.integers(0, 40), min_size=len(cells), max_size=len(cells))), strict=True))
    lines = build_lines(cells, ("region", "form"), "week")
    small = {cell for cell in cells if sizes[cell] < 10}
    pattern = close_pattern(small, lines, lambda some: sum(sizes[cell] for cell in some) < 10, sizes.__getitem__)
    assert small <= pattern
    for cell in determined(sorted(pattern), lines) if pattern else ():
        beside = {other for line in lines if cell in line for other in line}
        assert beside <= pattern, "it could have been hidden behind another"
    for line in lines:
        hidden = [cell for cell in line if cell in pattern]
        if hidden and len(hidden) < len(line):
            assert len(hidden) > 1
            assert sum(sizes[cell] for cell in hidden) >= 10, "the sum of the withheld is itself told"


def test_cell_that_only_all_sums_together_give_away_is_found() -> None:
    # two rectangles of withheld cells joined by one cell: every sum has at least two, and yet the joint is determined
    names = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 2), (2, 3), (3, 2), (3, 3)]
    hidden: list[Cell] = [(START, (f"r{row}", f"c{column}")) for row, column in names]
    cells: list[Cell] = [(START, (f"r{row}", f"c{column}")) for row, column in product(range(4), repeat=2)]
    lines = build_lines(cells, ("region", "form"), "week")
    assert solve(hidden, lines) == [(START, ("r1", "c2"))]
    pattern = close_pattern(hidden, lines, lambda some: False, lambda cell: 1)
    assert not determined(sorted(pattern), lines)


def test_days_of_a_week_do_not_give_one_back() -> None:
    days: list[Cell] = [(START + timedelta(days=day), ("mdma",)) for day in range(7)]
    pattern = close_pattern({days[2]}, build_lines(days, ("substance",), "day"), lambda some: False, lambda cell: 1)
    assert len(pattern) > 1


# two releases


def publish(store: Store, folder: Path, question: Question, against: tuple[Path, ...] = ()) -> dict[str, tuple[Released, ...]]:
    rules = control()
    judge = build_judge(store, question, rules, against)
    found = answer(store, question, rules, vendor_key=KEY, already=judge.already)
    versions = read_versions(store, question, dropline="test")
    write_package(folder, found, question, rules, versions, Publication(), created=NOW, against=judge.ids)
    return found.rows


def test_subtracting_a_filter_from_the_whole_gives_the_small_group_unless_held_against(
    store: Store, tmp_path: Path
) -> None:
    most = ("mdma", "mephedrone", "cannabis-herb")
    for measure in ("listings", "turnover"):
        whole = values(publish(store, tmp_path / f"{measure}-1", ask(measure))[measure])
        part = ask(measure, substance=most)
        alone = values(publish(store, tmp_path / f"{measure}-2", part)[measure])
        week = (START, None)
        if measure == "listings":
            assert (whole[week] or 0) - (alone[week] or 0) == 4, "the attack works on two unwary releases"
        safe = values(publish(store, tmp_path / f"{measure}-3", part, (tmp_path / f"{measure}-1",))[measure])
        assert set(safe.values()) == {None}
        # and the other way round: the whole after the part
        after = values(publish(store, tmp_path / f"{measure}-4", ask(measure), (tmp_path / f"{measure}-2",))[measure])
        assert set(after.values()) == {None}


def test_asking_for_what_was_sacrificed_does_not_get_it(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "1", ask("listings", split=("substance",)))
    herb = ask("listings", substance=("cannabis-herb",))
    assert all(each.row.value for each in publish(store, tmp_path / "2", herb)["listings"])
    safe = publish(store, tmp_path / "3", herb, (tmp_path / "1",))["listings"]
    assert {each.row.reason for each in safe} == {SUPPRESSED}
    judge = build_judge(store, herb, control(), [tmp_path / "1"])
    for already in (None, judge.already):  # with the earlier package at hand, and without
        assert all(finding.ok for finding in verify_package(tmp_path / "3", store, already))
    assert [finding.check for finding in verify_package(tmp_path / "2", store, judge.already) if not finding.ok] == [
        "figures: listings"], "it told what the first one hid"


def test_parts_published_apart_are_taken_from_the_whole_together(store: Store, tmp_path: Path) -> None:
    folders = []
    for name in ("mdma", "mephedrone", "cannabis-herb"):
        publish(store, tmp_path / name, ask("listings", substance=(name,)))
        folders.append(tmp_path / name)
    # each of them differs from the whole by many listings: only all three together leave the small group
    assert all(each.row.value == 76 for each in publish(store, tmp_path / "unwary", ask("listings"))["listings"])
    for few in range(3):
        some = publish(store, tmp_path / f"after-{few}", ask("listings"), tuple(folders[: few + 1]))["listings"]
        assert {each.suppressed for each in some} == {few == 2}


def test_a_longer_week_is_not_published_so_that_its_days_cannot_be_subtracted(store: Store) -> None:
    rows = {last: release(store, ask("listings", last=a_day(last)))["listings"] for last in (9, 12, 13)}
    assert [len(rows[last]) for last in (9, 12, 13)] == [1, 1, 2]
    assert len(release(store, ask("listings"), as_of=a_day(DAYS), lag_days=8)["listings"]) == 2
    assert len(release(store, ask("listings"), as_of=a_day(DAYS), lag_days=0)["listings"]) == 3


def test_what_came_in_since_is_not_the_difference_of_two_releases(tmp_path: Path) -> None:
    made = build(tmp_path / "late.db")
    question = ask("listings")
    publish(made, tmp_path / "before", question)
    crawls, observations = history(heroin=6)
    fill_up(made, crawls, observations)
    unwary = values(publish(made, tmp_path / "unwary", question)["listings"])
    assert set(unwary.values()) == {78.0}, "two more listings than the 76 before"
    safe = values(publish(made, tmp_path / "safe", question, (tmp_path / "before",))["listings"])
    assert set(safe.values()) == {None}
    made.close()
