"""A rule's test: one kind of `index.detect` with its settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, cast

from pydantic import field_validator, model_validator

from extract.observation import Record
from index.detect import first
from index.detect.base import TestSettings
from index.detect.first import FirstSettings, Sightings
from index.detect.kinds import SETTINGS, SeriesSettings, judge
from index.detect.series import Judgement, Series
from monitor.alerts.words import refuse_unknown_keys, suggest


class StandingSettings(TestSettings):
    """True of what stands now and waits for a person (`monitor.alerts.standing`); there is nothing to set."""

    kind: Literal["standing"] = "standing"


KINDS: Mapping[str, type[TestSettings]] = {**SETTINGS, "standing": StandingSettings}


class Test(Record):
    """Written `{kind: threshold, above: 100}`."""

    __test__ = False  # not one of pytest's

    settings: Any

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        if not isinstance(data, dict) or set(data) == {"settings"}:
            return data
        if "kind" not in data:
            raise ValueError(f"its kind is missing. Known: {', '.join(KINDS)}")
        if not isinstance(data["kind"], str) or data["kind"] not in KINDS:
            raise ValueError(f"{data['kind']!r} is no kind of test; {suggest(str(data['kind']), KINDS)}")
        model = KINDS[data["kind"]]
        refuse_unknown_keys(model, data)
        return {"settings": model.model_validate(data)}

    @field_validator("settings")
    @classmethod
    def _settings(cls, value: Any) -> Any:
        if not isinstance(value, TestSettings):
            raise ValueError("settings must be one of index.detect")  # noqa: TRY004 - pydantic takes ValueError
        return value

    @property
    def kind(self) -> str:
        return str(self.settings.kind)

    def to_json(self) -> dict[str, Any]:
        """As it is written in a file, every setting named."""
        return dict(self.settings.model_dump(mode="json"))

    def judge(self, series: Series, since: date | None = None) -> list[Judgement]:
        """A judgement a bucket from `since` on; the buckets before serve as baseline only. Not for first appearance."""
        return judge(series, cast("SeriesSettings", self.settings), since)

    def judge_first(self, sightings: list[Sightings], since: date | None = None) -> dict[str, list[Judgement]]:
        """Judgements by value that appeared."""
        return first.judge(sightings, cast("FirstSettings", self.settings), since)
