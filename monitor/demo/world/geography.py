"""Cities of the stash market, countries of the postal one. Written for the demo, not read from the place tables."""

from __future__ import annotations

from monitor.demo.world.records import Place

CITIES: tuple[Place, ...] = (
    Place("Москва", "RU-MOW", ("Тверской", "Митино", "Перово", "Чертаново"), ("мск", "Мск"), 20),
    Place("Санкт-Петербург", "RU-SPE", ("Приморский", "Купчино", "Парнас"), ("спб", "Питер"), 15),
    Place("Екатеринбург", "RU-SVE", ("Уралмаш", "Академический", "Химмаш"), ("екб", "Екат"), 11),
    Place("Казань", "RU-TA", ("Вахитовский", "Советский", "Азино"), ("казань", "Казань"), 9),
    Place("Новосибирск", "RU-NVS", ("Академгородок", "Ленинский", "Калининский"), ("нск", "Новосиб"), 9),
    Place("Нижний Новгород", "RU-NIZ", ("Сормово", "Автозавод", "Мещера"), ("Н. Новгород", "Нижний Новгород"), 7),
    Place("Ростов-на-Дону", "RU-ROS", ("Северный", "Западный", "Нахичевань"), ("Ростов-на-Дону",), 7),
    Place("Самара", "RU-SAM", ("Металлург", "Безымянка"), ("самара", "Самара"), 6),
    Place("Краснодар", "RU-KDA", ("Юбилейный", "Фестивальный"), ("крд", "Краснодар"), 6),
    Place("Челябинск", "RU-CHE", ("Тракторозаводский", "ЧМЗ"), ("члб", "Челябинск"), 5),
    Place("Уфа", "RU-BA", ("Черниковка", "Дёма"), ("уфа", "Уфа"), 5),
)
PLACES = {place.name: place for place in CITIES}

# How hiding types are written on the site, by canonical type.
STASH_TEXTS: dict[str, tuple[str, ...]] = {
    "cache": ("Тайник", "тайник"),
    "buried": ("Прикоп", "прикоп", "Прикоп (земля)"),
    "magnet": ("Магнит", "магнит"),
    "snow": ("Снежный прикоп", "в снегу"),
    "stairwell": ("Подъезд", "подъезд"),
}

# ISO code -> (ways a site writes it, currency of its vendors, weight).
COUNTRIES: dict[str, tuple[tuple[str, ...], str, float]] = {
    "DE": (("Germany",), "EUR", 14),
    "NL": (("Netherlands", "The Netherlands"), "EUR", 14),
    "GB": (("United Kingdom", "UK"), "GBP", 14),
    "US": (("United States", "USA"), "USD", 22),
    "AU": (("Australia",), "AUD", 9),
    "CA": (("Canada",), "USD", 6),
    "ES": (("Spain",), "EUR", 5),
    "FR": (("France",), "EUR", 5),
    "PL": (("Poland",), "EUR", 4),
    "BE": (("Belgium",), "EUR", 4),
}
UNIONS = {"WORLD": ("Worldwide", "World Wide"), "EU": ("European Union", "EU")}
OTHER_COUNTRIES = {"NZ": "New Zealand", "SE": "Sweden", "NO": "Norway", "FI": "Finland", "IE": "Ireland",
                   "AT": "Austria", "SG": "Singapore", "RU": "Russia", "JP": "Japan"}  # fmt: skip


def write_country(code: str, style: int) -> str:
    """The site's spelling of a code."""
    if code in COUNTRIES:
        ways = COUNTRIES[code][0]
    elif code in UNIONS:
        ways = UNIONS[code]
    else:
        ways = (OTHER_COUNTRIES[code],)
    return ways[style % len(ways)]
