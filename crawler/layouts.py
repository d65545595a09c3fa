"""The layouts of a market.yml, compiled: what reads the fields and offers of one row or page."""

from __future__ import annotations

import re
from collections import Counter

from crawler.items import Offer, Page
from crawler.market import DetailLayout, IndexLayout, ListingFields, OfferBlock
from crawler.select import Compiled, Tree, compile_selector, parse_count, parse_real

_TEXT_FIELDS = ("listing", "title", "vendor", "ships_from", "description")
_LIST_FIELDS = ("category", "ships_to", "ships_except", "shipping")
_COUNT_FIELDS = ("feedback", "sold")
_EXCEPT = re.compile(r"\W*\b(?:except(?:ing)?|excluding|but not|кроме)\b\W*", re.IGNORECASE)


def split_exceptions(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(where it goes, where not) of destinations as written: 'Worldwide', 'except Australia', 'Norway'."""
    for place, name in enumerate(names):
        word = _EXCEPT.search(name)
        if word is not None:
            goes = filter(None, (*names[:place], name[: word.start()]))
            not_there = (name[word.end() :], *names[place + 1 :])
            return tuple(goes), tuple(each if "(" in each else each.rstrip(")") for each in not_there if each)
    return names, ()


class FieldsReader:
    """The compiled selectors of one `ListingFields`."""

    def __init__(self, fields: ListingFields) -> None:
        names = (*_TEXT_FIELDS, *_LIST_FIELDS, *_COUNT_FIELDS, "rating")
        declared = {name: compile_selector(getattr(fields, name)) for name in names}
        self.by_name: dict[str, Compiled] = {name: found for name, found in declared.items() if found is not None}
        self.offers = tuple(OffersReader(block) for block in fields.offers)

    def first(self, name: str, node: Tree, page: Page, unread: Counter[str]) -> str | None:
        selector = self.by_name.get(name)
        if selector is None:
            return None
        values, lost = selector.read(node, page.url)
        if lost:
            unread[name] += 1
        return values[0] if values else None

    def every(self, name: str, node: Tree, page: Page, unread: Counter[str]) -> tuple[str, ...]:
        selector = self.by_name.get(name)
        if selector is None:
            return ()
        values, lost = selector.read(node, page.url)
        if lost:
            unread[name] += 1
        return tuple(dict.fromkeys(values))

    def count(self, name: str, node: Tree, page: Page, unread: Counter[str]) -> int | None:
        value = self.first(name, node, page, unread)
        number = None if value is None else parse_count(value)
        if value is not None and number is None:
            unread[name] += 1
        return number

    def real(self, name: str, node: Tree, page: Page, unread: Counter[str]) -> float | None:
        value = self.first(name, node, page, unread)
        number = None if value is None else parse_real(value)
        if value is not None and number is None:
            unread[name] += 1
        return number


class OffersReader:
    """The compiled selectors of one `OfferBlock`."""

    def __init__(self, block: OfferBlock) -> None:
        self.row, self.otherwise = compile_selector(block.row), block.otherwise
        declared = {name: compile_selector(getattr(block, name)) for name in ("price", "quantity", "place", "stash")}
        self.texts: dict[str, Compiled] = {name: found for name, found in declared.items() if found is not None}
        counts = {name: compile_selector(getattr(block, name)) for name in ("ready", "preorder")}
        self.counts: dict[str, Compiled] = {name: found for name, found in counts.items() if found is not None}

    def read(self, node: Tree, page: Page, unread: Counter[str]) -> list[Offer]:
        offers = []
        for row in (node,) if self.row is None else self.row.nodes(node):
            values: dict[str, str] = {}
            for name, selector in (*self.texts.items(), *self.counts.items()):
                found, lost = selector.read(row, page.url)
                if found:
                    values[name] = found[0]
                if lost:
                    unread[f"offer.{name}"] += 1
            counts: dict[str, int | None] = {}
            for name in self.counts:
                counts[name] = parse_count(values[name]) if name in values else None
                if name in values and counts[name] is None:
                    unread[f"offer.{name}"] += 1
            if values:
                offers.append(Offer(**{name: values.get(name) for name in self.texts}, **counts))
        return offers


class IndexReader:
    def __init__(self, layout: IndexLayout) -> None:
        self.layout = layout
        self.when, self.row = Compiled(layout.when), Compiled(layout.row)
        self.detail, self.empty = compile_selector(layout.detail), compile_selector(layout.empty)
        self.total = compile_selector(layout.total)
        self.scope = None if layout.scope is None else Compiled(layout.scope.name)
        self.links = tuple(Compiled(link) for link in layout.links)
        self.fields = FieldsReader(layout.fields)


class DetailReader:
    def __init__(self, layout: DetailLayout) -> None:
        self.when, self.fields = Compiled(layout.when), FieldsReader(layout.fields)
