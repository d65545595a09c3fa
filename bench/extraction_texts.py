"""Made-up listing texts for the speed benchmark: 69 words, half of the texts Russian, all distinct.

What makes extraction dear is held to what real texts show (measured on 1,477 forum posts and 1,654 news sentences about
drugs, and 626 listing titles of a stash market): words follow Zipf's law, so that most of them come again while new
ones never end. Of 60,000 tokens the second half has 7 to 9 % new ones (here 8 %; a fixed list of words would have none)
and of what stands between blanks 14 to 15 % (here 14 %); there are 1.2 tokens a word, because of punctuation; 2 to 22 %
of the words hold numbers (here 6 %). One word in fifteen names a drug, one in fifty a place or a hiding type: dense, as
listings are. No word of any real listing is used: rare words are syllables strung together.
"""

from __future__ import annotations

import random
from itertools import accumulate

WORDS = 69
RARE = 120_000
"""Made-up words of each language, beside the real ones."""
COMMON = {
    "ru": (
        "и в на с по для от до без не за или также если можно нужно после перед через очень всегда сегодня завтра "
        "заказ оплата оператор район улица дом двор лес парк дерево забор точка адрес описание точный удобный быстро "
        "тихо свой наш ваш этот который будет есть был выбор город область центральный северный южный новый старый "
        "большой маленький белый серый желтый пакет продам свежий качественный товар лучшие всему городу "
        "гарантия отзывы магазин скидка постоянным клиентам работаем каждый день выходных только проверенные места "
        "фото координаты вес упаковка чистота цена один два пол"
    ).split(),
    "en": (
        "the and to of a for in with from your you will is are not be this that we our have has can any all more than "
        "only after before please message support customer order orders package arrive address double check time week "
        "quality service price prices payment available contact reply within hours safe discreet envelope letter mail "
        "post offer best product fast stealth shipping vacuum sealed tested purity reship refund policy read terms "
        "discount bulk customers tracking escrow delivery days business vendor trusted since per an one half no"
    ).split(),
}
DRUGS = {
    "ru": "мефедрон гашиш шишки амфетамин кокаин метадон марки экстази кристаллы мефа гашиша бошки альфа".split(),
    "en": "cocaine mdma ketamine weed hash lsd xanax pills crystal powder speed heroin oxycodone".split(),
}
SETTINGS = {
    "ru": (
        "клад", "тайник", "прикоп", "магнит", "снежный прикоп", "по Москве", "в Казани", "по всей России", "Тула",
        "отправка из Екатеринбурга", "доставка по СНГ",
    ),
    "en": (
        "ships from Germany", "worldwide", "to EU only", "from UK", "USA domestic", "no Australia", "from Holland",
        "across Canada",
    ),
}  # fmt: skip
_UNITS = {"ru": ("г", " гр", " г", " грамм", " шт", " руб", "р", "%", " мг", "к"),
          "en": ("g", " g", " gram", " pcs", "mg", " mg", "x", "%", " ml", " EUR", " pills")}  # fmt: skip
_SYLLABLES = {
    "ru": [left + right for left in "бвгджзклмнпрстфхчш" for right in "аеиоуыюя"],
    "en": [left + right for left in "bcdfghklmnprstvwz" for right in "aeiouy"],
}
_ENDINGS = {"ru": ("", "н", "л", "ть", "ми", "ов", "ный", "ть", "ка"),
            "en": ("", "n", "s", "ed", "ing", "r", "t", "ly")}  # fmt: skip
_SIGNS = (", ",) * 9 + (". ",) * 6 + ("\n",) * 2 + ("! ", " - ", ": ", ".\n")


class Texts:
    """A stream of texts; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        fixed = random.Random(0)  # the words themselves are the same for every seed
        self._words = {lang: [*COMMON[lang], *(self._word(fixed, lang) for _ in range(RARE))] for lang in COMMON}
        self._weights = list(accumulate((rank + 6) ** -1.4 for rank in range(RARE)))

    @staticmethod
    def _word(chance: random.Random, lang: str) -> str:
        return "".join(chance.choices(_SYLLABLES[lang], k=chance.randint(2, 4))) + chance.choice(_ENDINGS[lang])

    def make(self, count: int) -> list[str]:
        """`count` texts, every other one Russian."""
        return [self._text(("ru", "en")[number % 2]) for number in range(count)]

    def _text(self, lang: str) -> str:
        chance = self._chance
        words = chance.choices(self._words[lang][:RARE], cum_weights=self._weights, k=WORDS)
        pieces: list[str] = []
        for common in words:
            word, draw = common, chance.random()
            if draw < 0.06:
                word = self._amount(lang)
            elif draw < 0.06 + 1 / 15:
                word = chance.choice(DRUGS[lang])
            elif draw < 0.145:
                word = chance.choice(SETTINGS[lang])
            pieces += (word.capitalize() if chance.random() < 0.08 else word,
                       chance.choice(_SIGNS) if chance.random() < 0.16 else " ")  # fmt: skip
        return "".join(pieces[:-1])

    def _amount(self, lang: str) -> str:
        chance = self._chance
        number = chance.choice((str(chance.randint(1, 9)), f"0{chance.choice('.,')}{chance.randint(1, 99)}",
                                str(chance.randint(2, 50) * 10), str(chance.randint(9, 99) * 100)))  # fmt: skip
        if lang == "en" and chance.random() < 0.25:
            return f"${number}"
        return number + chance.choice(_UNITS[lang])
