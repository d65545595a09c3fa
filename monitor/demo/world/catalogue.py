"""What is sold on the two markets, in canonical terms, and at what usual price (an invented but plausible level)."""

from __future__ import annotations

from monitor.demo.world.records import Product

_UP = ("Стимуляторы", "Эйфоретики")
_SALT = ("Стимуляторы", "Кристаллы и порошки")
_CANNABIS = ("Каннабиноиды",)
_PSY = ("Психоделики",)
_OPI = ("Опиаты",)
_DIS = ("Диссоциативы",)
_MED = ("Аптека",)
_MISC = ("Разное",)

# key, substance, form, unit, base quantities, price of one base unit at the first of them, weight, category, kind
STASH: tuple[Product, ...] = (
    Product("mephedrone", "mephedrone", "crystal", "g", (0.5, 1, 2, 3, 5), 2300, 24, _UP),
    Product("alpha-pvp", "alpha-pvp", "crystal", "g", (0.33, 0.5, 1, 2), 2700, 18, _SALT),
    Product("cannabis-herb", "cannabis-herb", "herb", "g", (1, 2, 3, 5, 10), 1550, 18, (*_CANNABIS, "Шишки")),
    Product("cannabis-resin", "cannabis-resin", "resin", "g", (1, 2, 3, 5, 10), 1350, 14, (*_CANNABIS, "Твёрдый")),
    Product("amphetamine", "amphetamine", "powder", "g", (0.5, 1, 2, 3, 5), 1250, 10, _SALT),
    Product("cocaine", "cocaine", "powder", "g", (0.5, 1, 2), 9800, 5, _SALT),
    Product("mdma-pill", "mdma", "pill", "unit", (1, 2, 3, 5, 10), 1150, 4, _UP),
    Product("mdma-crystal", "mdma", "crystal", "g", (0.5, 1, 2), 3600, 2, _UP),
    Product("lsd", "lsd", "blotter", "unit", (1, 2, 5, 10), 1700, 3, _PSY),
    Product("psilocybin", "psilocybin", "mushroom", "g", (1, 2.5, 5, 10), 750, 2, _PSY),
    Product("methadone", "methadone", "crystal", "g", (0.25, 0.5, 1), 5600, 2.5, _OPI),
    Product("heroin", "heroin", "powder", "g", (0.5, 1, 2), 3900, 2, _OPI),
    Product("ketamine", "ketamine", "crystal", "g", (0.5, 1, 2), 4600, 2, _DIS),
    Product("4-cmc", "4-cmc", "crystal", "g", (0.5, 1, 2, 3), 1700, 2, _UP),
    Product("methamphetamine", "methamphetamine", "crystal", "g", (0.25, 0.5, 1), 5200, 2, _SALT),
    Product("pregabalin", "pregabalin", "capsule", "unit", (7, 14, 28, 56), 95, 2, _MED),
    Product("unknown", None, None, "g", (0.5, 1, 2), 2400, 2, _MISC),
    Product("job", None, None, "unit", (1,), 100, 2.5, ("Работа",), "job"),
    Product("lottery", None, None, "unit", (1,), 150, 1.2, ("Акции и розыгрыши",), "lottery"),
)

_X = "Drugs"
POSTAL: tuple[Product, ...] = (
    Product("cannabis-herb", "cannabis-herb", "herb", "g", (1, 3.5, 7, 14, 28, 112), 11, 19, (_X, "Cannabis", "Buds")),
    Product("cannabis-resin", "cannabis-resin", "resin", "g", (2, 5, 10, 25, 50), 9.5, 10, (_X, "Cannabis", "Solid")),
    Product("cannabis-concentrate", "cannabis-concentrate", "concentrate", "g", (1, 3.5, 7), 31, 3,
            (_X, "Cannabis", "Extracts")),
    Product("cocaine", "cocaine", "powder", "g", (0.5, 1, 3.5, 7, 14), 82, 16, (_X, "Stimulants")),
    Product("amphetamine", "amphetamine", "powder", "g", (5, 10, 25, 50, 100), 7, 9, (_X, "Stimulants")),
    Product("methamphetamine", "methamphetamine", "crystal", "g", (1, 3.5, 7), 45, 5, (_X, "Stimulants")),
    Product("mdma-crystal", "mdma", "crystal", "g", (1, 3.5, 7, 14, 28), 24, 8, (_X, "Ecstasy")),
    Product("mdma-pill", "mdma", "pill", "unit", (10, 25, 50, 100, 250), 4.2, 9, (_X, "Ecstasy")),
    Product("ketamine", "ketamine", "crystal", "g", (1, 3.5, 7, 14, 28), 31, 8, (_X, "Dissociatives")),
    Product("lsd", "lsd", "blotter", "unit", (5, 10, 25, 50, 100), 6.5, 6, (_X, "Psychedelics")),
    Product("psilocybin", "psilocybin", "mushroom", "g", (7, 14, 28, 56), 5.8, 4, (_X, "Psychedelics")),
    Product("2c-b", "2c-b", "pill", "unit", (5, 10, 25, 50), 6, 2, (_X, "Psychedelics")),
    Product("dmt", "dmt", "powder", "g", (0.5, 1, 3.5), 72, 2, (_X, "Psychedelics")),
    Product("heroin", "heroin", "powder", "g", (0.5, 1, 3.5, 7), 55, 5, (_X, "Opioids")),
    Product("oxycodone", "oxycodone", "pill", "unit", (5, 10, 20, 50), 23, 2, (_X, "Opioids")),
    Product("alprazolam", "alprazolam", "pill", "unit", (10, 25, 50, 100, 500), 2.4, 5, (_X, "Benzos")),
    Product("diazepam", "diazepam", "pill", "unit", (20, 50, 100, 200), 1.3, 2, (_X, "Benzos")),
    Product("pregabalin", "pregabalin", "capsule", "unit", (14, 28, 56, 112), 1.2, 1.2, (_X, "Prescription")),
    Product("gbl", "gbl", "liquid", "ml", (100, 250, 500, 1000), 0.38, 2, (_X, "Other")),
    Product("unknown", None, None, "g", (1, 3.5, 7), 28, 2, (_X, "Other")),
    Product("document", None, None, "unit", (1,), 90, 1.5, ("Digital and papers", "Papers"), "document"),
)

# Substances never seen before the event; one of them by seed.
NITAZENES = ("metonitazene", "isotonitazene", "protonitazene", "etonitazene")


def nitazene_product(market: str, substance: str) -> Product:
    """How a newcomer of the nitazenes is sold on a market."""
    if market == "stash":
        return Product("nitazene", substance, "powder", "g", (0.1, 0.25, 0.5), 9000, 0, _OPI)
    return Product("nitazene", substance, "powder", "g", (0.5, 1, 5), 95, 0, (_X, "Opioids"))


def products_of(market: str) -> tuple[Product, ...]:
    return STASH if market == "stash" else POSTAL
