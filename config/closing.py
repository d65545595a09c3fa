"""What is opened and has to be closed: `with` for every class that has `close`."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Closing:
    """Mixin: a context manager that calls `close` at its end, whatever happened."""

    def close(self) -> None:
        """Lets go of what is held. A second call changes nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
