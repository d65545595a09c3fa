"""Apprise's objects, made from its addresses. Loading Apprise costs 0.5 s and 30 MB, so it happens at first use."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apprise import NotifyBase
    from apprise.plugins.email.base import NotifyEmail


LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def load_plugin(address: str) -> NotifyBase:
    """Apprise's object for an address. Raises ValueError, without the address in its message."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its mail plugin imports imghdr
        from apprise import Apprise, AppriseAsset, NotifyBase
        from apprise.exception import AppriseException

        quieten()
        asset = AppriseAsset(
            app_id="Dropline",
            app_desc="Dropline alerts",
            app_url="",
            image_url_mask="",  # its logo would be fetched from a server of its own
            image_url_logo="",
            http_redirects=False,
        )
        try:
            plugin = Apprise.instantiate(address, asset=asset, suppress_exceptions=False)
        except (AppriseException, TypeError, ValueError):
            plugin = None
    if isinstance(plugin, NotifyBase):
        return plugin
    if address.lower().startswith("mailto"):
        raise ValueError("a mail address has a sender and recipients: mailtos://HOST?from=me@x.org&to=you@x.org")
    raise ValueError("Apprise cannot read this address; its documentation has the form for each service")


def quieten() -> None:
    """Keeps Apprise's log to itself: it quotes addresses, and with them passwords."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def mail_plugin(plugin: NotifyBase) -> NotifyEmail:
    """`plugin` as the mail plugin that it is."""
    from apprise.plugins.email.base import NotifyEmail

    assert isinstance(plugin, NotifyEmail)
    return plugin


def check_mail_address(plugin: NotifyEmail) -> None:
    """Raises ValueError for what of a mail address would be left undone."""
    if not plugin.targets:
        raise ValueError("this mail address names no recipient (add ?to=person@example.org)")
    if plugin.pgp_mode != "no" or plugin.headers:
        raise ValueError("pgp and headers of one's own are not supported in a mail address")
    if plugin.password and plugin.secure_mode == "insecure" and plugin.smtp_host not in LOOPBACK:
        raise ValueError("mailto:// would send the password in the clear; use mailtos://")
