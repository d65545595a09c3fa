"""`DATA/users.yml`, mode 0600: who may log in to the dashboard, in which role. Passwords stand there as scrypt digests
(RFC 7914) and nowhere else.

    users:
      anna: {role: analyst, password: "scrypt:15:8:1:SALT:DIGEST"}
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from enum import StrEnum
from pathlib import Path

import yaml
from pydantic import Field, field_validator

from config.errors import UsageError
from config.yamlfile import load_yaml
from crawler.private_file import check_private, write_private
from extract.observation import Record

DOCS = "docs/dashboard.md"
LEAST_LENGTH = 10
"""Fewest characters of a password."""
MOST_LENGTH = 1_000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_COST, _BLOCK, _PARALLEL, _BYTES = 15, 8, 1, 32
"""32 MB and a tenth of a second an attempt."""


class Role(StrEnum):
    """What somebody may do, least first; each may do what those before may."""

    READER = "reader"
    ANALYST = "analyst"
    OPERATOR = "operator"

    def may(self, needed: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


class User(Record):
    """One entry of the file."""

    role: Role
    password: str = Field(repr=False)

    @field_validator("password")
    @classmethod
    def _is_digest(cls, value: str) -> str:
        _parts(value)
        return value


class Users(Record):
    """The file."""

    users: dict[str, User] = Field(default_factory=dict, max_length=1_000)


def users_path(data_dir: Path) -> Path:
    return data_dir / "users.yml"


def load_users(data_dir: Path) -> dict[str, User] | None:
    """The users by name; None where there is no file. UsageError for a broken file or one that others may read."""
    path = users_path(data_dir)
    try:
        check_private(path, "The list of users", ".")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"The file cannot be read ({error.strerror}).", file=path) from error
    return load_yaml(path, Users, docs=DOCS).users


def put_user(data_dir: Path, name: str, role: Role, password: str) -> None:
    """Adds a user, or gives one another role and password. UsageError for a name or password that is not taken."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no user name.",
            remedy="Use lower-case letters, digits, dots, hyphens and underscores; at most 64.",
        )
    if not LEAST_LENGTH <= len(password) <= MOST_LENGTH:
        raise UsageError(
            f"The password has fewer than {LEAST_LENGTH} characters or more than {MOST_LENGTH}.",
            remedy="Several words that do not belong together are easy to keep in mind and hard to guess.",
        )
    users = load_users(data_dir) or {}
    _write(data_dir, users | {name: User(role=role, password=digest(password))})


def remove_user(data_dir: Path, name: str) -> None:
    """UsageError where there is none of that name."""
    users = load_users(data_dir) or {}
    if name not in users:
        raise UsageError(f"There is no user {name!r}.", remedy=f"There are: {', '.join(sorted(users)) or 'none'}.")
    _write(data_dir, {key: user for key, user in users.items() if key != name})


def _write(data_dir: Path, users: dict[str, User]) -> None:
    content = {"users": {name: users[name].model_dump(mode="json") for name in sorted(users)}}
    write_private(users_path(data_dir), yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())


def digest(password: str, cost: int = _COST) -> str:
    """What is kept of a password: algorithm, cost (a power of two), block size, parallelism, salt and digest."""
    salt = secrets.token_bytes(16)
    made = _scrypt(password, salt, cost, _BLOCK, _PARALLEL, _BYTES)
    raw = (base64.b64encode(each).decode() for each in (salt, made))
    return ":".join(["scrypt", str(cost), str(_BLOCK), str(_PARALLEL), *raw])


def fits(password: str, kept: str) -> bool:
    """Whether it is the password; takes as long where it is not."""
    cost, block, parallel, salt, made = _parts(kept)
    return hmac.compare_digest(_scrypt(password, salt, cost, block, parallel, len(made)), made)


NOBODY = "scrypt:15:8:1:" + base64.b64encode(bytes(16)).decode() + ":" + base64.b64encode(bytes(32)).decode()
"""Compared with where there is no such user, so that the time taken does not tell who is one."""


def _parts(kept: str) -> tuple[int, int, int, bytes, bytes]:
    try:
        name, cost, block, parallel, salt, made = kept.split(":")
        numbers = int(cost), int(block), int(parallel)
        raw = base64.b64decode(salt, validate=True), base64.b64decode(made, validate=True)
    except (ValueError, binascii.Error):
        name, numbers, raw = "", (0, 0, 0), (b"", b"")
    if name != "scrypt" or not (10 <= numbers[0] <= 20 and 1 <= numbers[1] <= 16 and 1 <= numbers[2] <= 4 and all(raw)):
        raise ValueError("this is no digest of a password; set one with: dropline serve --add-user NAME") from None
    return *numbers, *raw


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int, length: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=1 << cost, r=block, p=parallel, dklen=length,
        maxmem=(1 << cost) * block * parallel * 130 + (1 << 21),
    )  # fmt: skip
