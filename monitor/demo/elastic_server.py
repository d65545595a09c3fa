"""The real Elasticsearch on loopback, for the tests and `make demo STORE=elasticsearch`.

Security is switched off, which only loopback and throw-away data allow; a real installation has its own cluster, to
which `--store` points. As a program: `python -m monitor.demo.elastic_server --help`.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from config.errors import DroplineError
from monitor.demo.elastic_fetch import Jdk, cached_elasticsearch, fetch_elasticsearch, find_jdk, unprivileged_user
from monitor.demo.process_group import ProcessGroup
from monitor.demo.tor_network import LOOPBACK, free_ports


@dataclass
class _Node:
    name: str
    folder: Path
    http_port: int
    transport_port: int
    process: subprocess.Popen[bytes] | None = None


class ElasticServer:
    """Context manager over a throw-away server (or cluster of `nodes`) with its own data folder.

    `heap_mb`: MiB of heap for each node. `timeout`: seconds until cluster health must be yellow or green.
    `hasty` compiles less, for a server that lives a minute: quicker to start, slower later. `users`: name ->
    (password, role), made in a file; without any, security is off. `settings` replace or add lines of
    elasticsearch.yml. `environment`: PATH, ES_JAVA_HOME, JAVA_HOME, DROPLINE_CACHE are read from it. Raises
    DroplineError with a remedy.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        nodes: int = 1,
        heap_mb: int = 1024,
        timeout: float = 180.0,
        hasty: bool = False,
        users: Mapping[str, tuple[str, str]] | None = None,
        settings: Mapping[str, str] | None = None,
        report: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.timeout = timeout
        self._environment = environment
        self._count = nodes
        self._heap_mb = heap_mb
        self._hasty = hasty
        self._users = dict(users or {})
        self._extra = dict(settings or {})
        self._report = report
        self._start: Callable[[_Node], None] = lambda node: None
        self._group: ProcessGroup | None = None
        self._nodes: list[_Node] = []

    def __enter__(self) -> ElasticServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT` of the first node."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        """`http://127.0.0.1:PORT` of every node."""
        if self._group is None:
            raise DroplineError("this Elasticsearch is not running.", remedy="Call start() first.")
        return [f"http://{LOOPBACK}:{node.http_port}" for node in self._nodes]

    def start(self) -> None:
        """Start and wait for cluster health of all nodes."""
        if self._group is not None:
            raise DroplineError("this Elasticsearch is already running.")
        jdk = find_jdk(self._environment)
        home = fetch_elasticsearch(self._environment, self._report)
        owner = unprivileged_user(home, jdk.home, Path(tempfile.gettempdir()))
        for attempt in (1, 2, 3):
            try:
                self._bring_up(home, jdk, owner)
                return
            except DroplineError as error:
                self.stop()
                # a port was free when we looked and is not any more
                if attempt == 3 or "BindException" not in str(error):
                    raise
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End the server and remove its data. Safe to call twice."""
        if self._group is not None:
            self._group.close(grace=5.0)
        self._group = None
        self._nodes = []

    def kill(self, number: int) -> None:
        """End node `number` (from 0) at once (SIGKILL), for fault tests of a cluster."""
        process = self._nodes[number].process
        if self._group is None or process is None:
            raise DroplineError("this node is not running.")
        # The server is a child of the launcher that we started, and may outlive it. (Seen through /proc: Linux only.)
        for child in _children(process.pid):
            os.kill(child, 9)
        self._group.end(process)
        self._nodes[number].process = None

    def restart(self, number: int) -> None:
        """Start a killed node again on its data and ports; returns when all nodes are together again."""
        node = self._nodes[number]
        if self._group is None or node.process is not None:
            raise DroplineError("this node was not killed.")
        self._start(node)
        self._wait_healthy(self._group.folder)

    def _bring_up(self, home: Path, jdk: Jdk, owner: tuple[int, int] | None) -> None:
        root = Path(tempfile.mkdtemp(prefix="dropline-es-"))
        root.chmod(0o755)
        self._group = ProcessGroup(root)
        ports = iter(free_ports(2 * self._count))
        self._nodes = [_Node(f"node{n}", root / f"node{n}", next(ports), next(ports)) for n in range(self._count)]
        for node in self._nodes:
            for name in ("data", "logs", "tmp"):
                (node.folder / name).mkdir(parents=True)
            # A config folder of its own, always fresh: a keystore left from another start makes this one fail.
            shutil.copytree(home / "config", node.folder / "config", ignore=shutil.ignore_patterns("*.keystore"))
            (node.folder / "config" / "elasticsearch.yml").write_text(self._settings(node))
            if owner is not None:
                for path in (node.folder, *node.folder.rglob("*")):
                    os.chown(path, *owner)
            for name, (password, role) in self._users.items():
                self._run_tool(home, jdk, node, owner, ["useradd", name, "-p", password, "-r", role])
        group = self._group

        def start(node: _Node) -> None:
            node.process = group.spawn(
                [str(home / "bin" / "elasticsearch")],
                log=root / f"{node.name}.log",
                env=self._node_environment(jdk, node),
                cwd=node.folder,
                user=None if owner is None else owner[0],
                group=None if owner is None else owner[1],
            )

        self._start = start
        for node in self._nodes:
            start(node)
        self._wait_healthy(root)

    def _node_environment(self, jdk: Jdk, node: _Node) -> dict[str, str]:
        return {
            "PATH": self._environment.get("PATH", os.defpath),
            "HOME": str(node.folder),
            "ES_JAVA_HOME": str(jdk.home),
            "ES_PATH_CONF": str(node.folder / "config"),
            "ES_TMPDIR": str(node.folder / "tmp"),
            "ES_JAVA_OPTS": f"-Xms{self._heap_mb}m -Xmx{self._heap_mb}m"
            + (" -XX:TieredStopAtLevel=1" if self._hasty else ""),
        }

    def _run_tool(
        self, home: Path, jdk: Jdk, node: _Node, owner: tuple[int, int] | None, arguments: list[str]
    ) -> None:
        done = subprocess.run(  # noqa: S603
            [str(home / "bin" / "elasticsearch-users"), *arguments],
            env=self._node_environment(jdk, node) | {"ES_JAVA_OPTS": ""},
            cwd=node.folder, capture_output=True, text=True, timeout=60, check=False,
            user=None if owner is None else owner[0], group=None if owner is None else owner[1],
            extra_groups=None if owner is None else [])
        if done.returncode != 0:
            raise DroplineError(f"elasticsearch-users failed: {(done.stdout + done.stderr).strip()[-500:]}")

    def _settings(self, node: _Node) -> str:
        lines = [
            "cluster.name: dropline",
            f"node.name: {node.name}",
            f"path.data: {node.folder / 'data'}",
            f"path.logs: {node.folder / 'logs'}",
            f"network.host: {LOOPBACK}",
            f"http.port: {node.http_port}",
            f"transport.port: {node.transport_port}",
            f"xpack.security.enabled: {str(bool(self._users)).lower()}",
            "xpack.security.autoconfiguration.enabled: false",
            # A nearly full disk must not turn a test's index read-only.
            "cluster.routing.allocation.disk.threshold_enabled: false",
            # Tests remove what they made by a prefix.
            "action.destructive_requires_name: false",
        ]
        if self._count == 1:
            lines.append("discovery.type: single-node")
        else:
            seeds = [f"{LOOPBACK}:{each.transport_port}" for each in self._nodes]
            lines.append(f"discovery.seed_hosts: {json.dumps(seeds)}")
            lines.append(f"cluster.initial_master_nodes: {json.dumps([each.name for each in self._nodes])}")
        kept = [line for line in lines if line.partition(":")[0] not in self._extra]
        return "\n".join([*kept, *(f"{name}: {value}" for name, value in self._extra.items())]) + "\n"

    def _wait_healthy(self, root: Path) -> None:
        deadline = time.monotonic() + self.timeout
        while time.monotonic() < deadline:
            for node in self._nodes:
                if node.process is not None and node.process.poll() is not None:
                    code = node.process.returncode
                    raise _failure(f"Elasticsearch ended with code {code}", root / f"{node.name}.log")
            user = next(((name, password) for name, (password, _) in self._users.items()), None)
            if all(_is_healthy(node.http_port, self._count, user) for node in self._nodes):
                return
            time.sleep(0.25)
        log = root / f"{self._nodes[0].name}.log"
        raise _failure(f"Elasticsearch was not healthy within {self.timeout:.0f} s", log)


def _is_healthy(port: int, nodes: int, user: tuple[str, str] | None = None) -> bool:
    # http.client and not a proxy-aware opener: this never leaves loopback
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        token = None if user is None else base64.b64encode(":".join(user).encode()).decode()
        connection.request(
            "GET", f"/_cluster/health?wait_for_status=yellow&wait_for_nodes={nodes}&timeout=2s",
            headers={} if token is None else {"Authorization": f"Basic {token}"})
        response = connection.getresponse()
        response.read()
        return response.status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in path.read_text().split()] if path.exists() else []


def _failure(message: str, log: Path) -> DroplineError:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    # the cause stands in an exception's first lines, the stack below it says nothing to a reader
    tail = [line for line in lines if not line.lstrip().startswith(("at ", "...", "\"at "))][-12:]
    return DroplineError(f"{message}. Its last words:\n" + "\n".join(tail))


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Run a COMMAND beside a throw-away Elasticsearch ({url} in it is replaced), or see to what that needs."""
    parser = argparse.ArgumentParser(prog="python -m monitor.demo.elastic_server", description=main.__doc__)
    parser.add_argument("--print-jdk", action="store_true", help="print the folder of the JDK to be used")
    parser.add_argument("--cached", action="store_true", help="print its folder if it was fetched, else exit code 1")
    parser.add_argument("--fetch", action="store_true", help="fetch the server if needed, print its folder")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="run beside a server; try -- CMD")
    options = parser.parse_args(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not (options.print_jdk or options.cached or options.fetch or command):
        parser.error("nothing to do: give --print-jdk, --cached, --fetch or a command")

    def report(message: str) -> None:
        sys.stderr.write(f"{message}\n")

    try:
        if options.print_jdk:
            sys.stdout.write(f"{find_jdk(environment).home}\n")
        if options.cached:
            home = cached_elasticsearch(environment)
            if home is None:
                return 1
            sys.stdout.write(f"{home}\n")
        if options.fetch:
            sys.stdout.write(f"{fetch_elasticsearch(environment, report)}\n")
        if command:
            with ElasticServer(environment, report=report) as server:
                filled = [part.replace("{url}", server.url) for part in command]
                return subprocess.run(filled, check=False).returncode  # noqa: S603
    except DroplineError as error:
        report(f"Error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
