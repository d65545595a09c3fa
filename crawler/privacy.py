"""The guard between what a market shows and what is kept: it runs before anything is written.

`mask` takes out of a text whatever points at a person; `Masker` does it for a whole Listing and turns the vendor into a
keyed pseudonym. Substances, strains, prices and quantities stay.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from config.errors import InputError, UsageError
from config.remedies import of_system
from crawler.items import Listing, Offer, digest_id
from crawler.privacy_clues import read_clues
from crawler.privacy_patterns import find_hits
from crawler.privacy_views import build_view, find_name, fold
from crawler.private_file import check_private

CLASSES = ("email", "handle", "phone", "wallet", "onion", "pgp", "coordinates", "link", "vendor")
"""What a masked stretch is replaced by: `[email]`, `[handle]`, …"""
KEY_BYTES = 32
_PSEUDONYM = re.compile(r"[0-9a-f]{8}:[0-9a-f]{16,64}")
_DIGITS = 20
_PLACEHOLDER = re.compile(rf"(\[(?:{'|'.join(CLASSES)})\])")
_ROUNDS = 6
_CACHED_LENGTH = 400
_SHORT = 60


def mask(text: str, vendor: str | None = None) -> str:
    """`text` with every e-mail, messenger handle, phone, wallet, onion link, PGP block, exact position, link and (where
    given) the vendor's own name replaced by its class in brackets, in Latin and Cyrillic and in disguise.

    Idempotent. Never raises. A `vendor` that is a pseudonym already names nobody and is not searched for.
    """
    if vendor is not None and (not vendor.strip() or is_pseudonym(vendor)):
        vendor = None
    return _mask(text, vendor)


def _mask(text: str, vendor: str | None) -> str:
    return _mask_short(text, vendor) if len(text) <= _SHORT else _mask_rounds(text, vendor)


def _mask_rounds(text: str, vendor: str | None) -> str:
    # what follows a masked stretch may stand free now: repeat until nothing changes, which makes it idempotent
    for _ in range(_ROUNDS):
        if "[" not in text:
            masked = _mask_part(text, vendor)
        else:
            parts = _PLACEHOLDER.split(text)
            masked = "".join(part if index % 2 else _mask_part(part, vendor) for index, part in enumerate(parts))
        if masked == text:
            break
        text = masked
    return text


def _mask_part(text: str, vendor: str | None) -> str:
    if len(text) < 3:
        return text
    spans = _look_cached(text) if len(text) <= _CACHED_LENGTH else _look(text)
    if vendor is not None and (named := find_name(text, vendor)):
        spans = (*spans, *((start, end, "vendor") for start, end in named))
    if not spans:
        return text
    kept: list[tuple[int, int, str]] = []
    covered: set[int] = set()
    for start, end, name in spans:  # the surest class first
        if covered.isdisjoint(range(start, end)):
            covered.update(range(start, end))
            kept.append((start, end, name))
    pieces: list[str] = []
    place = 0
    for start, end, name in sorted(kept):
        pieces += (text[place:start], f"[{name}]")
        place = end
    return "".join((*pieces, text[place:]))


def _look(text: str) -> tuple[tuple[int, int, str], ...]:
    """What points at a person, whoever sells: (start, end, class), the surest first."""
    folded = fold(text)
    view = build_view(text, folded)
    return tuple((*view.span(start, end), name) for name, start, end in find_hits(view, read_clues(view.text)))


# prices, quantities and places come again and again, whoever sells, and most often from the same
_look_cached = lru_cache(maxsize=8_192)(_look)
_mask_short = lru_cache(maxsize=16_384)(_mask_rounds)


def is_pseudonym(text: str) -> bool:
    """Whether `text` is a vendor's pseudonym (`kid:hex`), not a name."""
    return _PSEUDONYM.fullmatch(text) is not None


def pseudonym(market: str, name: str, key: bytes, kid: str) -> str:
    """`kid:hex`, hex being the first 20 digits of HMAC-SHA256(key, market + NUL + NFKC-casefold(name))."""
    folded = unicodedata.normalize("NFKC", name).casefold().strip()
    message = f"{market}\0{folded}".encode("utf-8", "surrogatepass")
    return f"{kid}:{hmac.new(key, message, hashlib.sha256).hexdigest()[:_DIGITS]}"


def build_kid(key: bytes) -> str:
    """Short id of a key: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:8]


def load_or_make_key(path: Path) -> tuple[str, bytes]:
    """The vendor key in `path` as (kid, 32 bytes). At first use 32 random bytes are put there, mode 0600, atomically:
    of several processes that start at once all get the same key.

    Raises UsageError where others may read the file, where it is no key, or where it cannot be read or made;
    InputError where that is the disk's fault.
    """
    try:
        if not path.exists():
            _make_key(path)
        check_private(path, "The vendor key", ". If others had access, make a new key: pseudonyms then change.")
        content = path.read_bytes()
    except OSError as error:
        remedy = of_system(error)  # a full disk is no wrong use
        kind = UsageError if remedy is None else InputError
        raise kind(
            f"The vendor key cannot be read or made: {error.strerror or error}.",
            file=path,
            remedy=remedy or "Check the folder and its rights, or name another file with DROPLINE_KEY_FILE.",
        ) from error
    key = _decode_key(content)
    if key is None:
        raise UsageError(
            f"This is no vendor key: it must hold {KEY_BYTES} bytes, or their {2 * KEY_BYTES} hex digits.",
            file=path,
            remedy="Restore it from a backup, or move it away to have a new one made (pseudonyms then change).",
        )
    return build_kid(key), key


def _decode_key(content: bytes) -> bytes | None:
    if len(content) == KEY_BYTES:
        return content
    stripped = content.strip()
    if len(stripped) == 2 * KEY_BYTES and re.fullmatch(rb"[0-9a-fA-F]+", stripped):
        return bytes.fromhex(stripped.decode("ascii"))
    return None


def _make_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename it never replaces the key another process has just made
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)


class Masker:
    """Masks whole listings with one vendor key. `kid` is the key's short id (`build_kid`).

    `remember`: up to how many characters of listings' texts are kept with what they became, for a process that sees
    several crawls of a market: most texts come again.
    """

    def __init__(self, kid: str, key: bytes, *, remember: int = 0) -> None:
        self.kid, self._key = kid, key
        self._free = remember
        self._known: dict[tuple[str, str], str] = {}
        self._masked: dict[tuple[str | None, _Texts], _Texts] = {}

    def pseudonym(self, market: str, name: str) -> str:
        """The vendor's pseudonym; a pseudonym is returned as it is."""
        if is_pseudonym(name):
            return name
        known = self._known.get((market, name))
        if known is None:
            known = self._known[market, name] = pseudonym(market, name, self._key, self.kid)
        return known

    def mask_listing(self, listing: Listing) -> Listing:
        """The listing as it may be written: the vendor a pseudonym, its name and whatever points at a person out of
        every text. The listing's id is hashed (without the key) where it holds the name or an address. Idempotent."""
        vendor = listing.vendor or None
        if vendor is not None and (not vendor.strip() or is_pseudonym(vendor)):
            vendor = None
        masked = self._mask_texts(_Texts._make(_read_texts(listing)), vendor)
        return listing.model_copy(
            update={
                **masked._asdict(),
                "listing": _mask_id(listing.market, listing.listing, vendor),
                "vendor": None if not listing.vendor else self.pseudonym(listing.market, listing.vendor),
                "offers": tuple([_mask_offer(offer, vendor) for offer in listing.offers]),
            }
        )

    def _mask_texts(self, texts: _Texts, vendor: str | None) -> _Texts:
        known = self._masked.get((vendor, texts))
        if known is None:
            known = _Texts._make([_mask_all(text, vendor) for text in texts])
            size = 2 * (len(texts.title) + len(texts.description)) + 1_000  # the short ones and the entry itself
            if size <= self._free:  # of a market larger than that a part is better than the latest
                self._free -= size
                self._masked[vendor, texts] = known
        return known


class _Texts(NamedTuple):
    """The texts of a listing that belong to no offer."""

    title: str
    description: str
    category: tuple[str, ...]
    ships_from: str | None
    ships_to: tuple[str, ...]
    ships_except: tuple[str, ...]
    shipping: tuple[str, ...]


_read_texts = attrgetter(*_Texts._fields)


def _mask_all(texts: str | tuple[str, ...] | None, vendor: str | None) -> str | tuple[str, ...] | None:
    if isinstance(texts, tuple):
        return tuple([_mask(text, vendor) for text in texts])
    return texts and _mask(texts, vendor)


def _mask_offer(offer: Offer, vendor: str | None) -> Offer:
    texts = {name: getattr(offer, name) for name in ("price", "quantity", "place", "stash")}
    masked = {name: text and _mask(text, vendor) for name, text in texts.items()}
    return offer if masked == texts else offer.model_copy(update=masked)


_ID_TELLS = re.compile(r"@|t\.me/|\.onion", re.IGNORECASE)


def _mask_id(market: str, listing: str, vendor: str | None) -> str:
    """An id is only hashed where it tells something: digits are no phone here, a digest no wallet."""
    if (vendor is not None and find_name(listing, vendor)) or _ID_TELLS.search(listing):
        return digest_id("listing", market, listing)
    return listing
