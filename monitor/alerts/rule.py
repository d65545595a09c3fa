"""A saved alert: what is watched, by which test, and how often it may speak. docs/alerts.md describes every key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import NoneType
from typing import Any, Literal, Self

from pydantic import Field, field_serializer, field_validator, model_validator

from extract.observation import UtcTime, digest_id
from index.buckets import bucket_end
from index.export.suppress import JUDGED
from index.measures import METHODS, OF, SPLITS, misplaced_money
from index.measures.ask import Money, Of
from index.store import Filter, Traits
from monitor.alerts.alert import Severity
from monitor.alerts.kinds import Test
from monitor.alerts.unread import UNREAD
from monitor.alerts.words import Closed, suggest

COVERAGE = "coverage"
STANDING = frozenset({"held", "paused", "unreviewed"})
"""Not measures of the data but what waits for a person: crawls that are not accepted, markets that are paused, words
and values that no table knows."""
WATCHED = tuple(sorted((JUDGED - {"flows", "availability"}) | UNREAD | STANDING))
"""Measures that a rule may watch: one value a bucket and series, of which it is known who stands behind it."""
COUNTED = frozenset({"listings", "offers", "vendors", "new", "withdrawn", "returned"})
"""Counts: an absent series is a zero there, not a gap."""
ONE_METHOD = tuple(name for name, variants in METHODS.items() if len(variants) == 1)
"""Methods of turnover that give one value a bucket and series."""
FREE_OF_GUARDS = frozenset({"first", "down", "quality", "standing"})
"""Kinds that small numbers or missing coverage are the very subject of."""
HISTORY: Mapping[str, int] = {"day": 400, "week": 120}
"""Buckets read before the newest, where a rule does not say."""
UNREAD_HISTORY = 60
"""The same of `UNREAD`, for which every observation is looked at."""
UNREAD_TESTS = frozenset({"quality", "threshold", "change", "drift"})


class Where(Closed, Traits):
    """What part of the data is watched, as the options of `dropline trends`: one value or several."""

    @model_validator(mode="before")
    @classmethod
    def _names(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        # `ships-from` as in the command is `ships_from`; a word that is neither stays as it was written
        return {
            plain if (plain := str(key).replace("-", "_")) in cls.model_fields else key: value
            for key, value in data.items()
        }

    @field_validator("*", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("*")
    @classmethod
    def _each_once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(values)))

    def to_filter(self, first: date | None = None, last: date | None = None) -> Filter:
        return Filter(**self.model_dump(), first=first, last=last)


class Rule(Closed):
    """One saved alert. Buckets are market-local; `version` changes with all that changes what it says or to whom."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    title: str = Field(min_length=1, max_length=200)
    measure: str
    filter: Where = Where()
    split: tuple[str, ...] = ()
    by: Literal["day", "week"] = "week"
    of: Of | None = None
    method: str = "stock"
    currency: Money | None = None
    with_flagged: bool = False
    column: Literal["value", "standard", "q25", "q75"] = "value"
    """Which figure of the row is watched; for prices `standard` is the median at the standard quantity."""
    test: Test
    min_n: int = Field(default=10, ge=0)
    """Fewest offers behind a firing: of the bucket, or (a count that falls) of the buckets before it."""
    coverage: float = Field(default=0.9, ge=0, le=1)
    """A bucket of which less was seen is a gap to the test."""
    on_first_run: Literal["fire", "hold"] = "fire"
    """What is done about a series for which the test is already true when the rule first runs."""
    refire: int | None = Field(default=None, ge=1)
    """Say it again when it has lasted for so many more buckets; None: once."""
    recovery: int = Field(default=2, ge=1)
    """Quiet buckets in a row after which it is over."""
    cooldown: int = Field(default=0, ge=0)
    """Buckets after the last true one in which the same series stays silent."""
    settle_hours: int = Field(default=6, ge=0, le=24 * 14)
    """A bucket is judged so long after its end: crawls that began in it have ended then."""
    history: int | None = Field(default=None, ge=10, le=4000)
    """Buckets read before the newest."""
    severity: Severity = Severity.WARNING
    owner: str = Field(min_length=1)
    recipients: tuple[str, ...] = ()
    """Names of channels."""
    budget: float = Field(default=1.0, gt=0)
    """False alarms a year that are put up with."""
    muted_until: UtcTime | None = None
    """Alerts are recorded but not sent before then."""
    enabled: bool = True

    @field_validator("muted_until", mode="before")
    @classmethod
    def _a_day(cls, value: Any) -> Any:
        if isinstance(value, date) and not isinstance(value, datetime):
            value = value.isoformat()
        if isinstance(value, str) and len(value) == 10:
            return f"{value}T00:00:00Z"
        # a moment without a zone is UTC, as everywhere here
        return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value

    @field_validator("split", "recipients", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("measure")
    @classmethod
    def _measure(cls, value: str) -> str:
        if value not in WATCHED:
            raise ValueError(f"{value!r} is no measure that a rule can watch; {suggest(value, WATCHED)}")
        return value

    @field_validator("method")
    @classmethod
    def _method(cls, value: str) -> str:
        if value not in ONE_METHOD:
            several = value in METHODS
            wrong = "stands for several turnover methods" if several else "is no turnover method"
            raise ValueError(f"{value!r} {wrong}; {suggest(value, ONE_METHOD)}")
        return value

    @field_validator("split")
    @classmethod
    def _split(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(value.replace("_", "-") for value in values)
        for name in names:
            if name not in SPLITS:
                raise ValueError(f"{name!r} is no field to split by; {suggest(name, SPLITS)}")
        return tuple(dict.fromkeys(names))

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        test = data.get("test")
        kind = test.get("kind") if isinstance(test, dict) else getattr(test, "kind", None)
        given = dict(data)
        if not all(isinstance(name, (str, NoneType)) for name in (kind, given.get("measure"))):
            return data  # the fields say so
        if given.get("measure") in STANDING:
            kind = kind or "standing"
            given = {"test": {"kind": kind}, "by": "day", **given}
        if given.get("measure") == "share" and not given.get("split"):
            given["split"] = "substance"  # what `trends` shares out where nothing is said
        if given.get("measure") in UNREAD:
            given.setdefault("history", UNREAD_HISTORY)
        if kind in FREE_OF_GUARDS:
            given.setdefault("min_n", 0)
        if kind == "quality" and given.get("measure") == COVERAGE and isinstance(test, dict):
            # n of coverage is the number of crawls, which are no sample of anything
            given["test"] = {"min_n": 1, "chance": False, **test}
        return given

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.of is not None and self.of not in OF.get(self.measure, ()):
            known = ", ".join(OF.get(self.measure, ())) or "nothing"
            raise ValueError(f"{self.measure} is not taken of {self.of!r}; it is taken of: {known}")
        if wrong := misplaced_money(self.measure, self.of, self.method, self.currency):
            raise ValueError(wrong)
        if self.column != "value" and self.measure != "price":
            raise ValueError(f"column {self.column!r} belongs to the measure price")
        if self.measure == COVERAGE and set(self.split) - {"market", "region"}:
            raise ValueError("coverage is split by market or region alone: it belongs to crawls, not to listings")
        if self.measure == "concentration" and "vendor" in self.split:
            raise ValueError("concentration is about sellers and cannot be split by vendor")
        if self.test.kind == "first" and (self.watched_field is None or self.measure not in ("listings", "offers")):
            raise ValueError("a test of kind first needs measure: listings and split: [market, FIELD], one FIELD")
        if (self.test.kind == "standing") != (self.measure in STANDING):
            raise ValueError(f"a test of kind standing and measure: {' or '.join(sorted(STANDING))} go together alone")
        narrowed = self.filter.model_dump(exclude={"market"}, exclude_defaults=True)
        if self.measure in STANDING and (self.split or narrowed):
            raise ValueError(f"{self.measure} is told market by market; only `filter: {{market: …}}` narrows it")
        if self.measure in UNREAD and self.test.kind not in UNREAD_TESTS:
            raise ValueError(f"{self.measure} is a share: test it by {', '.join(sorted(UNREAD_TESTS))}")
        if self.test.kind == "down" and self.measure not in ("listings", "offers"):
            raise ValueError("a test of kind down needs measure: listings, best with split: [market]")
        return self

    @field_serializer("test")
    def _plain_test(self, test: Test) -> dict[str, Any]:
        return test.to_json()

    @property
    def version(self) -> str:
        """Digest of the content; muting and switching off are not part of it."""
        content = self.model_dump(mode="json", exclude={"muted_until", "enabled"})
        return digest_id(json.dumps(content, sort_keys=True, ensure_ascii=False))

    @property
    def watched_field(self) -> str | None:
        """The split field whose values may appear (kind first): the one beside `market`."""
        others = [name for name in self.split if name != "market"]
        return others[0] if len(others) == 1 else None

    @property
    def quoted(self) -> bool:
        """Whether money is in the sellers' own currencies, each a series of its own."""
        return self.currency == "quoted" or (self.currency is None and self.measure == "price-index")

    @property
    def buckets_read(self) -> int:
        return self.history or HISTORY[self.by]

    @property
    def guarded(self) -> bool:
        """Whether the coverage guard holds: always, but for what is about coverage itself."""
        return self.measure != COVERAGE and self.test.kind not in ("down", "quality")

    def close_of(self, bucket: date) -> datetime:
        """Market-local moment (naive) from which on a bucket is judged."""
        end = datetime.combine(bucket_end(bucket, self.by), datetime.min.time())
        return end + timedelta(days=1, hours=self.settle_hours)


class RuleFile(Closed):
    """A file of rules: `rules:` with a list, or one rule's keys alone."""

    rules: tuple[Rule, ...]

    @model_validator(mode="before")
    @classmethod
    def _one(cls, data: Any) -> Any:
        if isinstance(data, list):
            return {"rules": data}
        if isinstance(data, dict) and "rules" not in data:
            return {"rules": [data]}
        return data
