"""What the demo watches: its dashboard has a rule to look at, and an alert where the world had a reason for one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from config.settings import Settings
from index.store import Store
from monitor.alerts.editing import add_rule
from monitor.alerts.evaluate import evaluate_all
from monitor.demo.world import World
from monitor.state import State, state_path

RULE = """\
# made by the demo: the price of what the world makes dearer
id: {substance}-price
title: Price of {substance}
measure: price
filter: {{market: {market}, substance: {substance}}}
by: week
test: {{kind: change, percent: 20}}
owner: demo
"""


def watch(store: Store, settings: Settings, world: World) -> int:
    """Adds a rule on the planted price shock, and judges it as if it had run from before the shock on, in simulated
    time; how many alerts fired. Nothing is sent."""
    shock = next((event for event in world.events if event.kind == "price-shock"), None)
    market, substance = (shock.market, shock.substance) if shock is not None else (world.markets[0], "mephedrone")
    rule = add_rule(settings.data_dir, RULE.format(market=market, substance=substance))
    end = world.dates()[-1] + timedelta(days=2)
    days: list[date] = [end]
    if shock is not None:
        days = sorted({min(end, shock.first + timedelta(days=apart)) for apart in (-7, 21, 28)} | {end})
    with State(state_path(settings.data_dir)) as state:
        moments = [datetime.combine(day, time(12), UTC) for day in days]
        return sum(len(evaluate_all(store, state, [rule], moment).changes.fired) for moment in moments)
