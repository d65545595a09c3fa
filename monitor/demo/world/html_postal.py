"""Pages of the English postal market, as HTML text. Pure functions of the model's state; nothing is stored."""

from __future__ import annotations

import random
from collections.abc import Sequence
from html import escape

from monitor.demo.world import phrases_en as en
from monitor.demo.world.geography import write_country
from monitor.demo.world.html_stash import slug_of
from monitor.demo.world.records import ListingState, MarketDay, Vendor

PER_PAGE = 25
NAME = "Pigeon Post"
_HIDDEN = '<script>window.__state={"title":"Cocaine 1g $10"};</script>'
_COMMENT = "<!-- tpl: 5g heroin $20 ships from Norway -->"


def page(title: str, body: str, head: str = "") -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} | {NAME}</title>'
        f'{head}{_HIDDEN}</head><body><div id="top"><a href="/">{NAME}</a> <a href="/login">Sign in</a> '
        f'<a href="/listings">All listings</a></div>{_COMMENT}{body}'
        '<div id="foot">Escrow &middot; Rules &middot; Canary</div></body></html>\n'
    )


def _menu(day: MarketDay) -> str:
    paths = sorted({row.listing.category for row in day.listings})
    links = "".join(f'<li><a href="/category/{slug_of(path)}">{escape(" > ".join(path))}</a></li>' for path in paths)
    return f'<ul id="menu">{links}</ul>'


def home(day: MarketDay) -> str:
    return page("Home", f'<h1>Welcome</h1>{_menu(day)}<p><a href="/listings">{len(day.listings)} listings</a></p>')


def _row(row: ListingState) -> str:
    item, first = row.listing, row.offers[0]
    return (
        f'<tr class="listing"><td class="t"><a href="/listing/{item.id}">{escape(item.title)}</a></td>'
        f'<td class="v"><a href="/vendor/{item.vendor.slug}">{escape(item.vendor.name)}</a></td>'
        f'<td class="q">{escape(first.offer.quantity_text)}</td><td class="m">{escape(first.price_text)}</td>'
        f'<td class="c">{escape(" > ".join(item.category))}</td><td class="f">{row.feedback}</td>'
        f'<td class="r">{row.rating:.2f}</td></tr>'
    )


def index(day: MarketDay, rows: Sequence[ListingState], number: int, base: str, heading: str) -> str | None:
    """Page `number` (from 1) of those listings; None where there is no such page. `base`: address without query."""
    pages = max(1, -(-len(rows) // PER_PAGE))
    if not 1 <= number <= pages:
        return None
    shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
    if not rows:
        return page(heading, f'<h1>{escape(heading)}</h1>{_menu(day)}<p id="nothing">No listings here.</p>')
    others = {n: base if n == 1 else f"{base}?p={n}" for n in range(1, pages + 1) if n != number}
    links = "".join(f'<a class="pg" href="{link}">{n}</a> ' for n, link in others.items())
    return page(
        heading,
        f'<h1>{escape(heading)}</h1>{_menu(day)}<p id="count">{len(rows):,} listings</p><table id="results">'
        "<tr><th>Title</th><th>Vendor</th><th>Amount</th><th>Price</th><th>Category</th><th>Feedback</th><th>Rating</th></tr>"
        f'{"".join(map(_row, shown))}</table><div id="pager">{links}</div>',
    )


def _ships_to(vendor: Vendor) -> str:
    return ", ".join(write_country(code, vendor.quantity_style) for code in vendor.ships_to)


def _reviews(ident: str) -> str:
    dice = random.Random(f"reviews/{ident}")
    rows = "".join(
        f'<tr class="fb"><td class="who">{dice.choice(en.BUYERS)}</td><td>{dice.randint(3, 5)}/5</td>'
        f"<td>{escape(dice.choice(en.REVIEWS))}</td></tr>"
        for _ in range(dice.randint(0, 4))
    )
    return f'<h2>Buyer feedback</h2><table id="feedback">{rows}</table>'


def detail(row: ListingState) -> str:
    item = row.listing
    vendor = item.vendor
    tiers = "".join(
        f'<tr class="tier"><td class="q">{escape(o.offer.quantity_text)}</td>'
        f'<td class="m">{escape(o.price_text)}</td></tr>'
        for o in row.offers
    )
    text = escape(item.description).replace("\n", "<br/>")
    facts = [
        ("Ships from", "from", escape(write_country(vendor.country, vendor.price_style))),
        ("Ships to", "to", escape(_ships_to(vendor))),
    ]
    if vendor.ships_except:
        names = ", ".join(write_country(code, vendor.price_style) for code in vendor.ships_except)
        facts.append(("Except", "except", escape(names)))
    facts.append(("Shipping", "how", escape("; ".join(vendor.shipping))))
    table = "".join(f'<dt>{name}</dt><dd class="{mark}">{value}</dd>' for name, mark, value in facts)
    return page(
        item.title,
        f'<div id="listing" data-listing="{item.id}"><h1>{escape(item.title)}</h1>'
        f'<p class="by">by <a href="/vendor/{vendor.slug}">{escape(vendor.name)}</a> '
        f'(<span class="f">{row.feedback}</span> feedback, <span class="r">{row.rating:.2f}</span>)</p>'
        f'<p class="c">{escape(" > ".join(item.category))}</p><dl>{table}</dl>'
        f'<table id="tiers"><tr><th>Quantity</th><th>Price</th></tr>{tiers}</table>'
        f'<div id="description"><!-- 100g hash -->{text}<script>var x="50 pills";</script></div></div>'
        f"{_reviews(item.id)}",
    )


def vendor(rows: Sequence[ListingState]) -> str:
    """A vendor's page: what he sells (links only) and what his buyers say."""
    shop = rows[0].listing.vendor
    links = "".join(f'<li><a href="/listing/{r.listing.id}">{escape(r.listing.title)}</a></li>' for r in rows)
    return page(
        shop.name,
        f'<div id="vendor"><h1>{escape(shop.name)}</h1><p>Ships from {escape(write_country(shop.country, 0))}</p>'
        f"<ul>{links}</ul></div>{_reviews(shop.slug)}",
    )


def login() -> str:
    return page(
        "Sign in",
        '<h1>Sign in</h1><form action="/login" method="post"><input name="user" placeholder="User name">'
        '<input type="password" name="pass"><button>Enter</button></form>',
    )


def challenge() -> str:
    return page(
        "Anti-bot",
        '<h1>Are you human?</h1><form method="post"><img src="/captcha.png" alt="captcha"><input name="captcha">'
        "<button>Go</button></form>",
    )


def wait() -> str:
    return page(
        "Please wait", "<h1>DDoS protection</h1><p>Please wait, your place in the queue is 42.</p>",
        '<meta http-equiv="refresh" content="10">',
    )  # fmt: skip


def maintenance() -> str:
    return page("Maintenance", "<h1>Scheduled maintenance</h1><p>We will be back soon.</p>")


def outage() -> str:
    return "<html><head><title>503 Service Unavailable</title></head><body><h1>503</h1></body></html>\n"


def seized() -> str:
    return page("Seized", "<h1>THIS HIDDEN SITE HAS BEEN SEIZED</h1><p>by an invented law enforcement agency.</p>")


def not_found() -> str:
    return page("Not found", "<h1>404 Not Found</h1><p>There is no such page.</p>")
