"""spaCy factories, one reading each: `Doc -> Doc`, adding to `extract.found.found(doc)`."""

from __future__ import annotations

from importlib import import_module

MODULES = (
    "extract.terms", "extract.components.numbers", "extract.components.places", "extract.components.stash",
    "extract.components.substances",
    "extract.components.form", "extract.components.unknown", "extract.components.kind",
)  # fmt: skip


def register() -> None:
    """Imports every module that registers a factory with spaCy; doing it twice changes nothing."""
    for module in MODULES:
        import_module(module)
