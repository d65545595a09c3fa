"""Which role a place has in running text, from the words around it: place, from, to, except, or none (the origin of a
product is no region)."""

from __future__ import annotations

import re
from typing import NamedTuple

from extract.found import FoundRegion
from extract.place_lexicon import NEAR

_LANDS = ("country", "area")


class Hit(NamedTuple):
    """A name found at `start`..`end` of a field; its kind is as in `place_lexicon.Name`."""

    code: str
    kind: str
    start: int
    end: int
    short: bool
    """Written as a short code in capitals (`UK`, `NL`)."""
    capital: bool = False
    """Its first letter is one."""


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_SHIP = (
    r"(?:ship\w*|sen[dt]\w*|dispatch\w*|despatch\w*|deliver\w*|post(?:ed|age|ing|s)?|mail(?:ed|ing|s)?|"
    r"orders?|express|отправ\w*|доставк\w*|доставля\w*|шл[её]м|шлю|высыла\w*|вышл\w*|пересыл\w*|посылк\w*|почт\w*|"
    r"otprav\w*|dostavk\w*|versand\w*)"
)
_FEW = r"\W+(?:[^\W\d_]+\W+){0,4}?"
_THE = r"(?:the|all|of|only|anywhere|г|всю|всей|всем|территории|территорию|города?|регионы|регионам)"
EXCEPT_IN_FIELD = _compile(
    r"\b(?:except(?:ing)?(?: for)?|excluding|excl|ex|w/o|without|apart from|other than|minus|but not|not to|кроме"
    r"|исключая|за исключением)\b[.:]?"
)
_EXCEPT = re.compile(
    r"(?:\bno (?:re)?ship\w*(?: to)?|\bexcept(?:ing|ions?)?(?:\W+for|\W+to)?|\bexcluding|\bexcl\.?|\bbut not(?: to)?|"
    r"\b(?:no|not)(?: delivery| orders)?(?: to| from)?|\bapart from|\bother than|\b(?:every|any)where but|"
    r"(?:don'?t|do not|cannot|can'?t|never|won'?t|will not) (?:ship|send|deliver)(?: to)?|"
    r"\bкроме(?: отправки)?(?: в| по)?|\bисключая|\bза исключением|"
    rf"\bне (?:отправля\w+|шл[её]м|доставля\w+|работаем) (?:в|во|по))\W+(?:{_THE}\W+)*$"
)
_EXCEPT_BEGINS = re.compile(
    r"not?\W|exc|but not|everywhere but|anywhere but|apart from|other than|don'?t|do not|can|never|won'?t|will not|"
    "кроме|исключая|за исключением|не "
)
_FROM = re.compile(
    rf"(?:{_SHIP}{_FEW}(?:from|out of|ex|aus|из|с|со)|\b(?:based|located|stocked|stock|warehouse|vendor|seller|"
    r"location|склад\w*)\W+(?:is\W+)?(?:in|from|в|at)|\bships? from"
    r"|\b(?:location|sent from|from country|склад|origin country))"
    rf"\W+(?:{_THE}\W+)*$"
)
_TO = re.compile(
    rf"\bdestinations?\W+(?:{_THE}\W+)*$|"
    rf"{_SHIP}(?:{_FEW}(?:to|nach|within|in|across|throughout|inside|for|по|в|во|до|на)|(?:\W+(?:free|only|fast|discreet|бесплатно|"
    rf"только|и|is))*)\W+(?:{_THE}\W+)*$"
)
_SHIP_BEGINS = (
    r"ship|sen[dt]|dispatch|despatch|deliver|post|mail|order|express|отправ|доставк|доставля|шл[её]м|шлю|высыла|вышл|"
    r"пересыл|посылк|почт|otprav|dostavk|versand"
)
_FROM_BEGINS = re.compile(
    rf"{_SHIP_BEGINS}|based|locat|stock|warehouse|vendor|seller|from country|origin country|склад"
)
_TO_BEGINS = re.compile(rf"{_SHIP_BEGINS}|destination")
"""What the matches of `_EXCEPT`, `_FROM` and `_TO` begin with: plain letters are found ten times as fast as those."""
_BOTH = re.compile(r"из\s*[/и,]\s*по\W*$")
_RUSSIAN_FROM = re.compile(r"\b(?:из|с)\W+(?:г\W+|города\W+)?$")
_RUSSIAN_IN = re.compile(r"\b(?:в|во)\W+(?:г\W+|городе\W+)?$")
_RUSSIAN_OVER = re.compile(r"\bпо\W+(?:г\W+|городу\W+|всей\W+|всему\W+|территории\W+)*$")
_ORIGIN = re.compile(
    r"(?:импорт\w*|import\w*|приво[зж]\w*|привез\w*|завез\w*|родом|прямиком|прямо|straight|direct|сорт\w*|made|производств\w*|"
    r"произвед\w*|product|\bgrown|harvest\w*|lab|лаборатори\w*|сделан\w*|fresh|brought)\W+(?:[^\W\d_]+\W+){0,2}?(?:from|in|of|из|с|со|в)?\W*(?:the\W+)?$"
    r"|\b(?:почт(?:ой|а|ы|е)|post of|mail of)\W+$"
)
_CARRIER = re.compile(r"\b(?:почт(?:ой|а|ы|е)|post of|mail of)\W+$")
_IN = re.compile(r"\b(?:in|in the city of)\W+$")
_SERVICE = re.compile(r"\b(?:reship\w*|drop service|services?)\W+(?:[^\W\d_]+\W+){0,2}?(?:in|from)\W+$")
_BEHIND_TO = re.compile(
    r"[ \-–:]{0,3}(?:(?:free|fast|only|next|same|tracked|special|discreet)\W+)?(?:only|buyers?|customers?|orders?|"
    r"deliver\w*|ship\w*|domestic|ndd|n\.?d\.?d|1st class|first class|next day|day delivery|tracked|post(?:age)?\b|"
    r"отправк\w*|доставк\w*|почт\w*|express|special delivery|to door|wide\b|except|excluding|but not|кроме)"
)
_PLAIN_FROM = re.compile(r"\bfrom\W+(?:the\W+)?$")
_GERMAN_FROM = re.compile(r"\baus\W+$")
_OWN_POST = re.compile(r"\bпочт(?:ой|а|ы|е|ою)\W+$")
"""`почтой РФ` says where parcels go; `Почтой России` names the carrier."""
_NEXT_DAY = re.compile(r"\b(?:next day|nextday|ndd|24h|express)\W+(?:delivery\W+)?$")
_BEHIND_PLAIN = re.compile(
    r"[\s,;|.\-–+&]+(?:(?:we|free|fast|and|can|will|only)\W+)*"
    r"(?:ship|sen[dt]|deliver|dispatch|post|mail|to\b|worldwide|tracked)"
)
_POSTAL = frozenset({"GB", "US", "DE", "CA", "AU", "PL", "SE", "AT", "BE", "CH", "IE", "DK", "FI", "NO", "CZ"})
"""Countries that post parcels and grow or refine nothing: `from Germany, tracked` is no origin of the product."""
_GROWERS = frozenset({
    "AF", "BO", "BR", "CO", "EC", "IN", "IR", "JM", "LB", "MA", "MM", "MX", "NP", "PE", "PK", "TH", "TR", "VN", "ZA",
})  # fmt: skip
_ORIGIN_LABEL = re.compile(r"\borigin\s?[:=-]\s*$")
"""`Origin: NL, destination: EU` is about the parcel; without a destination it may be about the product, where the
country grows or refines it."""
_TO_LABEL = re.compile(r"\bto\s?:\W*$")
_BEHIND_FROM = re.compile(r"[ \-–]{0,2}(?:stock|vendor|seller|based|supplier|warehouse|sellers|vendors)\b")
_DOMESTIC = re.compile(r"\b(?:domestic|within|inside|free|fast)\W+(?:the\W+)?$")
_LISTED = _compile(r"(?:[\s,/&+;|]|and|or|и|или|\bthe\b|\([a-z]{2}\)){1,6}")
_ARROW = _compile(r"[\s\])]*(?:[-–—=]*[>→➡➔»⇒]+️?|\bto\b|[-–—]{2,})[\s\[(]*|\s?2\s?")
_TO_ALONE = _compile(r"\s+to\s+")
_DASH = _compile(r"\s?[-–—]\s?")
_TO_WORD = _compile(r"\bto\W+(?:the\W+)?$")
_CUE = re.compile(
    "ship|sen[dt]|express|dispatch|despatch|deliver|post|mail|order|stock|based|locat|destin|warehouse|vendor|seller|"
    "except|excl|apart|other than|where but|service|country|отправ|достав|шл|высыл|пересыл|посыл|почт|склад|кроме|"
    "исключ|otprav|dostav|versand"
)
_SHORT_CUES = ("no", "не", "из")
_SHORT_CUE = re.compile(r"\bno\b|\bnot\b|\bне\b|из\s*[/и,]\s*по")
"""Without any of these before a name no word of shipping gives it a role (a cheap look before the costly ones)."""
_PREPOSITION = re.compile(r"\b(?:from|in|of|из|с|со|в|во)\W")
_LAST_WORD = re.compile(r"[^\W\d_]+,?\s+$")
_INSIDE = re.compile(r"\s+(?:in|within|inside)\b")
_BRACKETS = frozenset("[(")
_BRACKET_CLOSED = re.compile(r"\s*[\])]")
_EDGES = frozenset("|[({•*!►,;~✅★☆-")
_EDGE_RIGHT = re.compile(r"\s*(?:$|[|\n\])}•*!►,;~✅★☆.-])")
_BOUNDS = frozenset("|[({•*►~✅★☆-–—")
_BOUND_RIGHT = re.compile(r"\s*(?:$|[|\n\])}•*►~✅★☆]|[-–—](?!\w))")
"""What parts a country from the name of the product; a comma does not: it may be one of many."""
_LAST = re.compile(r"[\s!*.)\]]*")
_SENDERS = frozenset({"GB", "US", "AU", "NL", "EU", "DE", "NZ", "AE"})
"""Countries whose codes in capitals end a title where they are the seller's; `CA` may be California."""
_BESIDE = frozenset({
    "the", "in", "of", "from", "to", "made", "and", "or", "a", "for", "with", "pharma", "pfizer", "no", "not", "из",
    "с", "со", "в", "для", "от",
})  # fmt: skip
"""Words before a country that make it something else."""


_WORDS = re.compile(r"\w+")
_THE_WORDS = frozenset({
    "the", "all", "of", "only", "anywhere", "г", "всю", "всей", "всем", "территории", "территорию", "город", "города",
    "регионы", "регионам",
})  # fmt: skip
_EXCEPT_ENDS = frozenset({
    "but", "to", "for", "from", "except", "excepting", "exception", "exceptions", "excluding", "excl", "not", "no",
    "delivery", "orders", "than", "send", "deliver", "кроме", "отправки", "в", "во", "по", "исключая", "исключением",
})  # fmt: skip
_FROM_ENDS = frozenset({"from", "out", "ex", "aus", "из", "с", "со", "in", "в", "at", "location", "country", "склад"})
_TO_ENDS = frozenset({
    "to", "nach", "within", "in", "across", "throughout", "inside", "for", "по", "в", "во", "до", "на", "destination",
    "destinations", "free", "fast", "discreet", "бесплатно", "только", "и", "is",
})  # fmt: skip
_SHIPS = re.compile(_SHIP)
_IN_ENDS = frozenset({"in", "of", "from"})
_IN_RUSSIAN = frozenset({"в", "во"})
_DOMESTIC_ENDS = frozenset({"domestic", "within", "inside", "free", "fast"})
_ORIGIN_STEMS = (
    "импорт", "import", "прив", "завез", "родом", "прям", "straight", "direct", "сорт", "made", "произв", "product",
    "grown", "harvest", "lab", "лаборатори", "сделан", "fresh", "brought", "почт", "post", "mail",
)  # fmt: skip
"""Words that the pattern of that name may end with before `_THE`, or needs among the last `_ORIGIN_WORDS`: a look at
the last words spares most of the searching."""
_ORIGIN_WORDS = 5


class _Left:
    """The line before a place, at most 60 code points of it, in lower case: patterns that minded the case would be many
    times slower."""

    __slots__ = ("end", "last", "text", "words")

    def __init__(self, text: str, start: int) -> None:
        left = text[max(0, start - 60) : start]
        self.text = left[left.rfind("\n") + 1 :].lower()
        self.words: list[str] = _WORDS.findall(self.text)
        self.last = self.words[-1] if self.words else ""
        self.end = self.end_before(len(self.words))

    def end_before(self, number: int) -> str:
        """The last of the first `number` words that is none of `_THE`."""
        words = self.words
        for at in range(number - 1, -1, -1):
            if words[at] not in _THE_WORDS:
                return words[at]
        return ""

    def is_origin(self) -> bool:
        return _has_any(" ".join(self.words[-_ORIGIN_WORDS:]), _ORIGIN_STEMS) and _ORIGIN.search(self.text) is not None

    def is_from(self) -> bool:
        return self.end in _FROM_ENDS and _ends_with(_FROM, _FROM_BEGINS, self.text)

    def is_from_behind_name(self) -> bool:
        """`from Birmingham UK`"""
        if self.end_before(len(self.words) - 1) not in _FROM_ENDS:
            return False
        return _ends_with(_FROM, _FROM_BEGINS, _LAST_WORD.sub("", self.text))

    def is_edge(self) -> bool:
        left = self.text.rstrip()
        return not left or left[-1] in _EDGES


def give_roles(text: str, hits: list[Hit], offset: int) -> list[FoundRegion]:
    """FoundRegions of one field's hits, one for each (code, role), offsets raised by `offset`."""
    roles: list[tuple[str, ...]] = []
    for number, hit in enumerate(hits):
        before = hits[number - 1] if number else None
        after = hits[number + 1] if number + 1 < len(hits) else None
        roles.append(_roles_of(text, before, roles[-1] if roles else (), hit, after))
    for number in range(len(hits) - 2, -1, -1):
        # `United States, Worldwide`: the word about shipping stands at the end of the list
        if roles[number] in ((), ("place",)) and hits[number].kind in _LANDS and _LISTED.fullmatch(
            text, hits[number].end, hits[number + 1].start
        ):
            roles[number] = tuple(role for role in roles[number + 1] if role != "place") or roles[number]
    _join_worldwide(text, hits, roles)
    given: dict[tuple[str, str], FoundRegion] = {}
    finer = {hit.code[:2] for hit, role in zip(hits, roles, strict=True) if "place" in role and "-" in hit.code}
    for hit, role in zip(hits, roles, strict=True):
        for one in role:
            if one == "place" and hit.kind == "country" and hit.code in finer:
                continue  # `Москва, Россия` is one place
            given.setdefault((hit.code, one), FoundRegion(hit.code, one, hit.start + offset, hit.end + offset))
    return list(given.values())


def _join_worldwide(text: str, hits: list[Hit], roles: list[tuple[str, ...]]) -> None:
    """`USA AUS EU WW`: of several lands with nothing between them and the world none is where it comes from."""
    start = 0  # of a row of lands that something comes from
    for number, hit in enumerate(hits):
        if number and text[hits[number - 1].end : hit.start].strip():
            start = number
        if hit.code == "WORLD" and roles[number] == ("to",) and number - start > 1:
            roles[start:number] = [("to",)] * (number - start)
        if roles[number] != ("from",):
            start = number + 1


def _roles_of(
    text: str, before: Hit | None, role_before: tuple[str, ...], hit: Hit, after: Hit | None
) -> tuple[str, ...]:
    right = text[hit.end : hit.end + 40].lower()
    if hit.code == "WORLD" and _INSIDE.match(right):
        return ()  # `anywhere in the USA`
    if after is not None and _is_pair(text, hit, after):
        return ("from",)
    if before is not None and role_before:
        if role_before == ("from",):
            if _is_pair(text, before, hit):
                return ("to",)
            if hit.code == "WORLD" and not text[before.end : hit.start].strip():
                return ("to",)  # `shipped from Singapore worldwide`
        inherits = role_before != ("place",) or hit.kind not in _LANDS
        if inherits and _LISTED.fullmatch(text, before.end, hit.start):
            return role_before
    left = _Left(text, hit.start)
    if role_before == ("from",) and left.last == "to" and _TO_LABEL.search(left.text):
        return ("to",)
    if (role := _role_by_shipping(hit, left)) is not None:
        return role
    if hit.kind in ("settlement", "region", "district"):
        if not _PREPOSITION.search(left.text[-12:]):
            return ("place",)
        return () if left.is_origin() else ("from",) if _RUSSIAN_FROM.search(left.text) else ("place",)
    if hit.kind == "far":
        return ()
    return _role_of_country(hit, left, right)


def _has_cue(left: str) -> bool:
    return _CUE.search(left) is not None or (_has_any(left, _SHORT_CUES) and _SHORT_CUE.search(left) is not None)


def _ends_with(pattern: re.Pattern[str], begins: re.Pattern[str], left: str) -> bool:
    """`pattern.search(left)` where each match begins with what `begins` matches."""
    begin = begins.search(left)
    while begin is not None:
        at = begin.start()
        if pattern.match(left, at) is not None:
            return True
        begin = begins.search(left, at + 1)
    return False


def _has_any(left: str, words: tuple[str, ...]) -> bool:
    for word in words:  # noqa: SIM110  (a generator takes three times as long)
        if word in left:
            return True
    return False


def _role_by_shipping(hit: Hit, left: _Left) -> tuple[str, ...] | None:
    """The role that a word of shipping, stock or exception gives; None where there is none."""
    text, end, last = left.text, left.end, left.last
    excepted = end in _EXCEPT_ENDS or "ship" in end
    sent = end in _TO_ENDS or _SHIPS.search(end) is not None
    if not (excepted or sent or hit.short or end in _FROM_ENDS or last in _IN_ENDS or last.endswith("по")):
        return None
    if not _has_cue(text):
        return None
    if excepted and _ends_with(_EXCEPT, _EXCEPT_BEGINS, text):
        return ("except",)
    if last.endswith("по") and _BOTH.search(text):
        return ("from", "to")
    if left.is_from() or (hit.short and left.is_from_behind_name()):
        return ("from",)
    if last in _IN_ENDS:
        if hit.kind in ("settlement", "district") and _IN.search(text):
            return ("place",)
        if _SERVICE.search(text):
            return ()
    if sent and _ends_with(_TO, _TO_BEGINS, text) and not _CARRIER.search(text):
        return ("to",)
    return None


def _role_of_country(hit: Hit, left: _Left, right: str) -> tuple[str, ...]:
    """A country or area without a verb of shipping before it."""
    text = left.text
    if hit.code == "RU" and hit.short and _OWN_POST.search(text):
        return ("to",)
    if left.last == "aus" and _GERMAN_FROM.search(text):
        return ("from",)
    if (hit.short or hit.code in _SENDERS) and _NEXT_DAY.search(text) and _EDGE_RIGHT.match(right):
        return ("to",)
    if hit.code == "WORLD" and not left.is_origin():
        if _BEHIND_TO.match(right) or (left.is_edge() and _EDGE_RIGHT.match(right)):
            return ("to",)
        return ()
    if _BEHIND_FROM.match(right):
        return ("from",)
    if left.last == "origin" and _ORIGIN_LABEL.search(text) and ("destination" in right or hit.code not in _GROWERS):
        return ("from",)
    if left.end == "from" and (hit.short or hit.code in _POSTAL) and (
        _PLAIN_FROM.search(text)
        and (_BEHIND_PLAIN.match(right) or (hit.short and _EDGE_RIGHT.match(right) and not left.is_origin()))
    ):
        return ("from",)  # `from UK, ships worldwide`
    if _BEHIND_TO.match(right) and not left.is_origin():
        return ("to",)
    over = (hit.code == "EU" or hit.code in NEAR) and "по" in text and _RUSSIAN_OVER.search(text) is not None
    if hit.code == "EU" and over:
        return ("to",)
    if hit.code in NEAR:
        if over:
            return ("to",) if hit.code == "RU" else ("place",)
        if not _IN_RUSSIAN.isdisjoint(left.words[-2:]) and _RUSSIAN_IN.search(text) and not left.is_origin():
            return ("place",)
        if left.is_edge() and _EDGE_RIGHT.match(right) and not hit.short:
            return ("place",)
    if hit.short and text.rstrip()[-1:] in _BRACKETS and _BRACKET_CLOSED.match(right):
        return ("to",) if hit.code == "EU" else ("from",)
    if left.end in _DOMESTIC_ENDS and _DOMESTIC.search(text) and _EDGE_RIGHT.match(right) and (
        hit.short or "domestic" in text[-12:]
    ):
        return ("to",)
    if hit.capital and hit.code not in _GROWERS and hit.code not in NEAR and (
        _stands_apart(hit, left, right) and not left.is_origin()
    ):
        return ("from",)
    return ()


def _stands_apart(hit: Hit, left: _Left, right: str) -> bool:
    """`MDMA 10g | Germany`, `[Netherlands] Speed`, `Ketamine 5g UK`: a country by itself, or the last word of all."""
    before = left.text.rstrip()
    bound = not before or before[-1] in _BOUNDS or left.text.endswith("/ ")
    if bound and _BOUND_RIGHT.match(right):
        return bool(before) or right.strip() != ""  # nothing but a country: no title
    if hit.short and hit.code not in _SENDERS:
        return False
    return left.text.endswith((" ", "(", "[")) and left.last not in _BESIDE and _LAST.fullmatch(right) is not None


def _is_pair(text: str, one: Hit, other: Hit) -> bool:
    """`NL -> WW`, `UK-UK`, `US2US`, `Germany to EU`."""
    if one.kind not in _LANDS or other.kind not in _LANDS:
        return False
    if _ARROW.fullmatch(text, one.end, other.start):
        return True
    if _TO_ALONE.fullmatch(text, one.end, other.start):
        return True
    left = text[max(0, one.start - 60) : one.start]
    return bool(_DASH.fullmatch(text, one.end, other.start)) and not _TO_WORD.search(left) and (
        one.code == other.code or (one.short and other.code in ("EU", "WORLD"))
    )
