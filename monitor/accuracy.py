"""The measured errors of extraction, where somebody measured them: the output of `bench/extraction.py --json`."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from config.errors import InputError, UsageError
from index.explain import Accuracy

NAME = "accuracy.json"


def read_accuracy(file: Path | None, data_dir: Path) -> list[Accuracy] | None:
    """Measurements from a file, or from `accuracy.json` in the data folder; None: there are none.

    UsageError: the file named is not there. InputError: it is not what the bench writes.
    """
    path = file or data_dir / NAME
    if not path.is_file():
        if file is None:
            return None
        raise UsageError("there is no such file.", file=file, remedy="Make it: bench/extraction.py --json > FILE.")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(rows, list):
            raise TypeError(type(rows).__name__)
        names = Accuracy.model_fields.keys() - {"language"}
        return [
            Accuracy(language=row["set"], **{name: row[name] for name in names})
            for row in rows if row["set"] in {"en", "ru"}
        ]
    except (ValueError, TypeError, KeyError, ValidationError) as error:
        raise InputError(
            "this is not what bench/extraction.py --json writes.", file=path, remedy="Make it again, or remove it."
        ) from error
