"""Pages of the Russian stash market, as HTML text. Pure functions of the model's state; nothing is stored."""

from __future__ import annotations

import random
from collections.abc import Sequence
from html import escape

from monitor.demo.world import phrases_ru as ru
from monitor.demo.world.records import ListingState, MarketDay, OfferState

PER_PAGE = 25
NAME = "Гавань"
_HIDDEN = '<script>var track="Мефедрон 1 г 100 руб";document.title=document.title+"";</script>'
_COMMENT = "<!-- cache: героин 5 г 900 руб Москва -->"


def page(title: str, body: str, head: str = "") -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="ru"><head><meta charset="utf-8"><title>{escape(title)} — {NAME}</title>{head}'
        f'<link rel="stylesheet" href="/static/site.css">{_HIDDEN}</head><body>'
        f'<header><a class="logo" href="/">{NAME}</a> <a href="/login">Вход</a> <a href="/catalog">Каталог</a></header>'
        f"{_COMMENT}<main>{body}</main><footer>Анонимная площадка. Правила. Поддержка.</footer></body></html>\n"
    )


def slug_of(category: Sequence[str]) -> str:
    """Address of a category: its names, hashed to a short stable number (the site does not transliterate)."""
    return str(sum(ord(letter) * (at + 1) for at, letter in enumerate("/".join(category))) % 100_000)


def _menu(day: MarketDay) -> str:
    paths = sorted({row.listing.category for row in day.listings})
    links = "".join(f'<li><a href="/c/{slug_of(path)}">{escape(" / ".join(path))}</a></li>' for path in paths)
    return f'<nav class="cats"><ul>{links}</ul></nav>'


def home(day: MarketDay) -> str:
    return page(
        "Главная",
        f"<h1>Добро пожаловать</h1>{_menu(day)}"
        f'<p>Всего товаров: {len(day.listings)}. <a href="/catalog">Весь каталог</a></p>',
    )


def _count(number: int | None) -> str:
    return "нет" if not number else str(number)


def _offer(state: OfferState) -> str:
    offer = state.offer
    return (
        f'<tr class="offer"><td class="w">{escape(offer.quantity_text)}</td>'
        f'<td class="p">{escape(state.price_text)}</td>'
        f'<td class="city">{escape(offer.place or "")}</td><td class="area">{escape(offer.district or "")}</td>'
        f'<td class="hide">{escape(offer.stash_text or "")}</td><td class="ready">{_count(state.ready)}</td>'
        f'<td class="pre">{_count(state.preorder)}</td></tr>'
    )


_HEAD = (
    '<tr class="head"><th>Вес</th><th>Цена</th><th>Город</th><th>Район</th><th>Тип клада</th><th>Готовых</th>'
    "<th>Предзаказ</th></tr>"
)


def _offers(row: ListingState) -> str:
    return f'<table class="offers">{_HEAD}{"".join(map(_offer, row.offers))}</table>'


def _card(row: ListingState) -> str:
    item = row.listing
    crumbs = "".join(f"<i>{escape(name)}</i>" for name in item.category)
    return (
        f'<article class="card" data-id="{item.id}">'
        f'<h3><a class="name" href="/item/{item.id}">{escape(item.title)}</a></h3>'
        f'<a class="shop" href="/shop/{item.vendor.slug}">{escape(item.vendor.name)}</a>'
        f'<span class="path">{crumbs}</span>{_offers(row)}</article>'
    )


def index(day: MarketDay, rows: Sequence[ListingState], number: int, base: str, heading: str) -> str | None:
    """Page `number` (from 1) of those listings; None where there is no such page. `base`: address without query."""
    pages = max(1, -(-len(rows) // PER_PAGE))
    if not 1 <= number <= pages:
        return None
    shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
    others = {n: base if n == 1 else f"{base}?page={n}" for n in range(1, pages + 1) if n != number}
    links = "".join(f'<a href="{link}">{n}</a>' for n, link in others.items())
    if not rows:
        body = f'<h1>{escape(heading)}</h1>{_menu(day)}<div class="goods"><p class="none">Ничего не найдено</p></div>'
        return page(heading, body)
    return page(
        heading,
        f'<h1>{escape(heading)}</h1>{_menu(day)}<p class="found">Найдено {len(rows)} товаров</p>'
        f'<div class="goods">{"".join(map(_card, shown))}</div><div class="pages">{links}</div>',
    )


def _reviews(ident: str) -> str:
    dice = random.Random(f"reviews/{ident}")
    rows = "".join(
        f'<li class="review"><b class="buyer">{dice.choice(ru.BUYERS)}</b>'
        f' <time>{dice.randint(1, 28):02}.12.2024</time>'
        f" <q>{escape(dice.choice(ru.REVIEWS))}</q></li>"
        for _ in range(dice.randint(0, 4))
    )
    return f'<section class="reviews"><h2>Отзывы покупателей</h2><ul>{rows}</ul></section>'


def detail(row: ListingState) -> str:
    item = row.listing
    text = escape(item.description).replace("\n", "<br>\n")
    crumbs = "".join(f'<a href="/c/{slug_of(item.category)}">{escape(name)}</a> ' for name in item.category)
    return page(
        item.title,
        f'<div class="crumbs">{crumbs}</div><article class="item" data-id="{item.id}">'
        f'<h1 class="name">{escape(item.title)}</h1>'
        f'<p>Магазин: <a class="shop" href="/shop/{item.vendor.slug}">{escape(item.vendor.name)}</a></p>'
        f'<div class="about"><script>alert("гашиш 1 г")</script>{text}<!-- LSD 10 шт --></div>'
        f"{_offers(row)}</article>{_reviews(item.id)}",
    )


def vendor(rows: Sequence[ListingState]) -> str:
    """A shop's page: what it sells (links only) and what its buyers say."""
    shop = rows[0].listing.vendor
    links = "".join(
        f'<li><a class="sells" href="/item/{r.listing.id}">{escape(r.listing.title)}</a></li>' for r in rows
    )
    return page(
        shop.name,
        f'<div class="shopcard"><h1>{escape(shop.name)}</h1><p>На площадке с 2019 года</p><ul>{links}</ul></div>'
        f"{_reviews(shop.slug)}",
    )


def login() -> str:
    return page(
        "Вход",
        '<h1>Вход</h1><form action="/login" method="post"><input name="user" placeholder="Логин">'
        '<input type="password" name="pass"><button>Войти</button></form>',
    )


def challenge() -> str:
    return page(
        "Проверка",
        '<h1>Введите код с картинки</h1><form method="post"><img src="/captcha.png" alt="код">'
        '<input name="captcha"><button>Дальше</button></form>',
    )


def wait() -> str:
    return page(
        "Проверка браузера", "<h1>Проверка браузера</h1><p>Подождите, вы в очереди. Страница обновится сама.</p>",
        '<meta http-equiv="refresh" content="8">',
    )  # fmt: skip


def maintenance() -> str:
    return page("Технические работы", "<h1>Ведутся технические работы</h1><p>Зайдите, пожалуйста, позже.</p>")


def outage() -> str:
    return "<html><head><title>503 Service Unavailable</title></head><body><h1>503</h1></body></html>\n"


def seized() -> str:
    return page("Сайт изъят", "<h1>Сайт изъят правоохранительными органами</h1><p>Вымышленное ведомство.</p>")


def not_found() -> str:
    return page("404", "<h1>404: страница не найдена</h1>")
