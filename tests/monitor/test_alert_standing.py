"""What waits for a person reaches the recipients: crawls that are held, markets that are paused."""

from __future__ import annotations

import asyncio
import email
import email.policy
import random
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from alert_market import build_rule, build_store, open_state
from delivery_lab import Mails, smtp_server, write_channels

from config.errors import UsageError
from config.settings import Settings
from crawler.market import load_market
from crawler.transport import Loopback, Tor
from index.open import open_store
from monitor.alerts.alert import AlertState
from monitor.alerts.backtest import backtest
from monitor.alerts.evaluate import evaluate_all
from monitor.alerts.loading import read_file
from monitor.alerts.records import Records
from monitor.alerts.rule import Rule, RuleFile
from monitor.crawling import Planned, run_crawl, store_crawl
from monitor.delivery.channels import load_channels
from monitor.delivery.deliver import deliver_due
from monitor.delivery.outbox import Outbox
from monitor.demo.world import START, WorldServer
from monitor.held import Held, discard
from monitor.ingest import Ingester
from monitor.review import ReviewQueue, Sighting
from monitor.state import State
from monitor.workspace import build_masker, build_observation_builder

NOW = datetime(2033, 5, 1, 6, tzinfo=UTC)


def rule(measure: str, **fields: Any) -> Rule:
    whole = {"id": "waits", "title": "Look", "measure": measure, "owner": "anna", "recipients": ["desk"]}
    return RuleFile.model_validate({"rules": [whole | fields]}).rules[0]


def run(state: State, one: Rule, now: datetime) -> tuple[int, int, int]:
    """(fired, said again, over) of one evaluation; a second one must have nothing to say."""
    with closing(open_store(f"sqlite:///{state.path.parent / 'empty.db'}")) as store:
        report = evaluate_all(store, state, [one], now, outbox=Outbox(state))
        assert report.failed == []
        again = evaluate_all(store, state, [one], now, outbox=Outbox(state))
    assert (again.changes.fired, again.changes.again, again.changes.recovered) == ([], [], [])
    return len(report.changes.fired), len(report.changes.again), len(report.changes.recovered)


def events(state: State) -> list[str]:
    return [event for (event,) in state.db.execute("SELECT event FROM outbox ORDER BY seq")]


def hold_a_crawl(folder: Path) -> Held:
    """A real crawl of the synthetic market that has fewer listings than its bounds want."""
    settings = Settings(data_dir=folder)
    market = load_market("stash")
    strict = market.model_copy(update={"bounds": market.bounds.model_copy(update={"min_listings": 900})})
    masker = build_masker(settings)
    moment = datetime(START.year, START.month, START.day, 12, tzinfo=UTC)
    with WorldServer(3, 2) as server, closing(open_store(settings.store_url)) as store:
        way = cast("Tor", Loopback(f"http://127.0.0.1:{server.ports['stash']}", demo=True))
        planned = Planned(strict, way)
        done = asyncio.run(run_crawl(settings, planned, masker=masker, clock=lambda: moment, archive=False))
        ingester = Ingester(store, build_observation_builder(settings), settings)
        [stored] = store_crawl(settings, planned, done, ingester, masker=masker, now=moment)
    assert stored.held is not None
    return stored.held


def test_a_held_crawl_reaches_a_mailbox_and_so_does_its_end(tmp_path: Path) -> None:
    held = hold_a_crawl(tmp_path)

    def mail(mails: Mails, now: datetime) -> str:
        write_channels(
            tmp_path, f"channels: {{desk: {{apprise: 'mailto://127.0.0.1:{mails.port}?from=a@example.org&to=b@example.org'}}}}"
        )
        deliver_due(state, load_channels(tmp_path), now, lease=str(now), rng=random.Random(1))
        [(_, content)] = mails.got
        mails.got.clear()
        found = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(found, email.message.EmailMessage)
        body = found.get_body(("plain",))
        assert body is not None
        return f"{found['Subject']}\n{found['References']}\n{body.get_content()}"

    with smtp_server() as mails, open_state(tmp_path) as state:
        one = rule("held", severity="critical", filter={"market": "stash"})
        assert run(state, one, NOW) == (1, 0, 0)
        told = mail(mails, NOW)
        assert f"Alert: waits (stash, {held.crawl})" in told
        assert held.reasons[0].text in told
        assert "fewer than 900" in told
        assert f"dropline market held {held.crawl}" in told
        assert "withheld" not in told
        assert "not known" not in told
        discard(tmp_path, held)
        assert run(state, one, NOW + timedelta(minutes=15)) == (0, 0, 1)
        over = mail(mails, NOW + timedelta(minutes=15))
        assert "Recovered: waits" in over
        assert over.splitlines()[1] == told.splitlines()[1]  # one thread


def test_a_rule_about_another_market_says_nothing(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        state.pause("harbour", "it shows a challenge", NOW, "harbour-1")
        assert run(state, rule("paused", filter={"market": "quay"}), NOW) == (0, 0, 0)
        assert run(state, rule("held"), NOW) == (0, 0, 0)


def test_a_pause_is_told_once_and_the_next_one_anew(tmp_path: Path) -> None:
    one = rule("paused")
    with open_state(tmp_path) as state:
        assert run(state, one, NOW) == (0, 0, 0)
        state.pause("harbour", "it shows a challenge, which only a person may answer", NOW, "harbour-1")
        assert run(state, one, NOW + timedelta(hours=1)) == (1, 0, 0)
        assert run(state, one, NOW + timedelta(days=3)) == (0, 0, 0)
        # a recipient more makes another version of the rule: nothing is told anew
        assert run(state, rule("paused", recipients=["desk", "room"]), NOW + timedelta(days=3)) == (0, 0, 0)
        state.resume("harbour")
        assert run(state, one, NOW + timedelta(days=3, hours=1)) == (0, 0, 1)
        state.pause("harbour", "it wants a login", NOW + timedelta(days=3, hours=2), "harbour-2")
        assert run(state, one, NOW + timedelta(days=3, hours=3)) == (1, 0, 0)
        assert events(state) == ["fired", "recovered", "fired"]
        found = Records(state).of_rule("waits")
        assert sorted(alert.state for alert in found) == [AlertState.OPEN, AlertState.RECOVERED]
        assert "harbour is paused since 2033-05-01 06:00 UTC" in found[0].why
        assert found[0].query == "dropline session set harbour"


def test_words_that_nobody_has_reviewed(tmp_path: Path) -> None:
    def sight(term: str, listing: int, hours: int, kind: str = "title", market: str = "harbour") -> Sighting:
        seen = NOW + timedelta(hours=hours)
        return Sighting(term, kind, market, f"L{listing}", "kid:1", "invented", seen, f"{market}-{hours}")

    one = rule("unreviewed")
    with open_state(tmp_path) as state:
        queue = ReviewQueue(state, tmp_path)
        queue.add([sight("glimmer", 1, -30), sight("glimmer", 2, -29)])  # before the rule began
        assert run(state, one, NOW) == (0, 0, 0)
        queue.add([sight("snowfall", 1, 1), sight("snowfall", 2, 2), sight("moonmoss", 3, 1)])
        queue.add([sight("unit: thimble", listing, 3, "unit") for listing in (4, 5)])
        assert run(state, one, NOW + timedelta(hours=5)) == (0, 0, 0)  # the day is not over
        assert run(state, one, NOW + timedelta(days=1)) == (1, 0, 0)
        [alert] = Records(state).of_rule("waits")
        assert "1 words and 1 field values that no table knows" in alert.why
        (notice,) = state.db.execute("SELECT notice FROM outbox").fetchone()
        assert "snowfall" not in notice
        queue.add([sight("moonmoss", 6, 30)])  # its second listing comes a day later
        assert run(state, one, NOW + timedelta(days=2)) == (1, 0, 0)
        queue.reject("snowfall", NOW + timedelta(days=2))
        assert run(state, one, NOW + timedelta(days=2, hours=1)) == (0, 0, 0)
        queue.reject("unit: thimble", NOW + timedelta(days=2))
        assert run(state, one, NOW + timedelta(days=2, hours=2)) == (0, 0, 1)
        assert events(state) == ["fired", "fired", "recovered"]


def test_first_run_refire_and_muting(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        state.pause("harbour", "it wants a login", NOW)
        assert run(state, rule("paused", on_first_run="hold"), NOW) == (0, 0, 0)
        assert run(state, rule("paused", on_first_run="hold"), NOW + timedelta(days=1)) == (0, 0, 0)
        often = rule("paused", id="often", refire=2)
        said = [run(state, often, NOW + timedelta(days=day)) for day in range(5)]
        assert said == [(1, 0, 0), (0, 0, 0), (0, 1, 0), (0, 0, 0), (0, 1, 0)]
        before = events(state)
        muted = rule("paused", id="muted", muted_until=date(2034, 1, 1))
        assert run(state, muted, NOW) == (1, 0, 0)
        assert events(state) == before


def test_a_dry_run_writes_nothing_and_an_unreadable_mark_is_told(tmp_path: Path) -> None:
    with open_state(tmp_path) as state, closing(build_store(tmp_path, [20] * 3)) as store:
        state.pause("harbour", "it wants a login", NOW)
        report = evaluate_all(store, state, [rule("paused")], NOW, outbox=Outbox(state), dry=True)
        assert [alert.series for alert in report.changes.fired] == [{"market": "harbour"}]
        assert Records(state).select() == []
        folder = tmp_path / "logs" / "quay" / "held"
        folder.mkdir(parents=True)
        (folder / "quay-1.held.json").write_text("{", encoding="utf-8")
        # the others are judged all the same
        report = evaluate_all(store, state, [rule("held"), build_rule(test={"kind": "threshold", "above": 5})], NOW)
        [(names, reason)] = report.failed
        assert names == ("waits",)
        assert "quay-1.held.json" in reason
        assert [alert.rule for alert in report.changes.fired] == ["meph"]


def test_there_is_no_past_to_test_it_on(tmp_path: Path) -> None:
    with closing(build_store(tmp_path, [20] * 3)) as store, pytest.raises(UsageError, match="what waits now"):
        backtest(store, rule("held"), NOW)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("measure: listings\n  test: {kind: standing}", "go together alone"),
        ("measure: held\n  test: {kind: threshold, above: 1}", "go together alone"),
        ("measure: paused\n  split: [market]", "market by market"),
        ("measure: paused\n  filter: {region: GE}", "market by market"),
        ("measure: hold", "did you mean 'held'"),
    ],
)
def test_mistakes_are_told_with_their_file(lines: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "waits.yml"
    path.write_text(f"rules:\n- id: waits\n  title: Look\n  owner: anna\n  {lines}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=said) as caught:
        read_file(path)
    assert str(path) in str(caught.value)
