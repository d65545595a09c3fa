"""The server as it runs: its process, its limits, Elasticsearch behind it, crawls that wait for a person."""

from __future__ import annotations

import asyncio
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_lab import answer
from web_lab import Client, build_data, fill, serving, started

from config.settings import Settings
from crawler.items import Crawl, CrawlKind, CrawlOutcome, Listing, Offer
from crawler.log import CrawlLog
from index.open import open_store
from monitor.held import Held, Reason, held_folder, iter_held
from monitor.web.work import TooMuch, Work


def test_the_command_serves_keeps_secrets_and_ends_politely(tmp_path: Path) -> None:
    with started(tmp_path / "out", "--data-dir", str(tmp_path), "serve", "--port", "0") as running:
        client = Client(running.address).open()
        assert "The store is empty" in client.ask("/").text
        assert client.ask("/?token=wrong").status == 401
        assert client.ask("/healthz").body == "ok\n"
        running.stop(signal.SIGTERM)
    assert client.token not in running.rest
    assert "Traceback" not in running.rest


def test_elasticsearch_answers_alike(tmp_path: Path, elastic_url: str, elastic_prefix: str) -> None:
    settings = build_data(tmp_path)
    cluster = settings.model_copy(update={"store": f"{elastic_url}/{elastic_prefix}web"})
    fill(cluster)
    with serving(settings) as one, serving(cluster) as other:
        one.open()
        other.open()
        for question in ("listings?by=day&split=region", "price?by=week", "turnover", "vendors?market=m"):
            rows = [client.ask(f"/api/trends/{question}").json for client in (one, other)]
            assert rows[0] == rows[1] != []
        measure, *options = ("listings", "--by", "day", "--split", "region")
        told = answer(tmp_path, "--store", str(cluster.store), "trends", measure, *options)
        assert other.ask("/api/trends/listings?by=day&split=region").json == told
        assert "<svg" in other.ask("/trends?measure=listings").body
        assert "invented" in other.ask("/search?q=invented").text


def test_a_cluster_that_is_gone_is_a_page_that_says_so(tmp_path: Path) -> None:
    with serving(Settings(data_dir=tmp_path, store="http://127.0.0.1:9/x", tor_socks="127.0.0.1:9")) as client:
        page = client.open().ask("/trends?measure=listings")
        assert page.status == 503
        assert "This cannot be looked up" in page.text
        assert client.ask("/").status == 200
        assert client.ask("/api/trends/listings").status == 503


def test_work_is_bounded_in_number_and_time() -> None:
    gate, running, most = threading.Event(), [0], [0]

    def call() -> int:
        running[0] += 1
        most[0] = max(most[0], running[0])
        gate.wait(10)
        running[0] -= 1
        return 7

    async def run() -> None:
        work = Work(2, 0.3)
        first = [asyncio.create_task(work.run(call)) for _ in range(3)]
        done = await asyncio.gather(*first, return_exceptions=True)
        assert [type(one) for one in done] == [TooMuch] * 3
        assert [one.begun for one in done if isinstance(one, TooMuch)] == [True, True, False]
        with pytest.raises(TooMuch):  # those that nobody waits for still hold their places
            await work.run(call)
        gate.set()
        assert await work.run(call) == 7
        with pytest.raises(ZeroDivisionError):
            await work.run(lambda: 1 // 0)
        assert await work.run(call) == 7

    asyncio.run(run())
    assert most[0] == 2


def test_a_question_that_takes_too_long_is_told_and_others_are_answered(tmp_path: Path) -> None:
    settings = build_data(tmp_path)
    with serving(settings, at_once=1, seconds=0.002) as client:
        client.open()
        # to open the store alone takes longer
        slow = client.ask("/api/trends/turnover?by=day&split=vendor&method=all")
        assert slow.status == 504
        assert "longer than" in slow.json["error"]
        busy = client.ask("/trends?measure=turnover&by=day&split=vendor&method=all")
        assert busy.status in {503, 504}
        assert int(busy.headers["retry-after"]) > 0
        assert client.ask("/login").status == 200


def hold_crawl(settings: Settings, hour: int) -> Held:
    """A crawl of a market, as `crawl` puts one aside that breaks its bounds."""
    began = datetime(2024, 11, 4, hour, tzinfo=UTC)
    crawl = Crawl(
        id=f"m-2024-11-04-{hour}", market="m", kind=CrawlKind.FULL, started=began, finished=began,
        outcome=CrawlOutcome.COMPLETE, listings=1,
    )
    offer = Offer(price="10 USD", quantity="1 g")
    with CrawlLog(settings.logs_dir, crawl) as log:
        log.append([Listing(
            market="m", listing="L1", title="Mephedrone 1 g", observed_at=began, crawl=crawl.id, seen_on="detail",
            parser="t", offers=(offer,),
        )])
        log.finish(crawl)
    held = Held(crawl=crawl.id, market="m", since=began, listings=1, reasons=(Reason(field="listings", text="too few"),))
    folder = held_folder(settings.data_dir, "m")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{crawl.id}.held.json").write_bytes(held.model_dump_json().encode())
    log.path.replace(folder / log.path.name)
    return held


def test_held_crawls_are_accepted_or_discarded(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, tor_socks="127.0.0.1:9")
    good, bad = hold_crawl(settings, 9), hold_crawl(settings, 10)
    with serving(settings) as client:
        client.open()
        page = client.ask("/crawls")
        assert page.text.count("too few") == 2
        assert client.send(f"/held/{good.crawl}/accept", {}).status == 303
        assert client.send(f"/held/{bad.crawl}/discard", {}).status == 400
        assert [one.crawl for one in iter_held(tmp_path)] == [bad.crawl]
        assert client.send(f"/held/{bad.crawl}/discard", {"sure": "yes"}).status == 303
        assert client.send(f"/held/{bad.crawl}/accept", {}).status == 400
        assert "too few" not in client.ask("/crawls").text
        assert client.send("/crawls/nowhere/pause", {"reason": "x"}).status == 404
    store = open_store(settings.store_url)
    assert [crawl.id for crawl in store.crawls()] == [good.crawl]
    store.close()
