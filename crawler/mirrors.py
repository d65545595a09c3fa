"""The mirrors of a market: which one is asked, when another takes over, and which is no mirror at all.

Mirrors are pinned by the operator and tried in the order of their health. A request that a mirror does not answer goes
to the next one; after `PATIENCE` failures in a row (or while it has given nothing) the next one gets all requests. A
mirror none of whose listings is known, where plenty are, is a clone: it is refused, and nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urldefrag

from crawler.items import Listing
from crawler.readings import Readings

PATIENCE = 3
KNOWN = 20
"""Recent readings that must be there before a stranger is called a clone."""
SHOWN = 5
"""Listings an index page must show to be judged by."""
RECENT = timedelta(days=30)


class Mirrors:
    """`current` is the index of the mirror that new requests go to."""

    def __init__(self, bases: tuple[str, ...], readings: Readings, moment: datetime) -> None:
        self.bases = readings.by_health(bases)
        self.current = 0
        self._readings, self._since = readings, moment - RECENT
        self._failures = 0
        self._answered: set[int] = set()
        self._failed: set[int] = set()
        self._refused: set[int] = set()
        self._proven: set[int] = set()

    def path_of(self, url: str) -> str | None:
        """The address without its mirror and without fragment; None for another site."""
        plain = urldefrag(url).url
        for base in self.bases:
            if plain == base:
                return "/"
            if plain.startswith((f"{base}/", f"{base}?")):
                return plain.removeprefix(base)
        return None

    def url_of(self, path: str, mirror: int) -> str:
        return f"{self.bases[mirror]}{path if path.startswith('/') else f'/{path}'}"

    def answered(self, mirror: int) -> None:
        """A mirror gave a page."""
        self._answered.add(mirror)
        if mirror == self.current:
            self._failures = 0

    def failed(self, mirror: int) -> int | None:
        """A mirror gave no answer: the one to ask instead, None where none is left."""
        if mirror == self.current:
            self._failures += 1
        if mirror not in self._answered or self._failures >= PATIENCE:
            self._failed.add(mirror)
            if mirror == self.current:
                self._move_on()
        return self._other_than(mirror)

    def refuse(self, mirror: int) -> int | None:
        """A mirror turned out to be none: the one to ask instead."""
        self._refused.add(mirror)
        self._failed.add(mirror)
        if mirror == self.current:
            self._move_on()
        return self._other_than(mirror)

    def is_refused(self, mirror: int) -> bool:
        return mirror in self._refused

    def _move_on(self) -> None:
        left = [one for one in range(self.current + 1, len(self.bases)) if one not in self._failed]
        if left:
            self.current, self._failures = left[0], 0

    def _other_than(self, mirror: int) -> int | None:
        if self.current > mirror:
            return self.current
        left = [one for one in range(mirror + 1, len(self.bases)) if one not in self._refused]
        return left[0] if left else None

    def is_clone(self, mirror: int, shown: Iterable[Listing]) -> bool:
        """Whether that mirror shows another market's listings (masked). Never where only one address is known."""
        if len(self.bases) < 2 or mirror in self._proven:
            return False
        page = list(shown)
        if len(page) < SHOWN:
            return False
        known = self._readings.since(self._since)
        if len(known) >= KNOWN:
            ids = {(listing.listing, listing.title) for listing in known}
            titles = {(listing.vendor, listing.title) for listing in known}
            if not any((one.listing, one.title) in ids or (one.vendor, one.title) in titles for one in page):
                return True
        self._proven.add(mirror)
        return False

    def finish(self) -> None:
        """Remembers their health for the next crawl."""
        for mirror in self._answered | self._failed:
            self._readings.note_mirror(self.bases[mirror], failed=mirror in self._failed)
