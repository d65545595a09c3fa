"""Health of the Tor client, by its control port: is it there, is it ready, new circuits. Read and steered by stem."""

from __future__ import annotations

import socket
import warnings
from dataclasses import dataclass

from stem import ControllerError, Signal
from stem.connection import AuthenticationFailure
from stem.control import Controller

from config.closing import Closing
from config.errors import DroplineError


class TorUnavailable(DroplineError):
    """The Tor client cannot be reached, or does not let us in."""


@dataclass(frozen=True, slots=True)
class TorStatus:
    """`bootstrapped` in percent; `circuits`: whether Tor says that it has working ones."""

    version: str
    bootstrapped: int
    summary: str
    circuits: bool

    @property
    def ready(self) -> bool:
        return self.bootstrapped == 100 and self.circuits


class TorControl(Closing):
    """A connection to the control port (`host:port`). Use as a context manager. Raises TorUnavailable."""

    def __init__(self, address: str, password: str | None = None) -> None:
        host, _, port = address.rpartition(":")
        remedy = "Start Tor with a ControlPort and CookieAuthentication 1."
        try:
            # asked first by hand: stem leaves its socket open where nobody answers
            with socket.create_connection((host or "127.0.0.1", int(port)), timeout=5):
                pass
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=r"setDaemon\(\) is deprecated")  # stem 1.8
                self._controller = Controller.from_port(host or "127.0.0.1", int(port))
        except (ControllerError, OSError, ValueError) as error:
            raise TorUnavailable(f"No Tor control port answers at {address} ({error}).", remedy=remedy) from error
        try:
            self._controller.authenticate(password=password)
        except (ControllerError, AuthenticationFailure) as error:
            self._controller.close()
            message = f"Tor at {address} refuses the control connection ({error})."
            raise TorUnavailable(message, remedy=remedy) from error

    def close(self) -> None:
        self._controller.close()

    def status(self) -> TorStatus:
        """What Tor says of itself now."""
        try:
            phase = str(self._controller.get_info("status/bootstrap-phase"))
            circuits = self._controller.get_info("status/circuit-established") == "1"
            version = str(self._controller.get_info("version"))
        except ControllerError as error:
            raise TorUnavailable(f"Tor does not answer ({error}).", remedy="Restart it.") from error
        parts = dict(part.split("=", 1) for part in phase.split(" ") if "=" in part)
        summary = phase.partition('SUMMARY="')[2].partition('"')[0]
        percent = parts.get("PROGRESS", "0")
        return TorStatus(version, int(percent) if percent.isdigit() else 0, summary, circuits)

    def new_identity(self) -> None:
        """New circuits for new connections (kept-alive connections stay on their old one: raise `Tor.epoch` too)."""
        try:
            self._controller.signal(Signal.NEWNYM)
        except ControllerError as error:
            raise TorUnavailable(f"Tor refuses a new identity ({error}).", remedy="Wait ten seconds.") from error
