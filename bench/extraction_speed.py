"""Documents a second of the whole pipeline on texts it has not seen, beside an anchor measured in the same run.

Anchor: lower-casing, `ahocorasick_rs` over 3,000 terms and a digit-anchored regular expression. Texts are made up here:
69 words, half of them Russian, a tenth of them new to any cache. Run: `python bench/extraction_speed.py [documents]`.
Times are CPU seconds of this process (one core), so that other work on the machine disturbs less.
"""

from __future__ import annotations

import random
import re
import sys
import time

import ahocorasick_rs

from extract.pipeline import Extractor

RUSSIAN = (
    "продам", "свежий", "качественный", "товар", "лучшие", "клады", "по", "всему", "городу", "тайник", "прикоп",
    "магнит", "снежный", "район", "центр", "чистота", "доставка", "гарантия", "отзывы", "магазин", "скидка",
    "постоянным", "клиентам", "работаем", "каждый", "день", "без", "выходных", "только", "проверенные", "места",
    "фото", "координаты", "описание", "вес", "упаковка", "мефедрон", "гашиш", "шишки", "амфетамин", "кокаин",
    "метадон", "марки", "экстази", "кристаллы",
)  # fmt: skip
ENGLISH = (
    "we", "offer", "the", "best", "quality", "product", "fast", "stealth", "shipping", "worldwide", "from",
    "europe", "to", "usa", "and", "canada", "vacuum", "sealed", "tested", "purity", "reship", "refund", "policy",
    "please", "read", "our", "terms", "before", "order", "discount", "for", "bulk", "customers", "cocaine", "mdma",
    "ketamine", "weed", "hash", "lsd", "xanax", "pills", "crystal", "powder", "tracking", "escrow", "delivery",
    "days", "business", "vendor", "trusted", "since",
)  # fmt: skip
NEUTRAL = (
    "и", "в", "на", "с", "по", "для", "от", "до", "без", "или", "также", "если", "можно", "нужно", "после", "перед",
    "через", "очень", "всегда", "сегодня", "завтра", "заказ", "оплата", "оператор", "район", "улица", "дом", "двор",
    "лес", "парк", "дерево", "забор", "точка", "адрес", "описание", "точный", "удобный", "быстро", "тихо", "свой",
    "наш", "ваш", "этот", "который", "будет", "есть", "был", "выбор", "город", "область", "центральный", "северный",
    "южный", "новый", "старый", "большой", "маленький", "белый", "серый", "желтый", "пакет",
)  # fmt: skip
NEUTRAL_EN = (
    "the", "and", "to", "of", "for", "with", "from", "your", "you", "will", "is", "are", "not", "be", "this",
    "that", "have", "has", "can", "any", "all", "more", "than", "only", "after", "before", "please", "message",
    "support", "customer", "order", "orders", "package", "arrive", "arrives", "address", "double", "check", "time",
    "times", "week", "weeks", "quality", "service", "price", "prices", "payment", "available", "contact", "reply",
    "within", "hours", "safe", "discreet", "envelope", "letter", "mail", "post",
)  # fmt: skip
AMOUNTS = ("0,5г", "1 гр", "2.5g", "10 x 20mg", "5 шт", "100 pcs", "1500 руб", "$45", "0.33 гр", "€120", "50 ml", "84%")

WORDS = {"ru": RUSSIAN + NEUTRAL, "en": ENGLISH + NEUTRAL_EN}
"""About one word in fifteen names a drug, as in real descriptions."""


def make_texts(count: int, seed: int) -> list[str]:
    """`count` texts of 69 words."""
    chance = random.Random(seed)
    letters = {"ru": "абвгдежзиклмнопрстуя", "en": "abcdefghiklmnoprstuwy"}
    texts = []
    for _ in range(count):
        words = []
        for _ in range(69):
            draw = chance.random()
            lang = chance.choice(("ru", "en"))
            if draw < 0.1:
                words.append("".join(chance.choice(letters[lang]) for _ in range(chance.randint(4, 11))))
            elif draw < 0.16:
                words.append(chance.choice(AMOUNTS))
            else:
                words.append(chance.choice(WORDS[lang]))
        texts.append(" ".join(words))
    return texts


def anchor_rate(texts: list[str], terms: list[str]) -> float:
    """Documents a second of the anchor."""
    automaton = ahocorasick_rs.AhoCorasick(terms)
    pattern = re.compile(r"\d+(?:[.,]\d+)?\s?(?:г|гр|g|mg|ml|kg|шт|pcs|руб|%)")
    start = time.process_time()
    for text in texts:
        lower = text.lower()
        automaton.find_matches_as_indexes(lower)
        pattern.findall(lower)
    return len(texts) / (time.process_time() - start)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    start = time.process_time()
    extractor = Extractor()
    start_up = time.process_time() - start
    texts = make_texts(count, 7)
    terms = random.Random(1).sample(sorted(extractor.vocabulary.phrases), 3_000)
    anchor = anchor_rate(texts, terms)
    start = time.process_time()
    for _ in extractor.read_many({"description": text} for text in texts):
        pass
    ours = count / (time.process_time() - start)
    print(f"start-up {start_up:.2f} s; anchor {anchor:,.0f} docs/s; pipeline {ours:,.0f} docs/s; "
          f"ratio {ours / anchor:.3f} ({count} documents of 69 words)")
    print("components, microseconds a document:")
    extractor = Extractor()
    docs = [extractor.nlp.make_doc(text) for text in texts[:1_000]]
    for name, component in extractor.nlp.pipeline:
        start = time.process_time()
        for doc in docs:
            component(doc)
        print(f"  {name:24} {(time.process_time() - start) / len(docs) * 1e6:8.1f}")


if __name__ == "__main__":
    main()
