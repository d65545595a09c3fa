"""Encryption at rest in the age format (https://age-encryption.org/v1): the `age` tool reads what is written here.

The crawler knows the public key alone (`age_recipient`): what it has written it cannot read again. The secret key
(`age-keygen`, a file of mode 0600) is given where archives are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pyrage  # type: ignore[import-untyped]
from pyrage import x25519

from config.errors import InputError, UsageError
from crawler.private_file import check_private

Recipient: TypeAlias = x25519.Recipient
"""A public key."""
Identities: TypeAlias = Sequence[x25519.Identity]
"""Secret keys."""
SUFFIX = ".age"


def parse_recipient(text: str) -> Recipient:
    """The public key `age1…`. Raises UsageError."""
    try:
        return x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError as error:
        remedy = "Give age_recipient the public key that `age-keygen` shows: age1 and 58 characters."
        raise UsageError("This is no age public key.", remedy=remedy) from error


def load_identities(path: Path) -> Identities:
    """The secret keys in a file as `age-keygen` writes it. Raises UsageError where others may read the file, or where
    no key is in it; a key never stands in a message."""
    try:
        check_private(path, "The secret key", ", and make a new one if others had access.")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("The secret key cannot be read.", file=path, remedy="Check the path.") from error
    keys = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                keys.append(x25519.Identity.from_str(text))
            except pyrage.IdentityError as error:
                raise UsageError("This line is no age secret key.", file=path, line=number) from error
    if not keys:
        raise UsageError("There is no age secret key in it.", file=path, remedy="Make one: age-keygen -o FILE.")
    return keys


def encrypt(data: bytes, recipient: Recipient) -> bytes:
    """One age file."""
    return bytes(pyrage.encrypt(data, [recipient]))


def decrypt_file(path: Path, identities: Identities) -> bytes:
    """What an age file holds. Raises UsageError where no key fits it, InputError where it is damaged."""
    if not identities:
        remedy = "Give the secret key's file: --identity FILE, or age_identity in the settings."
        raise UsageError("This is encrypted.", file=path, remedy=remedy)
    try:
        return bytes(pyrage.decrypt(path.read_bytes(), list(identities)))
    except (pyrage.DecryptError, OSError) as error:
        if "matching keys" in str(error):
            remedy = "Give the key that belongs to the age_recipient of that time."
            raise UsageError("No given key opens this.", file=path, remedy=remedy) from error
        raise InputError(f"This cannot be decrypted ({error}).", file=path) from error
