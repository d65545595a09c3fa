"""The review queue: words of listings that sell something we cannot name, for a person to decide about.

A listing of kind offer without a substance leaves its candidate terms (`Reading.unknown_terms`) in `state.db`, one row
a term and listing: reading a log again changes nothing. Values of a market's own fields that no table reads (units,
hiding types, places, categories) stand in it too, as `field: value`. Titles are those of the log, masked before they
were written.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from config.errors import UsageError
from crawler.items import Listing
from extract.morphology import expand_forms
from extract.observation import Kind
from extract.reading import Reading
from extract.vocabulary import STRENGTHS, load_vocabulary
from monitor.operator_names import add_name, known_substances, names_path, remove_name
from monitor.operator_values import FIELDS, MAPPED, Row, add_value, check_meaning, iter_unknown, remove_value
from monitor.state import State

EXAMPLES = 3
LONGEST_TITLE = 200
"""Code points of a title kept as an example."""
Status = Literal["open", "accepted", "rejected"]
STATUSES: tuple[Status, ...] = ("open", "accepted", "rejected")


class Sighting(NamedTuple):
    """One candidate term in one listing of one crawl. `seen` is aware, in UTC."""

    term: str
    rule: str
    market: str
    listing: str
    vendor: str | None
    title: str
    seen: datetime
    crawl: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A term of the queue with what is known of it. `forms` are its inflected forms, counted with it."""

    term: str
    rule: str
    status: Status
    substance: str | None
    """Id of the substance it was accepted as; of a value what it means."""
    listings: int
    """Distinct listings."""
    markets: tuple[str, ...]
    first_seen: datetime
    last_seen: datetime
    examples: tuple[str, ...]
    """Up to three masked titles, the earliest first."""
    forms: tuple[str, ...] = ()
    decided: datetime | None = None


def normalise_term(term: str) -> str:
    """Compatibility forms and case folded away, `ё` as `е`, blanks single, punctuation at the ends gone."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", term).casefold()).casefold()
    return " ".join(folded.replace("ё", "е").split()).strip(" .,;:!?'\"«»()[]-–—")


def find_unknown(listing: Listing, reading: Reading) -> Iterator[Sighting]:
    """What a listing leaves for review: its candidate terms where it offers something that has no name here, and the
    values of its fields that nothing reads (of a category: where it is all that could name a substance)."""
    unnamed = not reading.substances and reading.kind is Kind.OFFER
    found: dict[str, str] = {}
    if unnamed:
        for unknown in reading.unknown_terms:
            found.setdefault(normalise_term(unknown.term), unknown.rule)
    for value in iter_unknown(listing, load_vocabulary()):
        if unnamed or value.field != "category":
            found.setdefault(normalise_term(str(value)), value.field)
    for term, rule in found.items():
        if term:
            yield Sighting(
                term, rule, listing.market, listing.listing, listing.vendor, listing.title[:LONGEST_TITLE],
                listing.observed_at, listing.crawl,
            )  # fmt: skip


_PUT_TERM = "INSERT OR IGNORE INTO review_term VALUES (?, ?, 'open', NULL, NULL)"
_PUT_LISTING = """
INSERT INTO review_listing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (term, market, listing) DO UPDATE SET
    vendor = CASE WHEN excluded.first_seen < first_seen THEN excluded.vendor ELSE vendor END,
    title = CASE WHEN excluded.first_seen < first_seen THEN excluded.title ELSE title END,
    first_crawl = CASE WHEN excluded.first_seen < first_seen THEN excluded.first_crawl ELSE first_crawl END,
    last_crawl = CASE WHEN excluded.last_seen > last_seen THEN excluded.last_crawl ELSE last_crawl END,
    first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen)
WHERE excluded.first_seen < first_seen OR excluded.last_seen > last_seen
"""


class ReviewQueue:
    """The queue in `state.db`. `data_dir` holds the operator's own table of names."""

    def __init__(self, state: State, data_dir: Path) -> None:
        self.state, self.data_dir = state, data_dir

    def add(self, sightings: Iterable[Sighting]) -> None:
        """Takes sightings in, in any order, any number of times."""
        kept = list(sightings)
        if not kept:
            return
        rows = []
        for one in kept:
            seen = one.seen.astimezone(UTC).isoformat(timespec="microseconds")  # of one length: these are compared
            rows.append((one.term, one.market, one.listing, one.vendor, one.title, seen, seen, one.crawl, one.crawl))
        with self.state.writing() as db:
            db.executemany(_PUT_TERM, sorted({(one.term, one.rule) for one in kept}))
            db.executemany(_PUT_LISTING, rows)

    def candidates(self, status: Status | None = "open") -> list[Candidate]:
        """Terms of that status (None: all), those of the most listings first."""
        rows = self.state.db.execute("SELECT term, rule, status, substance, decided FROM review_term").fetchall()
        wanted = {term: rest for term, *rest in rows if status is None or rest[1] == status}
        found = []
        for term, forms in _by_form(wanted):
            rule, state, substance, decided = wanted[term]
            one = self._candidate(term, forms, rule, state, substance, decided)
            if one is not None:
                found.append(one)
        return sorted(found, key=lambda one: (-one.listings, one.term))

    def _candidate(
        self, term: str, forms: tuple[str, ...], rule: str, status: Status, substance: str | None, decided: str | None
    ) -> Candidate | None:
        group = (term, *forms)
        among = f"FROM review_listing WHERE term IN ({', '.join('?' * len(group))})"
        rows = self.state.db.execute(
            f"SELECT market, count(DISTINCT listing), min(first_seen), max(last_seen) {among} GROUP BY market"
            " ORDER BY market",
            group,
        ).fetchall()
        if not rows:
            return None  # all its listings were forgotten
        titles = self.state.db.execute(
            f"SELECT title {among} GROUP BY title ORDER BY min(first_seen), title LIMIT {EXAMPLES}",
            group,
        ).fetchall()
        return Candidate(
            term=term, rule=rule, status=status, substance=substance, listings=sum(row[1] for row in rows),
            markets=tuple(row[0] for row in rows), first_seen=datetime.fromisoformat(min(row[2] for row in rows)),
            last_seen=datetime.fromisoformat(max(row[3] for row in rows)), examples=tuple(row[0] for row in titles),
            forms=forms, decided=None if decided is None else datetime.fromisoformat(decided),
        )  # fmt: skip

    def accept(self, term: str, substance: str, now: datetime, strength: str = "strong") -> Candidate:
        """The term is a name of that substance: into the operator's table, and out of the queue with its forms.

        Raises UsageError: no such term or substance, or the name means something else already.
        """
        one = self._find(term)
        name = one.term
        if one.rule in FIELDS:
            if one.rule != "category":
                raise UsageError(f"{one.term!r} is a value of a field.", remedy="Say with --means what it means.")
            name = value_of(one)
        known = known_substances()
        if substance not in known:
            near = difflib.get_close_matches(substance, sorted(known), n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"{substance!r} is no substance id.", remedy=f"{hint}They stand in substances.csv.")
        if strength not in STRENGTHS:
            raise UsageError(f"{strength!r} is no strength.", remedy=f"Use one of {', '.join(sorted(STRENGTHS))}.")
        self._check_meaning(name, substance)
        cyrillic = any("а" <= letter <= "я" for letter in name)
        row = {
            "substance": substance, "name": name, "lang": "ru" if cyrillic else "en", "type": "name",
            "strength": strength, "source": f"reviewed {now.astimezone(UTC).date()}",
        }  # fmt: skip
        add_name(self.data_dir, row)  # the file first: a kill in between leaves a term that is simply accepted again
        return self._decide(one, "accepted", substance, now)

    def accept_value(self, term: str, means: str, now: datetime) -> Candidate:
        """The value of a field means that known one (a unit, a hiding type, a region code): into the operator's table.

        Raises UsageError: no such value, or no such meaning."""
        one = self._find(term)
        if one.rule not in MAPPED:
            raise UsageError(
                f"{one.term!r} is a name, no value of a field.", remedy="Say with --substance what it names."
            )
        meaning = check_meaning(one.rule, means)
        source = f"reviewed {now.astimezone(UTC).date()}"
        add_value(self.data_dir, Row(one.rule, value_of(one), meaning, source))
        return self._decide(one, "accepted", meaning, now)

    def reject(self, term: str, now: datetime) -> Candidate:
        """The term names no substance, the value means nothing. What was accepted before is taken out of the operator's
        table."""
        one = self._find(term)
        if one.rule in MAPPED:
            remove_value(self.data_dir, one.rule, value_of(one))
        else:
            remove_name(self.data_dir, value_of(one) if one.rule in FIELDS else one.term)
        return self._decide(one, "rejected", None, now)

    def forget(self, *, market: str | None = None, vendor: str | None = None, crawl: str | None = None) -> int:
        """Removes what hangs on a market, a vendor, or a crawl (listings seen in no other); returns rows removed.

        Decisions stay: a term is no one's data. Without any listing it is not shown."""
        with self.state.writing() as db:
            if crawl is not None:
                rule, values = "first_crawl = ? AND last_crawl = ?", (crawl, crawl)
                return db.execute(f"DELETE FROM review_listing WHERE {rule}", values).rowcount  # noqa: S608 - ours
            column, value = ("market", market) if market is not None else ("vendor", vendor)
            return db.execute(f"DELETE FROM review_listing WHERE {column} = ?", (value,)).rowcount  # noqa: S608 - ours

    def forget_before(self, moment: datetime) -> int:
        """Removes what was last seen before then (aware); returns rows removed."""
        before = moment.astimezone(UTC).isoformat(timespec="microseconds")
        with self.state.writing() as db:
            return db.execute("DELETE FROM review_listing WHERE last_seen < ?", (before,)).rowcount

    def _find(self, term: str) -> Candidate:
        name = normalise_term(term)
        everything = self.candidates(None)
        for status in STATUSES:
            for one in everything:
                if one.status == status and name in (one.term, *one.forms):
                    return one
        near = difflib.get_close_matches(name, [one.term for one in everything], n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"{term!r} is not in the queue.",
            remedy=f"{hint}`dropline review` lists it; other names go into {names_path(self.data_dir)} by hand.",
        )

    def _check_meaning(self, term: str, substance: str) -> None:
        for meaning in load_vocabulary().phrases.get(term, []):
            if meaning.category == "substance" and meaning.value != substance:
                raise UsageError(
                    f"{term!r} is a name of {meaning.value} already.", remedy="Accept it as that, or reject it."
                )
            if meaning.category == "false":
                raise UsageError(
                    f"{term!r} is listed as a harmless phrase.", remedy="Reject it, or change false_friends.csv."
                )

    def _decide(self, one: Candidate, status: Status, substance: str | None, now: datetime) -> Candidate:
        with self.state.writing() as db:
            db.executemany(
                "UPDATE review_term SET status = ?, substance = ?, decided = ? WHERE term = ?",
                [(status, substance, now.astimezone(UTC).isoformat(), term) for term in (one.term, *one.forms)],
            )
        return next(each for each in self.candidates(status) if one.term in (each.term, *each.forms))


def value_of(one: Candidate) -> str:
    """The value alone of a candidate `field: value`."""
    return one.term.removeprefix(f"{one.rule}: ")


def _by_form(terms: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Terms with those among them that are their inflected forms; the shortest of a family stands for it."""
    left = dict.fromkeys(sorted(terms, key=lambda term: (len(term), term)))
    families = []
    while left:
        term = next(iter(left))
        del left[term]
        forms = tuple(form for form in expand_forms(term) if form in left)
        for form in forms:
            del left[form]
        families.append((term, forms))
    return families


def iter_rows(candidates: Sequence[Candidate]) -> Iterator[dict[str, object]]:
    """As `dropline review` shows them."""
    for one in candidates:
        yield {
            "term": one.term, "rule": one.rule, "status": one.status,
            "substance": None if one.rule in MAPPED else one.substance,
            "means": one.substance if one.rule in MAPPED else None,
            "listings": one.listings, "markets": list(one.markets), "first_seen": one.first_seen.isoformat(),
            "last_seen": one.last_seen.isoformat(), "forms": list(one.forms), "examples": list(one.examples),
        }  # fmt: skip
