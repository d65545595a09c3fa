"""Values of market fields that nothing reads: they land in the queue, and what a person accepts is read from then on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import InputError, UsageError
from config.settings import Settings
from crawler.items import Crawl, CrawlKind, CrawlOutcome, Listing, Offer
from extract.observation import Observation, Stash
from extract.reading import Reading, SubstanceMention
from monitor.operator_values import fold_value, read_values, unit_of, values_path
from monitor.review import ReviewQueue, find_unknown, iter_rows, normalise_term
from monitor.review_signals import first_seen_terms
from monitor.state import State, state_path
from monitor.workspace import build_observation_builder

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
CRAWL = Crawl(id="c", market="lab", kind=CrawlKind.FULL, started=NOW, outcome=CrawlOutcome.COMPLETE)
LISTING = Listing(
    market="lab", listing="l1", crawl="c", observed_at=NOW, title="Мефедрон", parser="p", category=("Товары", "Брумзлики"),
    offers=(Offer(quantity="2 Хрымзика", stash="За Крулькой", place="Верхнегрымзинск"), Offer(quantity="1 г", place="Тула")),
)  # fmt: skip
VALUES = {"unit: хрымзика", "stash: за крулькой", "place: верхнегрымзинск"}


def read_again(folder: Path) -> tuple[str, Observation]:
    builder = build_observation_builder(Settings(data_dir=folder))
    return builder.version, next(iter(builder.build([LISTING], CRAWL)))


def test_unread_values_are_found() -> None:
    mention = SubstanceMention(id="mephedrone", text="Мефедрон", field="title", start=0, end=8)
    named = {one.term: one.rule for one in find_unknown(LISTING, Reading(substances=(mention,)))}
    assert named == {"unit: хрымзика": "unit", "stash: за крулькой": "stash", "place: верхнегрымзинск": "place"}
    unnamed = {one.term for one in find_unknown(LISTING, Reading())}
    assert unnamed == VALUES | {"category: брумзлики"}


@pytest.mark.parametrize(
    "offer",
    [Offer(quantity="0.5 гр", stash="магнит", place="Тула"), Offer(quantity="10 x 20mg", stash="Снежный прикоп"),
     Offer(place="Первомайский"), Offer(quantity="1 oz")],
)  # fmt: skip
def test_known_and_ambiguous_values_are_none(offer: Offer) -> None:
    listing = LISTING.model_copy(update={"offers": (offer,), "category": ("Drugs", "Cannabis")})
    assert not list(find_unknown(listing, Reading()))


def test_what_is_accepted_is_read(tmp_path: Path) -> None:
    before, blind = read_again(tmp_path)
    assert (blind.quantity, blind.stash, blind.region) == (None, Stash.OTHER, None)
    with State(state_path(tmp_path)) as state:
        queue = ReviewQueue(state, tmp_path)
        queue.add(find_unknown(LISTING, Reading()))
        queue.accept_value("unit: Хрымзика", "pcs", NOW)
        queue.accept_value("stash: за крулькой", "magnet", NOW)
        done = queue.accept_value("place: верхнегрымзинск", "ru-tul", NOW)
        assert next(iter_rows([done]))["means"] == "RU-TUL"
        after, seeing = read_again(tmp_path)
        assert (seeing.quantity, seeing.unit, seeing.stash, seeing.region) == (2.0, "unit", Stash.MAGNET, "RU-TUL")
        assert after != before
        for value in VALUES:
            queue.reject(value, NOW)
    assert read_values(tmp_path) == []
    assert not values_path(tmp_path).exists()
    assert read_again(tmp_path)[0] == before


def test_a_category_is_accepted_as_a_name(tmp_path: Path) -> None:
    bare = LISTING.model_copy(update={"title": "Хороший товар"})
    with State(state_path(tmp_path)) as state:
        queue = ReviewQueue(state, tmp_path)
        queue.add(find_unknown(bare, Reading()))
        queue.accept("category: брумзлики", "ketamine", NOW)
    builder = build_observation_builder(Settings(data_dir=tmp_path))
    assert next(iter(builder.build([bare], CRAWL))).substances == ("ketamine",)


def test_wrong_meanings_are_refused(tmp_path: Path) -> None:
    with State(state_path(tmp_path)) as state:
        queue = ReviewQueue(state, tmp_path)
        queue.add(find_unknown(LISTING, Reading()))
        for value, means in [("unit: хрымзика", "parsecs"), ("stash: за крулькой", "attic"),
                             ("place: верхнегрымзинск", "RU-XXX"), ("category: брумзлики", "g"), ("unit: none", "g")]:  # fmt: skip
            with pytest.raises(UsageError):
                queue.accept_value(value, means, NOW)
        with pytest.raises(UsageError, match="--means"):
            queue.accept("unit: хрымзика", "mdma", NOW)
    assert not values_path(tmp_path).exists()


def test_a_broken_row_is_named(tmp_path: Path) -> None:
    values_path(tmp_path).parent.mkdir(parents=True)
    values_path(tmp_path).write_text("field,value,means,source\nunit,хрымзик,pcs,me\nstash,x,attic,me\n", encoding="utf-8")
    with pytest.raises(InputError, match="attic") as caught:
        read_values(tmp_path)
    assert caught.value.line == 3


@settings(deadline=None)
@given(st.text(max_size=100))
def test_a_folded_value_is_the_term_of_the_queue(text: str) -> None:
    for value in (fold_value(text), unit_of(text)):
        assert normalise_term(f"unit: {value}") == f"unit: {value}".strip(" :") or not value


def sight(queue: ReviewQueue, term: str, market: str, listing: str, day: int) -> None:
    from monitor.review import Sighting

    seen = datetime(2026, 3, day, 12, tzinfo=UTC)
    queue.add([Sighting(term, "stem", market, listing, f"v-{listing}", f"title {listing}", seen, f"{market}-{day}")])


def test_first_appearances_are_signals_once_repeated_or_accepted(tmp_path: Path) -> None:
    march = [datetime(2026, 3, day, 12, tzinfo=UTC) for day in range(1, 32)]
    with State(state_path(tmp_path)) as state:
        queue = ReviewQueue(state, tmp_path)
        sight(queue, "zyrvonitazene", "a", "l1", 2)
        sight(queue, "zyrvonitazene", "a", "l2", 5)
        sight(queue, "zyrvonitazene", "b", "l9", 9)
        sight(queue, "once only", "a", "l3", 3)
        queue.add(find_unknown(LISTING, Reading()))
        found = first_seen_terms(state, march[0])
        assert [(one.term, one.market, one.first_seen, one.signalled) for one in found] == [
            ("zyrvonitazene", "a", march[1], march[4])
        ]
        assert (found[0].listings, found[0].vendors, found[0].example, found[0].elsewhere) == (2, 2, "title l1", False)
        assert first_seen_terms(state, march[5]) == []
        queue.accept("zyrvonitazene", "metonitazene", march[9])
        both = first_seen_terms(state, march[0])
        assert [(one.market, one.signalled, one.elsewhere, one.substance) for one in both] == [
            ("a", march[1], False, "metonitazene"), ("b", march[8], True, "metonitazene")
        ]  # fmt: skip
        then = first_seen_terms(state, march[0], until=march[8])  # nothing was accepted then
        assert [(one.market, one.signalled, one.substance) for one in then] == [("a", march[4], None)]
        assert first_seen_terms(state, march[0], until=march[3]) == []
        queue.reject("zyrvonitazene", march[10])
        assert first_seen_terms(state, march[0]) == []
