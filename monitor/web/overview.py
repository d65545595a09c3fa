"""The first page: how the installation is, and what fired last."""

from __future__ import annotations

from starlette.responses import Response

from monitor.alerts.tables import alert_row
from monitor.status import build_status
from monitor.web.users import Role
from monitor.web.visit import Visit

LATEST = 8


def show(visit: Visit) -> Response:
    """Markets, jobs and needs as `dropline status` has them; for analysts the latest alerts."""
    house = visit.house
    status = build_status(house.settings, house.store, visit.now)
    latest = []
    if visit.may(Role.ANALYST):
        with house.records() as records:
            latest = [alert_row(alert) for alert in records.select(limit=LATEST)]
    return visit.show("overview.html", status=status, latest=latest)
