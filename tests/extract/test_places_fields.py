"""Short field texts to ISO codes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import InputError
from extract.gazetteer import Gazetteer, differ_by_one, load_gazetteer, read_table
from extract.place_names import fold, skeleton


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return load_gazetteer()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Тбилиси", "GE-TB"), ("Батуми", "GE-AJ"), ("Кутаиси", "GE-IM"), ("Old Tbilisi (Старый город)", "GE-TB"),
        ("Saburtalo", "GE-TB"), ("Москва, Бутово", "RU-MOW"), ("Бутово", "RU-MOW"), ("Москва (ЮАО)", "RU-MOW"),
        ("Екатеринбург / Уралмаш", "RU-SVE"), ("г. Тула", "RU-TUL"), ("в Москве", "RU-MOW"), ("спб", "RU-SPE"),
        ("мск", "RU-MOW"), ("екб", "RU-SVE"), ("нск", "RU-NVS"), ("НН", "RU-NIZ"), ("Ростов", "RU-ROS"),
        ("Ростов-на-Дону", "RU-ROS"), ("Московская область, Химки", "RU-MOS"), ("МО", "RU-MOS"),
        ("Бородино (Подольский район)", "RU-MOS"), ("Холм (Новгородская обл.)", "RU-NGR"),
        ("Вурнары (Чувашия)", "RU-CU"), ("Междуреченский (ХМАО)", "RU-KHM"), ("Томмот (Якутия)", "RU-SA"),
        ("Краснознаменск (Калиниградская обл.)", "RU-KGD"), ("Железногорск (Курская область)", "RU-KRS"),
        ("Алматы", "KZ-75"), ("Алма-Ата", "KZ-75"), ("Нур-Султан", "KZ-71"), ("Шымкент", "KZ-79"), ("Минск", "BY-HM"),
        ("Бишкек", "KG-GB"), ("Ташкент", "UZ-TK"), ("Душанбе", "TJ-DU"), ("Київ", "UA-30"), ("Одеса", "UA-51"),
        ("Ереван", "AM-ER"), ("Баку", "AZ-BA"), ("Кишинёв", "MD-CU"), ("Тирасполь", "MD-SN"), ("Симферополь", "UA-43"),
        ("Moskva", "RU-MOW"), ("Tbilisi", "GE-TB"), ("Алматы Ауэзовский район", "KZ-75"),
        ("Москва метро Сокол", "RU-MOW"), ("район Измайлово", "RU-MOW"), ("Горно-Алтайск", "RU-AL"), ("по Тульской области", "RU-TUL"), ("ХМАО Сургут", "RU-KHM"), ("Брест", "BY-BR"), ("Nizhny Tagil", "RU-SVE"), ("Prokop'yevsk", "RU-KEM"),
    ],
)  # fmt: skip
def test_places_down_to_the_subdivision(gazetteer: Gazetteer, text: str, code: str) -> None:
    assert gazetteer.region_of(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("World Wide", "WORLD"), ("Worldwide", "WORLD"), ("WW", "WORLD"), ("Europe", "EU"), ("EU", "EU"),
        ("United States", "US"), ("USA", "US"), ("U.S.A.", "US"), ("США", "US"), ("United Kingdom", "GB"), ("UK", "GB"),
        ("Netherlands", "NL"), ("The Netherlands", "NL"), ("Голландия", "NL"), ("Deutschland", "DE"), ("AUS", "AU"),
        ("Afghanistan (AF)", "AF"), ("Korea, Republic of", "KR"), ("Антарктида", "AQ"), ("Российская Федерация", "RU"),
        ("Côte d'Ivoire", "CI"), ("Bosnia and Herzegovina", "BA"), ("Trinidad & Tobago", "TT"), ("Россия, Москва", "RU-MOW"),
    ],
)  # fmt: skip
def test_countries_and_areas(gazetteer: Gazetteer, text: str, code: str) -> None:
    assert gazetteer.region_of(text) == code


@pytest.mark.parametrize(
    "text", ["", "Мирный", "Алтай", "Железногорск", "Центр", "Any", "no", "нет", "in", "---", "любой район", "Покров (Марсианская обл.)x"]
)
def test_ambiguous_and_unknown_names_abstain(gazetteer: Gazetteer, text: str) -> None:
    assert gazetteer.region_of(text) is None


def test_country_narrows(gazetteer: Gazetteer) -> None:
    assert gazetteer.region_of("Донецк") == "UA-14"
    assert gazetteer.region_of("Донецк", "RU") == "RU-ROS"
    assert gazetteer.region_of("Тбилиси", "RU") is None


def test_a_qualifier_that_contradicts_the_name_is_not_overruled(gazetteer: Gazetteer) -> None:
    assert gazetteer.region_of("Москва (Тульская область)") == "RU-TUL"
    assert gazetteer.region_of("Тбилиси, Батуми") is None


@pytest.mark.parametrize(
    ("cyrillic", "latin"),
    [("Прокопьевск", "Prokop'yevsk"), ("Щёлково", "Shchyolkovo"), ("Ханты", "Khanty"), ("Цхинвали", "Tskhinvali"),
     ("Йошкар-Ола", "Yoshkar-Ola")],
)  # fmt: skip
def test_one_skeleton_for_both_scripts(cyrillic: str, latin: str) -> None:
    assert skeleton(cyrillic) == skeleton(latin)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    code = load_gazetteer().region_of(text)
    assert code is None or code in ("EU", "WORLD") or code[:2].isupper()


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="абвгд", min_size=2, max_size=9), st.integers(0, 8))
def test_one_lost_letter_is_one_difference(word: str, at: int) -> None:
    lost = word[: at % len(word)] + word[at % len(word) + 1 :]
    assert differ_by_one(lost, word)
    assert not differ_by_one(word, word + "аб")


def test_fold_keeps_words() -> None:
    assert fold("  Ростов-на-Дону!! ") == "ростов на дону"


@pytest.mark.parametrize(("content", "line"), [("wrong,head\n", 1), ("code,name\nRU\n", 2), ("code,name\nRU,a,b\n", 2)])
def test_a_damaged_table_is_named_with_its_line(tmp_path: Path, content: str, line: int) -> None:
    (tmp_path / "t.csv").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        list(read_table("t.csv", ("code", "name"), tmp_path))
    assert caught.value.line == line
    assert caught.value.remedy


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv"):
        list(read_table("none.csv", ("code",), tmp_path))


@pytest.mark.shared_data
def test_every_russian_town_with_its_region(gazetteer: Gazetteer, shared_data: Path) -> None:
    def rows(name: str) -> list[dict[str, str]]:
        with (shared_data / "places" / name).open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    codes = {row["name"]: row["iso_code"] for row in rows("region.csv")}
    towns = [(r["city"] or r["area"] or r["region"], f"{r['region']} {r['region_type']}", codes[r["region"]])
             for r in rows("city.csv") if r["region"] in codes]  # fmt: skip
    assert len(towns) > 1000
    qualified = [gazetteer.region_of(f"{town} ({region})") == code for town, region, code in towns]
    assert sum(qualified) / len(towns) > 0.99
    bare = [(gazetteer.region_of(town), code) for town, _, code in towns]
    assert sum(got == code for got, code in bare) / len(bare) > 0.90
    # homonyms of larger places are the rest: a bare `Киров` is the capital of its oblast
    assert sum(got not in (None, code) for got, code in bare) / len(bare) < 0.02
