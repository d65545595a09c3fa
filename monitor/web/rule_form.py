"""A rule as a form: which fields there are, what is written in them, and which of them is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from config.yamlfile import find_problems, parse_yaml
from index.measures import OF
from monitor.alerts.alert import Severity
from monitor.alerts.kinds import KINDS
from monitor.alerts.rule import ONE_METHOD, STANDING, UNREAD_TESTS, WATCHED, Rule, RuleFile, Where
from monitor.alerts.unread import UNREAD

Kind = Literal["text", "number", "choice", "words", "yesno", "day"]
_WHOLE, _DECIMAL = re.compile(r"[+-]?\d{1,15}"), re.compile(r"[+-]?(\d{1,15}\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
ABOUT: Mapping[str, str] = {
    "threshold": "above or below a fixed value",
    "change": "off what it was in the weeks before",
    "surge": "more of it than chance explains",
    "drift": "moves slowly in one direction",
    "first": "seen here for the first time",
    "down": "a market that cannot be read",
    "quality": "a share of the data is not as it should be",
    "standing": "something waits for a person",
}


@dataclass(frozen=True)
class Field:
    """One field. `name` is its place in the rule (`test.above`), `suggest` the list that it suggests from."""

    name: str
    label: str
    kind: Kind
    help: str = ""
    choices: tuple[str, ...] = ()
    suggest: str = ""
    required: bool = False
    placeholder: str = ""


@dataclass(frozen=True)
class Filled:
    """What is written in a form (by field), and what is wrong with it; "" is about the whole."""

    values: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)


MAIN = (
    Field("id", "Id", "text", "lower-case letters, digits and hyphens; alerts hang on it", required=True),
    Field("title", "Title", "text", "one line for people", required=True),
    Field("owner", "Owner", "text", "who answers for it", required=True),
    Field("measure", "Measure", "choice", required=True),
    Field("by", "By", "choice", choices=("week", "day")),
)
FILTER = tuple(
    Field(f"filter.{name}", name.replace("-", " ").capitalize(), "words", suggest=name)
    for name in (field.replace("_", "-") for field in Where.model_fields)
)
SENDING = (
    Field("severity", "Severity", "choice", choices=tuple(Severity), placeholder="warning"),
    Field("recipients", "Recipients", "words", "names of channels; empty: nobody", suggest="channel"),
    Field("budget", "Budget", "number", "false alarms a year that are put up with", placeholder="1"),
)
MORE = (
    Field("min_n", "Least n", "number", "fewest offers behind a firing", placeholder="10 (first, down, quality: 0)"),
    Field("coverage", "Coverage", "number", "of which less was seen is a gap", placeholder="0.9"),
    Field("on_first_run", "On the first run", "choice", "where it is true already", ("fire", "hold"),
          placeholder="fire"),
    Field("refire", "Say it again", "number", "after so many more true buckets", placeholder="never"),
    Field("recovery", "Recovery", "number", "quiet buckets after which it is over", placeholder="2"),
    Field("cooldown", "Cooldown", "number", "buckets of silence afterwards", placeholder="0"),
    Field("settle_hours", "Settle hours", "number", "a bucket is judged so long after its end", placeholder="6"),
    Field("history", "History", "number", "buckets read before the newest", placeholder="400 days or 120 weeks"),
    Field("of", "Of", "choice", "what share or concentration is taken of",
          tuple(sorted({one for name in ("share", "concentration") for one in OF[name]}))),
    Field("method", "Method", "choice", "of turnover", ONE_METHOD,
          placeholder="stock"),
    Field("currency", "Currency", "choice", "of prices", ("usd", "quoted")),
    Field("column", "Column", "choice", "which figure, for prices", ("value", "standard", "q25", "q75"),
          placeholder="value"),
    Field("with_flagged", "With flagged prices", "yesno", placeholder="no"),
    Field("muted_until", "Muted until", "day", "recorded but not sent before then (UTC)"),
    Field("enabled", "Switched on", "yesno", placeholder="yes"),
)  # fmt: skip
SPLIT = "split"
_BAD_ID = "Use lower-case letters, digits and hyphens, a letter or digit first, at most 64."


def measures_for(kind: str) -> tuple[str, ...]:
    """What a kind of test may watch."""
    if kind == "standing":
        return tuple(sorted(STANDING))
    free = [name for name in WATCHED if name not in STANDING and (name not in UNREAD or kind in UNREAD_TESTS)]
    return ("listings", "offers") if kind in {"first", "down"} else tuple(free)


@cache
def test_fields(kind: str) -> tuple[Field, ...]:
    """The settings of a kind of test, as its own model describes them."""
    return tuple(_test_field(name, info) for name, info in KINDS[kind].model_fields.items() if name != "kind")


def _test_field(name: str, info: FieldInfo) -> Field:
    parts = [one for one in (get_args(info.annotation) or (info.annotation,)) if one is not type(None)]
    literal = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    kind: Kind = "number"
    if literal:
        kind = "choice"
    elif bool in parts:
        kind = "yesno"
    elif any(get_origin(one) is tuple for one in parts) or get_origin(info.annotation) is tuple:
        kind = "words"
    default = "" if info.default is None else _shown(info.default).removesuffix(".0")
    about = (info.description or "").replace("None: ", "Empty: ").replace("`", "")
    return Field(
        f"test.{name}", name.replace("_", " ").capitalize(), kind, about, tuple(map(str, literal)),
        placeholder=default,
    )  # fmt: skip


def fields_of(kind: str) -> list[Field]:
    """Every field of a form for a kind of test."""
    return [*MAIN, *FILTER, *test_fields(kind), *SENDING, *MORE, Field(SPLIT, "A series for each", "words")]


def from_form(kind: str, form: Mapping[str, Sequence[str]]) -> Filled:
    """What was sent."""
    values = {one.name: form[one.name][-1].strip() for one in fields_of(kind) if form.get(one.name)}
    return Filled({**values, SPLIT: ", ".join(form.get(SPLIT, ()))})


def from_text(text: str) -> tuple[str, Filled] | None:
    """(kind of test, values) of a rule's text; None: the form has no field for something in it, or it is no rule."""
    try:
        _, data = parse_yaml(text)
    except (yaml.YAMLError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    test = data.get("test")
    kind = str(test.get("kind")) if isinstance(test, dict) else "standing" if data.get("measure") in STANDING else ""
    if kind not in KINDS:
        return None
    known = {one.name for one in fields_of(kind)}
    values: dict[str, str] = {}
    for name, value in _flat(data):
        if name == "test.kind" or value is None:
            continue
        if name not in known:
            return None
        values[name] = _shown(value)
    return kind, Filled(values)


def _flat(data: Mapping[Any, Any]) -> Iterable[tuple[str, Any]]:
    for key, value in data.items():
        if key in {"filter", "test"} and isinstance(value, dict):
            for name, one in value.items():
                yield f"{key}.{str(name).replace('_', '-') if key == 'filter' else name}", one
        else:
            yield str(key), value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def to_mapping(kind: str, values: Mapping[str, str]) -> dict[str, Any]:
    """The rule that a form means; what is empty is left to its default."""
    rule: dict[str, Any] = {}
    test: dict[str, Any] = {"kind": kind}
    narrowed: dict[str, Any] = {}
    for one in fields_of(kind):
        text = values.get(one.name, "")
        if not text:
            continue
        group, _, name = one.name.rpartition(".")
        value = _meant(one, text)
        (test if group == "test" else narrowed if group == "filter" else rule)[name] = value
    order = ("id", "title", "owner", "measure")
    head = {name: rule.pop(name) for name in order if name in rule}
    return {**head, **({"filter": narrowed} if narrowed else {}), **rule, "test": test}


def _meant(one: Field, text: str) -> Any:
    if one.kind == "number":
        return _number(text)
    if one.kind == "yesno":
        return {"yes": True, "no": False}.get(text, text)
    if one.kind == "words":
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return [_number(part) for part in parts] if one.name.startswith("test.") else parts
    return text


def _number(text: str) -> Any:
    return int(text) if _WHOLE.fullmatch(text) else float(text) if _DECIMAL.fullmatch(text) else text


def to_text(rule: Mapping[str, Any]) -> str:
    """As it stands in a file."""
    return yaml.safe_dump(dict(rule), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def check(kind: str, filled: Filled) -> tuple[Rule | None, Filled]:
    """The rule, or the form with what is wrong beside its fields."""
    mapping = to_mapping(kind, filled.values)
    try:
        return RuleFile.model_validate({"rules": [mapping]}).rules[0], filled
    except ValidationError as error:
        names = {one.name for one in fields_of(kind)} | {"test", "filter", SPLIT}
        wrong: dict[str, str] = {}
        for where, text in find_problems(error):
            wrong.setdefault(_field_at(where, names), _BAD_ID if where[-1:] == ("id",) else text)
        for one in MAIN:
            if one.required and one.name not in mapping:
                wrong[one.name] = "This is needed."
        return None, Filled(filled.values, wrong)


def _field_at(where: Sequence[int | str], names: Iterable[str]) -> str:
    """The field that a place in the rule belongs to: the deepest that the form has."""
    parts = [str(part) for part in where if isinstance(part, str) and part != "rules"]
    if parts[:1] == ["filter"]:
        parts = [part.replace("_", "-") for part in parts]
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[:length])) in names:
            return name
    return ""
