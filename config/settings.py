"""Settings of one installation: a YAML file (`--config`), then `DROPLINE_*` variables, then the command line.

Nothing is read at import; `load_settings` reads file and environment when it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs
from pydantic import Field, RootModel, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.errors import UsageError
from config.yamlfile import find_line, load_yaml


def default_data_dir() -> Path:
    """The platform's own data folder (`~/.local/share/dropline` on Linux)."""
    return Path(platformdirs.user_data_dir("dropline", appauthor=False))


class Settings(BaseSettings):
    """All that an operator can set. Paths are taken as given; relative ones from where the command is run."""

    model_config = SettingsConfigDict(env_prefix="DROPLINE_", extra="forbid", frozen=True)

    data_dir: Path = Field(default_factory=default_data_dir)
    store: str | None = None
    """Store URL; None: `dropline.sqlite` in the data folder."""
    key_file: Path | None = None
    """Pseudonym key; None: `vendor.key` in the data folder, made at first use."""
    trained: bool = False
    """Whether the trained component proposes unknown terms for review."""
    tor_socks: str = "127.0.0.1:9050"
    """SOCKS address (host:port) of the Tor client."""
    tor_control: str | None = None
    """Control port address; None: no control, only SOCKS."""
    age_recipient: str | None = None
    """Public key (`age1…`) that archived pages are encrypted to; None: they stay readable."""
    age_identity: Path | None = None
    """File with the secret key, where archives are read (not on a crawler)."""
    keep_months: int | None = Field(default=None, ge=1)
    """Whole months of observations that `purge` leaves beside the running one; None: all of them."""
    purge_logs: bool = False
    """Whether `purge` removes the crawl logs of purged months too."""
    authorisations: Path | None = None
    """The operator's record of legal bases; None: `authorisations.yml` in the data folder."""

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite:///{self.data_dir / 'dropline.sqlite'}"

    @property
    def key_path(self) -> Path:
        return self.key_file or self.data_dir / "vendor.key"

    @property
    def authorisations_path(self) -> Path:
        return self.authorisations or self.data_dir / "authorisations.yml"

    @property
    def markets_dir(self) -> Path:
        """The operator's own markets, one folder each. Their page objects are code: it is run."""
        return self.data_dir / "markets"

    @property
    def logs_dir(self) -> Path:
        """Crawl logs: the permanent record."""
        return self.data_dir / "logs"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings)


class _File(RootModel[dict[str, Any]]):
    """A settings file before its values are checked."""


def load_settings(config_file: Path | None = None, **given: Any) -> Settings:
    """Settings from the file, the environment and `given` (None values are not given), the later winning.

    Raises UsageError naming the file and the field that is wrong.
    """
    from_file: dict[str, Any] = {}
    if config_file is not None:
        from_file = load_yaml(config_file, _File, docs="docs/settings.md").root
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        in_environment = Settings(**chosen).model_dump(exclude_unset=True)
        return Settings(**{**from_file, **in_environment, **chosen})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        in_file = config_file is not None and first["loc"] and first["loc"][0] in from_file
        raise UsageError(
            f"setting {field!r}: {first['msg']}.",
            file=config_file,
            line=find_line(config_file, *first["loc"]) if in_file and config_file else None,
            remedy=f"Known settings: {', '.join(Settings.model_fields)}.",
        ) from error
