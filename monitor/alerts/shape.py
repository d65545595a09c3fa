"""Which rules one question answers: a filter by one value is asked as a split, and the question is put for them all.

Merged are only fields for which the split gives the very figure of the filter. A region is merged as long as nothing
lies below it (a filter by GE takes GE-TB, a split does not); the standard quantity of a price is that of the whole
question, so that such rules share nothing but the substance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from index.measures import SPLITS
from index.store import Filter
from monitor.alerts.rule import COUNTED, Rule, Where
from monitor.alerts.unread import UNREAD

Pins = Mapping[str, tuple[str, ...]]
"""Values by split field (spelled as records do) that belong to a rule; a field that is absent is open."""


@dataclass(frozen=True)
class Shape:
    """What rules have in common that one question answers. `fixed` is the part of their filters that was not merged."""

    measure: str
    by: str
    of: str | None
    method: str
    currency: str | None
    with_flagged: bool
    column: str
    splits: tuple[str, ...]
    fixed: Where

    @cached_property
    def fields(self) -> tuple[str, ...]:
        return tuple(name.replace("-", "_") for name in self.splits)


@dataclass
class Group:
    """Rules of one shape, each with its own part of the answer."""

    shape: Shape
    members: list[tuple[Rule, Pins]] = field(default_factory=list)

    def where(self) -> Filter:
        """The filter that takes what every member wants, without dates."""
        values = self.shape.fixed.model_dump()
        for name in self.shape.fields:
            if values[name]:
                continue
            wanted = [pins.get(name, ()) for _, pins in self.members]
            values[name] = tuple(sorted({each for one in wanted for each in one})) if all(wanted) else ()
        return Filter(**values)


def mergeable(rule: Rule) -> frozenset[str]:
    """Fields (spelled as records do) for which a split by one value equals a filter by it."""
    if rule.measure in COUNTED or (rule.measure == "price" and rule.column != "standard"):
        return frozenset(name.replace("-", "_") for name in SPLITS)
    if rule.measure == "turnover" and rule.method == "stock":
        return frozenset(name.replace("-", "_") for name in SPLITS)
    if rule.measure == "price":
        return frozenset({"substance"})
    return frozenset({"market"}) if rule.measure in {"coverage", *UNREAD} else frozenset()


def shape_of(rule: Rule, *, apart: bool = False) -> tuple[Shape, Pins]:
    """The question that answers a rule, and the rule's part of the answer. `apart`: its region is not merged."""
    free = mergeable(rule) - ({"region"} if apart else set())
    own = {name.replace("-", "_") for name in rule.split}
    pins: dict[str, tuple[str, ...]] = {}
    fixed: dict[str, tuple[str, ...]] = {}
    for name, values in rule.filter.model_dump().items():
        if not values:
            continue
        # a field that the rule is split by anyway may have several values: each has a series of its own
        if name in free and (len(values) == 1 or name in own):
            pins[name] = values
        else:
            fixed[name] = values
    if rule.measure == "share":
        splits = rule.split  # their order counts: the first is the field that is shared out
    else:
        splits = tuple(name for name in SPLITS if name.replace("-", "_") in own | set(pins))
    shape = Shape(
        rule.measure, rule.by, rule.of, rule.method, rule.currency, rule.with_flagged, rule.column, splits,
        Where(**fixed),
    )  # fmt: skip
    return shape, pins


def group_rules(rules: Iterable[Rule], apart: Iterable[str] = ()) -> list[Group]:
    """Rules by question, in the order of their first rule. `apart`: ids of rules whose region is not merged."""
    alone = set(apart)
    found: dict[Shape, Group] = {}
    for rule in rules:
        shape, pins = shape_of(rule, apart=rule.id in alone)
        found.setdefault(shape, Group(shape)).members.append((rule, pins))
    return list(found.values())
