"""One request as a page sees it, and what it may answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.responses import HTMLResponse, RedirectResponse, Response

from config.settings import Settings
from index.open import open_store
from index.store import Store
from monitor.alerts.records import Records
from monitor.answers import columns_of, dump, to_csv
from monitor.state import State, state_path
from monitor.web.access import Who
from monitor.web.render import render
from monitor.web.suggestions import Suggestions
from monitor.web.users import Role


class Missing(Exception):
    """There is no such page or thing; the message says what to do instead."""


class Denied(Exception):
    """Somebody is known and may not do this; the message says who may."""


@dataclass(frozen=True)
class House:
    """What all requests share."""

    settings: Settings
    suggestions: Suggestions

    def store(self) -> AbstractContextManager[Store]:
        """The store, for one request in one thread."""
        return closing(open_store(self.settings.store_url))

    @contextmanager
    def records(self) -> Iterator[Records]:
        """The alerts, for one request in one thread."""
        with State(state_path(self.settings.data_dir)) as state:
            yield Records(state)


@dataclass(frozen=True)
class Visit:
    """A request of somebody who may make it. `query` and `form` keep the order of what was sent; `path` has the parts
    of the address that the route names."""

    house: House
    who: Who
    form_token: str
    address: str
    """Path of the request, without its query."""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def asked(self, name: str, default: str = "") -> str:
        """The last value of a parameter of the query, trimmed."""
        return self.query[name][-1].strip() if self.query.get(name) else default

    def given(self, name: str, default: str = "") -> str:
        """The last value of a field of the form, trimmed."""
        return self.form[name][-1].strip() if self.form.get(name) else default

    def page_number(self) -> int:
        """`page` of the query, from 1."""
        text = self.asked("page", "1")
        return min(100_000, max(1, int(text))) if text.isascii() and text.isdecimal() and len(text) < 7 else 1

    def may(self, role: Role) -> bool:
        return self.who.role.may(role)

    def show(self, template: str, code: int = 200, **values: Any) -> Response:
        """A page."""
        return HTMLResponse(render(template, visit=self, **values), code)

    def go(self, address: str) -> Response:
        """To another page after something was done."""
        return RedirectResponse(address, 303)


def as_json(value: Any, status: int = 200) -> Response:
    return Response(dump(value, indent=True) + b"\n", status, media_type="application/json")


def as_csv(rows: Sequence[Mapping[str, Any]], name: str) -> Response:
    """A file to keep; formulas in texts are made harmless."""
    content = to_csv(rows, columns_of(rows))
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(content.encode("utf-8", "replace"), media_type="text/csv; charset=utf-8", headers=headers)
