"""What the cluster was asked about itself, remembered for as long as a reader holds on to one look at it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Look:
    """Every thread has its own. Outside of `hold` nothing is remembered."""

    def __init__(self) -> None:
        self._mine = threading.local()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Inside another one: that one."""
        if self._known() is not None:
            yield
            return
        self._mine.known = {}
        try:
            yield
        finally:
            self._mine.known = None

    def once(self, key: Hashable, ask: Callable[[], T]) -> T:
        """The answer to `ask`, which errors are not."""
        known = self._known()
        if known is None:
            return ask()
        if key not in known:
            known[key] = ask()
        return cast("T", known[key])

    def _known(self) -> dict[Hashable, Any] | None:
        found: dict[Hashable, Any] | None = getattr(self._mine, "known", None)
        return found
