"""The calendar of planted events: what happens when, by seed."""

from __future__ import annotations

import random
from datetime import date, timedelta

from monitor.demo.world.catalogue import NITAZENES
from monitor.demo.world.records import Down, Event, MarketId

MARKETS: tuple[MarketId, ...] = ("stash", "postal")
DRY_REGIONS = ("RU-SVE", "RU-TA", "RU-NVS", "RU-NIZ", "RU-ROS")
SHOCKED = ("mephedrone", "alpha-pvp", "cannabis-herb")
_GAPS: tuple[Down, ...] = ("outage", "maintenance", "challenge", "wait", "partial", "login")


def plan_events(seed: int, start: date, days: int) -> list[Event]:
    """Events of a world of that length, oldest first. Worlds under 21 days have none, under 56 no closing."""
    dice = random.Random(f"events/{seed}")
    if days < 21:
        return []

    def at(low: float, high: float) -> int:
        return round(days * dice.uniform(low, high))

    def day(offset: int) -> date:
        return start + timedelta(days=offset)

    shock, arrival, dry = at(0.33, 0.42), at(0.48, 0.58), at(0.62, 0.70)
    dry_end = min(days - 1, dry + max(7, round(days * dice.uniform(0.15, 0.20))))
    factor = round(dice.uniform(1.5, 1.8), 2)
    newcomer = dice.choice(NITAZENES)
    events = [
        Event("price-shock", "stash", day(shock), substance=dice.choice(SHOCKED), factor=factor,
              note="asking prices rise within five days and stay"),
        Event("first-substance", "stash", day(arrival), substance=newcomer, note="never listed before"),
        Event("region-dry", "stash", day(dry), day(dry_end), region=dice.choice(DRY_REGIONS),
              note="every offer there goes within four days; none until the end of the spell"),
    ]  # fmt: skip
    closing = days
    if days >= 56:
        closing = at(0.82, 0.87)
        events.append(Event("market-closed", "postal", day(closing), note="seizure notice, for good"))
        late = arrival + max(5, days // 20)
        events.append(
            Event("first-substance", "postal", day(late), substance=newcomer, note="never listed here before")
        )
    events += _plan_gaps(dice, start, days, closing, {shock, arrival, dry, closing})
    return sorted(events, key=lambda event: (event.first, event.market, event.kind))


def _plan_gaps(dice: random.Random, start: date, days: int, closing: int, kept: set[int]) -> list[Event]:
    """Days on which a crawl cannot be complete: single days, one of them doubled, never two within five days."""
    gaps = []
    for market in MARKETS:
        last = (closing if market == "postal" else days) - 4
        free = [offset for offset in range(5, last) if not kept & {offset - 1, offset, offset + 1}]
        for number in range(max(1, days // 26)):
            if not free:
                break
            first = dice.choice(free)
            length = 2 if number == 1 else 1
            kind = _GAPS[(number + (3 if market == "postal" else 0)) % len(_GAPS)]
            begin = start + timedelta(days=first)
            gaps.append(Event("gap", market, begin, begin + timedelta(days=length - 1), note=kind))
            free = [offset for offset in free if abs(offset - first) > 5]
    return gaps
