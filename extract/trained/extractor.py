"""An Extractor with the trained component at its end."""

from __future__ import annotations

from pathlib import Path

import extract.components.trained  # noqa: F401 - registers its factory
from extract.pipeline import Extractor


class TrainedExtractor(Extractor):
    """Reads as an Extractor does, and adds candidates with the rule `trained` to `unknown_terms` of listings whose
    substance is unknown. Nothing else of a Reading differs, so that the version is the same.

    Making one takes about half a second more. Raises UsageError: the weights are missing.
    """

    def __init__(self, *, tables: Path | None = None) -> None:
        super().__init__(tables=tables)
        self.nlp.add_pipe("dropline_trained", config={"tables": None if tables is None else str(tables)})
        self._components = [component for _, component in self.nlp.pipeline]
