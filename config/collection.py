"""Python's cyclic garbage collector, sent to rest."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """The collector rests, for one batch or while tables are read: it would walk over the vocabulary again and again (a
    fifth of the time) and find nothing, since Docs, pages and records die by reference count."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
