"""A package as others open it: valid, whole, without people in it; and what verify finds when something changed."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from export_world import SECRET, ask, build, control, fill_up, history
from frictionless import Package
from measure_world import a_day

from config.errors import InputError, StoreError, UsageError
from index.export.codebook import field_docs
from index.export.metadata import METHODS, Publication, build_methods
from index.export.package import answer, read_versions, write_package
from index.export.question import Question
from index.export.verify import verify_package
from index.measures import MEASURES, TrendRow, trends
from index.open import open_store
from index.store import Filter, Store

NOW = datetime(2024, 3, 1, 8, 30, tzinfo=UTC)
QUESTION = ask("listings", "price", "turnover", "share", "coverage", "concentration", split=("substance",))
ABOUT = Publication(title="A test", creators=("Made Up, Person",), publisher="Nobody", licence="CC-BY-4.0", doi="10.1234/x")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = build(tmp_path_factory.mktemp("package") / "p.db")
    yield made
    made.close()


def write(store: Store, folder: Path, question: Question = QUESTION, **rules: object) -> Path:
    found = answer(store, question, control(**rules), vendor_key=b"once")
    versions = read_versions(store, question, dropline="9.9", whole=True)
    write_package(folder, found, question, control(**rules), versions, ABOUT, created=NOW)
    return folder


@pytest.fixture(scope="module")
def package(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(store, tmp_path_factory.mktemp("out") / "package")


def failed(folder: Path, store: Store | None = None) -> dict[str, str]:
    return {each.check: each.detail for each in verify_package(folder, store) if not each.ok}


def test_frictionless_finds_the_package_valid(package: Path) -> None:
    report = Package.from_descriptor(str(package / "datapackage.json")).validate()
    assert report.valid, report.flatten()
    assert len(report.tasks) == 12


def test_csv_and_parquet_give_the_figures_of_trends(package: Path, store: Store) -> None:
    expected = {
        (row.bucket.isoformat(), row.splits["substance"]): row
        for row in trends(store, "price", Filter(), by="week", split=("substance",))
    }
    with (package / "data" / "price.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    table = pq.read_table(package / "data" / "price.parquet").to_pylist()
    assert len(rows) == len(table) == len(expected)
    for text, typed in zip(rows, table, strict=True):
        row = expected[text["bucket"], text["substance"]]
        assert typed["bucket"] == row.bucket
        if text["substance"] == "heroin":
            assert (text["value"], text["n"], typed["value"], text["reason"]) == ("", "", None, "suppressed")
        else:
            assert float(text["value"]) == typed["value"] == row.value
            assert float(text["q25"]) == row.extras["q25"]
            assert int(text["n"]) == typed["n"] == row.n


def test_a_package_names_nobody_and_repeats_no_text(package: Path, store: Store, tmp_path: Path) -> None:
    restricted = write(store, tmp_path / "r", ask("listings", split=("vendor",)), level="restricted")
    for folder in (package, restricted):
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert SECRET.encode() not in content
                assert b"abcdef01" not in content, path
        for path in (folder / "data").glob("*.parquet"):
            cells = str(pq.read_table(path).to_pydict())
            assert SECRET not in cells
            assert "abcdef01" not in cells
    assert failed(restricted, store) == {}, "the vendors' new names are no difference"
    again = write(store, tmp_path / "again", ask("listings", split=("vendor",)), level="restricted")
    assert failed(again, store) == {}


def test_codebook_comes_from_the_records(package: Path) -> None:
    descriptor = json.loads((package / "datapackage.json").read_text(encoding="utf-8"))
    assert descriptor["$schema"].endswith("/2.0/datapackage.json")
    fields = {field["name"]: field for field in descriptor["resources"][0]["schema"]["fields"]}
    docs = field_docs(TrendRow)
    assert {"bucket", "n", "crawls", "coverage", "tz", "high"} <= docs.keys()
    assert fields["coverage"]["description"] == docs["coverage"]
    assert all(field["description"] for field in fields.values())
    price = next(one for one in descriptor["resources"] if one["name"] == "price")
    unit = next(field for field in price["schema"]["fields"] if field["name"] == "unit")
    assert unit["constraints"]["enum"] == ["g", "ml", "unit"]
    sealed = descriptor["dropline"]
    assert Question.model_validate(sealed["question"]) == QUESTION
    assert sealed["versions"]["extractor"] == "1-test"
    assert set(sealed["versions"]["store"]) == {"observation", "offer_day", "crawl"}
    cite = json.loads((package / "datacite.json").read_text(encoding="utf-8"))
    # DataCite 4.6: the properties without which no DOI is minted
    assert {"creators", "titles", "publisher", "publicationYear", "types", "doi"} <= cite.keys()
    assert cite["rightsList"][0]["rightsIdentifier"] == "CC-BY-4.0"


def test_methods_stand_for_every_measure_and_are_the_documentation(package: Path) -> None:
    docs = Path(__file__).parents[2] / "docs" / "measures.md"
    assert METHODS.read_text(encoding="utf-8") == docs.read_text(encoding="utf-8")
    text = (package / "methods.md").read_text(encoding="utf-8")
    assert "## price" in text
    assert "A gap is not zero" in text
    assert "## new, withdrawn" not in text
    with pytest.raises(InputError, match="no section for 'weather'"):
        build_methods(["weather"])
    written = [measure for measure in MEASURES if measure in {"returned", "vendors", "coverage", "listings"}]
    for measure in written:
        assert len(build_methods([measure])) > 500


def test_sums_name_every_file(package: Path) -> None:
    lines = dict(reversed(line.split("  ")) for line in (package / "SHA256SUMS").read_text().splitlines())
    there = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert there == set(lines)
    for name, digest in lines.items():
        assert hashlib.sha256((package / name).read_bytes()).hexdigest() == digest


def test_untouched_package_verifies_with_and_without_the_store(package: Path, store: Store) -> None:
    assert failed(package) == {}
    assert failed(package, store) == {}
    assert {"figures: price", "frictionless"} <= {each.check for each in verify_package(package, store)}


def resum(folder: Path) -> None:
    """What a forger does: write the sums anew."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    (folder / "SHA256SUMS").write_text("".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names if name != "SHA256SUMS"
    ))


def test_changed_files_are_found(package: Path, store: Store, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(package, copy)
    prices = copy / "data" / "price.csv"
    prices.write_text(prices.read_text().replace("suppressed", "suppresset"))
    assert "data/price.csv was changed" in failed(copy)["hashes"]
    resum(copy)
    wrong = failed(copy)
    assert "hashes" not in wrong
    assert {"datapackage.json", "frictionless"} <= wrong.keys()

    descriptor = (copy / "datapackage.json").read_text()
    old = hashlib.sha256((package / "data" / "price.csv").read_bytes()).hexdigest()
    (copy / "datapackage.json").write_text(descriptor.replace(old, hashlib.sha256(prices.read_bytes()).hexdigest()))
    resum(copy)
    assert list(failed(copy)) == ["CSV and Parquet"], "every hash is right again, and the two forms disagree"

    (copy / "data" / "price.parquet").write_bytes(b"no such thing")
    (copy / "more.txt").write_text("x")
    wrong = failed(copy, store)
    assert "more.txt is not in SHA256SUMS" in wrong["hashes"]
    assert "cannot be read" in wrong["figures: price"]


def test_other_figures_in_the_store_are_found(package: Path, tmp_path: Path) -> None:
    other = build(tmp_path / "o.db", heroin=6)
    wrong = failed(package, other)
    assert "figures: share" in wrong
    assert "crawls" not in wrong, "the same crawls saw more"
    crawls, observations = history(days=22)
    fill_up(other, crawls[21:], observations[-82:])
    assert "other crawls (22) than" in failed(package, other)["crawls"]
    other.close()


def test_a_number_changed_everywhere_is_found_by_asking_again(store: Store, tmp_path: Path) -> None:
    # a forger with this very program writes a package of doctored rows
    found = answer(store, QUESTION, control(), vendor_key=b"x")
    each = next(one for one in found.rows["listings"] if one.row.value)
    forged = each.model_copy(update={"row": each.row.model_copy(update={"value": 77.0})})
    rows = tuple(forged if one is each else one for one in found.rows["listings"])
    versions = read_versions(store, QUESTION, dropline="9.9")
    write_package(
        tmp_path / "f", found.model_copy(update={"rows": found.rows | {"listings": rows}}), QUESTION, control(), versions,
        ABOUT, created=NOW,
    )
    assert failed(tmp_path / "f") == {}
    assert "value was 77.0, is" in failed(tmp_path / "f", store)["figures: listings"]


def test_same_question_gives_the_same_id_and_bytes(package: Path, store: Store, tmp_path: Path) -> None:
    again = write(store, tmp_path / "again")
    assert (again / "SHA256SUMS").read_bytes() == (package / "SHA256SUMS").read_bytes()


def test_a_package_is_written_whole_or_not_at_all(package: Path, store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not empty"):
        write(store, package)
    (tmp_path / "empty").mkdir()
    assert failed(write(store, tmp_path / "empty")) == {}
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write(store, tmp_path / "file" / "below")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]
    nothing = open_store(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(StoreError, match="store is empty"):
        read_versions(nothing, QUESTION, dropline="1")


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no package"):
        verify_package(tmp_path)
    (tmp_path / "datapackage.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        verify_package(tmp_path)
    (tmp_path / "datapackage.json").write_text('{"name": "x", "resources": []}')
    with pytest.raises(InputError, match="own record is wrong"):
        verify_package(tmp_path)


@pytest.mark.parametrize("measure", sorted(set(MEASURES) - {"event"}))
def test_every_measure_can_be_packed_or_says_why_not(measure: str, store: Store, tmp_path: Path) -> None:
    question = ask(measure, by="week", last=a_day(20))
    try:
        folder = write(store, tmp_path / "one", question)
    except UsageError as error:
        assert "cannot be checked" in str(error)  # noqa: PT017 - one of two right answers
        return
    assert failed(folder, store) == {}
