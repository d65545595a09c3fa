"""Listed phrases in a text, found from their longest word.

A phrase is a sequence of NORMs. Each waits at one of its words, the longest, so that `доставка в день заказа` costs
nothing where `в` stands; from there its neighbours are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from extract.listing_doc import ListingDoc
from extract.vocabulary import Term


class _Phrase(NamedTuple):
    norms: tuple[str, ...]
    at: int
    """Where the word it waits at stands in it."""
    terms: list[Term]


class _Waiting(NamedTuple):
    """What waits at one word: the word itself, and phrases by the NORM of its neighbour, the one before it if it has
    one."""

    alone: list[Term]
    before: dict[str, list[_Phrase]]
    behind: dict[str, list[_Phrase]]


class Phrases:
    """`listed`: NORMs of a phrase and what it means. Phrases with the same NORMs mean all that is said of them."""

    def __init__(self, listed: Iterable[tuple[tuple[str, ...], Sequence[Term]]]) -> None:
        meanings: dict[tuple[str, ...], list[Term]] = {}
        for norms, terms in listed:
            if norms:
                known = meanings.setdefault(norms, [])
                known += [term for term in terms if term not in known]
        self.norms = {norm for norms in meanings for norm in norms}
        self._waiting: dict[str, _Waiting] = {}
        for norms, terms in meanings.items():
            longest = max(norms, key=len)
            at = norms.index(longest)
            waiting = self._waiting.setdefault(longest, _Waiting([], {}, {}))
            if len(norms) == 1:
                waiting.alone.extend(terms)
            elif at:
                waiting.before.setdefault(norms[at - 1], []).append(_Phrase(norms, at, terms))
            else:
                waiting.behind.setdefault(norms[1], []).append(_Phrase(norms, at, terms))

    @property
    def telling(self) -> Iterable[str]:
        """NORMs of the words that phrases wait at."""
        return self._waiting.keys()

    def find(self, doc: ListingDoc, tokens: Iterable[int]) -> list[tuple[int, int, list[Term]]]:
        """First token, the token behind the last, meanings. `tokens`: those whose NORM is `telling`."""
        widths: list[Any] = doc.widths
        last = len(widths) - 1
        found = []
        for token in tokens:
            alone, before, behind = self._waiting[widths[token].norm]
            if alone:
                found.append((token, token + 1, alone))
            if before and token and type(near := widths[token - 1]) is not int and near.norm in before:
                found += _standing(before[near.norm], widths, token)
            if behind and token < last and type(near := widths[token + 1]) is not int and near.norm in behind:
                found += _standing(behind[near.norm], widths, token)
        return found


def _standing(phrases: list[_Phrase], widths: list[Any], token: int) -> Iterator[tuple[int, int, list[Term]]]:
    """The phrases of which all words stand around the token that they wait at."""
    size = len(widths)
    for norms, at, terms in phrases:
        first, behind = token - at, token - at + len(norms)
        if first < 0 or behind > size:
            continue
        end = widths[behind - 1]  # most phrases (`2c-b`, `2c-e`) differ in their last word
        if type(end) is not int and end.norm == norms[-1] and all(
            type(width) is not int and width.norm == norm
            for width, norm in zip(widths[first:behind], norms, strict=True)
        ):
            yield first, behind, terms
