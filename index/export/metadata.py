"""What a package says of itself: README, DataCite record, method statement."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from config.errors import InputError
from extract.observation import Record
from index.export.question import Control, Question

UNKNOWN = "(:unkn)"
"""DataCite's own word for a value that is not known (Metadata Schema 4.6, appendix 3)."""
METHODS = Path(__file__).with_name("measures.md")
"""docs/measures.md (a link to it)."""
_SECTIONS = {
    "offers": "listings", "vendors": "listings", "withdrawn": "new", "returned": "new",
}


class Publication(Record):
    """What only people know about a package."""

    title: str = "Listings on darknet drug markets over time"
    creators: tuple[str, ...] = ()
    publisher: str | None = None
    licence: str | None = None
    """SPDX id of the licence of the figures, such as CC-BY-4.0."""
    doi: str | None = Field(default=None, pattern=r"^10\.\d{4,9}/\S+$")


class Versions(Record):
    """What the figures were made by and from."""

    dropline: str
    extractor: str
    """Version that read the listings: code and vocabulary together."""
    vocabulary: str | None = None
    """Digest of the vocabulary tables; null: the extractor installed now is not the one that read the data."""
    crawls: int
    crawls_sha256: str
    """Digest of the crawl records of the markets asked."""
    first_crawl: datetime | None = None
    last_crawl: datetime | None = None
    store: Mapping[str, str] | None = None
    """SHA-256 of the whole store by record, where it was asked for."""


def build_methods(measures: Sequence[str], source: Path = METHODS) -> str:
    """The general part of docs/measures.md and the sections of these measures.

    InputError where the file is missing or lacks a section: a package without its methods is not citable.
    """
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError("the method notes cannot be read.", file=source, remedy="Install dropline again.") from error
    head, *parts = re.split(r"(?m)^## ", text)
    titled = {re.split(r"[\s,(]", part, maxsplit=1)[0]: part for part in parts}
    common = next((part for part in parts if part.startswith("What all rows")), None)
    wanted = dict.fromkeys(_find_section(measure, parts, titled, source) for measure in measures)
    kept = [part for part in (common, *wanted) if part is not None]
    return f"{head.strip()}\n\n" + "\n".join(f"## {part.strip()}\n" for part in kept)


def _find_section(measure: str, parts: Sequence[str], titled: Mapping[str, str], source: Path) -> str:
    name = _SECTIONS.get(measure, measure)
    found = titled.get(name) or next((p for p in parts if re.search(rf"\b{name}\b", p.partition("\n")[0])), None)
    if found is None:
        raise InputError(
            f"the method notes have no section for '{measure}'.", file=source, remedy="Write it (docs/measures.md)."
        )
    return found


def build_datacite(
    publication: Publication, question: Question, control: Control, versions: Versions, created: datetime
) -> dict[str, Any]:
    """Attributes of a DataCite 4.6 record, ready to be sent with a DOI. What nobody stated is `(:unkn)`."""
    rights: dict[str, Any] = {"rights": "Access restricted to named persons"}
    if control.level == "public":
        rights = {"rights": publication.licence or "No licence stated"}
        if publication.licence:
            rights["rightsIdentifier"] = publication.licence
            rights["rightsIdentifierScheme"] = "SPDX"
    dates = [{"date": created.date().isoformat(), "dateType": "Created"}]
    if versions.first_crawl and versions.last_crawl:
        span = f"{versions.first_crawl.date().isoformat()}/{versions.last_crawl.date().isoformat()}"
        dates.append({"date": span, "dateType": "Collected"})
    return {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        **({"doi": publication.doi} if publication.doi else {}),
        "creators": [{"name": name} for name in publication.creators or (UNKNOWN,)],
        "titles": [{"title": publication.title}],
        "publisher": {"name": publication.publisher or UNKNOWN},
        "publicationYear": created.year,
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Aggregated time series"},
        "subjects": [{"subject": name} for name in ("illicit drugs", "darknet markets", *question.measures)],
        "dates": dates,
        "formats": ["text/csv", "application/vnd.apache.parquet"],
        "version": versions.extractor,
        "rightsList": [rights],
        "descriptions": [{
            "descriptionType": "Abstract",
            "description": f"{', '.join(question.measures)} by {question.by}: aggregates of public listing metadata of "
            "darknet drug markets, with coverage, uncertainty and methods. No texts, no names.",
        }],
        "relatedItems": [],
    }


def build_readme(
    publication: Publication, question: Question, control: Control, versions: Versions, counts: Mapping[str, str]
) -> str:
    """README.md of a package."""
    asked = {name: value for name, value in question.where.model_dump(mode="json").items() if value}
    asked |= {"by": question.by, **({"split": ", ".join(question.split)} if question.split else {})}
    files = "\n".join(f"| data/{name}.csv, data/{name}.parquet | {about} |" for name, about in counts.items())
    return f"""# {publication.title}

Aggregates of the public listing metadata of darknet drug markets, made by Dropline {versions.dropline}. The same rows
stand in CSV and in Parquet; datapackage.json (Frictionless v2) has the schema with its codebook, the query, the
versions and the SHA-256 of every file; methods.md says how each figure is made.

| file | rows |
| --- | --- |
{files}

Asked: {"; ".join(f"{name} {value}" for name, value in asked.items())}.
Read by extractor {versions.extractor} from {versions.crawls} crawls.

## Reading it right
- An empty `value` is never a zero: `reason` says why it is empty.
- `bucket` is a market-local date in the zone `tz`: the day, the Monday of the week or the 1st of the month.
- Figures are of what was offered and seen, not of what was sold or consumed.

## Small groups
{_describe_control(control)}

## Checking it
`sha256sum -c SHA256SUMS`, or `dropline verify DIR`; with the store at hand that asks the same question again.
"""


def _describe_control(control: Control) -> str:
    if control.level == "restricted":
        return "**Nothing is withheld here: not for publication**, only for the persons it was given to."
    return (
        f"Cells with fewer than {control.k} listings or {control.vendors} vendors are withheld (`reason` suppressed); "
        f"of money also those of which one vendor has more than {control.dominance:g} %, or of which the second "
        f"largest vendor could estimate the largest to within {control.p:g} %. Further cells are withheld so that "
        f"totals do not give these back. Buckets that were not whole, or over for less than {control.lag_days} days "
        f"on {control.as_of}, are left out."
    )
