"""What a form suggests: the values that the store holds, looked up now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from index.measures.table import name_labels
from index.store import Filter, Store

FIELDS = ("substance", "group", "form", "region", "market", "stash", "kind", "ships_from", "ships_to")
KEPT_SECONDS = 600.0
MOST = 400
"""Values of one field, the commonest."""


class Suggestions:
    """Values by field, as the command spells it; one thread looks, the others take what there is."""

    def __init__(self) -> None:
        self._kept: tuple[float, str, Mapping[str, Sequence[str]]] | None = None
        self._looking = threading.Lock()

    def look(self, store: Store) -> Mapping[str, Sequence[str]]:
        """StoreError where the store fails."""
        with self._looking:
            version = f"{store.current_version()}"
            if self._kept is None or self._kept[1] != version or time.monotonic() - self._kept[0] > KEPT_SECONDS:
                self._kept = (time.monotonic(), version, _look(store))
            return self._kept[2]


def _look(store: Store) -> Mapping[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    for field in FIELDS:
        counts = [
            (count, str(label)) for key, count in store.count_distinct(Filter(), (field,), "listing")
            if (label := name_labels(field, [key[0]])[0]) is not None
        ]  # fmt: skip
        found[field.replace("_", "-")] = sorted(label for _, label in sorted(counts, reverse=True)[:MOST])
    return found
