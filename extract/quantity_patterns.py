"""The wordings that quantities are read by: compiled patterns and number words, used by `extract.quantity_rules`."""

from __future__ import annotations

import re
from decimal import Decimal


def split_words(words: str) -> list[str]:
    return words.split()


CROSSES = frozenset("xX×")
BLANK = re.compile(r"[ \t\u00a0(\[]{0,2}$")
CROSS = re.compile(r"[ \t\u00a0]{0,2}[xXхХ×*]?[ \t\u00a0]{0,2}$")
_PACKED = (
    r"(?:cylinders?|tanks?|rocks?|carts?|cartridges?|disposables?|pens?|bags?|packs?|blocks?|bars?|jars?|tins?|joints?"
    r"|wraps?)"
)
CROSS_NAMED = re.compile(rf"[ ](?:[^\W\d_]{{2,12}}[ ])?{_PACKED}(?:[ ][^\W\d_]{{2,12}})?[ ]?[xX×][ ]?$", re.IGNORECASE)
"""`640g cylinder x 6`: what the weight is of stands before the count."""
CROSS_EACH = re.compile(r"[ ](?:each|per \w{2,5})[ ]?[xX×][ ]?$", re.IGNORECASE)
"""`10g each x5`"""
CROSS_ONLY = re.compile(r"[ \t\u00a0]{0,2}[xXхХ×*][ \t\u00a0]{0,2}$")
_BOX = r"(?:box|pack|packet|strip|bottle|sheet|blister(?: pack)?|tub)"
CROSS_BOX = re.compile(rf"[ ]{_BOX}[ ]?[xX×][ ]?$", re.IGNORECASE)
"""`14 caps strip x4`"""
BOX_OF = re.compile(rf"(?<!\w){_BOX}(?:es|s)? of $", re.IGNORECASE)
BOXES_OF = re.compile(rf"[ \t\u00a0xX×]{{1,3}}{_BOX}(?:es|s)? (?:of|x|×|@) $", re.IGNORECASE)
"""`3 blisters of 10`: what stands between the two numbers."""
PER_BOX = re.compile(rf"[ \t\u00a0]?(?:per|in each|in a|/|each)[ \t\u00a0]?({_BOX})(?!\w)", re.IGNORECASE)
"""`5 strips (10 tabs per strip)`"""
PIECES = (
    r"(?:bars?|pills?|tabs?|tablets?|caps?|capsules?|pellets?|blotters?|strips?|gummies|patches|hits|lozenges|spansules"
    r"|caplets|softgels"
    r"|таб|табл|табле\w+|капс|капсул\w*|пилюл\w*|марок|марк[аи])"
)
COUNT_AHEAD = re.compile(
    rf"(?:[ ][-–—][ ]|[ \t\u00a0,(]{{0,2}})(?:{PIECES}(?!\w)(?:[ ][-–—][ ]|[ \t\u00a0,.(]{{1,2}}))?$",
    re.IGNORECASE,
)
COUNT_END = re.compile(
    r"[ \t\u00a0-]?(?:ct|count|pack|pk|packs?|box|blister|qty)(?!\w)|s(?!\w)|\s*(?:$|[\n|)\]*!;,]|\.(?:\s|$))"
    r"|(?:\s+[-–—] ?|[-–—] )[^\W\d_]",
    re.IGNORECASE,
)
NAMED = re.compile(r"[ \t\u00a0](?:[xXхХ×][ ])?(?:[^\W\d_]{2,20}[ \t\u00a0-]){1,3}$")
"""`25 Xanax 2mg tablets`: what stands between the count and the dose."""
_NOT_COUNTED = (
    r"(?!(?:stars?|days?|hours?|hrs?|weeks?|months?|years?|percent|times|top|best|new|different|kinds?"
    r"|types?|sorts?|strains?|way|in|for|and|or|to|of|me[ot]\w*|ac[eo]\w*|h[oy]\w*|po|pro|mmc|cmc|fmc|cec|mec|fa|fma|fea"
    r"|fpm|fpv|fdck|mpa|mapb|apdb?|apb|eapb|oxo|fluoro|chloro|bromo|iodo|ethyl\w*|nb\w+|звезд\w*|дн\w*|час\w*|лет)(?!\w))"
)
_MANY = r"(?:bars|pills|tabs|tablets|caps|capsules|pellets|blotters|gummies|patches|lozenges|табл\w*|капсул|марок)"
NAMED_PIECES = re.compile(
    rf"[ \t\u00a0]{_NOT_COUNTED}(?:[^\W\d_]{{2,20}}[ \t\u00a0-]){{1,3}}{_MANY}(?!\w)",
    re.IGNORECASE,
)
"""`50 Xanax bars`, `30 oxycodone tablets 30mg`: a count, one or two names, the form. Not what a number in a name of a
chemical (`4 FA pills`), a time or a rating stands before."""
YEAR = re.compile("20[0-4][0-9]")
"""A number that is a year rather than a count."""
COUNT_BEHIND = re.compile(rf"(?<!\w)(?:qty|quantity|{PIECES})[ \t\u00a0:]{{1,2}}$", re.IGNORECASE)
"""`tablets 10`, `qty 30`: what stands before a count at the end."""
COUNT_LAST = re.compile(r"\s{0,3}(?:$|[|)\]])")
COUNT_FIRST = re.compile(
    rf"(?:.*?[|:,–—]\s)?\W{{0,9}}(?<![\d$€£₽#№@.,/:-])([1-9][0-9]{{0,4}})(?:[ ][-–—])?[ \t\u00a0]{_NOT_COUNTED}"
    r"(?:[^\W\d_]{2,12}[ \t\u00a0-]){0,2}$",
    re.IGNORECASE,
)
"""`5 MDMA`, `25 blue Roxy 30mg`, `Domestic: 10 Xanax`: a count of what is named behind it, at the beginning."""
TIER = re.compile(r"[ \t\u00a0]?(?:pcs )?(?:for|за|[-–—=:])[ \t\u00a0]{0,2}$", re.IGNORECASE)
"""`50 for $60`, `100 = $110`: what stands between a count and its price."""
THOUSANDS = re.compile(
    rf"(?<![\w$€£.,])([1-9][0-9]{{0,2}})k(?:\+|[ ]?(?=(?:[^\W\d_]{{2,12}}[ ]){{0,2}}{PIECES}(?!\w)))", re.IGNORECASE
)
"""`bulk, 5k+`, `10k pressed bars`"""
DELTA = re.compile(r"(?:delta|дельта)[ -]?$", re.IGNORECASE)
"""`Delta 8 gummies` are not eight."""
COUNT_AFTER_WORD = re.compile(
    r"[ ](?!(?:batch|lot|no|nr|number|version|type|grade|level|day|week|part|option|vol|set|tier|year|page|size|per"
    r"|each|and|или|от|до|по|партия|тип|номер)(?!\w))[^\W\d_]{3,14}[ ]$",
    re.IGNORECASE,
)
"""`Kadian 100mg peelers 5`: one word between the strength and a count at the end."""
COUNT_SHORT = re.compile(r"['’]?s(?!\w)", re.IGNORECASE)
BOXES = re.compile(r"(?<![\w.,])(?:[xX×] ?)?([1-9][0-9]{0,3}) ?(?:box|pack|blister|strip)(?:es|s)(?!\w)", re.IGNORECASE)
"""`28's x 10 boxes`: how many boxes, before or behind what one of them holds."""
PACK_SIZES = frozenset(map(Decimal, (7, 10, 14, 15, 20, 21, 25, 28, 30, 50, 56, 60, 84, 90, 98, 100, 112)))
"""Tablets in a box or a blister: `10 x 28 diazepam 10mg`."""
ROLLED = re.compile(r"(?<!\w)(?:carts?|cartridges?|joints?|pre-?rolls?|pre-?rolled|pods?|disposables?)(?!\w)")
ROLLED_STEMS = ("cart", "joint", "pre", "pod", "disposable")
"""Things that hold a gram or two: `5 carts 1g` are five grams."""
COUNT_OF = re.compile(r"[ \t\u00a0-]?(?:ct|count|pack|pk)(?!\w)", re.IGNORECASE)
"""`gummies 10 pack`, `50ct`"""
PIECES_RIGHT = re.compile(rf"[ \t\u00a0]{{0,2}}(?:[^\W\d_]{{2,12}}[ \t\u00a0]){{0,2}}?{PIECES}(?!\w)", re.IGNORECASE)
STRENGTH_LEFT = re.compile(
    r"(?:salvia|divinorum|сальви\w*|дивинорум\w*|предсказателей|extract\w*|экстракт\w*|kratom|кратом\w*|kanna|lotus|лотос\w*)[\s(:,-]{0,3}$",
    re.IGNORECASE,
)
STRENGTH_RIGHT = re.compile(
    r"[ \t-]{0,2}(?:\w{1,30} )?(?:extract|экстракт|concentrat|концентрат|salvia|сальви)", re.IGNORECASE
)
"""`Salvia 20x extract`: how far an extract is concentrated, not how many."""
PACKAGES = re.compile(
    rf"[ \t\u00a0]{{0,2}}(?:{_BOX}(?:es|s)?|пакет\w*|пак|клад\w{{0,3}}|св[её]рт\w*|зип\w*|фасовк\w*|bags?|baggies"
    r"|packages?|wraps?)[ \t\u00a0]{0,2}(?:по|of|x|х|@|each)[ \t\u00a0]{1,2}$",
    re.IGNORECASE,
)
_AMPOULE = r"ампул\w*|амп|ampoules?|ampules?|amps?"
AMPOULE = re.compile(rf"(?<!\w)(?:{_AMPOULE})(?!\w)")
AMPOULE_STEMS = ("амп", "amp")
VESSEL = re.compile(rf"(?<!\w)(?:{_AMPOULE}|vials?|флакон\w*|пузыр\w*)(?!\w)")
VESSEL_STEMS = (*AMPOULE_STEMS, "vial", "флакон", "пузыр")
"""What each alternative of the pattern begins with; patterns that have stems are searched in lower case."""
VESSEL_ML = 50
AMPOULE_ML = 5
"""The largest ampoule: `5 x 1ml amps` are five."""
SYRUP = re.compile(
    r"[ \t\u00a0-]{0,2}(?:[^\W\d_]+\W{1,2}){0,2}?"
    r"(?:fl(?:uid)?\.?\s?oz|syrup|lean|promethazine|wockhardt|hi-?tech|tussionex|сироп\w*)"
    r"(?!\w)",
    re.IGNORECASE,
)
"""What makes an ounce a fluid one: codeine is sold by the bottle."""
SYRUP_LEFT = re.compile(
    r"(?<!\w)(?:syrup|lean|promethazine|wockhardt|tussionex|сироп\w*)\W{1,3}(?:[^\W\d_]+\W{1,2}){0,2}?$", re.IGNORECASE
)
LEADING = re.compile(
    r"\W{0,3}(oz|ounce|lb|zip|kilo)\s\W{0,3}(?=[^\W\d_])"
    r"|(?:.*[|/•~–—-]|.*, )[ ]?(oz|ounce|lb|pound|kilo)[ ]?(?:[|/•~,–—-]|$)"
    r"|[^\W\d_]{2,12}(?:[ ][^\W\d_]{2,12}){0,2}[ ](ounce|zip)[ ]?(?:[|/•~,–—-]|$)",
    re.IGNORECASE,
)
"""`OZ Gorilla Glue`, `Northern Lights | OUNCE`, `Molly ounce, fresh`: a unit that a title begins with, or that stands
apart, means one."""
PIECE_LEFT = re.compile(
    r"(?<!\w)(?:капсул\w*|капс|таблет\w*|таб|caps(?:ules)?|tab(?:let)?s|pills)\W{1,3}$", re.IGNORECASE
)
"""`capsules 0.3 g`: what a fraction of a gram is in."""
FLUID_OUNCE_ML = Decimal("29.5735295625")
EACH = re.compile(r"[ \t\u00a0,(]{0,2}(?:по|of|@|à|at)[ \t\u00a0]{1,2}$", re.IGNORECASE)
PLUS = re.compile(r"[ \t\u00a0]?\+[ \t\u00a0]?$")
GIFT = re.compile(
    r"(?:[ ]{1,2}[^\W\d_]{1,20}){0,2}?[ (]{1,3}(?:free|gift|bonus|extra|в подар|подар|бесплатн|бонус)", re.IGNORECASE
)
"""`50g + 5g free`: what is given away is no part of the sum."""
LIST = re.compile(r"(?:[/,;&]|[ ]/[ ]|[ ]?(?:[-–—]|\.\.)[ ]?|[ ](?:и|или|до|or|to|and|по)[ ]|, )$", re.IGNORECASE)
DOSE_LEFT = re.compile(
    r"(?:вес таб\w*|в (?:одной )?табл?\w*|таблетк\w*(?: по)?|доз\w*|dose\w*|dosage\w*|dosing|принимать|strength"
    r"|мощность"
    r"|pills? weigh\w*|each (?:pill|tab|cap)\w*(?: \w+)?)[\s:=-]{0,3}(?:\d+[-–]?)?$"
)
DOSE_LEFT_STEMS = (
    "вес таб", "в таб", "в одной таб", "таблетк", "доз", "dos", "принимать", "strength", "мощность", "pill", "each "
)  # fmt: skip
DOSE_TALK = re.compile(r"(?:\bdos(?:e|es|age|ing)\b|дозировк|\bдоза\b|принимать)[^\n]{0,24}$")
DOSE_TALK_STEMS = ("dos", "доз", "принимать")
DOSE_RIGHT = re.compile(
    r"[ \t]{0,2}(?:/|per|each|в|на|за)[ \t]{0,2}(?:1 )?"
    r"(?:tab|tablet|pill|cap|capsule|hit|blotter|unit|serving|gummy|табл?|таблетк|капс|марк|штук|шт|одн)\w*",
    re.IGNORECASE,
)
CONCENTRATION = re.compile(
    r"[ \t]{0,2}(?:/|per|на|в)[ \t]{0,2}(?:1[ \t]?)?(?:ml|мл|kg|кг|l\b|cc|litre|liter|drops?\b|капл)", re.IGNORECASE
)
NOT_GRAMS = re.compile(r"[/%:]|[ \t]?(?:days?|hours?|min|h\b|км|km|m\b|м\b|дн|час|ч\b|star|/|[$€£₽])", re.IGNORECASE)
COUNTED = re.compile(
    r"(?<!\w)(?:bars?|gummies|pills?|tabs?|tablets?|caps(?:ules)?|blisters?|pharma|edibles?|blotters?|xtc|ecstasy|extasy"
    r"|таблет\w*|таб|колёса|колеса|марк[аиу]|марок|капсул\w*|экстази|блистер\w*)(?!\w)"
)
COUNTED_STEMS = (
    "bar", "gummies", "pill", "tab", "cap", "blister", "pharma", "edible", "blotter", "xtc", "ecstasy", "extasy", "таб",
    "кол", "мар", "капсул", "экстази", "блистер",
)  # fmt: skip
CHEMICAL = re.compile(
    r"[ \t]{0,2}[0-9]{1,2}(?:c-?[bcdegipt](?:-?[0-9f]\w*|b|-fly)?|[a-z]{1,2}-(?:lsd|al|mipla)|p[ ]lsd|i-?nb\w+|f-\w{3}"
    r"|[- ]?(?:meo|aco|ho-|fluoro|bromo|chloro|mmc|cmc|fmc|mec|cec|(?:fm?|m)a(?!\w)|fea|fpm|mapb|ap[bd]|eapb))",
    re.IGNORECASE,
)
"""`20 x 2C-B`: a name that begins with a number, which is no second factor."""
NOT_TIMES = re.compile(
    r"[ \t]{0,2}(?:\d|(?:the|more|better|stronger|faster|as|cheaper|times)\b"
    r"|(?:filter|wash|distill(?!ate)|sift|siev|refin|recryst|cook(?!ie)|poten|extract|экстракт))",
    re.IGNORECASE,
)
SMALL = {
    word: str(index)
    for index, word in enumerate(
        split_words(
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen twenty"
        ),
        1,
    )
} | {
    word: str(index)
    for index, word in enumerate(
        split_words("один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать"), 1
    )
}
PARTS = {"half": "0.5", "quarter": "0.25", "qtr": "0.25", "eighth": "0.125", "third": "0.3333", "sixteenth": "0.0625"}
AMOUNTS = SMALL | {
    "полтора": "1.5", "полторы": "1.5", "одна": "1", "две": "2", "двадцать": "20", "тридцать": "30", "сорок": "40",
    "пятьдесят": "50", "сто": "100", "двести": "200", "пятьсот": "500", "тысяча": "1000", "thirty": "30", "forty": "40",
    "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90", "hundred": "100",
}  # fmt: skip
TENS = {word: AMOUNTS[word] for word in split_words("twenty thirty forty fifty sixty seventy eighty ninety")}
ONES = {word: SMALL[word] for word in split_words("one two three four five six seven eight nine")}
_COMPOUND = rf"(?:{'|'.join(TENS)})[ -](?:{'|'.join(ONES)})|(?:a|{'|'.join(ONES)})[ ]hundred"
_ENGLISH = split_words("oz ounce pound lb gram g kilo kilogram kg ton tonne litre gallon")
_PER = split_words(
    "грамм гр г gram ounce oz pound lb kilo kg кило унцию шт штуку таблетку марку pill tablet tab unit piece"
)
WORDS = re.compile(
    r"(?<!\w)(?:"
    r"(?P<half>пол[- ]?)(?P<half_unit>грам+а?|кило(?:грамм?а?)?|литра|унции|таблетки)"
    rf"|(?P<english>{'|'.join(PARTS)})(?:[ -](?:of[ ])?(?:an?[ ])?(?P<english_unit>{'|'.join(_ENGLISH)})s?)"
    rf"|(?P<amount>{_COMPOUND}|{'|'.join(AMOUNTS)})[ -]"
    rf"(?:{_NOT_COUNTED}(?:[^\W\d_]{{2,12}}[ ]){{1,2}}?(?P<pieces>{_MANY})"
    r"|(?P<pack>pack|count|hits|joints|pre[ -]?rolls|carts|cartridges)|(?P<amount_unit>[^\W\d_]{1,12}))"
    rf"|(?P<per>за|per|an|a)[ ](?P<per_unit>{'|'.join(_PER)})"
    r"|(?P<of_unit>gram|ounce|pound|kilo)(?=[ ]of[ ])"
    r"|(?P<qp>(?i:qp)|q\.p\.)|(?P<eighth>(?:an[ ])?eighth|1/8th|1/8(?![\d/.,]))"
    r"|(?P<ball>8[ -]?ball|eight[ -]?ball|eightball)|(?P<teenth>teenth|teener)"
    r")(?!\w)|(?<=/)(?P<slash>gram|ounce|oz|pound|lb|kg|kilo|unit|each|piece|pill|tab|tablet|g|gr|г|гр|грамм|шт)(?!\w)",
    re.IGNORECASE,
)
STREET = {"eighth": ("0.125", "oz"), "ball": ("3.5", "g"), "teenth": ("0.0625", "oz")}
"""An '8 ball' is sold as 3.5 g; an eighth and a teenth are fractions of an ounce."""
_HALVED = split_words("грам грама грамм грамма кило килограм килограма килограмм килограмма литра унции таблетки")
LONE_HINTS = frozenset({*split_words("qp q eighth teenth teener eightball ball"), *(f"пол{unit}" for unit in _HALVED)})
"""Those that may be all of a match, or its end."""
HINTS = LONE_HINTS | {*AMOUNTS, *PARTS, *split_words("/ пол за per a an gram ounce pound kilo")}
"""The words that a match of `WORDS` begins with, and `/` and `ball`, which lead to its beginning (`1/8`, `8 ball`)."""
FOLLOWERS = HINTS | {*_ENGLISH, *(f"{unit}s" for unit in _ENGLISH), *_PER, *_HALVED, "of"}
"""What may stand behind a hint in a match, beside the names of units."""
LETTERS = re.compile(r"[^\W\d_]+")
NUMERO = frozenset({"№", "N", "No", "n"})
"""`10 мг №50`: how pharmacies write fifty tablets."""
