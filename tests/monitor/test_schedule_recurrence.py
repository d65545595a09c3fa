"""When things recur: crontab semantics, daylight saving, no drift, what is due after downtime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.schedule.recurrence import LOOK_BACK, Cron, Every, find_due

ZONES = ["UTC", "Europe/Berlin", "Asia/Tbilisi", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]
MOMENTS = st.integers(0, 20 * 366 * 1440).map(lambda minutes: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))
EXPRESSIONS = st.sampled_from(
    ["30 2 * * *", "0 * * * *", "*/20 1-3 * * *", "15 4 * * mon,thu", "0 0 1 * *", "0 12 13 * fri", "59 23 31 12 *", "5 */6 * * 1-5"]
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def times(rule: Cron | Every, after: datetime, count: int) -> list[datetime]:
    found = []
    for _ in range(count):
        after = rule.next_after(after)
        found.append(after)
    return found


def brute(cron: Cron, after: datetime, minutes: int) -> list[datetime]:
    """Every minute tried, as cron(8) would: for zones without a change of clocks near by."""
    minute, hour, day, month, weekday = cron._sets
    texts = cron.text.split()
    found = []
    at = after.replace(second=0, microsecond=0)
    for _ in range(minutes):
        at += timedelta(minutes=1)
        wall = at.astimezone(ZoneInfo(cron.tz))
        days = (wall.day in day, wall.isoweekday() % 7 in weekday)
        good = any(days) if texts[2] != "*" and texts[4] != "*" else all(days)
        if wall.minute in minute and wall.hour in hour and wall.month in month and good:
            found.append(at)
    return found


@settings(max_examples=40, deadline=None)
@given(EXPRESSIONS, st.sampled_from(["UTC", "Asia/Tbilisi", "Asia/Kathmandu"]), MOMENTS)
def test_the_same_as_trying_every_minute(text: str, tz: str, moment: datetime) -> None:
    cron = Cron(text, tz)
    tried = brute(cron, moment, 3 * 1440)
    assert times(cron, moment, len(tried)) == tried


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, st.sampled_from(ZONES), MOMENTS, st.integers(0, 10**7))
def test_pure_and_in_order(text: str, tz: str, moment: datetime, seconds: int) -> None:
    """Asked from any moment before it, the next time is the same one: nothing depends on what was asked before."""
    cron = Cron(text, tz)
    following = cron.next_after(moment)
    assert following > moment
    between = moment + (following - moment) * (seconds / 10**7)
    if between < following:
        assert cron.next_after(between) == following
    assert cron.next_after(following) > following


@pytest.mark.parametrize("tz", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])
@pytest.mark.parametrize("at", ["0 0", "0 1", "30 1", "15 2", "30 2", "45 2", "0 3"])
def test_a_daily_run_is_once_a_day_all_year(tz: str, at: str) -> None:
    zone = ZoneInfo(tz)
    found = times(Cron(f"{at} * * *", tz), datetime(2026, 1, 1, tzinfo=zone) - timedelta(microseconds=1), 365)
    assert [one.astimezone(zone).date().timetuple().tm_yday for one in found] == list(range(1, 366))
    walls = {one.astimezone(zone).time() for one in found}
    assert len(walls) <= 2  # a second one only on the day it is left out by the clocks


def test_hours_that_are_left_out_and_repeated() -> None:
    daily = Cron("30 2 * * *", "Europe/Berlin")
    assert daily.next_after(utc(2026, 3, 29)) == utc(2026, 3, 29, 1, 30)  # 03:30, the clocks having jumped an hour
    assert times(daily, utc(2026, 10, 24, 12), 2) == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]
    hourly = Cron("0 * * * *", "Europe/Berlin")
    for begin in (utc(2026, 10, 24, 20), utc(2026, 3, 28, 20)):
        assert times(hourly, begin, 9) == [begin + timedelta(hours=at) for at in range(1, 10)]


@settings(deadline=None)
@given(st.integers(1, 10**6), MOMENTS, MOMENTS)
def test_intervals_stay_on_their_grid(seconds: int, anchor: datetime, moment: datetime) -> None:
    rule = Every(seconds, anchor)
    following = rule.next_after(moment)
    assert timedelta() < following - moment <= timedelta(seconds=seconds)
    assert (following - anchor) % timedelta(seconds=seconds) == timedelta()


def test_crontab_as_it_is_known() -> None:
    sunday = utc(2026, 11, 22)
    assert sunday.isoweekday() == 7
    for text in ("0 5 * * 0", "0 5 * * 7", "0 5 * * sun", "0 5 * * SUN"):
        assert Cron(text, "UTC").next_after(sunday) == sunday + timedelta(hours=5)
    assert Cron("0 5 * * 1", "UTC").next_after(sunday) == sunday + timedelta(hours=29)
    # both days restricted: either will do
    assert times(Cron("0 0 13 * fri", "UTC"), utc(2026, 11, 1), 3) == [utc(2026, 11, 6), utc(2026, 11, 13), utc(2026, 11, 20)]
    assert Cron("0 0 29 2 *", "UTC").next_after(utc(2097, 1, 1)) == utc(2104, 2, 29)
    assert times(Cron("50/5 0 * * *", "UTC"), sunday, 3)[-1] == sunday + timedelta(days=1, minutes=50)


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *",
     "a * * * *", "1,,2 * * * *", "* * 31 2 *", "-1 * * * *", "*-5 * * * *", "٣ * * * *", "* * * monday *"],
)  # fmt: skip
def test_no_cron(text: str) -> None:
    with pytest.raises(ValueError, match=r"cron|never comes|goes from"):
        Cron(text, "UTC")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789*/-, monfrijan", max_size=20))
def test_any_text_is_a_rule_or_a_value_error(text: str) -> None:
    try:
        cron = Cron(text, "Europe/Berlin")
    except ValueError:
        return
    assert cron.next_after(utc(2026, 1, 1)) > utc(2026, 1, 1)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([Every(3600), Every(7 * 3600), Cron("30 2 * * *", "Europe/Berlin")]), MOMENTS, st.integers(0, 30 * 24))
def test_what_is_due_is_counted_once(rule: Cron | Every, first: datetime, hours: int) -> None:
    now = first + timedelta(hours=hours)
    listed = []
    at = rule.next_after(first - timedelta(microseconds=1))
    while at <= now:
        listed.append(at)
        at = rule.next_after(at)
    due = find_due(rule, first, now)
    assert (due is None) == (not listed)
    if due is not None:
        assert (due.at, due.earlier) == (listed[-1], len(listed) - 1)


def test_years_of_downtime_are_bounded() -> None:
    due = find_due(Cron("* * * * *", "Europe/Berlin"), utc(2020, 1, 1), utc(2026, 6, 1))
    assert due is not None
    assert due.at == utc(2026, 6, 1)
    assert due.earlier == LOOK_BACK // timedelta(minutes=1) - 1
    yearly = find_due(Cron("0 0 1 1 *", "UTC"), utc(2020, 1, 1), utc(2026, 6, 1))
    assert yearly is not None
    assert (yearly.at, yearly.earlier) == (utc(2026, 1, 1), 6)
