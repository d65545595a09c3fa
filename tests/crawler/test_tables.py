"""Importing strangers' tables: formats, bad input, and that nothing is lost in silence."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config.errors import InputError, UsageError
from crawler.coverage import neighbour_coverage
from crawler.items import Coverage, CoverageBasis, Crawl, CrawlKind, CrawlOutcome
from crawler.log import iter_log
from crawler.privacy import Masker, is_pseudonym
from crawler.tables.importer import Importer, ImportReport, Rejected
from crawler.tables.mapping import load_mapping

MAP = """\
id: shop
market: shop
tz: Asia/Tbilisi
observed_at: {column: seen, format: "%d-%m-%Y %H:%M:%S"}
price: [{column: usd, currency: USD, optional: true}, {column: eur, currency: EUR, optional: true}]
text: {title: name, vendor: seller, quantity: weight, place: city}
numbers: {ready: {column: stock, values: {none: "0"}}}
"""
HEADER = "seen,name,seller,weight,city,stock,usd,eur"
ROWS = [
    "01-03-2020 00:30:00,Fine hash 5g,anna77,5 g,Tbilisi,3,50,",
    "01-03-2020 00:31:00,Fine hash 5g,anna77,10 g,Tbilisi,none,,90",
    "01-03-2020 00:32:00,Weed,boris,1 g,Batumi,x,20,",
]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., ImportReport]:
    """Import a path by a mapping text; the report gets `rejected_all`."""
    (tmp_path / "map.yml").write_text(MAP, encoding="utf-8")

    def call(path: Path, mapping: str = MAP) -> ImportReport:
        (tmp_path / "map.yml").write_text(mapping, encoding="utf-8")
        rejected: list[Rejected] = []
        importer = Importer(
            load_mapping(str(tmp_path / "map.yml")), Masker("0123abcd", b"k" * 32), tmp_path / "logs", rejected.append
        )
        list(importer.run(path, lambda name, done: None))
        assert sum(importer.report.reasons.values()) == len(rejected)
        return importer.report

    return call


def write(path: Path, rows: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_rows_become_masked_listings_with_native_price_and_utc(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    report = run(write(tmp_path / "a.csv", ROWS))
    assert (report.rows, report.stored, dict(report.unread)) == (3, 3, {"ready": 1})
    crawl, listings = iter_log(report.logs[0])
    found = list(listings)
    assert crawl.kind is CrawlKind.IMPORT
    assert crawl.source == "a.csv"
    assert crawl.listings == 2
    assert found[0].observed_at == datetime(2020, 2, 29, 20, 30, tzinfo=UTC)  # UTC+4: the day before in UTC
    assert [one.offers[0].price for one in found] == ["50 USD", "90 EUR", "20 USD"]
    assert [one.offers[0].ready for one in found] == [3, 0, None]
    assert found[0].listing == found[1].listing != found[2].listing
    assert all(is_pseudonym(one.vendor or "") for one in found)
    assert "anna77" not in report.logs[0].read_text("utf-8")


def test_second_run_changes_nothing(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ROWS)
    first = run(path)
    before = first.logs[0].read_bytes()
    second = run(path)
    assert (second.rows, second.unchanged_tables, second.logs) == (0, 1, first.logs)
    assert first.logs[0].read_bytes() == before


def test_a_run_that_was_killed_is_done_again(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ROWS)
    log = run(path).logs[0]
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) // 2])
    assert run(path).stored == 3
    assert log.read_bytes() == whole


def test_every_row_is_stored_or_counted_with_its_line(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    rows = [ROWS[0], ROWS[0], "01-03-2020 00:33:00,,anna77,1 g,Tbilisi,1,5,", "not a day,Weed,c,1 g,Batumi,1,5,", "a,b",
            "01-03-2020 00:34:00,We\0ed,c,1 g,Batumi,1,5,", '01-03-2020 00:35:00,"two\nlines",c,1 g,Batumi,1,5,', ROWS[2]]
    path = write(tmp_path / "a.csv", rows)
    path.write_bytes(path.read_bytes() + b"01-03-2020 00:36:00,\xcf\xf0\xe8,c,1 g,Batumi,1,5,\n")
    report = run(path)
    assert report.rows == report.stored + sum(report.reasons.values()) == 9
    assert dict(report.reasons) == {"duplicate": 1, "not-a-listing": 1, "unreadable": 4}
    assert [one.line for one in report.rejected] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("form", ["tsv", "jsonl", "parquet", "csv.gz", "zip", "tar.xz", "folder"])
def test_formats_give_the_same(run: Callable[..., ImportReport], tmp_path: Path, form: str) -> None:
    cells = [row.split(",") for row in ROWS]
    names = HEADER.split(",")
    path = tmp_path / f"b.{form}"
    text = ("\n".join([HEADER, *ROWS]) + "\n").encode()
    if form == "tsv":
        path.write_text("\n".join("\t".join(row) for row in [names, *cells]) + "\n", encoding="utf-8")
    elif form == "jsonl":
        path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in cells), encoding="utf-8")
    elif form == "parquet":
        pq.write_table(pa.table({name: [row[at] for row in cells] for at, name in enumerate(names)}), path)
    elif form == "csv.gz":
        path.write_bytes(gzip.compress(text))
    elif form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("in/a.csv", text)
    elif form == "tar.xz":
        with tarfile.open(path, "w:xz") as archive:
            info = tarfile.TarInfo("../../a.csv")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    else:
        (path / "deep").mkdir(parents=True)
        (path / "deep" / "a.csv").write_bytes(text)
    report = run(path)
    assert (report.tables, report.stored, report.problems) == (1, 3, [])


def test_floats_as_programs_print_them_are_plain_numbers(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    frame = pa.table({"seen": ["01-03-2020 00:30:00"] * 2, "name": ["Hash", "Weed"], "seller": ["a", "b"], "weight": ["1 g"] * 2,
                      "city": ["Tbilisi"] * 2, "stock": ["1e+02", "2"], "usd": [2.5e-05, 1e16]})
    pq.write_table(frame, tmp_path / "a.parquet")
    [log] = run(tmp_path / "a.parquet").logs
    offers = [listing.offers[0] for listing in iter_log(log)[1]]
    assert [(offer.price, offer.ready) for offer in offers] == [("0.000025 USD", 100), ("10000000000000000 USD", 2)]


def test_what_is_negative_is_no_price_or_quantity(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    rows = [ROWS[0].replace(",50,", f",{usd},{eur}").replace(",5 g,", f",{weight},").replace("hash", f"hash {place}")
            for place, (weight, usd, eur) in enumerate([("5 g", "-1", ""), ("-5 g", "-0.5", "9"), ("5-10 g", "$5 - 10", ""), ("- 1 g", "\u2212$5", "")])]
    report = run(write(tmp_path / "a.csv", rows))
    offers = [listing.offers[0] for listing in iter_log(report.logs[0])[1]]
    assert [(offer.quantity, offer.price) for offer in offers] == [
        ("5 g", None), (None, "9 EUR"), ("5-10 g", "$5 - 10 USD"), (None, None)]
    assert dict(report.unread) == {"price": 3, "quantity": 2}


def test_a_bare_number_takes_the_unit_of_its_column(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    rows = [ROWS[0].replace("5 g", amount).replace("hash", f"hash {place}") for place, amount in enumerate(["5", "2.5", "5 kg", ""])]
    [log] = run(write(tmp_path / "a.csv", rows), MAP.replace("quantity: weight", "quantity: {column: weight, unit: g}")).logs
    assert [listing.offers[0].quantity for listing in iter_log(log)[1]] == ["5 g", "2.5 g", "5 kg", None]


@pytest.mark.parametrize("day", ["01-01-1970 00:00:00", "31-12-9999 23:59:59", "01-01-0001 00:00:00"])
def test_a_time_of_no_market_is_unreadable(run: Callable[..., ImportReport], tmp_path: Path, day: str) -> None:
    report = run(write(tmp_path / "a.csv", [ROWS[0], f"{day},Weed,boris,1 g,Batumi,x,20,"]), MAP + "crawl: day\n")
    assert (report.stored, dict(report.reasons)) == (1, {"unreadable": 1})


def test_a_column_that_stands_twice_is_refused(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.csv, line 1: .*one name: name\."):
        run(write(tmp_path / "a.csv", [f"{ROWS[0]},x"], HEADER + ",name"))
    assert run(write(tmp_path / "b.csv", [f"{ROWS[0]},x,y"], HEADER + ",other,other")).stored == 1


def test_bad_lines_before_the_first_object_cost_nothing_else(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    good = json.dumps(dict(zip(HEADER.split(","), ROWS[0].split(","), strict=True)))
    (tmp_path / "a.jsonl").write_text(f"{{bad\n[1]\n{good}\n", encoding="utf-8")
    report = run(tmp_path / "a.jsonl")
    assert (report.rows, report.stored, dict(report.reasons)) == (3, 1, {"unreadable": 2})
    assert [one.line for one in report.rejected] == [1, 2]


def test_truncated_tar_keeps_what_came_before(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar.gz"
    with tarfile.open(whole, "w:gz") as archive:
        for number in range(200):
            text = ("\n".join([HEADER, f"01-03-2020 00:00:{number % 60:02},Weed {number * 7919},v,1 g,Batumi,1,5,"]) + "\n").encode()
            info = tarfile.TarInfo(f"{number}.csv")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[:-1500])
    report = run(cut)
    assert 0 < report.stored < 200
    assert "cut short" in report.problems[0]
    assert run(whole).stored == 200 - report.stored


def test_missing_column_names_file_line_and_what_there_is(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.csv, line 1: .*lacks: seller.*seen, name, vendor"):
        run(write(tmp_path / "a.csv", [], HEADER.replace("seller", "vendor")))


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (MAP.replace("tz: Asia/Tbilisi", "tz: Asia/Nowhere"), r"map\.yml, line 3: .*time zone"),
        (MAP.replace("title: name, ", ""), "text.title is missing"),
        (MAP + "surprise: 1\n", r"map\.yml, line 8: surprise"),
        ("id: [", r"map\.yml, line"),
        (MAP.replace("title: name", "title: {column: name, unit: g}"), r"unit belongs to text.quantity.*docs/importing\.md"),
    ],
)
def test_broken_mapping_points_at_the_line(run: Callable[..., ImportReport], tmp_path: Path, mapping: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(write(tmp_path / "a.csv", ROWS), mapping)


def test_unknown_mapping_names_the_built_in_ones() -> None:
    with pytest.raises(UsageError, match="matanga"):
        load_mapping("matange")


def test_wrong_encoding_of_the_header_says_where_to_set_it(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("время,name\n".encode("cp1251"))
    assert "encoding" in run(path).problems[0]


def test_nothing_to_read(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.exe").write_bytes(b"MZ")
    for name in ("empty", "x.exe", "absent.csv"):
        with pytest.raises(InputError):
            run(tmp_path / name)


def test_one_crawl_a_day(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    report = run(write(tmp_path / "a.csv", [*ROWS, ROWS[2].replace("01-03", "02-03")]), MAP + "crawl: day\n")
    assert len(report.logs) == 2


def imported(day: int, **places: int) -> Crawl:
    return Crawl(
        id=f"c{day}", market="m", kind=CrawlKind.IMPORT, started=datetime(2020, 3, day, tzinfo=UTC),
        outcome=CrawlOutcome.PARTIAL, listings=sum(places.values()),
        coverage=(Coverage(seen=sum(places.values())),
                  *(Coverage(scope="place", name=name, region=name, seen=seen) for name, seen in places.items())),
    )


def test_a_place_that_neighbours_have_is_missing_not_zero() -> None:
    crawls = [imported(day, A=100, B=3) for day in range(1, 8)]
    crawls[3] = imported(4, A=97)
    judged = neighbour_coverage(crawls)
    assert [scope.value for scope in judged[3].coverage if scope.scope == "place"] == [1.0, 0.0]
    assert judged[3].coverage_of("B") is not None
    assert judged[3].coverage[0].basis is CoverageBasis.NEIGHBOURS
    assert all(scope.value == 1.0 for crawl in judged[4:] for scope in crawl.coverage)
    assert neighbour_coverage(judged) == judged


def test_half_of_a_place_is_partial_and_alone_is_unknown() -> None:
    crawls = [imported(day, A=100) for day in range(1, 6)]
    crawls[2] = imported(3, A=50)
    judged = neighbour_coverage(crawls)
    assert judged[2].outcome is CrawlOutcome.PARTIAL
    assert judged[2].coverage[0].value == pytest.approx(0.5)
    assert neighbour_coverage([imported(1, A=5)])[0].coverage[0].basis is CoverageBasis.UNKNOWN


@pytest.mark.parametrize(
    ("name", "content", "reasons"),
    [
        # numbers and times of no world
        ("a.csv", ROWS[0].replace(",3,", f",{'9' * 400},"), {}),
        ("a.csv", ROWS[0].replace("2020", "0001"), {"unreadable": 1}),
        ("a.csv", ROWS[0].replace("2020", "9999"), {"unreadable": 1}),
        # JSON lines of which the first is none
        ("a.jsonl", '{\n{"seen": "01-03-2020 00:30:00", "name": "x", "seller": "a", "weight": "", "city": "", "stock": 1, "usd": 1}',
         {"unreadable": 1}),
        # a quote in the last cell takes in all that follows
        ("a.csv", "\n".join([ROWS[0] + '"9', *ROWS[1:]]), {"unreadable": 1}),
    ],
)  # fmt: skip
def test_what_no_row_can_say_costs_that_row_or_field_alone(
    run: Callable[..., ImportReport], tmp_path: Path, name: str, content: str, reasons: dict[str, int]
) -> None:
    path = tmp_path / name
    path.write_text(content if name.endswith("jsonl") else f"{HEADER}\n{content}\n", encoding="utf-8")
    report = run(path)
    assert (dict(report.reasons), report.problems) == (reasons, [])
    assert report.rows == report.stored + sum(reasons.values())
    assert dict(report.unread) == ({} if reasons else {"ready": 1})


def test_a_quote_that_spans_lines_and_is_closed_is_a_cell(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    header, row = f"{HEADER},note", '01-03-2020 00:30:00,Weed,b,1 g,Batumi,1,20,,"two\nlines ""quoted"""'
    assert run(write(tmp_path / "a.csv", [row], header), MAP + "ignore: [note]").stored == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [('encoding: base64', "encoding"), ('encoding: undefined', "encoding"), ('delimiter: "||"', "delimiter"),
     ('delimiter: "\\n"', "delimiter")],
)  # fmt: skip
def test_a_mapping_that_no_table_can_be_read_by_is_refused_with_its_line(
    run: Callable[..., ImportReport], tmp_path: Path, line: str, said: str
) -> None:
    with pytest.raises(UsageError, match=rf"map.yml, line 8: {said}: .*docs/importing.md"):
        run(write(tmp_path / "a.csv", ROWS), MAP + line)


@pytest.mark.parametrize("given", ["%d %d", "%Q", "%", "%s"])
def test_a_format_that_is_none_is_refused(run: Callable[..., ImportReport], tmp_path: Path, given: str) -> None:
    with pytest.raises(UsageError, match="is no strptime format"):
        run(write(tmp_path / "a.csv", ROWS), MAP.replace("%d-%m-%Y %H:%M:%S", given))


def test_a_column_that_stands_twice_is_refused_where_it_is_read(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.csv, line 1: the table has several columns of one name: usd"):
        run(write(tmp_path / "a.csv", ROWS, HEADER.replace("eur", "usd")))
    assert run(write(tmp_path / "b.csv", [row + ",," for row in ROWS], f"{HEADER},x,x")).stored == 3


def test_nothing_is_kept_of_a_table_that_cannot_be_read_to_its_end(
    run: Callable[..., ImportReport], tmp_path: Path
) -> None:
    rows = [f"01-03-2020 00:30:00,Weed {number},b,1 g,Batumi,1,20," for number in range(3_000)]
    text = "\n".join([HEADER, *rows, ""]).encode("utf-16-le")
    path = tmp_path / "a.csv"
    path.write_bytes(text + b"\x00\xd8" + "\n".join(ROWS * 9).encode("utf-16-le"))
    report = run(path, MAP + "encoding: utf-16-le")
    assert (report.rows, report.stored, report.logs) == (0, 0, [])
    assert re.search(r"a.csv, line \d{4}: not utf-16-le text from about here on.* Nothing of this", report.problems[0])
    assert not [entry for entry in (tmp_path / "logs").rglob("*") if entry.is_file()]


def test_names_in_archives_need_be_no_text(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    data = "\n".join([HEADER, *ROWS, ""]).encode()
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("\udcff.csv")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    report = run(tmp_path / "a.tar")
    assert (report.stored, report.problems) == (3, [])
    assert iter_log(report.logs[0])[0].source == "a.tar:?.csv"


def test_an_encrypted_archive_says_so(run: Callable[..., ImportReport], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "\n".join([HEADER, *ROWS, ""]))
    whole = bytearray((tmp_path / "a.zip").read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(mark) + place] |= 1  # "encrypted"
    (tmp_path / "a.zip").write_bytes(whole)
    with pytest.raises(InputError, match=r"a\.zip: .*encrypted"):
        run(tmp_path / "a.zip")


def test_a_bomb_is_given_up(run: Callable[..., ImportReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.tables.files.LARGEST", 3 * 2**20)
    monkeypatch.setattr("crawler.tables.files.LONGEST_LINE", 2**20)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(bytes(2**23)))
    with pytest.raises(InputError, match=r"a\.csv\.gz: the table unpacks to more than"):
        run(tmp_path / "a.csv.gz")
    for name in ("b.csv", "b.jsonl"):
        (tmp_path / name).write_bytes(b"x" * 2**21)
        assert "line 1: the line has more than" in run(tmp_path / name).problems[0]
