"""The only module that builds SQL for questions: filters, scans, search. Counts come from packs (`counting`)."""
# ruff: noqa: S608 - the names put into the statements are our own; every value is a parameter

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.errors import UsageError
from index.stem import Query
from index.store import Filter, RecordName

Statement = tuple[str, list[Any]]

_FACTS = (
    "market", "listing", "offer", "version", "vendor", "category", "kind", "substance", "substances", "group", "form",
    "quantity_text", "quantity", "unit", "dose_mg", "purity", "ships_from", "ships_to", "ships_except", "place",
    "region", "stash", "spans", "confidence",
)
_ROW = ("observed_at", "day", "amount", "unit_price", "unit_price_usd", "amount_usd", "ready", "preorder", "feedback")
_JOINS = {
    "c": "JOIN names c ON c.id = b.crawl",
    "t": "JOIN texts t ON t.id = f.text",
    "q": "JOIN quotes q ON q.id = b.quote",
    "p": "LEFT JOIN names p ON p.id = b.price_text",
    "g": "LEFT JOIN names g ON g.id = b.flags",
}
_OBSERVATION = {
    **{name: f'f."{name}"' for name in _FACTS}, **{name: f"b.{name}" for name in _ROW},
    **{name: f"q.{name}" for name in ("currency", "fx_rate", "fx_date", "fx_source")},
    "crawl": "c.name", "title": "t.title", "description": "t.description", "price_text": "p.name", "flags": "g.name",
}
_LISTS = ("ships_from", "ships_to")
_PLAIN = ("group", "form", "market", "stash", "kind", "vendor", "listing")


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _conditions(where: Filter, table: str) -> tuple[list[str], list[Any]]:
    parts: list[str] = []
    values: list[Any] = []
    for field in _PLAIN:
        wanted = getattr(where, field)
        if wanted:
            parts.append(f'{table}."{field}" IN ({_marks(wanted)})')
            values += wanted
    if where.substance:
        known = [name for name in where.substance if name != "unknown"]
        either = [f"{table}.substance IN ({_marks(known)})"] if known else []
        either += [f"{table}.substance IS NULL"] if len(known) < len(where.substance) else []
        parts.append(f"({' OR '.join(either)})")
        values += known
    if where.region:
        # "-" is followed by "." in ASCII: the range holds everything that starts with "GE-"
        parts.append("(" + " OR ".join([
            f"({table}.region = ? OR ({table}.region >= ? AND {table}.region < ?))"] * len(where.region)) + ")")
        for code in where.region:
            values += [code, f"{code}-", f"{code}."]
    for field in _LISTS:
        wanted = getattr(where, field)
        if wanted:
            parts.append(
                f"EXISTS (SELECT 1 FROM json_each({table}.{field}) WHERE value IN ({_marks(wanted)}))")
            values += wanted
    return parts, values


def sighting_conditions(where: Filter) -> tuple[list[str], list[Any]]:
    """Conditions over `observations b` alone."""
    parts: list[str] = []
    values: list[Any] = []
    if where.crawl:
        parts.append(f"b.crawl IN (SELECT id FROM names WHERE name IN ({_marks(where.crawl)}))")
        values += where.crawl
    if where.first is not None:
        parts.append("b.day >= ?")
        values.append(where.first.toordinal())
    if where.last is not None:
        parts.append("b.day <= ?")
        values.append(where.last.toordinal())
    return parts, values


def where_observations(where: Filter, version: str) -> Statement:
    """Conditions over `observations b` joined with `facts f`."""
    parts, values = _conditions(where, "f")
    sighting, times = sighting_conditions(where)
    return " AND ".join([*parts, "f.version = ?", *sighting]), [*values, version, *times]


def where_offer_days(where: Filter, version: str) -> Statement:
    """Conditions over `offer_days d`."""
    if where.crawl:
        raise UsageError("offer-days belong to no single crawl.", remedy="Leave the crawl out, or scan observations.")
    parts, values = _conditions(where, "d")
    parts.append("d.version = ?")
    values.append(version)
    if where.first is not None:
        parts.append("d.day >= ?")
        values.append(where.first.isoformat())
    if where.last is not None:
        parts.append("d.day <= ?")
        values.append(where.last.isoformat())
    return " AND ".join(parts), values


def where_prices(where: Filter, version: str) -> Statement:
    """Conditions over `price_packs d`, but for the dates."""
    parts, values = _conditions(where, "d")
    return " AND ".join([*parts, "d.version = ?"]), [*values, version]


def _joins(expressions: Sequence[str]) -> str:
    used = {expression[0] for expression in expressions}
    return " ".join(join for name, join in _JOINS.items() if name in used)


def build_scan(
    record: RecordName, where: Filter, fields: Sequence[str], version: str, *, ordered: bool = True
) -> Statement:
    """One row per record with the fields in the order given."""
    if record == "offer_day":
        condition, values = where_offer_days(where, version)
        names = ", ".join(f'd."{field}"' for field in fields) or "1"
        order = "ORDER BY d.market, d.offer, d.day" if ordered else ""
        return f"SELECT {names} FROM offer_days d WHERE {condition} {order}", values
    condition, values = where_observations(where, version)
    expressions = [_OBSERVATION[field] for field in fields]
    order = "ORDER BY f.market, f.offer, b.observed_at, c.name" if ordered else ""
    return (
        f"SELECT {', '.join(expressions) or '1'} FROM observations b JOIN facts f ON f.id = b.facts "
        f"{_joins([*expressions, *(['c'] if ordered else [])])} WHERE {condition} {order}"
    ), values


def _match(clause: Sequence[str]) -> str:
    return f'"{" ".join(clause)}"'


def match_all(query: Query) -> str:
    """FTS5: the texts that have every clause."""
    return " AND ".join(_match(clause) for clause in query.all_of)


def match_none(query: Query) -> str:
    """FTS5: the texts that have a clause that none may have."""
    return " OR ".join(_match(clause) for clause in query.none_of)


def build_search(query: Query, where: Filter, version: str, limit: int, offset: int) -> Statement:
    """(market, listing, title, vendor, substances, day) of the latest matching observation of each listing.

    Per facts only the newest sighting is looked up, in the index: a common word matches every observation there is.
    """
    sighting, times = sighting_conditions(where)
    facts, values = _conditions(where, "f")
    facts += ["f.version = ?", "seen IS NOT NULL"]
    values.append(version)
    if query.all_of:
        facts.append("f.text IN (SELECT rowid FROM texts_fts WHERE texts_fts MATCH ?)")
        values.append(match_all(query))
    if query.none_of:
        facts.append("f.text NOT IN (SELECT rowid FROM texts_fts WHERE texts_fts MATCH ?)")
        values.append(match_none(query))
    last = (
        "(SELECT b.{} FROM observations b WHERE "
        + " AND ".join(["b.facts = f.id", *sighting]) + " ORDER BY b.day DESC, b.observed_at DESC LIMIT 1)")
    return (
        f"WITH found AS (SELECT f.*, {last.format('day')} AS day, {last.format('observed_at')} AS seen FROM facts f "
        f"WHERE {' AND '.join(facts)}), "
        "hits AS (SELECT f.*, ROW_NUMBER() OVER (PARTITION BY f.listing_key ORDER BY f.day DESC, f.seen DESC, f.offer) "
        "AS nth FROM found f) "
        "SELECT h.market, h.listing, t.title, h.vendor, h.substances, h.day FROM hits h JOIN texts t ON t.id = h.text "
        "WHERE h.nth = 1 ORDER BY h.day DESC, h.listing, h.market LIMIT ? OFFSET ?"
    ), [*times, *times, *values, limit, offset]


def build_all_observations(fields: Sequence[str]) -> str:
    """Every observation of every version, crawl by crawl, with the record's fields in the order given."""
    expressions = [_OBSERVATION[field] for field in fields]
    return (
        # ordered as they lie in the file: else SQLite begins with the facts, and every crawl comes in pieces
        f"SELECT {', '.join(expressions)} FROM observations b JOIN facts f ON f.id = b.facts "
        f"{' '.join(_JOINS.values())} ORDER BY b.crawl, b.key"
    )
