"""The vocabulary: tables under `extract/vocab/` (or another folder), read once.

Tables (CSV with a header, UTF-8), each row with its `source`:
- `substances.csv`: id, name (INN or chemical name), cas, group, un, rf, source, unsure (which of cas, un, rf nobody has
  held against a source)
- `names*.csv`: substance, name, lang, type, strength, source. `strength` is strong (always counts), weak (a word with a
  harmless sense: counts only beside other evidence) or class (a strain: says cannabis, the form decides which).
- `forms.csv`: form, term, lang; `kinds.csv`: kind, term, lang, weight; `cues.csv`: cue, term, lang
  (`ordinary`: a word that is neither a typing error in a long name nor a form of a short one)
- `false_friends.csv`: phrase, lang, note: where the phrase stands, the names inside it are not drugs.
Operators may add `names-*.csv` of their own to a copy of the folder.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, product
from pathlib import Path
from typing import Literal, NamedTuple

from config.errors import InputError
from extract.morphology import expand_forms
from extract.transliterate import transliterate

TABLES = Path(__file__).parent / "vocab"
Category = Literal["substance", "form", "kind", "cue", "false"]
STRENGTHS = frozenset({"strong", "weak", "class"})
INFLECTED = frozenset({"ru", "uk"})
SEPARATORS = "-‐‑–/."
MOST_PARTS = 4
"""Parts of a name whose separators are tried each by itself: eight spellings."""


class Substance(NamedTuple):
    """One controlled or sold substance. `un`: schedule of the 1961 or 1971 convention; `rf`: list of Decree 681."""

    id: str
    name: str
    cas: str
    group: str
    un: str
    rf: str
    source: str


class Term(NamedTuple):
    """What a phrase means. `value` is a substance id, form, kind or cue; `type` that of a name: `name`, `slang` ..."""

    category: Category
    value: str
    strength: str = "strong"
    weight: float = 1.0
    lang: str = ""
    type: str = ""


@dataclass
class Vocabulary:
    """All tables in memory. `phrases` maps a lower-case phrase to what it means (one meaning a category);
    `words` maps each form of a word (inflected, transliterated) to the word as listed."""

    substances: dict[str, Substance] = field(default_factory=dict)
    phrases: dict[str, list[Term]] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    long_names: set[str] = field(default_factory=set)
    """Words of strong names long enough to be recognised with a typing error."""
    disguisable: set[str] = field(default_factory=set)
    """Strong one-word names: these are looked for in spaced letters."""
    fillers: set[str] = field(default_factory=set)
    """Words that may stand between `no` and the name it denies."""
    talk: set[str] = field(default_factory=set)
    """Words that say nothing, but that drug listings are full of: colours, origins, praise."""
    digest: str = ""


def iter_rows(file: Path, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of one table with their line numbers. InputError where a column is missing or a row is short."""
    wanted = tuple(columns)
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        missing = [column for column in wanted if column not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"columns missing: {', '.join(missing)}.", file=file, line=1, remedy="Add them.")
        for row in reader:
            if any(row[column] is None for column in wanted):
                raise InputError("too few fields.", file=file, line=reader.line_num, remedy="Complete the row.")
            yield reader.line_num, row


def _spellings(phrase: str) -> set[str]:
    """The phrase with its hyphens kept, dropped, and as blanks, each by itself (`5-MeO DMT`, `4 HO-MET`)."""
    found = {phrase}
    if any(mark in phrase for mark in SEPARATORS):
        for mark in SEPARATORS:
            phrase = phrase.replace(mark, "-")
        found |= {phrase, phrase.replace("-", ""), phrase.replace("-", " "), " - ".join(phrase.split("-"))}
        parts = re.split("[- ]", phrase)
        if 2 < len(parts) <= MOST_PARTS:
            found.update(
                "".join(chain.from_iterable(zip(parts, (*joints, ""), strict=True)))
                for joints in product("- ", repeat=len(parts) - 1)
            )
    return found


class _Builder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vocabulary = Vocabulary()
        self._forms: list[tuple[list[str], str]] = []
        self._latin: list[str] = []

    def add(self, phrase: str, term: Term) -> None:
        """The first meaning of a phrase within a category stays: tables are ordered, the commonest first."""
        for spelling in _spellings(" ".join(phrase.lower().replace("ё", "е").split())):
            terms = self.vocabulary.phrases.setdefault(spelling, [])
            if all(known.category != term.category for known in terms):
                terms.append(term)

    def add_forms(self, phrase: str, lang: str) -> None:
        """Words and their forms, by and by: names of one word come first and are never a form of another word."""
        self._forms.append((phrase.lower().replace("ё", "е").split(), lang))

    def close(self) -> None:
        """Fills `words`. Where two words share a form, the word listed first has it."""
        words = self.vocabulary.words
        for alone in (True, False):
            for parts, lang in self._forms:
                if (len(parts) == 1) is alone:
                    for word in parts:
                        base = words.setdefault(word, word)
                        if lang in INFLECTED and base == word:
                            for form in expand_forms(word):
                                words.setdefault(form, word)
            if alone:
                self._transliterations()

    def substances(self) -> None:
        file = self.folder / "substances.csv"
        for line, row in iter_rows(file, Substance._fields):
            one = Substance(*(row[column].strip() for column in Substance._fields))
            if one.id in self.vocabulary.substances:
                raise InputError(f"{one.id!r} is there twice.", file=file, line=line, remedy="Remove one.")
            self.vocabulary.substances[one.id] = one

    def names(self) -> None:
        for file in sorted(self.folder.glob("names*.csv")):
            for line, row in iter_rows(file, ("substance", "name", "lang", "type", "strength", "source")):
                self._check(row, file, line)
                name, lang, strength = row["name"].strip(), row["lang"], row["strength"]
                self.add(name, Term("substance", row["substance"], strength, lang=lang, type=row["type"]))
                self.add_forms(name, lang if row["type"] != "abbreviation" else "")
                one_word = name.lower().replace("ё", "е")
                if strength != "weak" and " " not in one_word and one_word.isalpha():
                    self.vocabulary.disguisable.add(one_word)
                    if strength == "strong" and len(one_word) >= 7:
                        self.vocabulary.long_names.add(one_word)
                    if lang == "ru" and len(one_word) >= 5:
                        self._latin.append(one_word)

    def _transliterations(self) -> None:
        """Russian names and their forms in Latin letters, as sellers type them; a listed word is never overridden."""
        words = self.vocabulary.words
        listed = set(words)
        for name in self._latin:
            for form in (name, *expand_forms(name)):
                for latin in transliterate(form):
                    if latin not in listed:
                        words.setdefault(latin, name)

    def _check(self, row: dict[str, str], file: Path, line: int) -> None:
        if row["substance"] not in self.vocabulary.substances:
            raise InputError(
                f"unknown substance {row['substance']!r}.", file=file, line=line, remedy="Add it to substances.csv."
            )
        if row["strength"] not in STRENGTHS:
            raise InputError(
                f"strength {row['strength']!r}.", file=file, line=line, remedy=f"Use one of {', '.join(STRENGTHS)}."
            )

    def others(self) -> None:
        for _, row in iter_rows(self.folder / "forms.csv", ("form", "term", "lang")):
            self._plain(row["term"], row["lang"], Term("form", row["form"]))
        for _, row in iter_rows(self.folder / "kinds.csv", ("kind", "term", "lang", "weight")):
            self._plain(row["term"], row["lang"], Term("kind", row["kind"], weight=float(row["weight"])))
        for _, row in iter_rows(self.folder / "cues.csv", ("cue", "term", "lang")):
            if row["cue"] == "filler":
                self.vocabulary.fillers.add(row["term"])
                continue
            if row["cue"] == "talk":
                self.vocabulary.talk.add(row["term"])
                continue
            if row["cue"] == "ordinary":
                word = row["term"].lower().replace("ё", "е")
                self.vocabulary.words[word] = word
                continue
            self._plain(row["term"], row["lang"], Term("cue", row["cue"]))
        for _, row in iter_rows(self.folder / "false_friends.csv", ("phrase", "lang", "note")):
            self._plain(row["phrase"], row["lang"], Term("false", row["phrase"], row["note"]))

    def _plain(self, phrase: str, lang: str, term: Term) -> None:
        self.add(phrase, term)
        self.add_forms(phrase, lang)


def digest_tables(folder: Path) -> str:
    """SHA-256 over names and contents of the tables, line ends unified: the same on every machine."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.csv")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


@lru_cache(maxsize=4)
def load_vocabulary(folder: Path = TABLES) -> Vocabulary:
    """Reads the tables of a folder. InputError (file, line, remedy) for a broken table."""
    if not folder.is_dir():
        raise InputError("no such folder of tables.", file=folder, remedy="Name a copy of extract/vocab.")
    builder = _Builder(folder)
    builder.substances()
    builder.names()
    builder.others()
    builder.close()
    builder.vocabulary.digest = digest_tables(folder)
    return builder.vocabulary
