"""The private Tor network and the real Elasticsearch come up, do their job, and never outlive us."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from config.errors import DroplineError
from monitor.demo.elastic_fetch import find_jdk
from monitor.demo.elastic_server import main as elastic_main
from monitor.demo.process_group import ProcessGroup
from monitor.demo.tor_control import ControlConnection
from monitor.demo.tor_network import NODES, TorNetwork, find_tor, free_ports, socks_connect

PAGE = "a page behind an onion service"


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def page_port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_onion_service_serves_a_page_through_socks(tor_network: TorNetwork, page_port: int) -> None:
    address = tor_network.publish(page_port)
    assert re.fullmatch(r"[a-z2-7]{56}\.onion", address)
    # the name exists nowhere but inside Tor: an answer proves that the proxy resolved it
    with httpx2.Client(proxy=f"socks5://{tor_network.socks_address}", timeout=60, trust_env=False) as client:
        response = client.get(f"http://{address}/")
    assert response.text == PAGE
    tor_network.unpublish(address)
    with pytest.raises(DroplineError, match="no such onion service"):
        tor_network.unpublish(address)


def test_names_outside_onion_are_refused(tor_network: TorNetwork) -> None:
    for name in ("example.invalid", "127.0.0.1", "localhost"):
        assert socks_connect(tor_network.socks_address, name, 80, timeout=30) == "not allowed"


def test_a_killed_client_comes_back_on_its_port(tor_network: TorNetwork, page_port: int) -> None:
    address = tor_network.publish(page_port)
    before = tor_network.socks_address
    tor_network.kill("client")
    assert not tor_network.is_alive("client")
    with pytest.raises(OSError):
        socks_connect(before, address, 80, timeout=5)
    tor_network.restart("client")
    assert tor_network.socks_address == before
    tor_network.wait_reachable(address)
    tor_network.unpublish(address)


def test_a_restarted_host_keeps_its_addresses(tor_network: TorNetwork, page_port: int) -> None:
    address = tor_network.publish(page_port)
    tor_network.restart("host")
    assert socks_connect(tor_network.socks_address, address, 80, timeout=60) == "succeeded"
    tor_network.unpublish(address)


def test_publishing_a_dead_port_and_unknown_nodes_are_named(tor_network: TorNetwork) -> None:
    with pytest.raises(DroplineError, match="nothing answers"):
        tor_network.publish(free_ports(1)[0])
    with pytest.raises(DroplineError, match="relay3"):
        tor_network.kill("relay9")
    with (
        ControlConnection(tor_network.control_port("client"), tor_network.cookie_file("client")) as control,
        pytest.raises(DroplineError, match="refused the control command NONSENSE"),
    ):
        control.ask("NONSENSE")


def test_a_stopped_network_says_so() -> None:
    network = TorNetwork()
    with pytest.raises(DroplineError, match="not running"):
        _ = network.socks_address
    network.stop()


def test_missing_tor_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("monitor.demo.tor_network.SYSTEM_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DroplineError, match=r"tor was not found\. .*apt-get install tor"):
        find_tor()


_PARENT = """
import subprocess, sys, tempfile, time
from pathlib import Path
from monitor.demo.process_group import ProcessGroup
folder = Path(tempfile.mkdtemp(prefix="dropline-group-"))
group = ProcessGroup(folder)
children = [group.spawn(["sleep", "300"], log=folder / "log") for _ in range(2)]
children.append(group.spawn(["sh", "-c", "sleep 300 & echo $!; wait"], log=folder / "pid"))
while not (folder / "pid").read_text().strip():
    time.sleep(0.01)
print(folder, *(child.pid for child in children), (folder / "pid").read_text().strip(), flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_children_die_with_the_parent_however_it_dies(how: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        folder, *pids = parent.stdout.readline().split()
        assert len(pids) == 4
        assert all(_is_running(int(pid)) for pid in pids)
        parent.send_signal(how)
    _wait_until(lambda: not any(_is_running(int(pid)) for pid in pids) and not Path(folder).exists())


def test_a_closed_group_leaves_no_grandchild(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    group = ProcessGroup(folder)
    group.spawn(["sh", "-c", f"sleep 300 & echo $! > {tmp_path}/pid; wait"], log=tmp_path / "log")
    _wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip() != "")
    grandchild = int((tmp_path / "pid").read_text())
    assert _is_running(grandchild)
    group.close()
    group.close()
    _wait_until(lambda: not _is_running(grandchild))
    assert not folder.exists()


# killed in the midst of its start: the pids are told as soon as the last process is there
_TOR_PARENT = """
import threading, time
from monitor.demo.tor_network import NODES, TorNetwork
network = TorNetwork()
threading.Thread(target=network.start, daemon=True).start()
while not all(name in network._nodes and network.is_alive(name) for name in NODES):
    time.sleep(0.05)
print(*(network._nodes[name].process.pid for name in NODES), flush=True)
time.sleep(300)
"""


def test_no_tor_outlives_its_parent(tor_network: TorNetwork) -> None:
    with subprocess.Popen([sys.executable, "-c", _TOR_PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == len(NODES)
        assert all(_is_running(pid) for pid in pids)
        parent.kill()
    _wait_until(lambda: not any(_is_running(pid) for pid in pids))


def test_elasticsearch_answers_and_keeps_what_it_is_given(elastic_url: str, elastic_prefix: str) -> None:
    assert _ask(elastic_url, "GET", "/_cluster/health")["status"] in {"green", "yellow"}
    _ask(elastic_url, "PUT", f"/{elastic_prefix}a", {"mappings": {"dynamic": "strict"}})
    refused = _ask(elastic_url, "POST", f"/{elastic_prefix}a/_doc", {"unknown": 1}, expect=400)
    assert "strict_dynamic_mapping_exception" in json.dumps(refused)


def _make_java_home(folder: Path, version: str, modules: str = "java.base jdk.jlink") -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").touch(mode=0o755)
    (folder / "release").write_text(f'JAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return folder


@pytest.mark.parametrize(("version", "major"), [("21", 21), ("21.0.4", 21), ("25.0.3", 25)])
def test_a_new_enough_jdk_is_taken(tmp_path: Path, version: str, major: int) -> None:
    old, new = _make_java_home(tmp_path / "old", "1.8.0_392"), _make_java_home(tmp_path / "new", version)
    jdk = find_jdk({"ES_JAVA_HOME": str(old), "JAVA_HOME": str(new)})
    assert (jdk.home, jdk.major) == (new, major)


def test_what_is_wrong_with_each_java_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.demo.elastic_fetch.JAVA_FOLDERS", (f"{tmp_path}/found/*",))
    reduced = _make_java_home(tmp_path / "reduced", "25", "java.base")
    old = _make_java_home(tmp_path / "found" / "old", "17.0.15")
    with pytest.raises(DroplineError) as caught:
        find_jdk({"ES_JAVA_HOME": str(reduced), "JAVA_HOME": str(tmp_path / "none"), "PATH": str(tmp_path)})
    text = str(caught.value)
    assert f"ES_JAVA_HOME ({reduced}): is a reduced runtime" in text
    assert f"JAVA_HOME ({tmp_path / 'none'}): has no readable" in text
    assert f"found ({old}): version 17 is too old" in text
    assert "set ES_JAVA_HOME" in text


def test_no_cache_and_no_maven_is_an_error_with_a_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = elastic_main(["--fetch"], {"DROPLINE_CACHE": str(tmp_path), "PATH": str(tmp_path)})
    output = capsys.readouterr()
    assert (code, output.out) == (1, "")
    assert "make elasticsearch" in output.err


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_a_missing_server_skips_on_a_laptop_and_fails_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    environment = os.environ | {"CI": ci, "DROPLINE_CACHE": str(tmp_path), "PATH": str(tmp_path)}
    here = f"{Path(__file__)}::{test_elasticsearch_answers_and_keeps_what_it_is_given.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", here],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert outcome in done.stdout.splitlines()[-1]
    assert "Elasticsearch" in done.stdout  # the reason is shown
    assert (done.returncode == 0) == (ci == "")


def _is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie (an orphan's zombie waits for init)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(") ")[2][0] != "Z"


def _wait_until(condition: object, seconds: float = 15.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)


def _ask(url: str, method: str, path: str, body: object = None, *, expect: int = 200) -> dict[str, object]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        payload = None if body is None else json.dumps(body)
        connection.request(method, path, payload, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer: dict[str, object] = json.loads(response.read())
        assert response.status == expect, answer
        return answer
    finally:
        connection.close()
