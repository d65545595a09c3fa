"""What a page object says when a part of the page is missing: every element of our own fixtures is taken out in turn.

A field whose place went may be lost, and is then counted as unread unless it is optional. It never takes the value of
something else on the page, and the other fields stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from crawler.items import Listing, Page
from crawler.market import market_folder
from crawler.pages import PageObject, ParsedPage, load_pages
from crawler.select import Tree, parse_html

NOW = datetime(2020, 1, 1, tzinfo=UTC)
MARKETS = ("apollon", "cryptonia", "dream", "empire", "hydra", "postal", "stash")
COUNTED = frozenset({"feedback"})
"""Dream states no number of ratings: the rows that are shown are counted."""


def _fixtures() -> Iterator[Any]:
    for market in MARKETS:
        for folder in sorted((market_folder(market) / "fixtures").iterdir()):
            expected = json.loads((folder / "expected.json").read_text("utf-8"))
            if expected.get("listings"):
                yield pytest.param(market, folder, id=f"{market}-{folder.name}")


FIXTURES = list(_fixtures())


def _parse(reader: PageObject, tree: Tree) -> ParsedPage:
    body = html.tostring(tree, encoding="utf-8", doctype="<!DOCTYPE html>")
    page = Page(market=reader.market.id, crawl="c", url="page.html", status=200, body=body, fetched_at=NOW)
    return reader.parse(page)


def _fields(listing: Listing) -> dict[str, Any]:
    return listing.model_dump(include={*Listing.model_fields} - {"market", "crawl", "observed_at", "parser", "seen_on"})


def _is_rest(now: Any, before: Any) -> bool:
    """Whether a value is what is left of another."""
    if now in (None, (), "") or now == before:
        return True
    if isinstance(now, str):
        return isinstance(before, str) and set(now.split()) <= set(before.split())
    if isinstance(now, tuple):
        return all(any(_is_rest(one, other) for other in before) for one in now)
    return False


def _are_rest_of_offers(now: tuple[dict[str, Any], ...], before: tuple[dict[str, Any], ...]) -> bool:
    """Field by field: one price for many places becomes that of the one place that is left."""
    return all(
        any(_is_rest(value, offer[name]) for offer in before) for one in now for name, value in one.items() if value
    )


def _without_each_element(tree: Tree) -> Iterator[tuple[Tree, str]]:
    for element in list(tree.iter()):
        parent, before = element.getparent(), element.getprevious()
        if parent is None or element.tag in {"head", "body", "br"}:
            continue
        place, removed = parent.index(element), html.tostring(element, encoding="unicode", with_tail=False)[:200]
        tail, element.tail = element.tail, None
        # the text behind an element belongs to the element around it
        text = parent.text if before is None else before.tail
        _put_text(parent, before, (text or "") + (tail or ""))
        parent.remove(element)
        yield tree, removed
        _put_text(parent, before, text)
        element.tail = tail
        parent.insert(place, element)


def _put_text(parent: Tree, before: Tree | None, text: str | None) -> None:
    if before is None:
        parent.text = text
    else:
        before.tail = text


@pytest.mark.parametrize(("market", "folder"), FIXTURES)
def test_a_missing_part_is_never_replaced_by_another(market: str, folder: Path) -> None:
    reader = load_pages(market)
    tree = parse_html((folder / "page.html").read_bytes())
    assert tree is not None
    whole = {listing.listing: _fields(listing) for listing in _parse(reader, tree).listings}
    assert whole
    for changed, removed in _without_each_element(tree):
        parsed = _parse(reader, changed)
        for listing in parsed.listings:
            assert listing.listing in whole, f"without {removed}: an id of something else"
            for name, value in _fields(listing).items():
                before = whole[listing.listing][name]
                kept = _are_rest_of_offers(value, before) if name == "offers" else _is_rest(value, before)
                assert name in COUNTED or kept, f"without {removed}: {name} was {before!r}"


@pytest.mark.parametrize(("market", "folder"), FIXTURES)
def test_a_missing_field_is_counted(market: str, folder: Path) -> None:
    reader = load_pages(market)
    tree = parse_html((folder / "page.html").read_bytes())
    assert tree is not None
    whole = {listing.listing: _fields(listing) for listing in _parse(reader, tree).listings}
    for changed, removed in _without_each_element(tree):
        parsed = _parse(reader, changed)
        for listing in parsed.listings:
            readers = [reader._detail] if listing.seen_on == "detail" else reader._index
            for name in ("vendor", "category", "sold"):
                declared = [one.fields.by_name[name] for one in readers if one and name in one.fields.by_name]
                required = len(declared) == len(readers) and not any(one.optional for one in declared)
                lost = whole[listing.listing][name] and not _fields(listing)[name]
                assert not (required and lost) or parsed.unread.get(name), f"without {removed}: {name} lost in silence"
