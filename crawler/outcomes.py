"""Generic rules: what a page is when it is neither a listing nor an index page.

Asked after the market's own markers and layouts, so that a listing that mentions a captcha stays a listing. Word lists
are ours (English and Russian), from the wording common to forum and shop software.
"""

from __future__ import annotations

import re

from crawler.items import PageOutcome
from crawler.select import Tree, text_of

SHORT = 1_500
"""Characters of visible text up to which a page counts as a notice."""

_SEIZED = re.compile(
    r"has been seized|seized by|this (?:hidden )?(?:site|service|domain) (?:has been|was) (?:seized|taken down)"
    r"|under (?:the )?control of .{0,40}(?:police|law enforcement)|сайт (?:изъят|конфискован)"
    r"|изъят\w* правоохранительн",
    re.IGNORECASE,
)
_MAINTENANCE = re.compile(
    r"maintenance|we(?:'|’)?ll be (?:right )?back|temporarily (?:down|offline|unavailable)"
    r"|технически\w+ (?:работ|перерыв)|на обслуживании|ведутся работы|временно недоступ",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"logged out|session (?:has )?(?:expired|timed out)|(?:must|need to|have to) (?:be logged in|log ?in|sign in)\b"
    r"|please (?:log ?in|sign in)\b|сессия (?:истекла|завершена)|войдите (?:в |снова|чтобы)"
    r"|(?:необходимо|нужно) (?:войти|авторизоваться)",
    re.IGNORECASE,
)
_WAIT = re.compile(
    r"checking your browser|ddos|please wait|(?:number|place|position) .{0,20}in (?:the )?queue"
    r"|you are in (?:a |the )?queue|redirected (?:shortly|in)|подождите|вы в очереди|ожидайте|проверка браузера",
    re.IGNORECASE,
)
_CHALLENGE = re.compile(
    r"captcha|are you (?:a )?(?:human|robot)|prove (?:that )?you(?:'re| are)|anti-?bot|solve the|капч|вы не робот"
    r"|код с картинки|введите (?:код|символы)",
    re.IGNORECASE,
)
_NOT_FOUND = re.compile(
    r"\b404\b|not found|does(?:n't| not) exist|no longer available|no such (?:page|listing|item)"
    r"|не найден|не существует|больше не доступ|удал[её]н",
    re.IGNORECASE,
)
_SERVER = re.compile(
    r"internal server error|bad gateway|gateway time-?out|service unavailable|too many requests|database error"
    r"|database connection|ошибка сервера",
    re.IGNORECASE,
)
_SERVER_CODE = re.compile(r"\b50[0234]\b")
"""Said of a heading only: elsewhere it is a number of milligrams."""
_REFRESH = "//meta[translate(@http-equiv,'REFSH','refsh')='refresh']"
_CAPTCHA_FIELD = (
    "//form//*[self::input or self::img or self::div][contains(translate(concat(@name,' ',@id,' ',@class,' ',@src,' ',"
    "@placeholder),'CAPTH','capth'),'captcha')]"
)


def is_truncated(body: bytes, closing: str | None) -> bool:
    """An HTML page that began and was cut off: <html> without `closing` near its end, nor anywhere behind </body> (the
    program that saved the page may have written much behind it)."""
    if closing is None or b"<html" not in body[:4_000].lower():
        return False
    end = closing.lower().encode()
    if end in body[-4_000:].lower():
        return False
    before, _, _ = body.lower().rpartition(end)
    return not before.rstrip().endswith(b"</body>")


def _head_of(tree: Tree) -> str:
    parts = [text_of(node) for node in tree.xpath("//h1|//h2|//h3")[:4]]
    parts += [(node.text or "") for node in tree.xpath("//title")[:1]]
    return " ".join(parts)


def outcome_of_status(status: int) -> PageOutcome | None:
    """What the HTTP status alone says: 404 and 410 not found, 429 and 5xx server error, other 4xx unknown layout."""
    if status in {404, 410}:
        return PageOutcome.NOT_FOUND
    if status == 429 or status >= 500:
        return PageOutcome.SERVER_ERROR
    return PageOutcome.UNKNOWN_LAYOUT if status >= 300 else None


def generic_outcome(tree: Tree, status: int) -> tuple[PageOutcome, str]:
    """(outcome, reason) of a page no layout matched. Never LISTING, INDEX or EMPTY: a page that is not understood is an
    unknown layout, not 'no listings'."""
    text, head = text_of(tree), _head_of(tree)
    notice = text if len(text) <= SHORT else ""
    images = " ".join(tree.xpath("//img/@alt"))
    if _SEIZED.search(f"{head} {notice} {images}"):
        return PageOutcome.SEIZED, "seizure notice"
    if tree.xpath("//input[translate(@type,'PASWORD','pasword')='password']"):
        return PageOutcome.LOGIN, "password field"
    if tree.xpath(_CAPTCHA_FIELD) or _CHALLENGE.search(f"{head} {notice}"):
        return PageOutcome.CHALLENGE, "challenge"
    if status not in {404, 410} and _LOGIN.search(notice) and not _MAINTENANCE.search(notice):
        return PageOutcome.LOGIN, "session ended"
    if _WAIT.search(f"{head} {notice}") or (tree.xpath(_REFRESH) and len(text) < 300 and status < 400):
        return PageOutcome.WAIT, "waiting page"
    by_status = outcome_of_status(status)
    if by_status is PageOutcome.NOT_FOUND:
        return by_status, f"status {status}"
    if _MAINTENANCE.search(f"{head} {notice}"):
        return PageOutcome.MAINTENANCE, "maintenance notice"
    if by_status is PageOutcome.SERVER_ERROR or _SERVER_CODE.search(head) or _SERVER.search(f"{head} {notice}"):
        return PageOutcome.SERVER_ERROR, f"status {status}"
    if _NOT_FOUND.search(f"{head} {notice}"):
        return PageOutcome.NOT_FOUND, "not-found notice"
    return PageOutcome.UNKNOWN_LAYOUT, f"no layout of market.yml matches (status {status})"
