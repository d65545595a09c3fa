"""Who allowed a crawl: the operator's file `authorisations.yml`. Without a valid entry no market is crawled.

```yaml
markets:
  some-market:
    legal_basis: "…"          # the law or decision the crawl rests on
    approver: "…"             # who answers for it
    expires: 2027-06-30       # the last day
    addresses: ["…56 characters….onion"]
    cookies: {session: "…"}   # the operator's own session, where the market shows its pages only with one
```
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from config.errors import NotAuthorised
from config.yamlfile import load_yaml
from crawler.market import check_onion_address


class Authorisation(BaseModel):
    """One market's entry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    legal_basis: str = Field(min_length=3)
    approver: str = Field(min_length=2)
    expires: date
    addresses: tuple[str, ...] = ()
    cookies: dict[str, str] = Field(default_factory=dict, repr=False)

    @field_validator("addresses")
    @classmethod
    def _onions(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_onion_address(value) for value in values)


class Authorisations(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    markets: dict[str, Authorisation] = Field(default_factory=dict)


def check_authorised(market: str, file: Path, today: date) -> Authorisation:
    """The entry that allows crawling that market today.

    Raises NotAuthorised where there is none or it has expired, UsageError where the file is broken.
    """
    remedy = "Record legal_basis, approver, expires and addresses there (docs/crawling.md)."
    if not file.is_file():
        raise NotAuthorised(f"{market} is not authorised: there is no such file.", file=file, remedy=remedy)
    entry = load_yaml(file, Authorisations).markets.get(market)
    if entry is None:
        raise NotAuthorised(f"{market} is not authorised: it has no entry.", file=file, remedy=remedy)
    if entry.expires < today:
        raise NotAuthorised(
            f"The authorisation of {market} expired on {entry.expires}.", file=file, remedy="Have it renewed."
        )
    return entry
