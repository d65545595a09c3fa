"""What a market's crawls remember of each listing beside its last reading: when it was first and last present, how
often its own page changed, and a sketch of its text that tells whether a new listing is an old one put up again.

No text is kept, only 32-bit hashes of words: of the title all, of the description the 64 smallest of its word pairs
(Broder 1997: two such sets estimate the Jaccard similarity of the texts). What was not present for 60 days is removed.
"""

from __future__ import annotations

import math
import re
import sqlite3
import struct
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from crawler.items import Listing

SCHEMA = """
CREATE TABLE IF NOT EXISTS sighting (listing TEXT PRIMARY KEY, vendor TEXT, first TEXT NOT NULL, last TEXT NOT NULL,
    judged INTEGER NOT NULL, title BLOB NOT NULL, text BLOB NOT NULL, offers BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sighting_vendor ON sighting (vendor);
CREATE INDEX IF NOT EXISTS sighting_new ON sighting (listing) WHERE NOT judged;
CREATE TABLE IF NOT EXISTS visit (listing TEXT PRIMARY KEY, first TEXT NOT NULL, last TEXT NOT NULL,
    visits INTEGER NOT NULL, changes INTEGER NOT NULL, content INTEGER NOT NULL) WITHOUT ROWID;
"""
GONE_WITHIN = timedelta(days=30)
"""How long ago the old listing may have been seen last."""
KEPT = timedelta(days=60)
SIMILAR = 0.55
"""Similarity of text from which on a listing counts as put up again (`similarity`)."""
TITLE_ALIKE = 0.25
_PAIRS = 64
_WORD = re.compile(r"[^\W_]+")
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Sketch:
    """Hashes of a listing's title words, of its description's word pairs (the smallest 64), and of its offers."""

    title: frozenset[int]
    text: frozenset[int]
    offers: frozenset[int]


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _hash(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


def build_sketch(listing: Listing) -> Sketch:
    """Of a masked listing. An offer is its quantity, place and stash type as written; never its price."""
    words = _words(listing.description)
    pairs = {_hash(f"{one} {other}") for one, other in pairwise(words)} or set(map(_hash, words))
    offers = {
        " ".join(_words("\0".join((offer.quantity or "", offer.place or "", offer.stash or ""))))
        for offer in listing.offers
    }
    return Sketch(
        frozenset(map(_hash, _words(listing.title))),
        frozenset(sorted(pairs)[:_PAIRS]),
        frozenset(_hash(offer) for offer in offers),
    )


def _alike(
    one: frozenset[int], other: frozenset[int], shop: Iterable[frozenset[int]], size: int
) -> tuple[float, float]:
    """(Weighted Jaccard, mean weight): what stands in many of the vendor's listings (a shop's own phrases) tells
    little, by the logarithm of how many do not have it."""
    union = one | other
    if not union:
        return 0.0, 0.0
    common = Counter(word for each in shop for word in each & union)
    weight = {word: 0.05 + math.log((1 + size) / (1 + common[word])) for word in union}
    total = sum(weight.values())
    return sum(weight[word] for word in one & other) / total, total / len(union)


def similarity(new: Sketch, old: Sketch, shop: Sequence[Sketch] = ()) -> float:
    """How alike two listings of one vendor are, in [0, 1]; 0 where they have no offer in common, or different titles.

    `shop`: the vendor's other listings. Title and description count by how much they tell in that shop; the title
    alone where one has no description.
    """
    if new.offers and old.offers and not new.offers & old.offers:
        return 0.0
    size = len(shop) + 1
    title, title_tells = _alike(new.title, old.title, (one.title for one in shop), size)
    if title < TITLE_ALIKE:
        return 0.0
    if not (new.text and old.text):
        return title
    smallest = frozenset(sorted(new.text | old.text)[:_PAIRS])
    text, text_tells = _alike(new.text & smallest, old.text & smallest, (one.text for one in shop), size)
    return (title * title_tells + text * text_tells) / (title_tells + text_tells)


def revisit_after(
    usual: timedelta, flex: float, *, visits: int, changes: int, watched: timedelta
) -> timedelta:
    """After how long a listing's own page is read again: when it has changed by then with a probability of one half.

    `watched` is the time from its first reading to its last, in `visits` readings, `changes` of which found something
    else than the one before. The rate is -ln((n - x + 0.5) / (n + 1)) per interval for x changes in n intervals: the
    estimator of Cho and Garcia-Molina ("Estimating frequency of change", ACM TOIT 3, 2003) with half a change added, so
    that one quiet week is not taken for "never". The answer lies between `usual / flex` and `usual * flex`; `usual`
    where the page was read only once.
    """
    intervals = visits - 1
    if intervals < 1 or flex <= 1 or watched <= timedelta(0):
        return usual
    unchanged = (intervals - min(changes, intervals) + 0.5) / (intervals + 1)
    rate = -math.log(unchanged) / (watched / timedelta(days=1) / intervals)
    days = math.log(2) / rate if rate else math.inf
    usual_days = usual / timedelta(days=1)
    return timedelta(days=min(max(days, usual_days / flex), usual_days * flex))


def _content(listing: Listing) -> int:
    """Hash of what counts as a change of a listing's page: counts of feedback, sales and stock do not."""
    offers = [(offer.price, offer.quantity, offer.place, offer.stash) for offer in listing.offers]
    parts = (listing.title, listing.description, listing.category, listing.ships_from, listing.ships_to,
             listing.ships_except, listing.shipping, offers)  # fmt: skip
    return _hash(repr(parts))


class Sightings:
    """The tables, in the market's file of readings. Times are those of crawls (their beginning), UTC."""

    def __init__(self, db: sqlite3.Connection, together: Callable[[], AbstractContextManager[None]]) -> None:
        """`together`: the block in which the file is written (`Readings.together`)."""
        self._db, self._together = db, together

    def add(self, listings: Iterable[Listing], crawl: datetime) -> None:
        """Notes listings as present in the crawl begun at `crawl`."""
        moment = crawl.isoformat()
        shown = {one.listing: one for one in listings}
        known = self._known(shown)
        fresh = [(one.listing, one.vendor, moment, moment, *map(_pack, _parts(build_sketch(one))))
                 for one in shown.values() if one.listing not in known or one.seen_on == "detail"]  # fmt: skip
        with self._together():
            self._db.executemany(
                "UPDATE sighting SET last = ? WHERE listing = ? AND last < ?", [(moment, one, moment) for one in known]
            )
            self._db.executemany(
                "INSERT INTO sighting VALUES (?, ?, ?, ?, 0, ?, ?, ?) ON CONFLICT (listing) DO UPDATE SET"
                " vendor = excluded.vendor, title = excluded.title, text = excluded.text, offers = excluded.offers",
                fresh,
            )

    def _known(self, idents: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for part in _parted(idents):
            marks = ",".join("?" * len(part))
            found.update(row[0] for row in self._db.execute(
                f"SELECT listing FROM sighting WHERE listing IN ({marks})", part))  # noqa: S608  # fmt: skip
        return found

    def add_visits(self, listings: Iterable[Listing]) -> None:
        """Notes readings of listings' own pages, and whether they differ from the reading before."""
        with self._together():
            self._db.executemany(
                "INSERT INTO visit VALUES (?, ?, ?, 1, 0, ?) ON CONFLICT (listing) DO UPDATE SET"
                " changes = changes + (content != excluded.content), visits = visits + 1, last = excluded.last,"
                " content = excluded.content WHERE last < excluded.last",
                [(one.listing, one.observed_at.isoformat(), one.observed_at.isoformat(), _content(one))
                 for one in listings],
            )  # fmt: skip

    def intervals(self, idents: Iterable[str], usual: timedelta, flex: float) -> dict[str, timedelta]:
        """After how long each of those listings is read again (`revisit_after`); those never read are left out."""
        found: dict[str, timedelta] = {}
        for part in _parted(idents):
            marks = ",".join("?" * len(part))
            rows = self._db.execute(
                f"SELECT listing, first, last, visits, changes FROM visit WHERE listing IN ({marks})", part  # noqa: S608
            )
            for ident, first, last, visits, changes in rows:
                watched = datetime.fromisoformat(last) - datetime.fromisoformat(first)
                found[ident] = revisit_after(usual, flex, visits=visits, changes=changes, watched=watched)
        return found

    def judge(self, crawl: datetime) -> dict[str, str]:
        """After a crawl that saw the market whole: which listings that were not judged yet are old ones put up again
        (new id -> old id), each old one once. Forgets what is long gone."""
        moment, since = crawl.isoformat(), (crawl - GONE_WITHIN).isoformat()
        found: dict[str, str] = {}
        vendors = self._db.execute("SELECT DISTINCT vendor FROM sighting WHERE NOT judged AND vendor IS NOT NULL")
        for (vendor,) in vendors.fetchall():
            found |= self._judge_vendor(vendor, moment, since)
        with self._together():
            self._db.execute("UPDATE sighting SET judged = 1 WHERE NOT judged")
            self._db.execute("DELETE FROM sighting WHERE last < ?", ((crawl - KEPT).isoformat(),))
            self._db.execute("DELETE FROM visit WHERE last < ? AND listing NOT IN (SELECT listing FROM sighting)",
                             ((crawl - KEPT).isoformat(),))  # fmt: skip
        return dict(sorted(found.items()))

    def _judge_vendor(self, vendor: str, moment: str, since: str) -> dict[str, str]:
        gone: dict[str, tuple[str, Sketch]] = {}
        fresh: dict[str, tuple[str, Sketch]] = {}
        sketches: list[Sketch] = []
        for ident, first, last, judged, *parts in self._db.execute(
            "SELECT listing, first, last, judged, title, text, offers FROM sighting WHERE vendor = ?", (vendor,)
        ):
            sketch = Sketch(*map(_unpack, parts))
            sketches.append(sketch)
            if not judged:
                fresh[ident] = first, sketch
            if since <= last < moment:
                gone[ident] = last, sketch
        pairs = []
        for new, (first, sketch) in fresh.items():
            for old, (last, before) in gone.items():
                if old != new and last < first:
                    others = [one for one in sketches if one is not sketch and one is not before]
                    alike = similarity(sketch, before, others)
                    if alike >= SIMILAR:
                        pairs.append((-alike, new, old))
        found: dict[str, str] = {}
        for _, new, old in sorted(pairs):
            if new not in found and old not in found.values():
                found[new] = old
        return found

    def forget(self, *, vendor: str | None = None, crawl: datetime | None = None) -> None:
        """Removes what is known of a vendor, or what a crawl (by its beginning) saw for the first time."""
        with self._together():
            if vendor is not None:
                self._db.execute(
                    "DELETE FROM visit WHERE listing IN (SELECT listing FROM sighting WHERE vendor = ?)", (vendor,)
                )
                self._db.execute("DELETE FROM sighting WHERE vendor = ?", (vendor,))
            if crawl is not None:
                self._db.execute("DELETE FROM sighting WHERE first = ?", (crawl.isoformat(),))


def _parts(sketch: Sketch) -> tuple[frozenset[int], ...]:
    return sketch.title, sketch.text, sketch.offers


def _pack(hashes: frozenset[int]) -> bytes:
    return struct.pack(f"<{len(hashes)}I", *sorted(hashes))


def _unpack(packed: bytes) -> frozenset[int]:
    return frozenset(struct.unpack(f"<{len(packed) // 4}I", packed))


def _parted(idents: Iterable[str]) -> Iterable[list[str]]:
    every = list(idents)
    return (every[at : at + _CHUNK] for at in range(0, len(every), _CHUNK))
