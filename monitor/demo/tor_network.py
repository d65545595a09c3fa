"""A real, private Tor network on loopback: real onion services for the demo and the tests.

One directory authority, four relays, one host of onion services, one client: seven processes of the ordinary `tor`
binary, about 150 MB and 10-20 s until the first onion service answers. A rendezvous wants four routers; the fifth is
for the moments in which one of them has just changed its descriptor, and a host that knows but three gives a rendezvous
up without a word. Nothing but 127.0.0.1 is listened on or dialled. Source: chutney, tor(1) "TESTING NETWORK OPTIONS".
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from config.errors import DroplineError
from monitor.demo.process_group import ProcessGroup
from monitor.demo.tor_control import ControlConnection

LOOPBACK = "127.0.0.1"
TRY_SECONDS = 10.0  # a rendezvous takes less than one
SYSTEM_PATH = "/usr/sbin:/sbin"  # where Debian puts tor: not on an ordinary user's PATH
NODES = ("authority", "relay1", "relay2", "relay3", "relay4", "host", "client")

# FetchDirInfo*: without them clients ask relays which do not have the descriptors yet, and wait for the next consensus
# (17-36 s by luck). Vanguards are off because four routers are too few for them; never off outside a private network.
# The voting interval stands in every node: it sets the time period of onion descriptors.
_COMMON = """\
TestingTorNetwork 1
AssumeReachable 1
PathsNeededToBuildCircuits 0.95
FetchDirInfoEarly 1
FetchDirInfoExtraEarly 1
VanguardsLiteEnabled 0
MaxMemInQueues 256 MB
NumCPUs 1
ShutdownWaitLength 0
AvoidDiskWrites 1
RunAsDaemon 0
TestingV3AuthInitialVotingInterval 5
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 10
V3AuthVoteDelay 2
V3AuthDistDelay 2
CookieAuthentication 1
"""
_ROUTER = "Address 127.0.0.1\nSocksPort 0\nExitRelay 0\nExitPolicy reject *:*\nContactInfo none@invalid\n"
_AUTHORITY = """\
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
V3AuthNIntervalsValid 3
"""
_EDGE = "ConnectionPadding 0\nCircuitPadding 0\n"


@dataclass
class _Node:
    name: str
    folder: Path
    control_port: int
    or_port: int
    extra_port: int  # DirPort of the authority, SocksPort of the client
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "tor.log"


@dataclass(frozen=True)
class _Onion:
    local_port: int
    key: str


class TorNetwork:
    """Context manager over the network. All waits end at `timeout` seconds with a DroplineError."""

    def __init__(self, *, timeout: float = 120.0) -> None:
        self.timeout = timeout
        self._group: ProcessGroup | None = None
        self._tor = "tor"
        self._nodes: dict[str, _Node] = {}
        self._onions: dict[str, _Onion] = {}

    def __enter__(self) -> TorNetwork:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def socks_address(self) -> str:
        """`127.0.0.1:PORT` of the client's SOCKS5 port: onion addresses only, circuits apart per user and password."""
        return f"{LOOPBACK}:{self._node('client').extra_port}"

    def control_port(self, name: str) -> int:
        """Control port of one of NODES (for stem, say); its cookie is `cookie_file(name)`."""
        return self._node(name).control_port

    def cookie_file(self, name: str) -> Path:
        """Authentication cookie of the control port of one of NODES."""
        return self._node(name).folder / "control_auth_cookie"

    def start(self) -> None:
        """Bring the network up; returns when host and client are bootstrapped. Raises DroplineError."""
        if self._group is not None:
            raise DroplineError("this Tor network is already running.")
        binaries = find_tor()
        for attempt in (1, 2, 3):
            try:
                self._bring_up(*binaries)
                return
            except _PortTaken as error:  # a port was free when we looked and is not any more
                self.stop()
                if attempt == 3:
                    raise DroplineError(str(error)) from error
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End all nodes and remove their files. Safe to call twice."""
        if self._group is not None:
            self._group.close()
        self._group = None
        self._nodes = {}
        self._onions = {}

    def publish(self, local_port: int, *, key: str = "NEW:ED25519-V3") -> str:
        """Make the server on 127.0.0.1:`local_port` an onion service, port 80; returns its address `….onion`.

        Waits until a connection from the client gets through. `key` as in ADD_ONION. Raises DroplineError.
        """
        if not _answers(local_port):
            raise DroplineError(
                f"nothing answers on {LOOPBACK}:{local_port}, so it cannot become an onion service.",
                remedy="Start the server first.",
            )
        deadline = time.monotonic() + self.timeout
        with self._control("host") as control:
            control.ask("SETEVENTS HS_DESC")
            reply = control.ask(f"ADD_ONION {key} Flags=Detach Port=80,{LOOPBACK}:{local_port}")
            fields = dict(line.split("=", 1) for line in reply if "=" in line)
            service = fields["ServiceID"]
            # A client that asks before the descriptor is uploaded waits out a whole re-query period.
            try:
                while not re.match(rf"HS_DESC UPLOADED {service}\b", control.wait_event(deadline)):
                    pass
            except TimeoutError as error:
                raise self._failure("the onion service's descriptor was not uploaded in time", "host") from error
        address = f"{service}.onion"
        self._onions[address] = _Onion(local_port, fields.get("PrivateKey", key))
        self.wait_reachable(address, deadline=deadline)
        return address

    def unpublish(self, address: str) -> None:
        """Take an onion service down. Raises DroplineError for one that was not published here."""
        if self._onions.pop(address, None) is None:
            raise DroplineError("no such onion service was published by this network.")
        with self._control("host") as control:
            control.ask(f"DEL_ONION {address.removesuffix('.onion')}")

    def wait_reachable(self, address: str, *, deadline: float | None = None) -> None:
        """Return when the client can connect to `address`, port 80. `deadline`: monotonic seconds. DroplineError."""
        end = time.monotonic() + self.timeout if deadline is None else deadline
        last, tries = "no try", 0
        while (left := end - time.monotonic()) > 0:
            # All connections of an identity wait for the same rendezvous, for minutes where the host gave it up: each
            # try is an identity of its own.
            user, tries = f"wait{tries}", tries + 1
            try:
                last = socks_connect(self.socks_address, address, 80, timeout=min(TRY_SECONDS, left), user=user)
            except OSError as error:
                last = str(error)
            if last == "succeeded":
                return
            time.sleep(0.2)
        raise self._failure(f"the onion service was not reachable in time (last answer: {last})", "client")

    def kill(self, name: str) -> None:
        """End one of NODES at once (SIGKILL), for fault tests."""
        node, group = self._node(name), self._running()
        if node.process is not None:
            group.end(node.process)
            node.process = None

    def restart(self, name: str) -> None:
        """Start one of NODES again (killing it if needed), on its old ports and keys; returns when it is bootstrapped.

        Onion services of the host come back under their old addresses, but for those whose server has gone meanwhile.
        """
        self.kill(name)
        self._spawn(self._node(name))
        self._wait_bootstrap(name, time.monotonic() + self.timeout)
        if name == "host":
            onions, self._onions = self._onions, {}
            for onion in onions.values():
                if _answers(onion.local_port):
                    self.publish(onion.local_port, key=onion.key)

    def is_alive(self, name: str) -> bool:
        """Whether the process of one of NODES runs."""
        process = self._node(name).process
        return process is not None and process.poll() is None

    def _bring_up(self, tor: str, gencert: str) -> None:
        root = Path(tempfile.mkdtemp(prefix="dropline-tor-"))
        self._group = ProcessGroup(root)
        self._tor = tor
        ports = iter(free_ports(3 * len(NODES)))
        for name in NODES:
            folder = root / name
            folder.mkdir(mode=0o700)
            self._nodes[name] = _Node(name, folder, next(ports), next(ports), next(ports))
        (root / "empty").touch()  # tor refuses /dev/null as a torrc; as GeoIP file it saves 35 MB a process
        authority_line = _make_authority(self._nodes["authority"], tor, gencert, root / "empty")
        for node in self._nodes.values():
            (node.folder / "torrc").write_text(_torrc(node, authority_line, root / "empty"))
            self._spawn(node)
        deadline = time.monotonic() + self.timeout
        for name in ("host", "client"):
            self._wait_bootstrap(name, deadline)

    def _spawn(self, node: _Node) -> None:
        command = [self._tor, "-f", str(node.folder / "torrc"), "--defaults-torrc", str(node.folder.parent / "empty")]
        node.process = self._running().spawn(command, log=node.log)

    def _wait_bootstrap(self, name: str, deadline: float) -> None:
        while time.monotonic() < deadline:
            for node in self._nodes.values():
                if node.process is not None and node.process.poll() is not None:
                    if "Address already in use" in node.log.read_text(errors="replace"):
                        raise _PortTaken(f"a port of the private Tor network ({node.name}) is in use.")
                    raise self._failure(f"tor ({node.name}) ended with code {node.process.returncode}", node.name)
            try:
                with self._control(name) as control:
                    if "PROGRESS=100" in control.ask("GETINFO status/bootstrap-phase")[0]:
                        return
            except (OSError, DroplineError):
                pass  # not listening yet, or its cookie is not (newly) written yet; the deadline bounds this
            time.sleep(0.1)
        raise self._failure(f"tor ({name}) did not bootstrap in {self.timeout:.0f} s", name)

    def _control(self, name: str) -> ControlConnection:
        return ControlConnection(self.control_port(name), self.cookie_file(name))

    def _running(self) -> ProcessGroup:
        if self._group is None:
            raise DroplineError("the private Tor network is not running.", remedy="Call start() first.")
        return self._group

    def _node(self, name: str) -> _Node:
        self._running()
        if name not in self._nodes:
            raise DroplineError(f"no Tor node named {name}.", remedy=f"There are: {', '.join(NODES)}.")
        return self._nodes[name]

    def _failure(self, message: str, name: str) -> DroplineError:
        log = self._nodes[name].log
        tail = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
        return DroplineError(f"{message}. Last words of tor ({name}):\n" + "\n".join(tail))


class _PortTaken(DroplineError):
    """A chosen port was taken by another process before tor could bind it."""


def _answers(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=5).close()
    except OSError:
        return False
    return True


def find_tor() -> tuple[str, str]:
    """Paths of `tor` and `tor-gencert`. Raises DroplineError saying how to get them."""
    found = [shutil.which(name) or shutil.which(name, path=SYSTEM_PATH) for name in ("tor", "tor-gencert")]
    if found[0] is None or found[1] is None:
        raise DroplineError(
            f"the program {'tor' if found[0] is None else 'tor-gencert'} was not found.",
            remedy="Install Tor: `make tor`, or `apt-get install tor` (Debian, Ubuntu), `dnf install tor` (Fedora), "
            "`brew install tor` (macOS), or see the installation pages of the Tor Project.",
        )
    return found[0], found[1]


def free_ports(count: int) -> list[int]:
    """`count` different TCP ports of 127.0.0.1 that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def socks_connect(proxy: str, host: str, port: int, *, timeout: float, user: str = "anyone") -> str:
    """Try one SOCKS5 CONNECT with the name resolved by the proxy; the answer in words (RFC 1928). Raises OSError.

    `timeout`: seconds for each step. `user`: the SOCKS identity (RFC 1929), circuits apart for each."""
    words = ["succeeded", "general failure", "not allowed", "network unreachable", "host unreachable", "refused"]
    proxy_host, _, proxy_port = proxy.rpartition(":")
    name = host.encode()
    with socket.create_connection((proxy_host, int(proxy_port)), timeout=timeout) as connection:
        connection.sendall(b"\x05\x01\x02")
        if connection.recv(2) != b"\x05\x02":
            return "the proxy takes no identity"
        connection.sendall(b"\x01" + bytes([len(user)]) + user.encode() + b"\x01-")
        if connection.recv(2) != b"\x01\x00":
            return "the proxy refuses the identity"
        connection.sendall(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + port.to_bytes(2, "big"))
        reply = connection.recv(4)
    if len(reply) < 2:
        return "closed"
    return words[reply[1]] if reply[1] < len(words) else f"SOCKS error {reply[1]}"


def _make_authority(node: _Node, tor: str, gencert: str, empty: Path) -> str:
    """Make the authority's keys; returns the DirAuthority line for every torrc."""
    keys = node.folder / "keys"
    keys.mkdir(mode=0o700)
    certificate = keys / "authority_certificate"
    files = ["-i", str(keys / "authority_identity_key"), "-s", str(keys / "authority_signing_key")]
    where = ["-c", str(certificate), "-m", "12", "-a", f"{LOOPBACK}:{node.extra_port}"]
    _run([gencert, "--create-identity-key", "--passphrase-fd", "0", *files, *where], stdin=b"private\n")
    identity = re.search(r"^fingerprint ([0-9A-F]{40})", certificate.read_text(), re.MULTILINE)
    # TestingTorNetwork wants some DirAuthority even for this; the one given is a placeholder.
    options = ["--TestingTorNetwork", "1", "--DirAuthority", f"x {LOOPBACK}:1 {'f' * 40}", "--SocksPort", "0"]
    options += ["--DataDirectory", str(node.folder), "--Nickname", node.name]
    options += ["--ORPort", f"{LOOPBACK}:{node.or_port}", "--Address", LOOPBACK]
    files = ["-f", str(empty), "--defaults-torrc", str(empty)]
    listed = _run([tor, "--list-fingerprint", "--quiet", *files, *options])
    fingerprint = re.search(r"(?:[0-9A-F]{4} ?){10}", listed)
    if identity is None or fingerprint is None:
        raise DroplineError("tor printed no fingerprint for the private directory authority.")
    return (
        f"DirAuthority {node.name} orport={node.or_port} no-v2 v3ident={identity[1]} "
        f"{LOOPBACK}:{node.extra_port} {fingerprint[0].replace(' ', '')}\n"
    )


def _run(command: list[str], *, stdin: bytes = b"") -> str:
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=True)  # noqa: S603
    except subprocess.CalledProcessError as error:
        raise DroplineError(f"{command[0]} failed: {error.stderr.decode(errors='replace').strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise DroplineError(f"{command[0]} did not end within 60 s.") from error
    return done.stdout.decode(errors="replace")


def _torrc(node: _Node, authority_line: str, empty: Path) -> str:
    text = _COMMON + authority_line
    text += f"DataDirectory {node.folder}\nGeoIPFile {empty}\nGeoIPv6File {empty}\nLog notice stdout\n"
    text += f"ControlPort {LOOPBACK}:{node.control_port}\n"
    if node.name == "host":
        return text + _EDGE + "SocksPort 0\n"
    if node.name == "client":
        return text + _EDGE + f"SocksPort {LOOPBACK}:{node.extra_port} IsolateSOCKSAuth OnionTrafficOnly\n"
    text += _ROUTER + f"Nickname {node.name}\nORPort {LOOPBACK}:{node.or_port} IPv4Only\n"
    if node.name == "authority":
        text += _AUTHORITY + f"DirPort {LOOPBACK}:{node.extra_port} IPv4Only\n"
    return text
