"""Hydra: one price for all the places of a listing."""

from __future__ import annotations

import re
from collections import Counter

from crawler.items import Offer, Page
from crawler.pages import PageObject
from crawler.select import Tree, text_of

_MORE = re.compile(r"\+? ?\d+|(?:и )?ещ[её]\b.*", re.IGNORECASE)
"""What stands for places that are not shown ('и ещё 5')."""


class Pages(PageObject):
    """Page object of Hydra."""

    def build_offers(self, node: Tree, page: Page, unread: Counter[str]) -> tuple[Offer, ...] | None:
        """'от 3 690 руб / 2г' and a list of places. The price is the lowest of the listing: with several places it is
        not said which one it belongs to, so that it makes an offer of its own, and each place one without a price."""
        shown = node.xpath(".//span[@class='price']")
        text = text_of(shown[0]).removeprefix("от") if shown else ""
        price, _, quantity = map(str.strip, text.partition("/"))
        if not price:
            unread["offer.price"] += 1
        stated = [text for text in map(text_of, node.xpath(".//ul[contains(@class, 'i_location')]/li")) if text]
        places = [text for text in stated if not _MORE.fullmatch(text)]
        single = len(stated) == 1
        first = Offer(price=price or None, quantity=quantity or None, place=places[0] if single and places else None)
        others = [] if single else [Offer(place=place) for place in places]
        return tuple(dict.fromkeys(offer for offer in (first, *others) if offer != Offer()))
