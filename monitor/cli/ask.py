"""Commands that ask: extract, trends, rows, search, schema."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import orjson
import typer

from config.errors import UsageError
from monitor.cli.app import Context, app, current
from monitor.cli.output import Format, note, progress, write_json, write_line, write_rows

if TYPE_CHECKING:
    from extract.reading import Reading
    from index.store import Filter

Many = list[str] | None
TEXT_FIELDS = ("title", "description", "price", "quantity", "place", "ships_from", "ships_to", "category")
CHUNK = 1_000


@app.command()
def extract(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="JSON lines with id, title, description …; - for standard input.")] = "-",
    trained: Annotated[
        bool, typer.Option("--trained", help="Let the trained component propose unknown terms (slower).")
    ] = False,
) -> None:
    """Read substances, quantities, prices, regions and hiding types out of texts: one JSON line in, one out."""
    from monitor.workspace import build_extractor

    settings = current(context).settings
    extractor = build_extractor(settings.model_copy(update={"trained": True}) if trained else settings)
    bad: list[str] = []
    with _open_text(file) as stream:
        lines = _json_objects(stream, "standard input" if file == "-" else file, bad)
        while chunk := [line for _, line in zip(range(CHUNK), lines, strict=False)]:
            readings = extractor.read_many(
                {name: line[name] for name in TEXT_FIELDS if line.get(name)} for line in chunk
            )
            for line, reading in zip(chunk, readings, strict=True):
                write_line(reading_json(line.get("id"), reading))
    sys.stdout.buffer.flush()
    if bad:
        for message in bad[:10]:
            note(message)
        note(f"{len(bad)} lines could not be read and are missing above.")
        raise typer.Exit(3)


def reading_json(identity: Any, reading: Reading) -> dict[str, Any]:
    """A Reading in the form of the contract (DESIGN.md, `extract`)."""
    return {"id": identity, **reading.as_dict()}


def _open_text(file: str) -> Any:
    if file == "-":
        return nullcontext(sys.stdin.buffer)
    path = Path(file)
    if not path.is_file():
        raise UsageError(
            "there is no such file.", file=file, remedy="Give a file of JSON lines, or - for standard input."
        )
    return path.open("rb")


def _json_objects(stream: IO[bytes], name: str, bad: list[str]) -> Iterator[dict[str, Any]]:
    for number, raw in enumerate(stream, start=1):
        if not raw.strip():
            continue
        try:
            loaded = _loads(raw)
        except (ValueError, RecursionError) as error:
            bad.append(
                f"{name}, line {number}: not JSON ({error}). Each line is one object with id, title, description."
            )
            continue
        if not isinstance(loaded, dict):
            bad.append(
                f"{name}, line {number}: not a JSON object. Each line is one object with id, title, description."
            )
            continue
        wrong = [field for field in TEXT_FIELDS if loaded.get(field) is not None and _text(loaded[field]) is None]
        if wrong:
            bad.append(f"{name}, line {number}: {', '.join(wrong)} must be text.")
            continue
        yield {field: _text(value) if field in TEXT_FIELDS else value for field, value in loaded.items()}


def _loads(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return json.loads(raw)  # slower, but it takes lone surrogates, which scraped texts do hold


def _text(value: Any) -> str | None:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


@app.command()
def trends(
    context: typer.Context,
    measure: Annotated[str, typer.Argument(help="listings, offers, vendors, price, turnover, coverage …")],
    substance: Annotated[Many, typer.Option(help="Main substance, such as mephedrone; unknown for none.")] = None,
    group: Annotated[Many, typer.Option()] = None,
    form: Annotated[Many, typer.Option()] = None,
    region: Annotated[Many, typer.Option(help="ISO 3166 code of the place, with all below it: GE, GE-TB.")] = None,
    ships_from: Annotated[Many, typer.Option()] = None,
    ships_to: Annotated[Many, typer.Option()] = None,
    market: Annotated[Many, typer.Option()] = None,
    stash: Annotated[Many, typer.Option()] = None,
    kind: Annotated[Many, typer.Option()] = None,
    first: Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, inclusive.")] = None,
    by: Annotated[str, typer.Option(help="day, week or month.")] = "week",
    split: Annotated[Many, typer.Option(help="A series for each substance, region, market … (repeatable).")] = None,
    with_flagged: Annotated[bool, typer.Option(help="Keep prices flagged as placeholder, outlier …")] = False,
    without_relists: Annotated[
        bool, typer.Option("--without-relists", help="new: not old listings put up again under a new id.")
    ] = False,
    currency: Annotated[
        str | None, typer.Option(help="usd, or quoted: the seller's own (the default of price-index).")
    ] = None,
    method: Annotated[
        str, typer.Option(help="turnover: stock, feedback, soska-christin, kruithof, or all side by side.")
    ] = "stock",
    of: Annotated[str | None, typer.Option(help="share, concentration, event …: of which measure.")] = None,
    at: Annotated[str | None, typer.Option(help="event: the day from which on things are different.")] = None,
    control: Annotated[Many, typer.Option(help="event: FIELD=VALUE of a control series (repeatable).")] = None,
    sensitivity: Annotated[bool, typer.Option(help="turnover: what fewer crawls would have seen.")] = False,
    seed: Annotated[int, typer.Option(help="Of the bootstrap of the intervals.")] = 0,
) -> None:
    """A measure over time. A gap is not zero: a bucket without a complete-enough crawl is empty and says why."""
    from index.measures import explain_empty, to_json
    from monitor.question import Trend, build_filter, parse_control, parse_day, words

    trend = Trend(
        measure,
        build_filter(
            substance=substance, group=group, form=form, region=region, ships_from=ships_from, ships_to=ships_to,
            market=market, stash=stash, kind=kind, first=first, last=last,
        ),
        by, words(split), with_flagged, without_relists, currency, method, of, parse_day(at, "--at"),
        parse_control(control), sensitivity, seed,
    )  # fmt: skip
    state = current(context)
    with state.store() as store:
        rows = trend.rows(store)
        if not any(row.n for row in rows):
            note(explain_empty(store, trend.where) or "Every bucket is a gap: see the reasons beside them.")
        write_rows([to_json(row) for row in rows], state.form)


@app.command()
def rows(
    context: typer.Context,
    substance: Annotated[Many, typer.Option()] = None,
    region: Annotated[Many, typer.Option()] = None,
    market: Annotated[Many, typer.Option()] = None,
    kind: Annotated[Many, typer.Option()] = None,
    vendor: Annotated[Many, typer.Option(help="A pseudonym as printed here.")] = None,
    listing: Annotated[Many, typer.Option()] = None,
    first: Annotated[str | None, typer.Option("--from")] = None,
    last: Annotated[str | None, typer.Option("--to")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000)] = 20,
    out: Annotated[Path | None, typer.Option(help="New folder: all of them as Parquet partitions, no limit.")] = None,
    text: Annotated[bool, typer.Option(help="--out: with titles, descriptions and what else is quoted.")] = False,
    own_pseudonyms: Annotated[bool, typer.Option(help="--out: vendors as printed here, not under a new key.")] = False,
) -> None:
    """The observations behind a filter (pseudonymised; for analysts, not for publication)."""
    from index.measures import explain_empty
    from index.rows import observation_rows
    from monitor.question import build_filter

    where = build_filter(
        substance=substance,
        region=region,
        market=market,
        kind=kind,
        vendor=vendor,
        listing=listing,
        first=first,
        last=last,
    )
    state = current(context)
    if out is None and (text or own_pseudonyms):
        raise UsageError("--text and --own-pseudonyms are about --out.", remedy="Give a folder with --out.")
    if out is not None:
        _write_partitions(state, where, out, text=text, own_pseudonyms=own_pseudonyms)
        return
    with state.store() as store:
        found = observation_rows(store, where, limit)
        if not found:
            note(explain_empty(store, where))
        write_rows(found, state.form)


def _write_partitions(state: Context, where: Filter, out: Path, *, text: bool, own_pseudonyms: bool) -> None:
    from index.export.partitions import write_partitions

    with state.store() as store, progress() as bars:
        task = bars.add_task("rows", total=None)
        made = write_partitions(
            store, where, out, None if own_pseudonyms else secrets.token_bytes(32), text=text, now=datetime.now(UTC),
            progress=lambda done: bars.update(task, completed=done),
        )  # fmt: skip
    write_rows([{"out": str(out), **made.model_dump()}], state.form)
    note("Single observations are restricted material: not for publication.")


@app.command()
def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="Words, in any inflection, Russian or English.")],
    substance: Annotated[Many, typer.Option()] = None,
    region: Annotated[Many, typer.Option()] = None,
    market: Annotated[Many, typer.Option()] = None,
    kind: Annotated[Many, typer.Option()] = None,
    first: Annotated[str | None, typer.Option("--from")] = None,
    last: Annotated[str | None, typer.Option("--to")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
    offset: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Full text over titles and descriptions: one row for each listing that matches."""
    from index.measures import explain_empty
    from monitor.question import build_filter

    where = build_filter(substance=substance, region=region, market=market, kind=kind, first=first, last=last)
    state = current(context)
    with state.store() as store:
        hits = store.search(text, where, limit=limit, offset=offset)
        if not hits:
            words = "Nothing found. Words must all be there; try fewer, or fewer filters."
            note(explain_empty(store, where) or words)
        write_rows([hit.model_dump(mode="json") for hit in hits], state.form)


@app.command()
def schema(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="page, listing, crawl, observation, offer-day.")] = None,
) -> None:
    """The JSON Schema of a record; without a name, the list of records."""
    from crawler.items import Listing, Page, Record
    from extract.observation import Crawl, Observation
    from extract.reading import READING
    from index.offer_day import OfferDay

    records: dict[str, type[Record]] = {
        "page": Page,
        "listing": Listing,
        "crawl": Crawl,
        "observation": Observation,
        "offer-day": OfferDay,
        "reading": READING,
    }
    if name is None:
        about = [{"record": key, "about": (record.__doc__ or "").split("\n")[0]} for key, record in records.items()]
        write_rows(about, current(context).form)
        return
    key = name.lower().replace("_", "-").replace(" ", "-")
    key = "offer-day" if key == "offerday" else key
    if key not in records:
        raise UsageError(f"no record {name!r}.", remedy=f"Records: {', '.join(records)}.")
    if current(context).form is Format.CSV:
        raise UsageError("a JSON Schema has no CSV form.", remedy="Leave out --format csv.")
    write_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **records[key].model_json_schema()})
