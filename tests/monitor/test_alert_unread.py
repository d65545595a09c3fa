"""Rules about what could not be read: rates that are missing, words and units that nobody knows."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alert_market import a_day, build_crawl, build_rule, noon_after, open_state, seen_by

from config.errors import UsageError
from index.buckets import Buckets
from index.measures.ask import build_ask
from index.open import open_store
from index.store import Filter, Store
from monitor.alerts.backtest import backtest
from monitor.alerts.evaluate import evaluate_all
from monitor.alerts.loading import read_file
from monitor.alerts.unread import FIELDS, iter_unread
from monitor.delivery.outbox import Outbox

BROKEN: dict[str, dict[str, Any]] = {
    "unconverted": {"amount_usd": None, "unit_price_usd": None},
    "unread-price": {"price_text": "three gold pieces", "amount": None, "amount_usd": None},
    "unread-quantity": {"quantity_text": "a pinch", "quantity": None, "unit": None},
    "unknown-substance": {"substances": ()},
}
LISTINGS = 40
GOOD = {"price_text": "30 $", "quantity_text": "1 g"}


def build(path: Path, measure: str, bad: list[int], market: str = "m") -> Store:
    """So many of 40 listings a day lack what the measure is about."""
    store = open_store(f"sqlite:///{path / 'store.db'}")
    for day, count in enumerate(bad):
        crawl = build_crawl(day, market=market)
        store.write_crawl(crawl)
        store.write(
            [seen_by(crawl, number, **(GOOD | (BROKEN[measure] if number < count else {}))) for number in range(LISTINGS)]
        )
    return store


@pytest.mark.parametrize("measure", sorted(FIELDS))
def test_a_share_that_jumps_is_told_with_its_figures(measure: str, tmp_path: Path) -> None:
    rule = build_rule(measure=measure, filter={}, split=["market"], test={"kind": "quality", "most": 0.1})
    with closing(build(tmp_path, measure, [1] * 12 + [20] * 3)) as store, open_state(tmp_path) as state:
        quiet = evaluate_all(store, state, [rule], noon_after(11), outbox=Outbox(state))
        assert quiet.changes.fired == []
        [fired] = evaluate_all(store, state, [rule], noon_after(14), outbox=Outbox(state)).changes.fired
        assert fired.series == {"market": "m"}
        assert fired.value == 0.5
        assert fired.n == LISTINGS
        assert fired.first_bucket == a_day(13)  # the second day in a row
        assert f"{measure} 0.5" in fired.why
        assert fired.query == f"dropline rows --market m --from {fired.bucket} --to {fired.bucket}"
        # enough listings and vendors stand behind it: the figure may be sent
        (notice,) = state.db.execute("SELECT notice FROM outbox").fetchone()
        assert '"value":0.5' in notice
        [hit] = backtest(store, rule, noon_after(14)).hits
        assert hit.alert.id == fired.id


@pytest.mark.parametrize("measure", sorted(FIELDS))
def test_only_what_should_have_been_read_counts(measure: str, tmp_path: Path) -> None:
    """Offers that state no price or quantity, and what is no offer, are neither good nor bad."""
    with closing(open_store(f"sqlite:///{tmp_path / 'store.db'}")) as store:
        crawl = build_crawl(0)
        store.write_crawl(crawl)
        silent = {"price_text": None, "amount": None, "amount_usd": None, "quantity_text": None, "quantity": None}
        store.write([
            *(seen_by(crawl, number, **(GOOD | BROKEN[measure])) for number in range(3)),
            *(seen_by(crawl, number, **GOOD) for number in range(3, 12)),
            *(seen_by(crawl, number, **silent) for number in range(12, 20)),
            *(seen_by(crawl, number, kind="job", **(GOOD | BROKEN[measure])) for number in range(20, 30)),
        ])
        ask = build_ask(store, Filter(), by="day", split=["market"], with_flagged=False, currency="usd", of=None, seed=0)
        assert ask is not None
        assert isinstance(ask.buckets, Buckets)
        [(position, series, share, n)] = iter_unread(ask, measure)
    counted = 20 if measure == "unknown-substance" else 12
    assert (position, series, n) == (0, ("m",), counted)
    assert np.isclose(share, 3 / counted)


def test_remembered_days_are_not_read_again_and_say_the_same(tmp_path: Path) -> None:
    rule = build_rule(measure="unconverted", filter={"market": "m"}, test={"kind": "quality", "most": 0.1})
    with closing(build(tmp_path, "unconverted", [1] * 12 + [20] * 3)) as store, open_state(tmp_path) as state:
        evaluate_all(store, state, [rule], noon_after(11))
        asked: list[Filter] = []
        scan = store.scan

        def listen(record: Any, where: Filter, *more: Any) -> Any:
            asked.append(where)
            return scan(record, where, *more)

        store.scan = listen  # type: ignore[method-assign]
        [fired] = evaluate_all(store, state, [rule], noon_after(14)).changes.fired
        assert fired.value == 0.5
        assert [where.first for where in asked if where.first] == [a_day(12)]


@pytest.mark.parametrize("kind", ["first", "down"])
def test_a_share_is_no_count(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "rule.yml"
    path.write_text(
        f"id: x\ntitle: X\nmeasure: unconverted\nowner: anna\nsplit: [market, substance]\ntest: {{kind: {kind}}}\n",
        encoding="utf-8",
    )
    with pytest.raises(UsageError, match=r"unconverted is a share|needs measure: listings"):
        read_file(path)
