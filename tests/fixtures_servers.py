"""The real servers of the tests: a private Tor network, an Elasticsearch and a Chromium, each started once, at first use.

Where one cannot be had, its tests skip with the reason on a laptop and fail where CI is set (CI=true).
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from config.errors import DroplineError, UsageError
from monitor.demo.elastic_fetch import fetch_elasticsearch, find_jdk, unprivileged_user
from monitor.demo.elastic_server import ElasticServer
from monitor.demo.tor_network import TorNetwork, find_tor

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

_MARK_OF_FIXTURE = {"tor_network": "tor", "elastic_url": "elasticsearch", "chromium": "browser"}
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1280,1000",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses a server carries its mark, so that `-m "not tor"` means what it says."""
    for item in items:
        for fixture, mark in _MARK_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)


def _unavailable(error: DroplineError) -> None:
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(f"needed in CI: {error}", pytrace=False)
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def tor_network() -> Iterator[TorNetwork]:
    """A running private Tor network, shared by the session. A test that kills a node restarts it."""
    try:
        find_tor()
    except DroplineError as error:
        _unavailable(error)
    with TorNetwork() as network:
        yield network


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """A real Chromium with an empty profile, shared by the session. It may speak to this machine alone."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if not all(programs):
        _unavailable(UsageError("Chromium or its driver is missing.", remedy="Run: make browser"))
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = str(programs[0])
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = Chrome(options=options, service=Service(str(programs[1])))
    driver.set_page_load_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def elastic_parts() -> None:
    """What a server of a test's own needs is there; else the test is skipped, and in CI fails."""
    try:
        jdk = find_jdk(os.environ)
        home = fetch_elasticsearch(os.environ, lambda message: None)
        unprivileged_user(home, jdk.home, Path(tempfile.gettempdir()))
    except DroplineError as error:
        _unavailable(error)


@pytest.fixture(scope="session")
def elastic_url(elastic_parts: None) -> Iterator[str]:
    """`http://127.0.0.1:PORT` of a real, empty Elasticsearch, shared by the session: see `elastic_prefix`."""
    with ElasticServer(os.environ) as server:
        yield server.url


@pytest.fixture
def elastic_prefix(elastic_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix for the names of this test's indices, aliases and index templates; they are removed at its end."""
    prefix = f"t{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:10]}-"
    yield prefix
    connection = http.client.HTTPConnection(urlsplit(elastic_url).netloc, timeout=30)
    try:
        for path in (f"/{prefix}*", f"/_index_template/{prefix}*"):
            connection.request("DELETE", path)
            response = connection.getresponse()
            body = response.read()
            assert response.status in {200, 404}, body
    finally:
        connection.close()
