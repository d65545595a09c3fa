"""Hydra: one price for all the places of a listing."""

from __future__ import annotations

from collections import Counter

from crawler.items import Offer, Page
from crawler.pages import PageObject
from crawler.select import Tree, text_of


class Pages(PageObject):
    """Page object of Hydra."""

    def build_offers(self, node: Tree, page: Page, unread: Counter[str]) -> tuple[Offer, ...] | None:
        """'от 3 690 руб / 2г' and a list of places. The price is the lowest of the listing: with several places it is
        not said which one it belongs to, so that it makes an offer of its own, and each place one without a price."""
        shown = node.xpath(".//span[@class='price']")
        price, _, quantity = text_of(shown[0]).removeprefix("от").strip().partition(" / ") if shown else ("", "", "")
        if not price:
            unread["offer.price"] += 1
        places = [text for text in map(text_of, node.xpath(".//ul[contains(@class, 'i_location')]/li")) if text]
        first = Offer(price=price or None, quantity=quantity or None, place=places[0] if len(places) == 1 else None)
        others = [Offer(place=place) for place in places] if len(places) > 1 else []
        return tuple(dict.fromkeys(offer for offer in (first, *others) if offer != Offer()))
