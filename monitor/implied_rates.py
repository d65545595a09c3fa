"""Statements of one amount in two currencies, out of crawl logs (price and shipping texts) and out of saved pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from pathlib import Path

from lxml import etree, html

from crawler.encryption import Identities
from crawler.items import Listing
from crawler.log import iter_log
from crawler.saved import iter_saved_pages
from extract.fx_implied import Implied, find_implied
from monitor.purging import begun_day

PAGES = "pages"
"""What statements out of saved pages stand under in the place of a market."""
_SHOWN = etree.XPath("//text()[not(ancestor::script or ancestor::style or ancestor::template)]")


@dataclass
class Gathered:
    """Statements by market; `listings` and `pages` read; pages `undated` and so left out."""

    statements: dict[str, list[tuple[date, Implied]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def _texts(listing: Listing) -> Iterator[str]:
    for offer in listing.offers:
        if offer.price:
            yield offer.price
    yield from listing.shipping


def gather_from_logs(
    logs_dir: Path, markets: Sequence[str] = (), first: date | None = None, last: date | None = None
) -> Gathered:
    """Statements in the logs of crawls begun between two market-local days; dated by the UTC day of the sighting."""
    found = Gathered()
    for path in sorted(logs_dir.glob("*/*.jsonl")):
        market = path.parent.name
        day = begun_day(path)
        if (markets and market not in markets) or day is None or not (first or day) <= day <= (last or day):
            continue
        for listing in iter_log(path)[1]:
            found.counts["listings"] += 1
            # equal texts of one listing (a page repeats its price) are one statement
            for text in dict.fromkeys(_texts(listing)):
                for implied in find_implied(text):
                    seen = listing.observed_at.astimezone(UTC).date()
                    found.statements.setdefault(market, []).append((seen, implied))
    return found


def gather_from_pages(
    paths: Iterable[Path], identities: Identities = (), at: date | None = None,
    first: date | None = None, last: date | None = None,
) -> Gathered:  # fmt: skip
    """Statements in what saved pages show. Pages without a time of their own are of the day `at`, or left out."""
    found = Gathered()
    for page in iter_saved_pages(paths, identities):
        day = at if page.fetched_at is None else page.fetched_at.astimezone(UTC).date()
        if page.refused:
            found.counts["refused"] += 1
        elif day is None:
            found.counts["undated"] += 1
        elif (first or day) <= day <= (last or day):
            found.counts["pages"] += 1
            for implied in dict.fromkeys(find_implied(shown_text(page.body))):
                found.statements.setdefault(PAGES, []).append((day, implied))
    return found


def shown_text(body: bytes) -> str:
    """The text of a page on one line, without scripts; empty for what is no HTML."""
    try:
        tree = html.document_fromstring(body, parser=html.HTMLParser(encoding="utf-8"))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return ""
    found = _SHOWN(tree)
    return " ".join(" ".join(map(str, found)).split()) if isinstance(found, list) else ""
