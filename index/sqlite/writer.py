"""The writing of one batch of observations in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import orjson

from extract.observation import Observation
from index.content import micros
from index.sqlite.crawl_packs import drop_packs
from index.sqlite.facts_packs import Facts
from index.sqlite.rows import (
    Row,
    count_values,
    pack,
    quote_values,
    span_dict,
    stable_values,
    volatile_values,
)
from index.stem import build_stems

_CACHED = 200_000
"""Entries a cache may hold before it is emptied: bounds memory, whatever is loaded."""

_PUT = """
INSERT INTO observations (crawl, key, facts, observed_at, day, quote, price_text, amount, unit_price, unit_price_usd,
    amount_usd, flags, ready, preorder, feedback) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (crawl, key) DO UPDATE SET facts = excluded.facts, observed_at = excluded.observed_at, day = excluded.day,
    quote = excluded.quote, price_text = excluded.price_text, amount = excluded.amount,
    unit_price = excluded.unit_price, unit_price_usd = excluded.unit_price_usd, amount_usd = excluded.amount_usd,
    flags = excluded.flags, ready = excluded.ready, preorder = excluded.preorder, feedback = excluded.feedback
WHERE (facts, observed_at, day, quote, price_text, amount, unit_price, unit_price_usd, amount_usd, flags, ready,
    preorder, feedback) IS NOT (excluded.facts, excluded.observed_at, excluded.day, excluded.quote,
    excluded.price_text, excluded.amount, excluded.unit_price, excluded.unit_price_usd, excluded.amount_usd,
    excluded.flags, excluded.ready, excluded.preorder, excluded.feedback)
"""
_FACTS_COLUMNS = 31
_PUT_FACTS = f"INSERT INTO facts VALUES ({','.join('?' * _FACTS_COLUMNS)})"  # noqa: S608 - marks only


def content_digest(payload: bytes) -> bytes:
    """16 bytes that name a content in the dictionary tables."""
    return blake2b(payload, digest_size=16).digest()


class Writer:
    """Turns observations into rows, with the ids of everything repeated kept in bounded caches.

    Ids are given out here and the new dictionary rows are inserted together at the end of the batch: the write lock
    (BEGIN IMMEDIATE) is held, so nobody else gives out ids meanwhile.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._names: dict[str, int] = {}
        self._quotes: dict[tuple[Any, ...], int] = {}
        self._facts: dict[bytes, tuple[int, int]] = {}
        self._texts: dict[bytes, int] = {}
        self._next: dict[str, int] = {}
        self._pending: dict[str, list[Row]] = {}
        self._data_version = -1
        self.facts: Facts | None = None
        """As last packed; None: not known here."""

    def forget_caches(self) -> None:
        """After a failed transaction, or when another process has written: ids known here may be gone."""
        for cache in (self._names, self._quotes, self._facts, self._texts):
            cache.clear()
        self.facts = None

    def _start(self) -> None:
        version = self.connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self.forget_caches()
            self._data_version = version
        for cache in (self._names, self._quotes, self._facts, self._texts):
            if len(cache) > _CACHED:
                cache.clear()
        self._next, self._pending = {}, {table: [] for table in ("names", "quotes", "texts", "texts_fts", "facts")}

    def _new_id(self, table: str) -> int:
        known = self._next.get(table)
        if known is None:
            known = self.connection.execute(f"SELECT COALESCE(MAX(id), 0) + 1 FROM {table}").fetchone()[0]  # noqa: S608
        self._next[table] = known + 1
        return int(known)

    def _name(self, name: str) -> int:
        known = self._names.get(name)
        if known is None:
            row = self.connection.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
            if row is None:
                known = self._new_id("names")
                self._pending["names"].append((known, name))
            else:
                known = row[0]
            self._names[name] = known
        return known

    def _quote(self, fields: dict[str, Any]) -> int:
        values = quote_values(fields)
        known = self._quotes.get(values)
        if known is None:
            digest = content_digest(orjson.dumps(values))
            row = self.connection.execute("SELECT id FROM quotes WHERE digest = ?", (digest,)).fetchone()
            if row is None:
                known = self._new_id("quotes")
                currency, rate, day, source = values
                self._pending["quotes"].append(
                    (known, digest, currency, rate, None if day is None else day.isoformat(), source))
            else:
                known = row[0]
            self._quotes[values] = known
        return known

    def _text(self, title: str, description: str) -> int:
        digest = content_digest(orjson.dumps((title, description)))
        known = self._texts.get(digest)
        if known is None:
            row = self.connection.execute("SELECT id FROM texts WHERE digest = ?", (digest,)).fetchone()
            if row is None:
                known = self._new_id("texts")
                self._pending["texts"].append((known, digest, title, description))
                self._pending["texts_fts"].append((known, " ".join(build_stems(title, description))))
            else:
                known = row[0]
            self._texts[digest] = known
        return known

    def _fact(self, fields: dict[str, Any]) -> tuple[int, int]:
        """Ids of the facts and of the key without its crawl."""
        values = stable_values(fields)
        digest = content_digest(orjson.dumps(values, default=span_dict))
        known = self._facts.get(digest)
        if known is None:
            (market, listing, offer, version, vendor, title, description, category, kind, substances, group, form,
             quantity_text, quantity, unit, dose, purity, ships_from, ships_to, ships_except, place, region, stash,
             spans, confidence) = values
            key = self._name(f"{market}\0{listing}\0{offer}\0{version}")
            row = self.connection.execute("SELECT id FROM facts WHERE digest = ?", (digest,)).fetchone()
            if row is None:
                fact = self._new_id("facts")
                self._pending["facts"].append(
                    (
                        fact,
                        digest,
                        self._text(title, description),
                        self._name(f"{market}\0{listing}"),
                        self._name(f"{market}\0{offer}\0"),
                        None if vendor is None else self._name(f"{market}\0{vendor}\0v"),
                        market,
                        listing,
                        offer,
                        version,
                        vendor,
                        pack(category),
                        str(kind),
                        substances[0] if substances else None,
                        pack(substances),
                        group,
                        form,
                        quantity_text,
                        quantity,
                        unit,
                        dose,
                        purity,
                        pack(ships_from),
                        pack(ships_to),
                        pack(ships_except),
                        place,
                        region,
                        None if stash is None else str(stash),
                        pack(spans),
                        confidence,
                        key,
                    )
                )
            else:
                fact = row[0]
            known = self._facts[digest] = (fact, key)
        return known

    def row(self, observation: Observation) -> Row:
        """The row of one observation; new dictionary entries wait for `put`."""
        fields = observation.__dict__
        fact, key = self._fact(fields)
        price, flags = fields["price_text"], fields["flags"]
        return (
            self._name(fields["crawl"]), key, fact, micros(fields["observed_at"]), fields["day"].toordinal(),
            self._quote(fields), None if price is None else self._name(price), *volatile_values(fields),
            self._name(pack(flags) or "") if flags else None, *count_values(fields))

    def put(self, observations: Sequence[Observation]) -> int:
        """Writes one batch inside the caller's transaction; returns how many rows are new or changed."""
        self._start()
        rows = [self.row(observation) for observation in observations]
        pending, execute = self._pending, self.connection.executemany
        execute("INSERT INTO names VALUES (?, ?)", pending["names"])
        execute("INSERT INTO quotes VALUES (?, ?, ?, ?, ?, ?)", pending["quotes"])
        execute("INSERT INTO texts VALUES (?, ?, ?, ?)", pending["texts"])
        execute("INSERT INTO texts_fts (rowid, stems) VALUES (?, ?)", pending["texts_fts"])
        execute(_PUT_FACTS, pending["facts"])
        before = self.connection.total_changes
        execute(_PUT, rows)
        written = self.connection.total_changes - before
        if written:
            drop_packs(self.connection, {row[0] for row in rows})
        return written
