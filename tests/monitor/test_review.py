"""The review queue: what lands in it, that it lands once, and what a decision changes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reextract_lab import TITLES, UNKNOWN, ingest, write_log

from config.errors import InputError, UsageError
from config.settings import Settings
from crawler.items import Listing
from extract.observation import Kind
from extract.reading import Reading, SubstanceMention, UnknownTerm
from index.open import open_store
from monitor.operator_names import build_tables, names_path, read_names
from monitor.review import Candidate, ReviewQueue, Sighting, find_unknown, normalise_term
from monitor.state import State, state_path
from monitor.workspace import build_extractor

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


def build_sighting(term: str, listing: str, *, day: int = 1, title: str = "something", vendor: str = "v") -> Sighting:
    seen = datetime(2026, 3, day, 12, tzinfo=UTC)
    return Sighting(term, "stem", "lab", listing, vendor, title, seen, f"lab-{day}")


def list_of(path: Path) -> list[Candidate]:
    with State(state_path(path)) as state:
        return ReviewQueue(state, path).candidates(None)


def test_ingestion_fills_the_queue_once(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    store = open_store(settings.store_url)
    crawls = [write_log(settings, day) for day in (0, 1)]
    ingest(settings, store, *crawls)
    once = list_of(tmp_path)
    assert [(one.term, one.listings, one.markets) for one in once] == [(UNKNOWN, 2, ("lab",))]
    assert once[0].first_seen == crawls[0].started
    assert once[0].last_seen == crawls[1].started
    assert sorted(once[0].examples) == sorted(title for title in TITLES if UNKNOWN in title)
    ingest(settings, store, *reversed(crawls))
    assert list_of(tmp_path) == once
    store.close()


def test_only_offers_without_a_substance_are_looked_at() -> None:
    listing = Listing(market="lab", listing="l", crawl="c", observed_at=NOW, title="t", parser="p")
    unknown = UnknownTerm(term="Zyrvonitazene", field="title", start=0, end=1, rule="stem")
    again = unknown._replace(term="zyrvonitazene,")
    mention = SubstanceMention(id="mdma", text="t", field="title", start=0, end=1)
    read = Reading(unknown_terms=(unknown, again))
    assert [one.term for one in find_unknown(listing, read)] == [UNKNOWN]
    assert not list(find_unknown(listing, read._replace(kind=Kind.JOB)))
    assert not list(find_unknown(listing, read._replace(substances=(mention,))))


@given(st.text(max_size=40))
def test_a_normal_term_stays_as_it_is(text: str) -> None:
    assert normalise_term(normalise_term(text)) == normalise_term(text)


def test_terms_written_differently_are_one() -> None:
    written = ("Зирвонитазён", " «зирвонитазен», ", "ЗИРВОНИТАЗЕН")
    assert {normalise_term(one) for one in written} == {"зирвонитазен"}


@settings(deadline=None)  # it writes to a disk that others use too
@given(st.permutations([build_sighting("x", f"l{n % 3}", day=n + 1, title=f"title {n}") for n in range(6)]))
def test_order_and_repetition_do_not_matter(tmp_path_factory: pytest.TempPathFactory, sightings: list[Sighting]) -> None:
    folder = tmp_path_factory.mktemp("review")
    with State(state_path(folder)) as state:
        queue = ReviewQueue(state, folder)
        for one in sightings:
            queue.add([one])
        queue.add(sightings)
        (found,) = queue.candidates()
    assert found.listings == 3
    assert (found.first_seen.day, found.last_seen.day) == (1, 6)
    assert found.examples == ("title 0", "title 1", "title 2")


def test_inflected_forms_are_one_candidate(tmp_path: Path) -> None:
    with State(state_path(tmp_path)) as state:
        queue = ReviewQueue(state, tmp_path)
        queue.add([
            build_sighting("зирвонитазена", "a"), build_sighting("зирвонитазен", "b"), build_sighting("другое", "c"),
        ])  # fmt: skip
        found = {one.term: one for one in queue.candidates()}
        assert found.keys() == {"зирвонитазен", "другое"}
        assert found["зирвонитазен"].forms == ("зирвонитазена",)
        assert found["зирвонитазен"].listings == 2
        queue.reject("зирвонитазена", NOW)
        assert [one.term for one in queue.candidates()] == ["другое"]


def test_accepted_terms_are_read_and_change_the_version(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    before = build_extractor(settings)
    assert build_tables(tmp_path) is None
    with State(state_path(tmp_path)) as state:
        queue = ReviewQueue(state, tmp_path)
        queue.add([build_sighting(UNKNOWN, "a")])
        done = queue.accept(UNKNOWN.upper(), "metonitazene", NOW)
        assert (done.status, done.substance) == ("accepted", "metonitazene")
        assert not queue.candidates()
        queue.accept(UNKNOWN, "metonitazene", NOW)  # again: one row
        (row,) = read_names(tmp_path)
        assert (row["substance"], row["name"], row["source"]) == ("metonitazene", UNKNOWN, "reviewed 2026-04-01")
        after = build_extractor(settings)
        assert after.version != before.version
        assert [one.id for one in after.read({"title": f"{UNKNOWN} 1g"}).substances] == ["metonitazene"]
        assert not before.read({"title": f"{UNKNOWN} 1g"}).substances
        with pytest.raises(UsageError, match="in your table as metonitazene"):
            queue.accept(UNKNOWN, "isotonitazene", NOW)
        queue.reject(UNKNOWN, NOW)
        assert not names_path(tmp_path).exists()
        assert build_extractor(settings).version == before.version


@pytest.mark.parametrize(
    ("term", "substance", "said"),
    [
        ("nothing like it", "mdma", "not in the queue"),
        (UNKNOWN, "metonitazen", "Did you mean 'metonitazene'"),
        ("mephedrone", "mdma", "a name of mephedrone already"),
    ],
)
def test_wrong_decisions_say_what_to_do(tmp_path: Path, term: str, substance: str, said: str) -> None:
    with State(state_path(tmp_path)) as state:
        queue = ReviewQueue(state, tmp_path)
        queue.add([build_sighting(UNKNOWN, "a"), build_sighting("mephedrone", "b")])
        with pytest.raises(UsageError, match=said):
            queue.accept(term, substance, NOW)
    assert not names_path(tmp_path).exists()


def test_a_broken_table_is_named_with_its_line(tmp_path: Path) -> None:
    path = names_path(tmp_path)
    path.parent.mkdir()
    path.write_text("substance,name,lang,type,strength,source\nmdma,aa,en,name,strong,x\nnone-such,bb,en,name,strong,x\n")
    with pytest.raises(InputError, match=r"names\.csv, line 3"):
        build_extractor(Settings(data_dir=tmp_path))


def test_forgetting_takes_listings_out(tmp_path: Path) -> None:
    with State(state_path(tmp_path)) as state:
        queue = ReviewQueue(state, tmp_path)
        queue.add([
            build_sighting("x", "a", vendor="v1", title="one"), build_sighting("x", "b", vendor="v2", title="two"),
            build_sighting("x", "b", vendor="v2", title="two", day=2), build_sighting("y", "c", vendor="v1"),
        ])  # fmt: skip
        assert queue.forget(crawl="lab-1") == 2  # a and c: b was seen by another crawl too
        assert [(one.term, one.examples) for one in queue.candidates()] == [("x", ("two",))]
        assert queue.forget(vendor="v2") == 1
        assert queue.candidates() == []


def run(folder: Path, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(folder), *words],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == expect, done.stderr
    return done


def test_the_command_lists_accepts_and_rejects(tmp_path: Path) -> None:
    with State(state_path(tmp_path)) as state:
        ReviewQueue(state, tmp_path).add([build_sighting(UNKNOWN, "a", title="=1+1"), build_sighting("другое", "b")])
    rows = json.loads(run(tmp_path, "--format", "json", "review").stdout)
    assert [row["term"] for row in rows] == [UNKNOWN, "другое"]
    assert rows[0]["examples"] == ["=1+1"]
    table = list(csv.DictReader(run(tmp_path, "--format", "csv", "review", "--limit", "1").stdout.splitlines()))
    assert [row["examples"] for row in table] == ["'=1+1"]
    accepted = run(tmp_path, "--format", "json", "review", "accept", UNKNOWN, "--substance", "metonitazene")
    assert json.loads(accepted.stdout)[0]["status"] == "accepted"
    assert "dropline reextract" in accepted.stderr
    run(tmp_path, "review", "reject", "другое")
    assert json.loads(run(tmp_path, "--format", "json", "review").stdout) == []
    everything = json.loads(run(tmp_path, "--format", "json", "review", "--status", "all").stdout)
    assert {row["status"] for row in everything} == {"accepted", "rejected"}
    assert "is not in the queue" in run(tmp_path, "review", "reject", "never seen", expect=2).stderr
