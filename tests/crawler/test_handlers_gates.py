"""The last gates, each alone, against real servers: nothing but onion services through SOCKS, limits of time and size."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from crawler_lab import Shop, Socks, open_shop, open_socks
from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.exceptions import DownloadCancelledError, DownloadTimeoutError, ResponseDataLossError
from scrapy.http import Response

from config.errors import TransportRefused, UsageError
from crawler.handlers import LoopbackHandler, OnionHandler
from crawler.middlewares import MarketGate, OffMarket
from crawler.transport import Loopback, Tor, Transport, is_loopback, is_onion

NAME = "a" * 55 + "d"
ONION = f"http://{NAME}.onion"


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as server:
        yield server


@pytest.fixture
def socks(shop: Shop) -> Iterator[Socks]:
    with open_socks(shop.server_address[1]) as proxy:
        yield proxy


def make_crawler(transport: object, **changes: Any) -> Crawler:
    settings = {
        "TWISTED_REACTOR_ENABLED": False,
        "DROPLINE_TRANSPORT": transport,
        "DROPLINE_IDENTITY": "lab",
        "DROPLINE_TOTAL_SECONDS": 2.0,
        "DOWNLOAD_MAXSIZE": 200_000,
        "DOWNLOAD_WARNSIZE": 0,
        **changes,
    }
    return Crawler(Spider, settings)


def fetch(kind: type[OnionHandler | LoopbackHandler], transport: object, url: str, **changes: Any) -> Response:
    """One page straight from the handler: no middleware in between."""
    meta = changes.pop("meta", None)
    request_changes = changes.pop("request", {})
    if meta is None:
        meta = {"proxy": transport.proxy_of("lab")} if isinstance(transport, Tor) else {}

    async def run() -> Response:
        handler = kind(make_crawler(transport, **changes))
        try:
            return await handler.download_request(Request(url, meta=dict(meta), **request_changes))
        finally:
            await handler.close()

    return asyncio.run(run())


def test_onion_through_socks_with_remote_dns_and_identity(shop: Shop, socks: Socks) -> None:
    response = fetch(OnionHandler, Tor(socks.address, (ONION,), epoch=3), f"{ONION}/list")
    assert response.status == 200
    assert b"Sencha" in response.body
    # address type 3: the name went to the proxy, nobody here resolved it
    assert socks.asked == [("lab", "3", 3, f"{NAME}.onion")]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://127.0.0.1:9/",
        "http://[::1]:9/",
        "http://localhost:9/",
        f"http://{'a' * 16}.onion/",
        f"http://{NAME}.onion.example.org/",
        f"http://user@{NAME}.onion/",
        f"http://{NAME}.onion@example.org/",
    ],
)
def test_onion_handler_refuses_everything_else(shop: Shop, socks: Socks, url: str) -> None:
    with pytest.raises((TransportRefused, ValueError)):
        fetch(OnionHandler, Tor(socks.address, (ONION,)), url)
    assert socks.asked == []
    assert shop.hits == []


def test_onion_handler_fails_closed_without_proxy(shop: Shop, socks: Socks) -> None:
    tor = Tor(socks.address, (ONION,))
    for transport, meta in [
        (None, {}),
        (tor, {}),  # a request that lost its proxy
        (tor, {"proxy": f"http://127.0.0.1:{shop.server_address[1]}"}),
        (tor, {"proxy": f"socks5://lab:0@{socks.address}"}),  # local DNS
        (tor, {"proxy": tor.proxy_of("another")}),
        ("socks5h://127.0.0.1:1", {"proxy": "socks5h://127.0.0.1:1"}),  # a string, as a command line gives
    ]:
        with pytest.raises(TransportRefused):
            fetch(OnionHandler, transport, f"{ONION}/list", meta=meta)
    assert shop.hits == []
    assert socks.asked == []


def test_no_direct_client_exists(socks: Socks) -> None:
    async def run() -> None:
        handler = OnionHandler(make_crawler(Tor(socks.address, (ONION,))))
        with pytest.raises(TransportRefused):
            handler._get_client(None).stream("GET", "http://example.org")
        with pytest.raises(TransportRefused):
            handler._get_client("http://127.0.0.1:1")
        await handler.close()

    asyncio.run(run())


def test_only_get_is_ever_sent(shop: Shop, socks: Socks) -> None:
    with pytest.raises(TransportRefused):
        fetch(OnionHandler, Tor(socks.address, (ONION,)), f"{ONION}/list", request={"method": "POST", "body": b"a=b"})
    assert shop.hits == []


def test_loopback_only_for_the_demo_and_only_here(shop: Shop) -> None:
    transport = Loopback(shop.address, demo=True)
    assert fetch(LoopbackHandler, transport, f"{shop.address}/list").status == 200
    for url in ("http://example.org/", "http://10.0.0.1/", "http://localhost/", f"{ONION}/", "http://127.0.0.1.nip.io/"):
        with pytest.raises(TransportRefused):
            fetch(LoopbackHandler, transport, url)
    with pytest.raises(TransportRefused):
        fetch(LoopbackHandler, transport, f"{shop.address}/list", meta={"proxy": "http://127.0.0.1:1"})
    # built by anything but the demo: a string from a command line, a Tor transport, nothing
    for other in ("Loopback(demo=True)", Tor("127.0.0.1:1", (ONION,)), None, True):
        with pytest.raises(TransportRefused):
            fetch(LoopbackHandler, other, f"{shop.address}/list")
    with pytest.raises(TransportRefused):
        Loopback(shop.address)
    with pytest.raises(TransportRefused):
        Loopback("http://192.168.0.1", demo=True)


def test_total_time_limit_against_a_dripping_server(shop: Shop) -> None:
    begun = time.monotonic()
    with pytest.raises(DownloadTimeoutError):
        fetch(LoopbackHandler, Loopback(shop.address, demo=True), f"{shop.address}/drip", DROPLINE_TOTAL_SECONDS=0.8)
    assert time.monotonic() - begun < 8  # the page takes a minute


def test_limits_are_not_optional(shop: Shop) -> None:
    for missing in ({"DROPLINE_TOTAL_SECONDS": 0}, {"DOWNLOAD_MAXSIZE": 0}):
        with pytest.raises(TransportRefused):
            fetch(LoopbackHandler, Loopback(shop.address, demo=True), f"{shop.address}/list", **missing)


def test_size_media_and_cut_pages(shop: Shop) -> None:
    transport = Loopback(shop.address, demo=True)
    for path in ("/big", "/image"):
        with pytest.raises(DownloadCancelledError):
            fetch(LoopbackHandler, transport, f"{shop.address}{path}")
    with pytest.raises(ResponseDataLossError):
        fetch(LoopbackHandler, transport, f"{shop.address}/cut", DOWNLOAD_FAIL_ON_DATALOSS=True)


def gate(transport: Transport, *hosts: str) -> MarketGate:
    return MarketGate(make_crawler(transport, DROPLINE_HOSTS=list(hosts)))


def test_gate_lets_only_the_markets_own_pages_pass() -> None:
    tor = Tor("127.0.0.1:9050", (ONION,))
    good = Request(f"{ONION}/list?p=1")
    gate(tor, f"{NAME}.onion").process_request(good)
    assert good.meta["proxy"] == "socks5h://lab:0@127.0.0.1:9050"
    other = "b" * 55 + "d"
    for url in (f"http://{other}.onion/", "http://example.org/", "http://127.0.0.1/", f"{ONION}/pic/1.JPG", f"{ONION}:81/"):
        with pytest.raises(OffMarket):
            gate(tor, f"{NAME}.onion").process_request(Request(url))
    with pytest.raises(OffMarket):
        gate(tor, f"{NAME}.onion").process_request(Request(f"{ONION}/", method="POST"))
    with pytest.raises(TransportRefused):
        MarketGate(make_crawler(None))


def test_transport_records_check_themselves() -> None:
    with pytest.raises(UsageError, match="SOCKS"):
        Tor("9050", (ONION,))
    with pytest.raises(UsageError, match="No onion address"):
        Tor("127.0.0.1:9050", ())
    with pytest.raises(TransportRefused, match="version-3"):
        Tor("127.0.0.1:9050", ("http://example.org",))
    assert Tor("[::1]:9050", (NAME + ".onion",)).bases == (ONION,)
    assert is_onion(f"https://shop.{NAME}.onion:8080/x")
    assert not is_onion(f"http://{NAME}.onion.evil.example/")
    assert not is_onion("http://[broken/")
    assert is_loopback("http://127.0.0.1:80/")
    assert is_loopback("http://[::1]/")
    assert not is_loopback("http://2130706433/")
    assert not is_loopback("https://127.0.0.1/")
