"""Three years of a market as the synthetic world would give them, made directly as series: no pages, no store.

The processes are those of `monitor/demo/world` (listings born into what the mix lacks and dead after 46 days in the
mean, vendors who leave with all they list, relisting, short absences, a price level that wanders by 0.4 % a day, 13
days between repricings, one to five offers a listing), and four it lacks and real markets have, so that the counts are
overdispersed and autocorrelated: newcomers post in batches, the pace of posting wanders (AR(1), 14 days), days of the
week differ, and every crawl misses a few listings. Crawls fail on single days and pairs as there; beyond that, spells
of 4 to 14 days are planted in which a crawl sees a part of the market and says so (coverage below 0.9: a gap).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from index.detect.first import Sightings
from index.detect.scoring import Period
from index.detect.series import Series

START = date(2022, 1, 3)
"""A Monday."""
DAYS = 3 * 365
_LIFE, _VENDOR_LIFE, _REPRICE = 46.0, 160.0, 13.0
_SHARES = np.array([20.0, 16.0, 15.0, 14.0, 10.0, 8.0, 6.0, 5.0, 4.0, 4.0, 3.0])
"""Usual listings of each substance; the last ones are too thin for a price."""
_WEEKDAYS = np.array([1.0, 0.9, 0.95, 1.0, 1.25, 1.15, 0.75])
SUBSTANCES = len(_SHARES)
NEWCOMER = SUBSTANCES
"""Number of the substance that appears for the first time."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One event. `substance` None: the whole market. `last`: the end of what happens (it may be found later)."""

    kind: str
    first: int
    last: int
    substance: int | None = None
    size: float = 0.0


@dataclass(slots=True)
class History:
    """What a crawler that came once a day would have: arrays by day (and substance), NaN and None where no crawl of
    that day was complete enough."""

    days: int
    planted: list[Planted]
    complete: np.ndarray
    faults: list[tuple[int, int]]
    """Spells of partial crawls (first, last day), all with a stated coverage below 0.9."""
    listings: np.ndarray
    offers: np.ndarray
    new: np.ndarray
    prices: list[list[np.ndarray]]
    """By day and substance: log prices of the offers seen."""
    unknown: np.ndarray
    partial: np.ndarray
    """Listings seen by crawls that were not complete enough."""
    sightings: list[Sightings] = field(default_factory=list)


def plan(dice: np.random.Generator, days: int) -> list[Planted]:
    """Events of one market: two price shocks, two drifts, four surges, a first appearance, an outage, in half of the
    markets a closing, two spells of unread terms and a collapse of listings. Dates by chance: they may meet."""
    events: list[Planted] = []
    early, late = 270, days - 110

    def at(low: float, high: float) -> int:
        return round(early + (late - early) * dice.uniform(low, high))

    big = [int(number) for number in dice.permutation(4)]  # as in the world: shocks are of what is sold most
    rest = [int(number) for number in dice.permutation([*big[2:], 4, 5])]
    for number, (low, high) in enumerate(((0.0, 0.45), (0.5, 1.0))):
        first = at(low, high)
        size = math.log(dice.uniform(1.4, 1.8)) * (1 if dice.random() < 0.6 else -1)
        events.append(Planted("shock", first, first + 4, big[number], size))
        first = at(low, high)
        size = math.log(dice.uniform(1.4, 1.7)) * (1 if dice.random() < 0.6 else -1)
        events.append(Planted("drift", first, first + 69, big[2 + number], size))
        first = at(low, high)
        events.append(Planted("surge", first, first + 20, rest[2 + number], dice.uniform(3.5, 5.0)))
        first = at(low, high)
        events.append(Planted("surge", first, first + 20, None, dice.uniform(2.2, 3.0)))
        first = at(low, high)
        events.append(Planted("unread", first, first + 29, None, dice.uniform(0.18, 0.3)))
    first = at(0.1, 0.9)
    events.append(Planted("first", first, days - 1, NEWCOMER))
    first = at(0.05, 0.5)
    events.append(Planted("down", first, first + int(dice.integers(14, 27)), None))
    if dice.random() < 0.5:
        events.append(Planted("down", days - int(dice.integers(40, 90)), days - 1, None))
    first = at(0.0, 1.0)
    events.append(Planted("collapse", first, first + 44, big[0], dice.uniform(3, 14)))
    return events


def make_history(seed: int, *, events: bool, faults: bool = True, days: int = DAYS) -> History:
    """The history of one market, the same for the same arguments. Without `faults` the market lives the same life, and
    the spells of partial crawls are whole ones: what differs between the two is raised by the faults."""
    dice = np.random.default_rng([seed, 7, int(events)])
    return _Life(dice, seed, plan(dice, days) if events else [], days, faults).run()


class _Life:
    def __init__(
        self, dice: np.random.Generator, seed: int, planted: list[Planted], days: int, faulty: bool
    ) -> None:
        self.dice, self.seed, self.planted, self.days, self.faulty = dice, seed, planted, days, faulty
        self.eyes = np.random.default_rng([seed, 11])
        self.count = 0
        size = 20_000
        self.substance = np.zeros(size, dtype=np.int64)
        self.vendor = np.zeros(size, dtype=np.int64)
        self.dies = np.zeros(size)
        self.away = np.full(size, -1)
        self.noise = np.zeros(size)
        self.priced = np.zeros(size)
        self.offer_noise = np.zeros((size, 5))
        self.seen = np.zeros(size, dtype=bool)
        self.level = np.zeros(SUBSTANCES + 1)
        self.factor = dice.lognormal(0, 0.12, size=2000)
        self.vendors = list(range(40))
        self.next_vendor = 40
        self.live = np.zeros(0, dtype=np.int64)
        self.relists: list[tuple[int, int]] = []
        self.trend = dice.uniform(-0.08, 0.15)

    def post(self, day: int, substance: int, life: float | None = None) -> None:
        new = self.count
        self.count += 1
        self.substance[new] = substance
        self.vendor[new] = self.vendors[int(self.dice.integers(len(self.vendors)))]
        self.dies[new] = day + 3 + (self.dice.exponential(_LIFE) if life is None else life)
        self.noise[new] = self.dice.normal(0, 0.1) + math.log(self.factor[self.vendor[new] % 2000])
        offers = int(self.dice.choice([1, 2, 3, 4, 5], p=[0.2, 0.28, 0.26, 0.16, 0.1]))
        self.offer_noise[new] = np.nan
        self.offer_noise[new, :offers] = self.dice.normal(0, 0.12, offers)  # quantities differ: so do unit prices
        self.priced[new] = self.level[substance]
        self.live = np.append(self.live, new)

    def lacking(self, scale: float) -> int:
        have = np.bincount(self.substance[self.live], minlength=SUBSTANCES + 1)[:SUBSTANCES]
        want = np.maximum(0.1 * _SHARES, _SHARES * scale - have)
        return int(self.dice.choice(SUBSTANCES, p=want / want.sum()))

    def run(self) -> History:
        dice, days = self.dice, self.days
        complete, coverage, faults = self.crawls()
        history = History(
            days, self.planted, complete, faults,
            listings=np.full((days, SUBSTANCES), np.nan), offers=np.zeros((days, SUBSTANCES), dtype=np.int64),
            new=np.zeros((days, SUBSTANCES)), prices=[], unknown=np.full(days, np.nan),
            partial=np.zeros(days, dtype=np.int64),
        )  # fmt: skip
        for _ in range(int(_SHARES.sum())):
            self.post(0, self.lacking(1.0))
        self.dies[: self.count] = dice.exponential(_LIFE, self.count) + 1
        pace = 0.0
        for day in range(days):
            pace = pace * (1 - 1 / 14) + dice.normal(0, 0.25 * math.sqrt(2 / 14))
            self.step(day, math.exp(pace))
            self.crawl(history, day, coverage[day])
        return history

    def active(self, kind: str, day: int) -> list[Planted]:
        return [event for event in self.planted if event.kind == kind and event.first <= day <= event.last]

    def step(self, day: int, pace: float) -> None:
        dice = self.dice
        self.level += dice.normal(0, 0.004, len(self.level))
        for event in self.active("shock", day) + self.active("drift", day):
            self.level[event.substance or 0] += event.size / (event.last - event.first + 1)
        gone = [vendor for vendor in self.vendors if dice.random() < 1 / _VENDOR_LIFE]
        self.vendors = [vendor for vendor in self.vendors if vendor not in gone] or self.vendors[:1]
        while len(self.vendors) < 40 and dice.random() < 0.6:
            self.vendors.append(self.next_vendor)
            self.next_vendor += 1
            if dice.random() < 0.3:  # a newcomer posts what he has at once
                for _ in range(int(dice.integers(2, 6))):
                    self.post(day, self.lacking(1.1))
        live = self.live
        left = np.isin(self.vendor[live], gone) if gone else np.zeros(len(live), dtype=bool)
        dead = left | (self.dies[live] <= day)
        for event in self.active("collapse", day):
            leaving = 1 - 0.05 ** (1 / event.size)  # one in twenty is left after `size` days
            dead |= (self.substance[live] == event.substance) & (dice.random(len(live)) < leaving)
        for listing in live[dead & ~left]:
            if dice.random() < 0.25:
                self.relists.append((day + int(dice.integers(1, 6)), int(self.substance[listing])))
        self.live = live = live[~dead]
        leave = dice.random(len(live)) < 0.003
        self.away[live] = np.where(leave, day + dice.integers(1, 6, len(live)), self.away[live])
        shocked = [event.substance for event in self.active("shock", day)]
        chance = np.where(np.isin(self.substance[live], shocked), 0.45, 1 / _REPRICE)
        again = live[dice.random(len(live)) < chance]
        self.noise[again] += dice.normal(0, 0.015, len(again))
        self.priced[again] = self.level[self.substance[again]]
        self.enter(day, pace)

    def enter(self, day: int, pace: float) -> None:
        dice = self.dice
        dry = {event.substance for event in self.active("collapse", day)}
        due = [row for row in self.relists if row[0] <= day]
        self.relists = [row for row in self.relists if row[0] > day]
        for _, substance in due:
            if substance not in dry:
                self.post(day, substance)
        scale = 1 + self.trend * day / self.days
        wanted = len(self.live) / _LIFE * 0.6 + max(0.0, _SHARES.sum() * scale - len(self.live)) * 0.1
        usual = float(_SHARES.sum()) / _LIFE * 1.25
        wanted = min(wanted, 1.6 * usual) * pace * _WEEKDAYS[day % 7]
        for _ in range(int(dice.poisson(wanted))):
            substance = self.lacking(scale)
            if substance not in dry:
                self.post(day, substance)
        for event in self.active("surge", day):
            base = usual if event.substance is None else usual * _SHARES[event.substance] / _SHARES.sum()
            for _ in range(int(dice.poisson(base * (event.size - 1)))):
                share = _SHARES / _SHARES.sum()
                what = int(dice.choice(SUBSTANCES, p=share)) if event.substance is None else event.substance
                if what not in dry:
                    self.post(day, what)
        for event in self.planted:
            if event.kind == "first" and day == event.first:
                self.post(day, NEWCOMER, 22 + float(dice.integers(0, 21)))
            elif event.kind == "first" and day > event.first and dice.random() < 0.05:
                self.post(day, NEWCOMER)

    def crawls(self) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
        """Complete or not, and the share of listings a crawl sees (0: none), by day; and the planted faults."""
        dice, days = self.eyes, self.days
        coverage = dice.uniform(0.97, 1.0, days)
        for _ in range(days // 26):
            first = int(dice.integers(5, days - 2))
            coverage[first : first + (2 if dice.random() < 0.2 else 1)] = 0.0
        faults = []
        for year in range(days // 365):
            for part in range(3):
                first = year * 365 + part * 120 + int(dice.integers(10, 95))
                last = first + int(dice.integers(4, 15)) - 1
                downs = [event for event in self.planted if event.kind == "down"]
                if last >= days or any(event.first - 20 <= last and first <= event.last + 20 for event in downs):
                    continue
                share = dice.uniform(0.15, 0.85)
                if self.faulty:
                    coverage[first : last + 1] = share
                faults.append((first, last))
        for event in self.planted:
            if event.kind == "down":
                coverage[event.first : event.last + 1] = 0.0
        return coverage >= 0.9, coverage, faults

    def crawl(self, history: History, day: int, coverage: float) -> None:
        # Dice of its own each day: what a fault hides on one day must not change what is seen on another.
        dice = self.eyes = np.random.default_rng([self.seed, 11, day])
        there = self.live[self.away[self.live] < day]
        # A partial crawl breaks off: the same front pages are read day after day, so it is not a fresh sample.
        shown = there[(there * 2_654_435_761 % 1000) / 1000 < coverage] if coverage < 0.9 else there[
            dice.random(len(there)) < coverage
        ]  # fmt: skip
        fresh = shown[~self.seen[shown]]
        self.seen[fresh] = True
        what = self.substance[fresh]
        history.new[day] = np.bincount(what, minlength=SUBSTANCES + 1)[:SUBSTANCES]
        full = coverage >= 0.9
        history.partial[day] = 0 if full else len(shown)
        rows: list[np.ndarray] = []
        if full:
            substances = self.substance[shown]
            history.listings[day] = np.bincount(substances, minlength=SUBSTANCES + 1)[:SUBSTANCES]
            for number in range(SUBSTANCES):
                mine = shown[substances == number]
                prices = (self.priced[mine] + self.noise[mine])[:, None] + self.offer_noise[mine]
                rows.append(prices[~np.isnan(prices)])
                history.offers[day, number] = len(rows[-1])
            share = 0.03 + sum(event.size - 0.03 for event in self.active("unread", day))
            history.unknown[day] = dice.binomial(len(shown), min(0.9, share)) / max(1, len(shown))
        history.prices.append(rows)
        history.sightings.append(self.sight(day, shown, full))

    def sight(self, day: int, shown: np.ndarray, full: bool) -> Sightings:
        values = {
            f"s{number}": int(count)
            for number, count in enumerate(np.bincount(self.substance[shown], minlength=SUBSTANCES + 1)) if count
        }  # fmt: skip
        if self.eyes.random() < 1 / 90:  # a misreading: one listing, one day, a substance nobody sells
            values[f"misread{int(self.eyes.integers(60))}"] = 1
        return Sightings(START + timedelta(days=day), values if full else None, "v1")


def build_series(history: History, measure: str, substance: int | None, by: str) -> Series:
    """`measure`: listings, new, price (at plain scale) or unknown; by day or week. As `trends` would give it: means
    over complete crawls, medians over offer-days, gaps where no crawl was complete."""
    width = 1 if by == "day" else 7
    count = history.days // width
    buckets = tuple(START + timedelta(days=width * number) for number in range(count))
    values, n = np.full(count, np.nan), np.zeros(count, dtype=np.int64)
    latest = np.zeros(count) if measure == "listings" else None
    exposure = history.complete[: count * width].reshape(count, width).sum(axis=1).astype(np.float64)
    chosen = slice(None) if substance is None else slice(substance, substance + 1)
    for number in range(count):
        days = range(number * width, (number + 1) * width)
        good = [day for day in days if history.complete[day]]
        if not good:
            # What a broken-off crawl saw counts for nothing, but it shows that the market answers.
            n[number] = max(history.partial[day] for day in days)
            continue
        total = history.listings[good][:, chosen].sum(axis=1)
        n[number] = round(float(total.mean()))
        if measure == "listings":
            values[number], latest[number] = total.mean(), total[-1]
        elif measure == "new":
            values[number] = history.new[list(days)][:, chosen].sum()
        elif measure == "unknown":
            values[number] = float(np.mean(history.unknown[good]))
            n[number] = round(float(history.listings[good].sum(axis=1).mean()))
        elif measure == "price":
            rows = [history.prices[day][substance or 0] for day in good]
            joined = np.concatenate(rows)
            n[number] = round(len(joined) / len(good))
            if len(joined):
                values[number] = math.exp(float(np.median(joined)))
    if measure == "new":
        return Series(buckets, values, n, exposure, *settle(history, chosen, width))
    return Series(buckets, values, n, exposure, latest=latest)


def settle(history: History, chosen: slice, width: int) -> tuple[np.ndarray, np.ndarray]:
    """What came up between the last complete crawls of two buckets, and in how many days: as `monitor.alerts` counts it
    from the days on which listings were first seen, by broken-off crawls too."""
    count = history.days // width
    settled, spans = np.zeros(count), np.zeros(count)
    waiting, since = 0.0, 0
    for day in range(count * width):
        waiting, since = waiting + float(history.new[day, chosen].sum()), since + 1
        if history.complete[day]:
            settled[day // width] += waiting
            spans[day // width] += since
            waiting, since = 0.0, 0
    return settled, spans


def periods(history: History, kinds: tuple[str, ...], substance: int | None, after: int) -> list[Period]:
    """The planted events of those kinds on that series, each with `after` days in which an alarm still counts."""
    return [
        Period(START + timedelta(days=event.first), START + timedelta(days=min(event.last + after, history.days - 1)))
        for event in history.planted
        if event.kind in kinds and event.substance == substance
    ]
