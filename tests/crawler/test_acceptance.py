"""Bounds: a crawl that breaks one is kept aside with two pages to compare; the store stays as it was."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from crawler_lab import ITEMS, Shop, lab_market, open_shop, open_socks
from pyrage import x25519

from config.errors import UsageError
from config.settings import Settings
from crawler.encryption import load_identities
from crawler.items import Crawl
from crawler.market import Market, check_bounds_stated, list_markets, load_market, market_folder
from crawler.privacy import Masker
from crawler.readings import Readings
from crawler.replay import replay_saved
from crawler.transport import Tor
from index.open import open_store
from index.store import Store
from monitor.acceptance import judge_crawl
from monitor.crawling import Planned, Stored, find_unstored, run_crawl, store_crawl
from monitor.held import discard, find_held, iter_held, take_back, write_pages
from monitor.ingest import Ingester
from monitor.workspace import build_observation_builder

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MASKER = Masker("0badcafe", b"1" * 32)
ONION = f"http://{'a' * 55}d.onion"
BOUNDS = {"min_listings": 10, "max_listings": 100, "fill": {"vendor": 0.9, "offer.price": 0.9}}
REPLACED = {"Sencha tea": "Mephedrone", "Tea House": "Lantern"}


class World:
    """The shop behind a proxy, and an installation that crawls it."""

    def __init__(self, shop: Shop, socks: str, folder: Path, store: Store, builder: Any) -> None:
        self.shop, self.socks, self.store = shop, socks, store
        self.settings = Settings(data_dir=folder)
        self.ingester = Ingester(store, builder, self.settings)
        self.day = 0

    def crawl(self, market: Market, settings: Settings | None = None) -> Stored:
        moment = NOW + timedelta(days=self.day)
        self.day += 1
        plan = Planned(market, Tor(self.socks, (ONION,)))
        chosen = settings or self.settings
        done: Crawl = asyncio.run(run_crawl(chosen, plan, masker=MASKER, clock=lambda: moment))
        (*_, last) = store_crawl(chosen, plan, done, self.ingester, masker=MASKER, now=moment)
        self.ingester.settle()
        return last


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return build_observation_builder(Settings(data_dir=tmp_path_factory.mktemp("builder")))


@pytest.fixture
def world(tmp_path: Path, builder: Any) -> Iterator[World]:
    with open_shop() as shop, open_socks(shop.server_address[1]) as socks:
        store = open_store(f"sqlite:///{tmp_path / 's.db'}")
        try:
            yield World(shop, socks.address, tmp_path, store, builder)
        finally:
            store.close()


def new_layout() -> Market:
    """What a definition comes to when the market renames what holds the vendor: nothing is there any more."""
    market = lab_market(bounds=BOUNDS).model_dump(mode="json", exclude_defaults=True, by_alias=True)
    market["index"][0]["fields"]["vendor"] = {"css": "b.gone"}
    market["detail"]["fields"]["vendor"] = {"css": "b.gone"}
    return Market.model_validate(market)


def test_a_layout_that_changed_between_two_crawls(world: World, tmp_path: Path) -> None:
    first = world.crawl(lab_market(bounds=BOUNDS, detail_days=0))
    assert first.held is None
    before = dict(world.store.digest())
    broken = new_layout().model_copy(update={"detail_days": 0})
    held = world.crawl(broken).held
    assert held is not None
    assert dict(world.store.digest()) == before  # the last good state stays
    reasons = {reason.field: reason for reason in held.reasons}
    assert set(reasons) == {"vendor"}
    texts = [reason.text for reason in held.reasons]
    assert "field vendor filled in 0% of listings, less than 90%" in texts
    filled = next(reason for reason in held.reasons if "filled" in reason.text)
    assert filled.bad is not None
    assert filled.bad.startswith(f"{held.crawl}.warc.gz#")
    assert list(iter_held(tmp_path)) == [held]
    assert find_unstored(tmp_path / "logs", "lab", {first.crawl.id}) == []  # nobody takes it for a crawl that was killed
    # a listing's page that lacks it, beside one that has it (compared by the definition that reads them now)
    files = {path.name: path.read_text() for path in write_pages(tmp_path, held, tmp_path / "look")}
    number = held.reasons.index(filled) + 1
    assert "Tea House" in files[f"{number}-vendor-bad.html"]
    with Readings(tmp_path, "lab") as readings:
        assert readings.last(["1"]) == {}  # what it read is not carried into the next crawl
    # the definition is mended: the next crawl is accepted and reads the details anew
    again = world.crawl(lab_market(bounds=BOUNDS))
    assert again.held is None
    assert {crawl.id for crawl in world.store.crawls()} == {first.crawl.id, again.crawl.id}


def test_a_person_accepts_or_discards(world: World, tmp_path: Path) -> None:
    held = world.crawl(new_layout()).held
    assert held is not None
    assert world.store.crawls() == []
    with pytest.raises(UsageError, match="no held crawl"):
        find_held(tmp_path, "lab-20200101T000000Z")
    world.ingester.add_log(take_back(tmp_path, find_held(tmp_path, held.crawl)))
    assert [crawl.id for crawl in world.store.crawls()] == [held.crawl]
    assert list(iter_held(tmp_path)) == []
    second = world.crawl(new_layout()).held
    assert second is not None
    discard(tmp_path, second)
    assert list(iter_held(tmp_path)) == []
    assert not list(tmp_path.rglob(f"{second.crawl}*"))


@pytest.mark.parametrize(
    ("bounds", "field", "text"),
    [
        ({"min_listings": 25}, "listings", "24 listings, fewer than 25"),
        ({"max_listings": 23}, "listings", "24 listings, more than 23"),
        ({"max_unknown_share": 0.5}, "substance", "substance unknown in 100%"),
        ({"price_usd": {"min": 100, "max": 124, "share": 0.9}}, "offer.price", "50% of 48 prices lie between 100 and 124"),
        ({"price_usd": {"min": 1, "max": 1000}}, None, ""),
        ({"fill": {"offer.quantity": 1.0}}, None, ""),
        ({"fill": {"rating": 0.1}}, "rating", "field rating filled in 0%"),
    ],
)
def test_every_bound(bounds: dict[str, Any], field: str | None, text: str, world: World, builder: Any) -> None:
    done = asyncio.run(
        run_crawl(world.settings, Planned(lab_market(), Tor(world.socks, (ONION,))), masker=MASKER, clock=lambda: NOW)
    )
    log = world.settings.logs_dir / "lab" / f"{done.id}.jsonl"
    broken = judge_crawl(lab_market(bounds=bounds).bounds, log, builder)
    assert [one.field for one in broken] == ([] if field is None else [field])
    assert all(text in one.text for one in broken)


def test_what_a_person_brings_in_is_not_judged(world: World, builder: Any, tmp_path: Path) -> None:
    done = asyncio.run(
        run_crawl(world.settings, Planned(lab_market(), Tor(world.socks, (ONION,))), masker=MASKER, clock=lambda: NOW)
    )
    strict = lab_market(bounds={"fill": {"rating": 1.0}})
    (archived,) = (tmp_path / "archive" / "lab").glob("*.warc.gz")
    replayed, _ = replay_saved(strict, [archived], masker=MASKER, observed_at=NOW, data_dir=tmp_path)
    logs = world.settings.logs_dir / "lab"
    assert judge_crawl(strict.bounds, logs / f"{done.id}.jsonl", builder)
    assert judge_crawl(strict.bounds, logs / f"{replayed.id}.jsonl", builder) == []


def test_pages_of_unknown_layout(world: World, builder: Any) -> None:
    world.shop.faults = {f"/item/{number}": "layout" for number in range(12)}
    held = world.crawl(lab_market(bounds=BOUNDS)).held
    assert held is not None
    (reason,) = held.reasons
    assert (reason.field, reason.text[:3]) == ("pages", "44%")
    assert reason.bad is not None


def test_what_was_not_had_is_a_gap_and_no_reason_to_hold(world: World) -> None:
    world.shop.faults = {"/list?p=1": "503 0", "/list?p=2": "503 0"}
    result = world.crawl(lab_market(bounds=BOUNDS))
    assert result.held is None
    assert result.crawl.listings == 8
    world.shop.faults = {"*": "layout"}
    empty = world.crawl(lab_market(bounds=BOUNDS))
    assert empty.held is None  # a failure with nothing in it: stored as what it is
    assert empty.crawl.outcome == "failed"


def test_encrypted_archives_name_the_file_and_open_with_the_key(world: World, tmp_path: Path) -> None:
    key = x25519.Identity.generate()
    settings = world.settings.model_copy(update={"age_recipient": str(key.to_public())})
    held = world.crawl(new_layout(), settings).held
    assert held is not None
    assert {reason.bad for reason in held.reasons} == {f"{held.crawl}.0001.warc.gz.age"}
    assert not list((tmp_path / "archive").rglob("*.warc.gz"))
    file = tmp_path / "key.txt"
    file.write_text(f"# made by a test\n{key}\n")
    file.chmod(0o600)
    reading = settings.model_copy(update={"age_identity": file})
    assert len(load_identities(file)) == 1
    held = world.crawl(new_layout(), reading).held
    assert held is not None
    assert all(reason.bad and "#" in reason.bad for reason in held.reasons if reason.field == "vendor" and "filled" in reason.text)


def test_real_markets_state_their_bounds() -> None:
    for name in list_markets():
        check_bounds_stated(load_market(name), market_folder(name) / "market.yml")
    with pytest.raises(UsageError, match="min_listings, fill, max_unknown_share, price_usd"):
        check_bounds_stated(lab_market(demo=False), Path("market.yml"))
    stated = {**BOUNDS, "max_unknown_share": None, "price_usd": None}
    check_bounds_stated(lab_market(demo=False, bounds=stated), Path("market.yml"))


def dropline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from monitor.cli import main; main()", "--data-dir", str(folder), "--format", "json",
         *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_operators_own_market_from_the_command_line(tmp_path: Path) -> None:
    """A folder in DATA/markets is listed, refused without bounds, crawled with them, held, looked at, accepted."""
    folder = tmp_path / "markets" / "kiosk"
    folder.mkdir(parents=True)
    market = lab_market(id="kiosk", demo=False).model_dump(mode="json", exclude_defaults=True)
    market["budget"] |= {"in_flight": 8}
    (folder / "market.yml").write_text(json.dumps(market))
    listed = {row["market"]: row["own"] for row in json.loads(dropline(tmp_path, "market", "list").stdout)}
    assert listed["kiosk"] is True
    assert listed["empire"] is False
    with open_shop() as shop, open_socks(shop.server_address[1]) as socks:
        (tmp_path / "authorisations.yml").write_text(
            "markets:\n  kiosk: {legal_basis: a test, approver: nobody, expires: 2099-01-01, "
            f"addresses: [{ONION}]}}\n"
        )
        config = tmp_path / "config.yml"
        config.write_text(f'tor_socks: "{socks.address}"\n')
        refused = dropline(tmp_path, "--config", str(config), "crawl", "kiosk")
        assert refused.returncode == 2
        assert "max_unknown_share, price_usd" in refused.stderr
        assert shop.hits == []
        market["bounds"] = {**BOUNDS, "max_unknown_share": 0.1, "price_usd": {"min": 1, "max": 1000}}
        (folder / "market.yml").write_text(json.dumps(market))
        (folder / "pages.py").write_text(
            "from crawler.pages import PageObject\nclass Pages(PageObject):\n"
            "    def adjust(self, listing, node, page):\n"
            "        return listing.model_copy(update={'title': listing.title + ' of the kiosk'})\n"
        )
        crawled = dropline(tmp_path, "--config", str(config), "crawl", "kiosk")
        shop.challenge_after = 0
        challenged = dropline(tmp_path, "--config", str(config), "crawl", "--no-archive", "kiosk")
    assert challenged.returncode == 3
    assert "kiosk is paused: it shows a challenge" in challenged.stderr
    assert "session set kiosk" in challenged.stderr
    assert "marked as a gap" in challenged.stderr
    assert "marked as a gap" not in crawled.stderr  # a crawl that is held is not stored yet
    assert crawled.returncode == 3, crawled.stderr  # teas are no substance we know
    (row,) = json.loads(crawled.stdout)
    assert (row["listings"], row["held"]) == (ITEMS, ["substance"])
    assert "substance unknown in 100%" in crawled.stderr
    (held,) = json.loads(dropline(tmp_path, "market", "held").stdout)
    assert held["crawl"] == row["crawl"]
    dropline(tmp_path, "market", "held", row["crawl"], "--pages", str(tmp_path / "look"))
    assert "Sencha" in (tmp_path / "look" / "1-substance-bad.html").read_text()
    accepted = dropline(tmp_path, "market", "accept", row["crawl"])
    assert accepted.returncode == 0, accepted.stderr
    assert json.loads(accepted.stdout)[0]["listings"] == ITEMS
    rows = json.loads(dropline(tmp_path, "rows", "--market", "kiosk").stdout)
    assert all("of the kiosk" in one["title"] for one in rows)
    (archived,) = (tmp_path / "archive" / "kiosk").glob("*.warc.gz")
    parsed = [json.loads(line) for line in dropline(tmp_path, "parse", "--market", "kiosk", str(archived)).stdout.splitlines()]
    assert "of the kiosk" in parsed[-1]["items"][0]["title"]
    replayed = dropline(tmp_path, "replay", "--market", "kiosk", str(archived))
    assert replayed.returncode == 0, replayed.stderr
    (folder / "pages.py").chmod(0o646)
    unsafe = dropline(tmp_path, "parse", "--market", "kiosk", str(archived))
    assert unsafe.returncode == 2
    assert "chmod o-w" in unsafe.stderr
