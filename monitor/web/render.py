"""Templates into pages. Every text is escaped; control and bidirectional characters show as their code."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from monitor.answers import clean
from monitor.delivery.harmless import defang
from monitor.delivery.words import number


def _text(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    return clean(value) if isinstance(value, str) else "" if value is None else value


def _figure(value: Any) -> str:
    """A figure for people; nothing for none."""
    return "" if value is None else number(value) if isinstance(value, (int, float)) else str(value)


def _rough(value: float) -> str:
    """Two digits, for what is not known better."""
    return f"{value:.2g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _moment(value: datetime | str | None) -> str:
    """`2026-01-31 12:00`; times are UTC everywhere here."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}"


def _words(name: str) -> str:
    """A field's name as a heading."""
    text = name.replace("_", " ").replace("-", " ")
    return text[:1].upper() + text[1:]


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("monitor.web"), autoescape=True, undefined=StrictUndefined, finalize=_text,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        # what a form sends back must be what it was given
        "verbatim": escape, "figure": _figure, "rough": _rough, "share": _share, "moment": _moment, "words": _words,
        "defang": lambda text: defang(text or ""),
    }  # fmt: skip
    return made


def render(template: str, **values: Any) -> str:
    """The page of a template."""
    return _environment().get_template(template).render(values)


def drawing(svg: str) -> Markup:
    """A chart of `monitor.charts`, whose texts are escaped already."""
    return Markup(svg)  # noqa: S704 - made on this machine by vl_convert, which escapes texts
