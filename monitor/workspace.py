"""The parts one installation works with, put together from its settings: key, rates, extractor, ingestion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from config.settings import Settings
from crawler.privacy import Masker, load_or_make_key
from extract.fx import RateTable, read_rates

if TYPE_CHECKING:
    from extract.build import ObservationBuilder
    from extract.pipeline import Extractor


def build_masker(settings: Settings, *, remember: int = 0) -> Masker:
    """The masker with this installation's key (made at first use, mode 0600); `remember` as there."""
    settings.key_path.parent.mkdir(parents=True, exist_ok=True)
    kid, key = load_or_make_key(settings.key_path)
    return Masker(kid, key, remember=remember)


def rates_folder(settings: Settings) -> Path:
    """Rate tables brought in by `dropline fx import`."""
    return settings.data_dir / "fx"


def load_rates(settings: Settings) -> RateTable:
    """Imported rate tables (by name, later ones winning), then the ECB's history."""
    return RateTable(rate for path in sorted(rates_folder(settings).glob("*.csv")) for rate in read_rates(path))


def build_extractor(settings: Settings) -> Extractor:
    """The extractor with the operator's own names beside the bundled tables; with `settings.trained` the trained
    component proposes unknown terms too."""
    from monitor.operator_names import build_tables

    tables = build_tables(settings.data_dir)
    if settings.trained:
        from extract.trained.extractor import TrainedExtractor

        return TrainedExtractor(tables=tables)
    from extract.pipeline import Extractor

    return Extractor(tables=tables)


def build_observation_builder(settings: Settings) -> ObservationBuilder:
    """With the operator's own meanings of field values, where there are any."""
    from extract.build import ObservationBuilder
    from monitor.operator_values import OperatorBuilder, ValueTable, read_values

    values = read_values(settings.data_dir)
    if not values:
        return ObservationBuilder(build_extractor(settings), load_rates(settings))
    return OperatorBuilder(build_extractor(settings), load_rates(settings), ValueTable(values))
