"""How a crawl reaches its market: through Tor, or (for the bundled demo alone) over the loopback interface.

There is no third way. `Tor` is what `dropline crawl` and `scrapy crawl` use. `Loopback` can only be made in Python with
`demo=True`, goes only with a market marked `demo: true`, and reaches only 127.0.0.1 or [::1].
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from config.errors import TransportRefused, UsageError
from crawler.market import ONION_HOST, Market, check_onion_address


def is_onion(url: str) -> bool:
    """Whether the address is http(s) on a version-3 onion name, without user information."""
    try:
        parts = urlsplit(url)
        host, user = parts.hostname or "", parts.username
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and user is None and bool(ONION_HOST.fullmatch(host))


def is_loopback(url: str) -> bool:
    """Whether the address is http on 127.0.0.1 or [::1], written as an address (names are never resolved)."""
    try:
        parts = urlsplit(url)
        host, user = parts.hostname or "", parts.username
        return parts.scheme == "http" and user is None and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Tor:
    """Through a Tor client's SOCKS port. `socks`: host:port. `addresses`: onion mirrors, the first is tried first.

    `cookies` are the operator's own session; `epoch` is part of the SOCKS identity: another one makes new circuits.
    """

    socks: str
    addresses: tuple[str, ...]
    cookies: dict[str, str] = field(default_factory=dict)
    epoch: int = 0

    def __post_init__(self) -> None:
        host, colon, port = self.socks.rpartition(":")
        if not (colon and host and port.isdigit() and 0 < int(port) < 65536):
            remedy = "Write host:port, such as 127.0.0.1:9050."
            raise UsageError(f"{self.socks!r} is not a SOCKS address.", remedy=remedy)
        if not self.addresses:
            remedy = "Put the market's addresses into authorisations.yml."
            raise UsageError("No onion address is known.", remedy=remedy)
        try:
            for address in self.addresses:
                check_onion_address(address)
        except ValueError as error:
            raise TransportRefused(f"{error}.", remedy="Only onion services are crawled.") from error

    @property
    def bases(self) -> tuple[str, ...]:
        return tuple(check_onion_address(address) for address in self.addresses)

    def proxy_of(self, market: str) -> str:
        """The proxy URL of a market: names are resolved at the proxy; user and password keep circuits apart."""
        return f"socks5h://{quote(market, safe='')}:{self.epoch}@{self.socks}"


@dataclass(frozen=True, slots=True)
class Loopback:
    """Straight to a server of our own on this machine: for the demo and for tests of the pipeline, nothing else."""

    address: str
    demo: bool = False
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.demo:
            raise TransportRefused("The loopback transport belongs to the demo.", remedy="Crawl through Tor.")
        if not is_loopback(self.address):
            raise TransportRefused(f"{self.address!r} is not a loopback address.", remedy="Crawl through Tor.")

    @property
    def bases(self) -> tuple[str, ...]:
        return (self.address.rstrip("/"),)


Transport = Tor | Loopback


def check_transport(market: Market, transport: Transport) -> None:
    """Raises TransportRefused for a transport that this market may not be crawled by."""
    if isinstance(transport, Loopback) and not market.demo:
        raise TransportRefused(
            f"{market.id} is no market of the demo: it is only crawled through Tor.", remedy="Use `dropline crawl`."
        )
