"""What a form suggests: the values that the store holds, looked up now and then beside the pages, which wait for it
little or not at all: over many millions of rows it takes a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from config.errors import DroplineError
from index.measures.table import name_labels
from index.open import open_store
from index.store import Filter, Store

FIELDS = ("substance", "group", "form", "region", "market", "stash", "kind", "ships_from", "ships_to")
KEPT_SECONDS, EMPTY_SECONDS = 600.0, 10.0
PATIENCE = 1.0
"""Seconds that the first page waits."""
MOST = 400
"""Values of one field, the commonest."""
Values = Mapping[str, Sequence[str]]


class Suggestions:
    """Values by field, as the command spells it."""

    def __init__(self, store_url: str) -> None:
        self._url = store_url
        self._kept: Values = {}
        self._due = 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def now(self) -> Values:
        """What is known; nothing where the store does not answer (the page itself will say so)."""
        with self._lock:
            if self._thread is None and time.monotonic() >= self._due:
                self._thread = threading.Thread(target=self._look, name="suggestions", daemon=True)
                self._thread.start()
            thread = self._thread
        if thread is not None and not self._kept:
            thread.join(PATIENCE)
        return self._kept

    def _look(self) -> None:
        try:
            store = open_store(self._url)
            try:
                self._kept = _values(store)
            finally:
                store.close()
        except DroplineError:
            self._kept = {}
        finally:
            with self._lock:
                self._due = time.monotonic() + (KEPT_SECONDS if any(self._kept.values()) else EMPTY_SECONDS)
                self._thread = None


def _values(store: Store) -> Values:
    found: dict[str, Sequence[str]] = {}
    for field in FIELDS:
        counts = [
            (count, str(label)) for key, count in store.count_distinct(Filter(), (field,), "listing")
            if (label := name_labels(field, [key[0]])[0]) is not None
        ]  # fmt: skip
        found[field.replace("_", "-")] = sorted(label for _, label in sorted(counts, reverse=True)[:MOST])
    return found
