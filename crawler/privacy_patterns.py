"""What points at a person in a text: e-mail, handles, phones, wallets, onion links, PGP, coordinates, links.

Each finder takes a View and yields (class, start, end) in the view's own places. All are linear: they start from a sign
(`@`, a run of digits, a keyword), look a bounded way around it, and run only where `crawler.privacy_clues` shows that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from crawler.privacy_clues import LONG, Clues
from crawler.privacy_views import View, fold
from crawler.privacy_words import DIGITS, LINKING, MESSENGERS, NO_NAMES, WORDS_FOR_CONTACT, fold_words

Hit = tuple[str, int, int]
_STRONG, _WEAK, _LINKING, _DIGITS = map("|".join, (MESSENGERS, WORDS_FOR_CONTACT, LINKING, DIGITS))

_DOT_HINT = re.compile(
    r"\.\s?(?:com|net|org|ru|me|info|biz|su|io|i2p|xyz|site|shop|cc|to|ph|ge|ua|kz|by|co|pics|pw|ws|gg|link|click|ly|pub|im|cx|st|is|li"
    r"|nl|de|uk|eu|us|pф|club|top|dog|sc|sh|la|fm|ai|app|dev|online|store|live|pro|tv)(?!\w)"
)
_PGP = re.compile(r"-{4,5}\s?begin pgp [a-z ]{3,30}-{4,5}.*?(?:-{4,5}\s?end pgp [a-z ]{3,30}-{4,5}|\Z)", re.DOTALL)
_FINGERPRINT = re.compile(
    r"(?<![0-9a-f])(?:(?:[0-9a-f]{4}[ :]{1,2}){9}[0-9a-f]{4}|0x(?:[0-9a-f]{16}|[0-9a-f]{8}))(?![0-9a-z])"
)
_ONION = re.compile(
    r"(?:h(?:tt|xx)ps?://)?(?:[a-z0-9-]{1,40}\.){0,3}(?<![a-z0-9])[a-z2-7]{16}(?:[a-z2-7]{40})?\s?\.\s?onion(?:\.[a-z]{2,4})?(?:[/:][^\s\[\]]*)?"
)
_ANY_ONION = re.compile(r"(?:h(?:tt|xx)ps?://)?[a-z0-9-]{3,64}\.onion(?![a-z0-9])(?:[/:][^\s\[\]]*)?")
_URL = re.compile(
    r"(?:h(?:tt|xx)ps?|ftp|geo|magnet)(?:://|:(?=[\d?]))[^\s<>\"\[\]]{2,2000}|www\s?\.\s?[\w-]{2,63}\s?\.[^\s\[\]]{2,500}"
)
_DOMAIN = re.compile(
    r"(?<![\w.@])(?:[\w-]{1,63}\s?\.\s?){1,4}?"
    r"(?P<tld>com|net|org|ru|pф|info|biz|su|io|i2p|xyz|site|shop|ph|ge|ua|kz|by|pics|pw|ws|gg|link|click|ly|pub|im|club|top|cc|to|me|co|cx|st|is|li|nl|de|uk|eu|us|sc|sh|la|fm|ai|app|dev|online|store|live|pro|tv)"
    r"(?P<path>\s?/\s?[^\s\[\]]{1,500})?(?![\w])"
)
_WORD_TLD = frozenset(
    fold_words("to me is in us co by li st de live store online pro top club link click pics site shop app im")
)
_SURE_TLD = frozenset(fold_words("com net org ru info biz su io i2p xyz site shop pф pics"))
_TELEGRAM = re.compile(
    r"(?:h(?:tt|xx)ps?://)?(?<![\w.])(?:(?:t|telegram)\s?\.\s?(?:me|dog)|telegra\.ph|tx\.me|wa\.me|vk\.(?:com|me)|m\.me|discord\.gg|signal\.me)"
    r"\s?/\s?[^\s\[\]<>\",;]{2,80}|tg://[^\s\[\]]{3,80}"
)
_LEFT_OF_AT = re.compile(r"[\w.+\-]{1,64}\s?$")
_RIGHT_OF_AT = re.compile(
    r"\s?(?:(?:[\w-]{1,63}\s?\.\s?){1,4}[^\W\d_]{2,24}|[\w-]{2,63},(?:com|ru|net|org|me|ua|kz|pф)"
    r"|(?:gmail|proton(?:mail)?|tutanota|yandex|hotmail|outlook))(?!\w)"
)
_MAIL_WORDS = re.compile(
    r"(?<![\w.+-])[\w.+-]{2,64}\s(?:at|on|coбaka)\s(?:gmail|proton(?:mail)?|tutanota|yandex|hotmail|mail2tor)(?!\w)"
)
_CHAT_HOST = re.compile(r"jab|xmpp|exploit\.im|thesecure|\.im$|conversations|chat|dukgo|creep|calyx|404\.city|matrix")
_CHAT_WORD = re.compile(r"(?:jabber|xmpp|jid|джaббep|жaбep|жaббep|otr)\W{0,12}(?:\w{1,10}\W{1,4})?$")
_AT_HANDLE = re.compile(
    r"@(?!\d+(?:[.,]\d+)?\s?[^\W\d_]{0,5}(?!\w))(?=\w{0,31}[^\W\d])\w{3,32}(?:\.\w{2,32}|:[\w.-]{3,60})?"
)
_AT_SPACED = re.compile(r"@\s{1,2}(?=[^\W\d_])(?=\w*[\d_])\w{4,32}")
_TAG = re.compile(r"(?<![\w#])[^\W\d_][\w.]{2,31}#\d{4}(?!\w)")
_DREAD = re.compile(r"(?<![\w/.])/[ud]/\w{3,24}(?!\w)")

_MESSENGER = re.compile(
    rf"(?<![^\W_])(?P<weak>{_WEAK})?(?(weak)|(?P<strong>{_STRONG}))(?![^\W_])"
    rf"(?P<gap>(?:\s{{0,2}}(?:{_LINKING})(?!\w)){{0,3}}\s{{0,3}}[:=@\-–—>|•~./\\\"'«\u2190-\u2bff\U0001f000-\U0001faff]{{0,4}}\s{{0,3}})"
    rf"(?P<value>(?:live:)?@?[^\W_][\w.\-]{{2,80}}|_[\w.\-]{{2,80}})"
)
_AMOUNT = re.compile(r"\d+(?:[.,]\d+)?(?:[^\W\d_]{0,4}|шtyk|grams?|pills)$")

_LONG = re.compile(r"(?<![^\W_])[^\W_]{25,120}(?![^\W_])")
_SPACED_KEY = re.compile(r"(?<![^\W_])(?:[a-z0-9]{3,12}[ \-]){4,30}[a-z0-9]{2,12}(?![^\W_])")
_MIXED = re.compile(r"\d[^\W\d_]+\d|[^\W\d_]\d+[^\W\d_]|[a-z][A-Z]|[A-Z][a-z]+[A-Z]")
_AFTER_SCHEME = re.compile(r":(?://|[\d?]|[0-9a-z]{20})")
_URI_WALLET = re.compile(
    r"(?:bitcoin|monero|litecoin|ethereum|bitcoincash|dash|tron):[0-9a-z]{20,120}(?:\?[^\s\[\]]*)?"
)

_PHONE = re.compile(r"(?<![\w.,])(?:\+\s?|00)?\(?[\doilзб](?:[\s().\-–—_/]{0,3}[\doilзб]){6,14}(?!\w)")
_SIX_DIGITS = re.compile(r"\d(?:[\s().\-–—_/oilзб]{0,60}\d){5}")
"""Within every match of `_PHONE` that has the digits of a number, and quicker to find."""
_PHONE_CUE = re.compile(
    r"(?:phone|tel|teл|teлeфoн\w*|call|sms|whats\w*|bat\w*|boтc\w*|baцaп|viber|baйбep|moб\w*|пoзв\w*|звoн\w*|hoмep\w*|cell|mobile|signal|cигнaл|number)\W{0,6}(?:\w{1,8}\W{1,3})?$"
)
_DATE = re.compile(r"(?<!\d)(?:(?:19|20)\d\d([-.])\d\d\1\d\d|\d\d([-.])\d\d\2(?:19|20)\d\d)(?!\d)")
_SPOKEN = re.compile(
    rf"(?<!\w)(?:(?:plus|{fold('плюс')})[\s,-]{{0,3}})?(?:(?:{_DIGITS})[\s,.-]{{1,3}}){{6,14}}(?:{_DIGITS})(?!\w)"
)
_COUNTRY = ("380", "375", "998", "996", "992", "993", "995", "994", "374", "373", "371", "370", "372")

_PAIR = re.compile(
    r"(?<![\w.,])(?P<a>[-−]?\d{1,3}[.,]\d{2,12})\s?°?\s?(?P<ns>[ns](?!\w))?(?:[\s,;/|:=.]{1,4}(?:[^\W\d_]{1,9}[\s:=.,]{1,3})?)(?P<b>[-−]?\d{1,3}[.,]\d{2,12})(?![\d.,]\d)\s?°?\s?(?P<ew>[ewb](?!\w))?"
)
_DECIMALS = re.compile(r"\d[.,]\d\d")
_LETTER_PAIR = re.compile(
    r"(?<!\w)[ns]\s?[:=]?\s?\d{1,2}(?:[.,]\d{2,}|[\s°]{1,2}\d{1,2}(?:[.,]\d+)?['′’]?(?:\s?\d{1,2}(?:[.,]\d+)?[\"″”]?)?)\s?°?[\s,;/]{0,3}[ew]\s?[:=]?\s?\d{1,3}(?:[.,]\d{2,}|[\s°]{1,2}\d{1,2}(?:[.,]\d+)?['′’]?(?:\s?\d{1,2}(?:[.,]\d+)?[\"″”]?)?)°?"
)
_DEGREES = re.compile(
    r"\d{1,3}\s?°\s?\d{1,2}(?:[.,]\d+)?\s?['′’´`]?\s?(?:\d{1,2}(?:[.,]\d+)?\s?(?:[\"″”]|['′’]{2})?)?\s?(?:[nsewbзю]|c\.?\s?ш\.?|b\.?\s?д\.?|ю\.?\s?ш\.?)?(?!\w)"
)
_BARE_DEGREES = re.compile(
    r"(?<![\d.,])\d{1,2}\s\d{1,2}\s\d{1,2}(?:[.,]\d+)?\s?[ns][\s,;]{1,3}\d{1,3}\s\d{1,2}\s\d{1,2}(?:[.,]\d+)?\s?[ew](?!\w)"
)
_COORDINATE_CUE = re.compile(r"lat|lon|lng|шиp|дoлг|coord|koopд|gps|жпc|geo|гeo|toчka|metka|meтka|location|map")
_WORDS3 = re.compile(r"(?<![\w/:])///[^\W\d_]{3,20}\.[^\W\d_]{3,20}\.[^\W\d_]{3,20}")
_PLUS_CODE = re.compile(r"(?<!\w)[23456789cfghjmpqrvwx]{4,8}\+[23456789cfghjmpqrvwx]{2,3}(?!\w)")
_AFTER_PLUS = re.compile(r"\+[23456789cfghjmpqrvwx]{2,3}(?!\w)")
_MONEY_AFTER = re.compile(r"\s?(?:btc|xmr|ltc|eth|usdt?|eur|gbp|aud|cad|rub|pyб|[$€£₽฿])")


def find_hits(view: View, clues: Clues) -> Iterator[Hit]:
    """Everything to mask, the surest classes first; later hits may overlap earlier ones (the caller drops them).
    `clues` are those of the view's text."""
    text = view.text
    if "begin pgp" in text:
        yield from (("pgp", *match.span()) for match in _PGP.finditer(text))
    if clues.fours or "0x" in text:
        yield from (("pgp", *match.span()) for match in _FINGERPRINT.finditer(text))
    at = "@" in text
    if at:
        yield from _emails(text)
    if clues.mail_host:
        yield from (("email", *match.span()) for match in _MAIL_WORDS.finditer(text))
    if clues.link_host and "/" in text:
        yield from (("handle", *match.span()) for match in _TELEGRAM.finditer(text))
    if "onion" in text:
        yield from (("onion", *match.span()) for match in _ONION.finditer(text))
        yield from (("onion", *match.span()) for match in _ANY_ONION.finditer(text))
    scheme = _AFTER_SCHEME.search(text) is not None
    if scheme:
        yield from (("wallet", *match.span()) for match in _URI_WALLET.finditer(text))
    if scheme or "www" in text:
        yield from (("link", *match.span()) for match in _URL.finditer(text))
    if clues.longest >= LONG:
        yield from _keys(view)
    if clues.long_numbers >= 2:
        for match in _SPACED_KEY.finditer(text):
            yield from _spaced_key(view, *match.span())
    yield from _coordinates(text, clues)
    yield from _phones(text, clues)
    if at:
        yield from (("handle", *match.span()) for match in _AT_HANDLE.finditer(text))
        yield from (("handle", *match.span()) for match in _AT_SPACED.finditer(text))
    if "#" in text:
        yield from (("handle", *match.span()) for match in _TAG.finditer(text))
    if clues.messenger:
        yield from _messengers(text)
    if "/u/" in text or "/d/" in text:
        yield from (("handle", *match.span()) for match in _DREAD.finditer(text))
    if "." in text and _DOT_HINT.search(text):
        yield from _domains(text)


def _emails(text: str) -> Iterator[Hit]:
    at = text.find("@")
    while at >= 0:
        left = _LEFT_OF_AT.search(text, max(0, at - 66), at)
        right = _RIGHT_OF_AT.match(text, at + 1)
        if left is not None and right is not None:
            chat = _CHAT_HOST.search(right.group()) or _CHAT_WORD.search(text, max(0, left.start() - 30), left.start())
            yield ("handle" if chat else "email"), left.start(), right.end()
        at = text.find("@", at + 1)


def _keys(view: View) -> Iterator[Hit]:
    """Long runs of letters and digits: wallets, and the ids of Session (66 hex) and Tox (76 hex)."""
    for match in _LONG.finditer(view.text):
        run, cased = match.group(), view.cased[match.start() : match.end()]
        digits = sum(char.isdecimal() for char in run)
        if digits < 2 and not (run.isascii() and len(set(run)) > 9 and _MIXED.search(cased) and not run.isdecimal()):
            if len(run) == 56 and run.isascii() and len(set(run)) > 12:
                yield "onion", *match.span()
            continue
        if digits == len(run):
            continue
        hexadecimal = all(char in "0123456789abcdef" for char in run)
        if hexadecimal and ((len(run) == 66 and run.startswith("05")) or len(run) == 76):
            yield "handle", *match.span()
        elif hexadecimal and len(run) == 40:
            yield "pgp", *match.span()
        elif len(run) == 56 and run.endswith("d") and re.fullmatch(r"[a-z2-7]+", run) and cased == cased.lower():
            yield "onion", *match.span()
        else:
            yield "wallet", *match.span()


def _spaced_key(view: View, start: int, end: int) -> Iterator[Hit]:
    """A key written in groups; ordinary words around it are left."""
    if sum(not part.isalpha() for part in re.findall(r"[^ \-]+", view.text[start:end])) < 2:
        return  # ordinary words
    parts = [(part.start() + start, part.end() + start) for part in re.finditer(r"[^ \-]+", view.cased[start:end])]
    every = parts[:]
    digits = [any(map(str.isdecimal, view.text[left:right])) for left, right in parts]
    odd = [_is_odd(view.cased[left:right]) for left, right in parts]
    while parts and not odd[0] and not digits[0]:
        del parts[0], odd[0], digits[0]
    while parts and not odd[-1] and not digits[-1] and parts[-1][1] - parts[-1][0] > 3:
        del parts[-1], odd[-1], digits[-1]
    first = every.index(parts[0]) if parts else 0
    if (
        first
        and parts[0][1] - parts[0][0] == every[first - 1][1] - every[first - 1][0]
        and view.cased[every[first - 1][0]] in "LMTXD"
    ):
        parts.insert(0, every[first - 1])  # its first group happens to be letters only
    length = sum(right - left for left, right in parts)
    if length >= 24 and sum(digits) >= 2 and sum(odd) * 3 >= len(parts):
        yield "wallet", parts[0][0], parts[-1][1]


def _is_odd(part: str) -> bool:
    """Looks like a stretch of a key: case or digits mixed as no word and no amount has them."""
    if _MIXED.search(part):
        return True
    return not _AMOUNT.fullmatch(part.lower()) and any(map(str.isdecimal, part)) and any(map(str.isalpha, part))


def _phones(text: str, clues: Clues) -> Iterator[Hit]:
    for match in _PHONE.finditer(text) if clues.digits >= 6 and _SIX_DIGITS.search(text) else ():
        written = match.group()
        start, end = match.span()
        if sum(char.isdecimal() for char in written) < 6 or _DATE.search(written):
            continue
        digits = "".join(char for char in written.translate(_AS_DIGITS) if char.isdecimal())
        if _is_phone(written, digits, text, start, end):
            yield "phone", start, end
    if clues.spoken:
        yield from (("phone", *match.span()) for match in _SPOKEN.finditer(text))


_AS_DIGITS = str.maketrans("oilзб", "01136")


def _is_phone(written: str, digits: str, text: str, start: int, end: int) -> bool:
    count = len(digits)
    groups = [len(group) for group in re.split(r"[\s().\-–—_/]+", written.lstrip("+")) if group]
    if written[0] == "+" or written.startswith("00"):
        return 9 <= count <= 15 and not (start and text[start - 1].isdecimal())
    if _MONEY_AFTER.match(text, end):
        return False
    if "/" in written:
        return False
    if (
        _PHONE_CUE.search(text, max(0, start - 30), start)
        and count >= 7
        and not re.match(r"\s?(?:г|g|шt)", text[end : end + 3])
    ):
        return True
    if count == 11 and digits[0] in "78" and digits[1] in "34789":
        return True
    if count == 12 and digits.startswith(_COUNTRY):
        return True
    if count == 10:
        marked = any(mark in written for mark in "()-.")
        return (digits[0] == "9" and (len(groups) == 1 or max(groups) <= 4)) or (
            marked and groups in ([3, 3, 4], [3, 3, 2, 2], [3, 7])
        )
    return False


def _messengers(text: str) -> Iterator[Hit]:
    for match in _MESSENGER.finditer(text):
        value, gap = match["value"].rstrip(".-"), match["gap"]
        plain = value.lstrip("@")
        start = match.start("value")
        end = start + len(value)
        ordinary = len(plain) < 3 or _AMOUNT.fullmatch(plain) or plain in NO_NAMES
        if ordinary and not (match["strong"] and plain.isdecimal() and len(plain) >= 6):
            continue
        marked = any(sign in gap for sign in ':=@>|→~"«')
        joined = any(char.isdecimal() or char == "_" for char in plain) and any(char.isalpha() for char in plain)
        worded = re.search(rf"(?:{_LINKING})(?!\w)", gap) is not None
        if match["weak"]:
            before = text[max(0, match.start() - 2) : match.start()].strip()
            if before.isdecimal() or not (marked or (joined and (worded or gap.strip() in {"-", "–", "—", ""}))):
                continue
            if not joined and not plain.isascii():
                continue
        elif not (marked or joined or plain.isdecimal() or worded or (plain.isascii() and len(plain) >= 4)):
            continue
        yield "handle", start, end


def _coordinates(text: str, clues: Clues) -> Iterator[Hit]:
    for match in _PAIR.finditer(text) if clues.digits >= 6 and len(_DECIMALS.findall(text)) >= 2 else ():
        first, second = (float(match[group].replace(",", ".").replace("−", "-")) for group in ("a", "b"))
        places = min(len(re.split("[.,]", match[group])[1]) for group in ("a", "b"))
        cue = match["ns"] or match["ew"] or _COORDINATE_CUE.search(text, max(0, match.start() - 24), match.end())
        if (
            abs(first) <= 90
            and abs(second) <= 180
            and max(abs(first), abs(second)) >= 2
            and (places >= 4 or (cue and places >= 2))
            and not _MONEY_AFTER.match(text, match.end())
        ):
            yield "coordinates", *match.span()
    if clues.compass:
        yield from (("coordinates", *match.span()) for match in _LETTER_PAIR.finditer(text))
        yield from (("coordinates", *match.span()) for match in _BARE_DEGREES.finditer(text))
    if "°" in text:
        yield from (("coordinates", *match.span()) for match in _DEGREES.finditer(text))
    if "///" in text:
        yield from (("coordinates", *match.span()) for match in _WORDS3.finditer(text))
    if "+" in text and _AFTER_PLUS.search(text):
        yield from (("coordinates", *match.span()) for match in _PLUS_CODE.finditer(text))


def _domains(text: str) -> Iterator[Hit]:
    for match in _DOMAIN.finditer(text):
        sure = match["tld"] in _SURE_TLD
        label = match.group().split(".")[0].strip()
        if not any(char.isalpha() for char in label) or (
            " " in match.group() and (match["tld"] in _WORD_TLD or not match["path"])
        ):
            continue
        if match["path"] or (sure and len(label) >= 3):
            yield "link", *match.span()
