"""The words of a message: what, where, how much, against what, why, how sure, where the evidence is, how to mute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from monitor.delivery.harmless import one_line
from monitor.delivery.notice import Event, Notice

_HAPPENED: Mapping[Event, str] = {
    Event.FIRED: "Alert",
    Event.FIRED_AGAIN: "Alert again",
    Event.RECOVERED: "Recovered",
    Event.TEST: "Test",
}
_NAMES: Mapping[str, str] = {
    "market": "Market", "region": "Region", "substance": "Substance", "group": "Group", "stash": "Stash type",
    "ships-from": "Ships from", "ships-to": "Ships to", "kind": "Kind of listing", "form": "Form", "term": "New word",
    "vendor": "Vendor", "crawl": "Crawl",
}  # fmt: skip
_MEASURED_IN = frozenset({"unit", "currency"})
MAX_SUBJECT = 150
STANDING = "standing"
"""The kind of test that is about what waits for a person, and so about no bucket."""


@dataclass(frozen=True, slots=True)
class Words:
    """A message in words. `facts` are (label, value) pairs, each a single line; `link` and `evidence` say where more
    is, `mute` how to be left alone. None of it is escaped for HTML."""

    subject: str
    lead: str
    facts: tuple[tuple[str, str], ...]
    link: str
    evidence: tuple[str, ...]
    """Commands."""
    mute: tuple[str, ...]
    alt: str
    """Of the chart."""


def number(figure: float) -> str:
    """Four significant digits, thousands parted: 12,340; 0.01234."""
    if figure == 0:
        return "0"
    size = abs(figure)
    if size >= 1e15 or size < 1e-6:
        return f"{figure:.3e}"
    text = f"{figure:,.0f}" if size >= 1000 or figure == int(figure) else f"{figure:,.4g}"
    return text if "e" not in text else f"{figure:.8f}".rstrip("0")


def where_of(notice: Notice) -> str:
    """What tells the series from others of its rule, for a title."""
    return ", ".join(value for name, value in notice.series.items() if value is not None and name not in _MEASURED_IN)


def write_words(notice: Notice, dashboard: str | None = None) -> Words:
    """The words of a notice; pure."""
    where = where_of(notice)
    subject = f"[Dropline] {_HAPPENED[notice.event]}: {notice.rule}{f' ({where})' if where else ''}"
    change = _change(notice)
    if notice.event is not Event.RECOVERED and (notice.value is not None or change):
        subject += f": {change or _figure(notice, 'value')}"
    facts = [
        ("What", f"{notice.measure} ({notice.test} rule {notice.rule})"),
        *((_NAMES.get(name, name), "not stated" if value is None else value) for name, value in notice.series.items()),
        ("When", _period(notice)),
        ("Value", _figure(notice, "value")),
        ("Compared with", _figure(notice, "baseline") + (f" ({change})" if change else "")),
        ("Usual", _usual(notice)),
        ("Listings (n)", notice.withheld.get("n") or ("" if notice.n is None else number(notice.n))),
        ("Vendors", notice.withheld.get("vendors") or ("" if notice.vendors is None else number(notice.vendors))),
        ("Coverage", _coverage(notice)),
        ("Score", _figure(notice, "score", unit=False)),
        ("Severity", notice.severity.value),
        ("State", notice.state.value),
        ("Owner", notice.owner),
        ("Alert", f"{notice.alert}, rule version {notice.rule_version}"),
    ]
    test = notice.event is Event.TEST
    lead = notice.why or "The rule fired."
    if notice.event is Event.RECOVERED:
        lead = f"This is over: the rule {notice.rule} no longer finds it. It had fired because: {lead}"
    elif notice.event is Event.FIRED_AGAIN and not lead.startswith("Still so"):
        lead = f"Still so: {lead}"
    elif test:
        lead = f"This is a test of the channel; nothing has happened. {lead}"
    return Words(
        subject=one_line(subject, MAX_SUBJECT),
        lead=lead,
        facts=tuple((name, text) for name, text in facts if text),
        link=f"{dashboard}/alerts/{quote(notice.alert, safe='')}" if dashboard else "",
        evidence=() if test else tuple(filter(None, (f"dropline alerts show {notice.alert}", notice.query))),
        mute=() if test else _how_to_mute(notice, there=bool(dashboard)),
        alt=_describe_chart(notice),
    )


def _how_to_mute(notice: Notice, *, there: bool) -> tuple[str, ...]:
    ack, page = ("acknowledge it on its page, or ", "say so on that page, or ") if there else ("", "")
    return (
        f"To hear no more of this alert while it lasts: {ack}dropline alerts ack {notice.alert}",
        f"To mute the rule for a while, {page}write muted_until: DATE into {notice.rule}.",
        "To mute it for good on this channel, take the channel out of the rule's recipients.",
    )


def as_text(words: Words) -> str:
    """Plain text, lines as they are (mail programs wrap them)."""
    width = max((len(name) for name, _ in words.facts), default=0)
    lines = [words.lead, "", *(f"{name + ':':<{width + 2}}{text}" for name, text in words.facts), ""]
    if words.link:
        lines += [f"Evidence: {words.link}"]
    if words.evidence:
        lines += ["Evidence, for those with access to the data:", *(f"    {each}" for each in words.evidence)]
    return "\n".join([*lines, "", *words.mute, ""])


def _figure(notice: Notice, name: str, *, unit: bool = True) -> str:
    figure = getattr(notice, name)
    if figure is None:
        return notice.withheld.get(name, "")
    return number(figure) + (f" {notice.unit}" if unit and notice.unit else "")


def _change(notice: Notice) -> str:
    if notice.value is None or not notice.baseline:
        return ""
    change = notice.value / notice.baseline - 1
    return f"{change:+.0%}" if abs(change) < 10 else f"{notice.value / notice.baseline:,.0f} times as much"


def _usual(notice: Notice) -> str:
    """The range that would not have fired; many tests have one end only."""
    withheld = notice.withheld.get("low") or notice.withheld.get("high")
    if withheld:
        return withheld
    low, high = (None if end is None else number(end) for end in (notice.low, notice.high))
    if low is None or high is None:
        return f"{low} or more" if low is not None else f"{high} or less" if high is not None else ""
    return f"{low} to {high}"


def _coverage(notice: Notice) -> str:
    if notice.coverage is None:
        return "" if notice.test == STANDING else "not known"
    return f"{notice.coverage:.0%} of what was there to be seen"


def _period(notice: Notice) -> str:
    if notice.test == STANDING:
        return f"since {notice.first_bucket} (UTC)"
    since = f", since {notice.first_bucket}" if notice.first_bucket != notice.bucket else ""
    return f"day or week of {notice.bucket} (time of the market){since}"


def _describe_chart(notice: Notice) -> str:
    shown = [(day, value) for day, value in notice.recent if value is not None]
    if not shown:
        return ""
    first, last = shown[0], shown[-1]
    values = [value for _, value in shown]
    return (
        f"Line chart of {notice.measure}: {number(first[1])} on {first[0]}, {number(last[1])} on {last[0]}; "
        f"lowest {number(min(values))}, highest {number(max(values))}."
    )
