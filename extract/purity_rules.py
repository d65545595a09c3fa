"""From scanned numbers to the purity a text claims, in per cent.

A percentage is purity where a word says so ('purity 93%', '99% чистота', '89% pure') or, in a title only, where it
stands alone (`Speed paste - 74%`) and no other sense of a percentage is about. Potency of cannabis (THC, тгк) is not
purity of the product, discounts, shares of a strain, success rates and ratings are not either.
"""

from __future__ import annotations

import re
from decimal import Decimal

from extract.number_context import Token

_CUE_LEFT = re.compile(
    r"(?:purity|pure|чистот\w*|чистый|чист(?:ая|ое|ого|ой)|чистоган|uncut|clean|content|grade|ec|quality)"
    r"[\s:=~≈>(\-–]{0,4}(?:of|is|at|от|до|около|не менее)?[\s~>]{0,2}$",
    re.IGNORECASE,
)
_STRONG_LEFT = re.compile(r"(?:purity|чистот\w*)[^\d%\n]{0,24}$", re.IGNORECASE)
_CUE_RIGHT = re.compile(
    r"[+\s\-–*]{0,3}(?:\w{3,12}[ -]){0,2}?"
    r"(?:purity|pure|чистот\w*|чист(?:ый|ая|ое|ого|ой|ейш\w*)|uncut|clean|purified)",
    re.IGNORECASE,
)
_OTHER_LEFT = re.compile(
    r"(?:thc|тгк|cbd|кбд|cbn|cbg|скидк\w*|sale|off|discount|бонус|акци\w*|btc|бтк|bitcoin|битк\w*|save|extra|fee|залог|comm?ission|"
    r"комисси\w*|indica|sativa|индик\w*|сатив\w*|success|рейтинг|rating|feedback|positive)"
    r"[^\w\n]{0,4}(?:(?:на|до|от|over|is|up to)\s)?[^\w\n]{0,3}$",
    re.IGNORECASE,
)
_OTHER_RIGHT = re.compile(
    r"\+?[\s\-–:*]{0,3}(?:thc|тгк|cbd|кбд|cbn|sale|off\b|discount|скидк\w*|бонус|btc|бтк|за\b|при\b|на\b|for\b|with\b|indica|sativa|индик\w*|"
    r"сатив\w*|natural|натурал\w*|import|импорт|satisf\w*|guarant\w*|success|delivery|deliver\w*|positive|live|real|legit|"
    r"orig\w*|оригинал\w*|hibrid|hybrid|гибрид|organic|of\b|rate|refund|reship|гарант\w*|наход\w*|доставк\w*|предоплат\w*|"
    r"working|valid|safe|secure|anonym\w*|feedback|reviews?|customer\w*|in\b|от\b|к\b)",
    re.IGNORECASE,
)
_POTENCY = re.compile(r"\+?[\s\-–:*]{0,3}(?:thc|тгк|cbd|кбд|cbn)(?!\w)", re.IGNORECASE)
_CANNABIS = re.compile(
    r"(?<!\w)(?:thc|тгк|cbd|weed|kush|haze|skunk|indica|sativa|hash\w*|гашиш\w*|шишк\w*|марихуан\w*|marij?[ux]\w*|buds?|бошк\w*"
    r"|cannabis|cart(?:ridge)?s?|vape|distillate|wax|shatter)(?!\w)",
    re.IGNORECASE,
)


def read_purity(text: str, tokens: list[Token], *, title: bool) -> Decimal | None:
    """The purity claimed in one field, 1..100 per cent, or None. Words that say so win over lone percentages."""
    lone: Decimal | None = None
    for token in tokens:
        if token.kind != "percent" or not 1 <= token.value <= 100 or _POTENCY.match(text, token.end):
            continue
        left = text[max(0, token.start - 32) : token.start]
        if _CUE_RIGHT.match(text, token.end) or _CUE_LEFT.search(left) or _STRONG_LEFT.search(left):
            if not _OTHER_LEFT.search(left) or _STRONG_LEFT.search(left):
                return token.value
            continue
        if (
            title
            and lone is None
            and 20 <= token.value < 100
            and token.clean
            and not token.negative
            and not _OTHER_LEFT.search(left)
            and not _OTHER_RIGHT.match(text, token.end)
        ):
            lone = token.value
    if lone is not None and _CANNABIS.search(text):
        return None  # potency
    return lone
