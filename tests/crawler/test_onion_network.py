"""A whole crawl over a real private Tor network, and the control port's health check."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from crawler_lab import ITEMS, lab_market, open_shop

from config.errors import TransportRefused
from crawler.items import CrawlOutcome
from crawler.log import iter_log
from crawler.privacy import Masker
from crawler.run import crawl
from crawler.tor import TorControl, TorUnavailable
from crawler.transport import Tor

if TYPE_CHECKING:
    from monitor.demo.tor_network import TorNetwork

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def test_crawl_over_a_real_onion(tor_network: TorNetwork, tmp_path: Path) -> None:
    budget = {"in_flight": 8, "delay": 0, "page_seconds": 60, "retries": 3}
    with open_shop() as shop:
        onion = tor_network.publish(shop.server_address[1])
        shop.extra = ["/to/http://example.org/"]
        done = asyncio.run(
            crawl(
                lab_market(budget=budget),
                started=NOW,
                transport=Tor(tor_network.socks_address, (onion,)),
                masker=Masker("0badcafe", b"1" * 32),
                data_dir=tmp_path,
                clock=lambda: NOW,
            )
        )
        assert all(headers["Host"].startswith(onion.removeprefix("http://")) for headers in shop.headers_seen)
    assert done.outcome is CrawlOutcome.COMPLETE
    assert done.listings == ITEMS
    assert done.dropped == {"refused address": 1}
    _, items = iter_log(tmp_path / "logs" / "lab" / f"{done.id}.jsonl")
    assert sum(item.seen_on == "detail" for item in items) == ITEMS


def test_control_port_tells_its_health(tor_network: TorNetwork) -> None:
    with TorControl(f"127.0.0.1:{tor_network.control_port('client')}") as control:
        status = control.status()
        assert status.ready
        assert status.bootstrapped == 100
        control.new_identity()


def test_no_control_port() -> None:
    with pytest.raises(TorUnavailable, match="9"):
        TorControl("127.0.0.1:9")
    with pytest.raises(TorUnavailable):
        TorControl("nonsense")


def test_a_clearnet_address_is_no_mirror() -> None:
    with pytest.raises(TransportRefused):
        Tor("127.0.0.1:9050", ("http://example.org",))
