"""`DATA/channels.yml`: where alerts go, by name. It holds passwords, so nobody else may read it, and none is shown.

    dashboard: https://dropline.example.org      # for links in messages; optional
    channels:
      team-mail:
        apprise: mailtos://user:password@example.org?to=a@example.org,b@example.org
      lab-hook:
        webhook: https://receiver.example.org/dropline
        secret: whsec_…                          # base64, 24 to 64 bytes; or a list of two while one is replaced
      feed:
        atom: /srv/www/dropline.atom
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from config.errors import UsageError
from config.yamlfile import load_yaml
from crawler.private_file import check_private
from extract.observation import Record
from monitor.delivery.harmless import one_line
from monitor.delivery.plugins import LOOPBACK, check_mail_address, load_plugin, mail_plugin

if TYPE_CHECKING:
    from apprise import NotifyBase

ChannelKind = Literal["mail", "chat", "webhook", "atom"]
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MAIL = ("mailto", "mailtos")


def channels_path(data_dir: Path) -> Path:
    return data_dir / "channels.yml"


def _link(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        raise ValueError("this is no https address without a password in it")
    return text.rstrip("/")


Link = Annotated[str, AfterValidator(_link)]


class Channel(Record):
    """One way out. Exactly one of `apprise`, `webhook`, `atom`; secrets stay out of every representation."""

    model_config = ConfigDict(ignored_types=(cached_property,), hide_input_in_errors=True)

    apprise: SecretStr | None = None
    """An Apprise address: `mailto(s)://` for mail, any other service for chat."""
    webhook: SecretStr | None = None
    """Where to POST; https, or http on this machine."""
    secret: tuple[SecretStr, ...] = ()
    """Keys of a webhook's signature: each gives one signature, so that a receiver can change over."""
    proxy: SecretStr | None = None
    """Of a webhook: http:// or socks5h:// address."""
    atom: Path | None = None
    """File of an Atom feed."""
    entries: int = Field(default=100, ge=1, le=1_000)
    """Most entries in the feed, newest first."""
    title: str = Field(default="Dropline alerts", min_length=1, max_length=200)
    link: Link | None = None
    """Where the feed is served."""
    timeout: float = Field(default=20.0, ge=1, le=300)
    """Seconds one message may take, all in all."""
    give_up_days: float = Field(default=7.0, gt=0, le=365)
    """Age at which a message that still fails is parked."""
    chart: bool = True
    """Whether a chart goes with mail and chat messages."""
    digest: int = Field(default=3, ge=0, le=50)
    """So many messages of one evaluation, or more, go as one (mail and chat); 0: each by itself."""

    @field_validator("secret", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("secret")
    @classmethod
    def _is_key(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for one in value:
            webhook_key(one)
        return value

    @field_validator("webhook")
    @classmethod
    def _is_safe(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError("a webhook is an https address")
            if parts.scheme == "http" and parts.hostname not in LOOPBACK:
                raise ValueError("http would carry alerts in the clear; use https (http only on this machine)")
        return value

    @field_validator("proxy")
    @classmethod
    def _is_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and urlsplit(value.get_secret_value()).scheme not in {"http", "https", "socks5h"}:
            raise ValueError("a proxy is an http:// or socks5h:// address")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Channel:
        given = [name for name in ("apprise", "webhook", "atom") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("a channel has one of apprise, webhook and atom")
        if (self.webhook is not None) != bool(self.secret):
            raise ValueError("a webhook has a secret (whsec_ and 24 to 64 bytes in base64), other channels have none")
        if self.digest == 1:
            raise ValueError("digest: 2 or more messages go as one; 0: each by itself")
        if self.webhook is None and self.proxy is not None:
            raise ValueError("only a webhook has a proxy")
        if self.kind == "mail":
            check_mail_address(mail_plugin(self.plugin))
        elif self.kind == "chat":
            _ = self.plugin  # so that a wrong address is found now
        return self

    @cached_property
    def plugin(self) -> NotifyBase:
        """Apprise's object for the address. Loads Apprise (0.5 s, 30 MB) at first use."""
        assert self.apprise is not None
        return load_plugin(self.apprise.get_secret_value())

    @property
    def kind(self) -> ChannelKind:
        if self.webhook is not None:
            return "webhook"
        if self.atom is not None:
            return "atom"
        assert self.apprise is not None
        return "mail" if self.apprise.get_secret_value().split(":", 1)[0].lower() in _MAIL else "chat"

    @property
    def target(self) -> str:
        """Where it leads, without a secret: the host of an address, the recipients of mail, the file of a feed."""
        if self.atom is not None:
            return str(self.atom)
        if self.webhook is not None:
            return one_line(urlsplit(self.webhook.get_secret_value()).hostname or "", 100)
        if self.kind == "mail":
            return ", ".join(address for _, address in mail_plugin(self.plugin).targets)
        return str(self.plugin.service_name)

    def secrets(self) -> list[str]:
        """What must not stand in an error message: whole addresses, and each part that may be a password or token."""
        found = [one.get_secret_value() for one in (self.webhook, self.apprise, self.proxy, *self.secret) if one]
        for address in list(found):
            parts = urlsplit(address)
            found += [parts.username or "", parts.password or "", parts.path, parts.query, *parts.path.split("/")]
            if self.kind == "chat":
                found.append(parts.hostname or "")  # many services keep a token there
                found.append(parts.netloc)
            found += [value for pair in parts.query.split("&") for value in pair.split("=")[1:]]
        return [one for each in found for one in {each, unquote(each)} if len(one) >= 4]


class Channels(Record):
    """The file."""

    dashboard: Link | None = None
    channels: dict[str, Channel] = Field(default_factory=dict, max_length=64)

    @field_validator("channels")
    @classmethod
    def _named(cls, value: Mapping[str, Channel]) -> Mapping[str, Channel]:
        for name in value:
            if not _NAME.fullmatch(name):
                raise ValueError("names of channels are of a-z, 0-9, - and _, 64 at most")
        files = [str(channel.atom) for channel in value.values() if channel.atom is not None]
        if len(files) != len(set(files)):
            raise ValueError("two channels would write the same feed")
        return value


def load_channels(data_dir: Path) -> Channels:
    """The channels; none where there is no file. Raises UsageError with file and line, never with a secret."""
    path = channels_path(data_dir)
    try:
        check_private(path, "The list of channels holds passwords and", ".")
    except FileNotFoundError:
        return Channels()
    except OSError as error:
        raise UsageError(f"The file cannot be read ({error.strerror}).", file=path) from error
    try:
        return load_yaml(path, Channels, docs="docs/delivery.md")
    except UsageError as error:
        error.remedy = "Correct it there; docs/delivery.md describes every key."
        raise


def webhook_key(secret: SecretStr) -> bytes:
    """The bytes of a Standard Webhooks secret. Raises ValueError without the secret."""
    text = secret.get_secret_value()
    wrong = ValueError("a secret is whsec_ and then 24 to 64 random bytes in base64 (openssl rand -base64 32)")
    if not text.startswith("whsec_"):
        raise wrong
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise wrong from None
    if not 24 <= len(key) <= 64:
        raise wrong
    return key
