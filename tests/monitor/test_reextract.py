"""Re-extraction: a new version beside the old one, resumable, shown, flipped and flipped back."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import reextract_lab as lab
from reextract_lab import TITLES, UNKNOWN, ingest, reextract, reextractor, silent, write_log

from config.errors import StoreError, UsageError
from config.settings import Settings
from crawler.log import log_path
from index.measures import trends
from index.open import open_store
from index.store import Filter, Store
from monitor.forgetting import forget_crawls
from monitor.ingest import Ingester
from monitor.moves import compare
from monitor.operator_names import add_name
from monitor.rereading import Work, read_here, read_in_processes
from monitor.state import State, state_path
from monitor.versions import Versions, store_name
from monitor.workspace import build_observation_builder

DAYS = 4


def learn(settings: Settings, name: str = UNKNOWN, substance: str = "metonitazene") -> None:
    """The operator's table gets a name: the extractor has another version from then on."""
    row = {"substance": substance, "name": name, "lang": "en", "type": "name", "strength": "strong", "source": "t"}
    add_name(settings.data_dir, row)


def counts(store: Store, version: str | None = None) -> Counter[str | None]:
    """Observations of the version by main substance."""
    rows = store.count_distinct(Filter(), ("crawl", "substance"), "offer", version)
    found: Counter[str | None] = Counter()
    for (_, substance), count in rows:
        found[substance] += count
    return found


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Settings, Store, str]:
    """A store that an extractor filled which did not know the name; then the name is learnt. With the old version."""
    settings = Settings(data_dir=tmp_path)
    store = open_store(settings.store_url)
    ingest(settings, store, *(write_log(settings, day) for day in range(DAYS)))
    old = store.current_version()
    assert old is not None
    learn(settings)
    return settings, store, old


def test_a_newer_extractor_is_refused_until_the_logs_are_read_again(filled: tuple[Settings, Store, str]) -> None:
    settings, store, old = filled
    builder = build_observation_builder(settings)
    assert builder.version != old
    with pytest.raises(StoreError, match="dropline reextract"):
        Ingester(store, builder, settings)


def test_the_new_version_stands_beside_the_old_until_the_flip(filled: tuple[Settings, Store, str]) -> None:
    settings, store, old = filled
    crawls = store.crawls()
    report = reextract(settings, store)
    new = report.version
    assert (report.crawls, report.observations, report.complete) == (DAYS, DAYS * len(TITLES), True)
    assert store.current_version() == old
    assert counts(store)[None] == 2 * DAYS
    assert counts(store, new)["metonitazene"] == 2 * DAYS
    assert counts(store, new)[None] == 0
    assert store.crawls() == crawls
    again = reextract(settings, store)
    assert (again.crawls, again.done_before, again.offer_days) == (0, DAYS, 0)
    with State(state_path(settings.data_dir)) as state:
        worker = reextractor(settings, store, state)
        assert worker.flip() == old
        assert store.current_version() == new
        assert counts(store)["metonitazene"] == 2 * DAYS
        rows = trends(store, "price", Filter(substance=("metonitazene",)), by="day")
        assert [row.value for row in rows] == [22.0] * DAYS  # offer-days are there: median of 21 and 23
        with pytest.raises(UsageError, match="no re-extraction to flip to"):
            worker.flip()
        assert worker.back(silent)[0] == old
    assert store.current_version() == old
    assert counts(store)[None] == 2 * DAYS
    store.close()


def test_a_rebuild_is_the_same_as_a_fresh_store(filled: tuple[Settings, Store, str], tmp_path: Path) -> None:
    settings, store, _ = filled
    reextract(settings, store)
    with State(state_path(settings.data_dir)) as state:
        reextractor(settings, store, state).flip()
    fresh_settings = settings.model_copy(update={"store": f"sqlite:///{tmp_path / 'fresh.sqlite'}"})
    fresh = open_store(fresh_settings.store_url)
    ingester = Ingester(fresh, build_observation_builder(settings))
    for path in sorted(settings.logs_dir.glob("*/*.jsonl")):
        ingester.add_log(path)
    ingester.settle()
    version = store.current_version()
    for record in ("observation", "offer_day"):
        mine = sorted(line for line in store.iter_contents(record) if json.loads(line)["version"] == version)
        assert mine == sorted(fresh.iter_contents(record))
    fresh.close()
    store.close()


def test_new_crawls_go_to_both_versions_meanwhile(filled: tuple[Settings, Store, str]) -> None:
    settings, store, old = filled
    with State(state_path(settings.data_dir)) as state:
        worker = reextractor(settings, store, state)
        new = worker.version
        arrived = []

        def tell(what: str, done: int, total: int) -> None:
            if what == "reading logs" and done and not arrived:  # a crawl comes in while the logs are being read
                arrived.append(write_log(settings, DAYS))
                ingest(settings, store, *arrived)

        report = worker.run(tell)
        assert report.complete
        for version in (old, new):
            found = store.count_distinct(Filter(crawl=(arrived[0].id,)), ("crawl",), "offer", version)
            assert found == [((arrived[0].id,), len(TITLES))]
        later = write_log(settings, DAYS + 1)
        ingest(settings, store, later)  # done, but not flipped yet
        before = trends(store, "listings", Filter(), by="day")
        worker.flip()
        after = trends(store, "listings", Filter(), by="day")
    assert [row.value for row in before] == [row.value for row in after] == [float(len(TITLES))] * (DAYS + 2)
    assert reextract(settings, store).observations == 0
    store.close()


def test_going_back_leaves_no_gap(filled: tuple[Settings, Store, str]) -> None:
    settings, store, old = filled
    reextract(settings, store)
    with State(state_path(settings.data_dir)) as state:
        worker = reextractor(settings, store, state)
        worker.flip()
        since = write_log(settings, DAYS)
        ingest(settings, store, since)  # only the new version has it
        assert store.count_distinct(Filter(crawl=(since.id,)), ("crawl",), "offer", old) == []
        before, report = worker.back(silent)
        assert (before, report.crawls) == (old, 1)
        rows = trends(store, "turnover", Filter(), by="day")
        assert [row.value for row in rows[1:]] == [20.0 + 21.0 + 22.0 + 23.0 + 24.0] * DAYS
        assert trends(store, "listings", Filter(), by="day")[-1].value == float(len(TITLES))
        worker.run(silent)
        worker.flip()  # and forth again
    assert store.current_version() != old
    store.close()


def test_a_killed_run_goes_on_where_it_was(filled: tuple[Settings, Store, str], tmp_path: Path) -> None:
    settings, store, old = filled
    store.close()
    process = subprocess.Popen(
        [sys.executable, lab.__file__, str(settings.data_dir), "0.5"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    deadline = time.monotonic() + 60
    seen = 0
    while seen < 3:  # the start, and two logs that are done
        assert time.monotonic() < deadline
        if select.select([process.stdout], [], [], 1)[0]:
            seen += process.stdout.readline().startswith("reading logs")
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL
    process.stdout.close()
    store = open_store(settings.store_url)
    version = build_observation_builder(settings).version
    with State(state_path(settings.data_dir)) as state:
        versions = Versions(state, store_name(settings))
        done = versions.marks(version)
        assert 0 < len(done) < DAYS
        found = versions.find(version)
        assert found is not None
        assert found.finished is None
        with pytest.raises(UsageError, match="not everything"):
            reextractor(settings, store, state).flip()
    assert store.current_version() == old
    report = reextract(settings, store)
    assert report.crawls == DAYS - len(done)
    assert report.done_before == len(done)
    assert counts(store, version)["metonitazene"] == 2 * DAYS
    days = [json.loads(line) for line in store.iter_contents("offer_day")]
    assert sum(day["version"] == version for day in days) == DAYS * len(TITLES)
    store.close()


def test_a_mark_that_the_store_does_not_bear_out_is_no_mark(filled: tuple[Settings, Store, str]) -> None:
    settings, store, _ = filled
    report = reextract(settings, store)
    lost = store.crawls()[1]
    store.forget(crawl=lost.id)
    store.write_crawl(lost)
    assert reextract(settings, store).crawls == 1
    assert counts(store, report.version)["metonitazene"] == 2 * DAYS
    store.close()


def test_a_crawl_forgotten_meanwhile_leaves_no_hole(filled: tuple[Settings, Store, str]) -> None:
    settings, store, _ = filled
    version = reextract(settings, store).version
    forget_crawls(store, settings.data_dir, [store.crawls()[1]])
    assert reextract(settings, store).complete
    days = [json.loads(line) for line in store.iter_contents("offer_day")]
    by_version = Counter(day["version"] for day in days)
    assert by_version[version] == (DAYS - 1) * len(TITLES)
    assert set(by_version.values()) == {by_version[version]}
    sales = Counter(day["version"] for day in days for _ in range(day.get("falls", 0)))
    assert set(sales.values()) == {(DAYS - 1) * len(TITLES)}  # the fall is now seen across the crawl that is gone
    store.close()


def test_what_cannot_be_read_is_said_and_not_flipped_to(filled: tuple[Settings, Store, str]) -> None:
    settings, store, old = filled
    first, second, *_ = store.crawls()
    log_path(settings.logs_dir, first).unlink()
    broken = log_path(settings.logs_dir, second)
    lines = broken.read_bytes().splitlines(keepends=True)
    broken.write_bytes(b"".join([*lines[:2], b"{}broken\n", *lines[3:]]))
    report = reextract(settings, store)
    assert report.missing == [first.id]
    assert [name for name, _ in report.failed] == [second.id]
    assert "line 3" in report.failed[0][1]
    with State(state_path(settings.data_dir)) as state:
        worker = reextractor(settings, store, state)
        with pytest.raises(UsageError, match="--partly"):
            worker.flip()
        assert store.current_version() == old
        worker.flip(partly=True)
    assert counts(store)["metonitazene"] == 2 * (DAYS - 2)
    store.close()


def test_a_log_cut_off_after_its_crawl_was_finished_is_not_read(filled: tuple[Settings, Store, str]) -> None:
    settings, store, _ = filled
    first = store.crawls()[0]
    cut = log_path(settings.logs_dir, first)
    lines = cut.read_bytes().splitlines(keepends=True)
    cut.write_bytes(b"".join(lines[:-2]))
    store.write_crawl(first.model_copy(update={"finished": first.started}))
    report = reextract(settings, store)
    assert [name for name, _ in report.failed] == [first.id]
    assert f"{cut}: The log is cut off" in report.failed[0][1]
    assert not report.complete
    store.close()


def test_moves_are_what_changed(filled: tuple[Settings, Store, str]) -> None:
    settings, store, old = filled
    new = reextract(settings, store).version
    moves = compare(store, old, new, by="day", progress=silent)
    table = {(move.measure, move.substance): move for move in moves}
    listings = table["listings", "metonitazene"]
    assert (listings.old or 0.0, listings.new, listings.changed, listings.buckets) == (0.0, 2.0, DAYS, DAYS)
    unknown = table["listings", "unknown"]
    assert (unknown.old, unknown.new or 0.0, unknown.share_changed) == (2.0, 0.0, 1.0)
    assert unknown.bucket_old == 2.0
    sales = table["turnover", "metonitazene"]
    assert sales.new == (DAYS - 1) * (21.0 + 23.0)  # one package a day of each offer, at its price
    still = table["price", "cocaine"]
    assert (still.changed, still.old, still.change) == (0, 24.0, 0.0)
    assert {measure for measure, _ in table} == {"listings", "offers", "price", "turnover"}
    by_size = [move.substance for move in moves if move.measure == "listings"]
    assert set(by_size[:2]) == {"metonitazene", "unknown"}
    store.close()


def test_processes_read_what_one_process_reads(filled: tuple[Settings, Store, str]) -> None:
    settings, store, _ = filled
    builder = build_observation_builder(settings)
    crawls = store.crawls()
    paths = [log_path(settings.logs_dir, crawl) for crawl in crawls]
    paths.append(settings.logs_dir / "lab" / "none.jsonl")  # there is no such log: told, and the others are read
    work = [Work(path.stem, path, path.stat().st_size if path.exists() else 1) for path in paths]
    here = list(read_here(builder, work, "other"))
    there = list(read_in_processes(settings, work, "other", builder.version, 2))
    assert {part.failed for part in here} == {part.failed for part in there}
    key = {one.model_dump_json() for part in here for one in part.observations}
    assert {one.model_dump_json() for part in there for one in part.observations} == key
    assert len(key) == DAYS * len(TITLES)
    unknown = sorted(str(one) for part in there for one in part.unknown)
    assert unknown == sorted(str(one) for part in here for one in part.unknown)
    with pytest.raises(StoreError, match="changed while it was being used"):
        list(read_in_processes(settings, work, "other", "1-another", 1))
    store.close()


def run(folder: Path, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(folder), *words],
        capture_output=True, text=True, check=False, timeout=180, stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == expect, done.stderr
    return done


def test_the_command_reads_shows_flips_and_goes_back(filled: tuple[Settings, Store, str]) -> None:
    settings, store, old = filled
    folder = settings.data_dir
    done = run(folder, "--format", "json", "reextract")
    rows = {(row["measure"], row["substance"]): row for row in json.loads(done.stdout)}
    assert rows["offers", "metonitazene"]["new"] == 2.0
    assert "To flip: dropline reextract --flip" in done.stderr
    assert store.current_version() == old
    table = run(folder, "reextract", "--flip")
    assert "listings: 2 series move" in table.stderr
    assert store.current_version() != old
    assert "nothing to flip" in run(folder, "reextract").stderr
    run(folder, "reextract", "--back")
    assert store.current_version() == old
    assert "opposites" in run(folder, "reextract", "--back", "--flip", expect=2).stderr
    store.close()


def test_rates_brought_in_later_reach_what_is_stored(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    with closing(open_store(settings.store_url)) as store:
        crawls = [write_log(settings, day, currency="XMR") for day in range(2)]
        ingest(settings, store, *crawls)
    rates = tmp_path / "rates.csv"
    rates.write_text("date,base,quote,rate,source\n2026-03-02,XMR,USD,150,lab\n2026-03-02,XMR,EUR,130,lab\n", encoding="utf-8")
    assert "1 of 2 rates are not to or from USD" in run(settings.data_dir, "fx", "import", str(rates)).stderr
    price = ("--format", "json", "trends", "price", "--by", "day", "--substance", "mephedrone")
    assert all(row["value"] is None for row in json.loads(run(settings.data_dir, *price).stdout))
    assert "reextract --again" in run(settings.data_dir, "reextract").stderr
    assert "2 crawls read again" in run(settings.data_dir, "reextract", "--again").stderr
    expected = {str((lab.START + timedelta(days=day)).date()): 20 * 150.0 for day in range(2)}
    assert {row["bucket"]: row["value"] for row in json.loads(run(settings.data_dir, *price).stdout)} == expected
    log_path(settings.logs_dir, crawls[0]).unlink()
    assert "1 crawls of the store have no log and stay as they were" in run(
        settings.data_dir, "reextract", "--again", expect=3).stderr
    learn(settings)
    assert "do not see" in run(settings.data_dir, "reextract", "--again", expect=2).stderr


def test_what_keeps_the_command_from_flipping_is_named(filled: tuple[Settings, Store, str]) -> None:
    settings, store, _ = filled
    broken = log_path(settings.logs_dir, store.crawls()[0])
    broken.write_bytes(b"{}\n")
    assert f"{broken}, line 1: This line holds no crawl" in run(
        settings.data_dir, "reextract", "--no-trends", "--flip", expect=2
    ).stderr.replace("\n", "")
    store.close()


def test_nothing_to_go_back_to_is_said(filled: tuple[Settings, Store, str]) -> None:
    settings, store, _ = filled
    with State(state_path(settings.data_dir)) as state, pytest.raises(UsageError, match="have not been flipped"):
        reextractor(settings, store, state).back(silent)
    store.close()


def test_elasticsearch_flips_by_alias(tmp_path: Path, elastic_url: str) -> None:
    settings = Settings(data_dir=tmp_path, store=f"{elastic_url}/reextract-{uuid.uuid4().hex[:8]}")
    store = open_store(settings.store_url)
    ingest(settings, store, *(write_log(settings, day) for day in range(2)))
    old = store.current_version()
    learn(settings)
    report = reextract(settings, store)
    assert report.complete
    assert reextract(settings, store).done_before == 2  # marks and counts agree on this store, too
    assert store.current_version() == old
    ingest(settings, store, write_log(settings, 2))
    with State(state_path(settings.data_dir)) as state:
        worker = reextractor(settings, store, state)
        worker.flip()
        assert store.current_version() == report.version
        assert counts(store)["metonitazene"] == 6
        worker.back(silent)
    assert store.current_version() == old
    assert counts(store)[None] == 6 - 2  # the third crawl was read by the new extractor under both names
    assert counts(store)["metonitazene"] == 2
    store.forget(market="lab")
    store.close()
