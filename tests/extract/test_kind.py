"""Kind of listing."""

from __future__ import annotations

import pytest

from extract.pipeline import Extractor


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Работа курьером! ЗП от 100 000", "job"), ("Требуется закладчик в центр", "job"), ("Hiring couriers", "job"),
        ("Работа только с марихуаной, залог", "job"), ("Custom listing for a friend 10g", "custom"),
        ("100g MDMA custom order", "custom"), ("Розыгрыш 10г мефа", "lottery"), ("Free sample cocaine 0.1g", "sample"),
        ("Пробник меф 0.3г", "sample"), ("Digital scale 0.01g", "equipment"), ("Test kit for cocaine", "equipment"),
        ("Passport scan USA", "document"), ("Netflix account lifetime", "other"), ("How to cook meth PDF guide", "other"),
        ("Гарант сервис", "service"), ("MDMA 1g + Cocaine 1g", "combo"), ("PMK oil 1l", "precursor"),
        ("БК-4 1кг", "precursor"), ("Кокаин 1г", "offer"), ("Cocaine 1g", "offer"), ("Гашиш и шишки 1г", "combo"),
        ("Xanax 2mg x 50, discreet service", "offer"),
    ],
)  # fmt: skip
def test_kind(extractor: Extractor, title: str, kind: str) -> None:
    assert extractor.read({"title": title}).kind == kind


def test_a_job_advert_in_the_description_does_not_make_an_offer_a_job(extractor: Extractor) -> None:
    reading = extractor.read({"title": "Кокаин 1г", "description": "Готовые клады. Требуются курьеры, работа в городе."})
    assert reading.kind == "offer"
