"""The observations behind a fired alert: for analysts, pseudonymised as everything in the store."""

from __future__ import annotations

import json
from typing import Any

from index.buckets import By, bucket_end
from index.rows import observation_rows
from index.store import Filter, Store
from monitor.alerts.alert import Alert
from monitor.alerts.records import Records
from monitor.alerts.rule import Where

BY_LABEL = ("substance", "group", "form", "region", "market", "stash", "kind", "vendor", "ships-from", "ships-to")


def filter_of(records: Records, alert: Alert) -> Filter:
    """What an alert rests on: its rule's filter as that version had it, the series, the days of the fired bucket."""
    text = records.rule_text(alert.rule, alert.rule_version)
    written: dict[str, Any] = json.loads(text) if text else {}
    by: By = written.get("by", "day")
    fields = Where.model_validate(written.get("filter", {})).model_dump()
    for name, value in alert.series.items():
        if name in BY_LABEL and value is not None:
            fields[name.replace("-", "_")] = tuple(value.split(",")) if name == "vendor" else (value,)
    return Filter(**fields, first=alert.bucket, last=bucket_end(alert.bucket, by))


def evidence_rows(store: Store, records: Records, alert: Alert, limit: int) -> list[dict[str, Any]]:
    """The observations of the alert's bucket, at most `limit`, by market, offer and time.

    A series of offers of which a field is not stated cannot be asked for alone: those are sorted out here.
    """
    where = filter_of(records, alert)
    checked = ("region", "form", "stash", "market", "unit")
    fixed = {name: value for name, value in alert.series.items() if name in checked}
    most = limit if all(value is not None for value in fixed.values()) and "unit" not in fixed else 1_000_000
    rows = observation_rows(store, where, most)
    kept = [row for row in rows if all(row.get(name) == value for name, value in fixed.items())]
    return kept[:limit]
