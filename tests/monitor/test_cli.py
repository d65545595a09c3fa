"""The command as a shell sees it: streams, exit codes, messages, hostile text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

Done = subprocess.CompletedProcess[bytes]


def run(folder: Path, *arguments: str, stdin: bytes = b"", **environment: str) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(folder), *arguments],
        input=stdin, capture_output=True, timeout=120, check=False, env={**os.environ, **environment},
    )


def says(done: Done, code: int, *words: str) -> None:
    """The exit code, every word on standard error, and never a traceback."""
    told = " ".join(done.stderr.decode().split())
    assert done.returncode == code, told
    assert "Traceback" not in told
    for word in words:
        assert word in told


def lines(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a short demo."""
    folder = tmp_path_factory.mktemp("demo")
    done = run(folder, "--format", "json", "demo", "--days", "8", "--seed", "3", "--out", str(folder / "out"))
    says(done, 0, "chart.svg", "16 crawls")
    rows = json.loads(done.stdout)
    assert {"series", "bucket", "value", "truth"} <= set(rows[0])
    counts = [row for row in rows if row["measure"] in ("listings", "offers", "vendors") and row["difference"] is not None]
    assert len(counts) >= 48
    assert all(abs(row["difference"]) < 0.05 for row in counts if row["substance"] is None)
    assert (folder / "out" / "chart.svg").read_text("utf-8").startswith("<svg")
    return folder / "out"


def test_extract_is_one_line_in_one_line_out(tmp_path: Path) -> None:
    texts = [
        {"id": 1, "title": "Мефедрон 0,5 г 1 600 руб. прикоп", "place": "Казань"},
        {"id": "b", "title": "План работ на неделю"},
        {"id": None, "title": "5 шт экстази ₸9 000"},
    ]
    done = run(tmp_path, "extract", stdin="\n".join(json.dumps(text, ensure_ascii=False) for text in texts).encode())
    says(done, 0)
    first, second, third = lines(done)
    assert first["id"] == 1
    assert [one["id"] for one in first["substances"]] == ["mephedrone"]
    assert texts[0]["title"][slice(*(first["substances"][0][end] for end in ("start", "end")))] == "Мефедрон"  # type: ignore[index]
    assert [(one["base_amount"], one["base_unit"]) for one in first["quantities"]] == [(0.5, "g")]
    assert [(one["amount"], one["currency"]) for one in first["prices"]] == [(1600, "RUB")]
    assert [(one["code"], one["role"]) for one in first["regions"]] == [("RU-TA", "place")]
    assert [one["type"] for one in first["stash"]] == ["buried"]
    assert second["substances"] == []
    assert third["prices"][0] | {"text": ""} == third["prices"][0] | {"amount": 9000, "currency": "KZT", "text": ""}


def test_global_options_may_stand_anywhere(demo: Path) -> None:
    store = f"sqlite:///{demo / 'dropline.sqlite'}"
    first = run(demo, "--store", store, "--format", "json", "trends", "listings")
    says(first, 0)
    assert len(json.loads(first.stdout)) > 0
    assert run(demo, "trends", "listings", "--format=json", "--store", store).stdout == first.stdout
    assert run(demo, "trends", "--store", store, "listings", "--format", "json").stdout == first.stdout
    says(run(demo, "trends", "listings", "--store", store, "--format"), 2, "--format", "requires an argument")
    says(run(demo, "alerts", "list", "--format", "xml"), 2, "xml")
    says(run(demo, "extract", "--", "--format"), 2, "--format: there is no such file")


def test_extract_goes_on_after_bad_lines_and_says_which(tmp_path: Path) -> None:
    good = b'{"id": 7, "title": "hash 5g"}\n'
    done = run(tmp_path, "extract", stdin=b"nonsense\n" + good + b'[1]\n{"id":8,"title":{"a":1}}\n\xff\xfe\n' + good)
    says(done, 3, "line 1", "line 3", "line 4", "line 5", "4 lines")
    assert [line["id"] for line in lines(done)] == [7, 7]


def test_extract_answers_hostile_texts(tmp_path: Path) -> None:
    hostile = ["", "\x00\x1b[31m\u202e", "9 " * 10_000, "г" * 1_000_000, "=cmd()|'x'!A1", "[bold]x[/bold]"]
    stdin = "\n".join(json.dumps({"id": at, "title": text}) for at, text in enumerate(hostile)) + '\n{"id":6,"title":"\\ud800x"}'
    done = run(tmp_path, "extract", stdin=stdin.encode())
    says(done, 0)
    assert [line["id"] for line in lines(done)] == list(range(7))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["trends", "prise"], 2, ["price"]),
        (["trends", "price", "--split", "substanse"], 2, ["substance"]),
        (["trends", "listings", "--method", "all"], 2, ["turnover"]),
        (["trends", "share", "--of", "listings", "--method", "feedback"], 2, ["turnover"]),
        (["trends", "vendors", "--currency", "quoted"], 2, ["prices"]),
        (["trends", "price", "--from", "2020-13-01"], 2, ["--from", "YYYY-MM-DD"]),
        (["trends", "price", "--from", "2020-02-02", "--to", "2020-01-01"], 2, []),
        (["crawl", "nowhere"], 2, ["nowhere", "stash"]),
        (["crawl", "empire"], 2, ["not authorised"]),
        (["parse", "--market", "nowhere", "."], 2, ["nowhere"]),
        (["import", "--map", "nothing", "."], 2, ["matanga"]),
        (["import", "--map", "matanga", "absent.tar"], 2, ["absent.tar"]),
        (["schema", "crawls"], 2, ["observation"]),
        (["extract", "absent.jsonl"], 2, ["absent.jsonl"]),
        (["forget"], 2, ["--crawl"]),
        (["forget", "--crawl", "x", "--yes"], 2, ["no crawl"]),
        (["--store", "mysql://x", "status"], 2, ["sqlite:///"]),
        (["--store", "http://127.0.0.1:9", "status"], 1, ["127.0.0.1:9"]),
        (["--config", "absent.yml", "status"], 2, ["absent.yml"]),
        (["demo", "--days", "0"], 2, []),
        (["nonsense"], 2, []),
    ],
)
def test_wrong_use_is_told_with_a_way_out(tmp_path: Path, arguments: list[str], code: int, words: list[str]) -> None:
    says(run(tmp_path, *arguments), code, *words)


def test_broken_settings_point_at_file_and_name(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("stroe: x\n", encoding="utf-8")
    says(run(tmp_path, "--config", str(tmp_path / "c.yml"), "status"), 2, "c.yml", "stroe")
    (tmp_path / "c.yml").write_text("store: [\n", encoding="utf-8")
    says(run(tmp_path, "--config", str(tmp_path / "c.yml"), "status"), 2, "c.yml", "line")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_output_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "monitor.cli", "--data-dir", str(tmp_path), "schema", "Crawl"],
            stdout=full, stderr=subprocess.PIPE, timeout=120, check=False,
        )  # fmt: skip
    assert (done.returncode, b"unexpected" in done.stderr) == (1, False)
    assert b"free space" in done.stderr


def test_a_price_that_no_store_holds_is_unread_and_its_row_stored(tmp_path: Path) -> None:
    (tmp_path / "map.yml").write_text(
        "{id: lab, market: lab, tz: UTC, observed_at: {column: t}, price: [{column: p, currency: EUR}],"
        " text: {title: name, vendor: who}}", encoding="utf-8")  # fmt: skip
    (tmp_path / "a.csv").write_text(
        f"t,name,who,p\n2026-01-01,MDMA 1g,a,20\n2026-01-01,MDMA 2g,b,{'9' * 22}\n", encoding="utf-8")
    done = run(tmp_path / "data", "--format", "json", "import", "--map", f"{tmp_path}/map.yml", f"{tmp_path}/a.csv")
    says(done, 0, "1 of 2 offers have a price that could not be read, such as '9999")
    counts = {row["what"]: row["count"] for row in json.loads(done.stdout)}
    assert (counts["rows"], counts["stored"], "refused" in counts) == (2, 2, False)


def test_an_import_says_what_its_offers_lack(tmp_path: Path) -> None:
    (tmp_path / "map.yml").write_text(
        "{id: lab, market: lab, tz: UTC, observed_at: {column: t}, price: [{column: p}],"
        " text: {title: name, vendor: who, quantity: n}}", encoding="utf-8")  # fmt: skip
    (tmp_path / "a.csv").write_text(
        "t,name,who,n,p\n2026-01-01,MDMA,a,10,ask me\n2026-01-01,MDMA,b,20,0.02 XMR\n2026-01-01,MDMA 1g,c,,5 USD\n",
        encoding="utf-8")  # fmt: skip
    done = run(tmp_path / "data", "import", "--map", f"{tmp_path}/map.yml", f"{tmp_path}/a.csv")
    says(
        done, 0, "2 of 3 offers have a quantity that could not be read, such as '10', '20'.",
        "1 of 3 offers have a price that could not be read, such as 'ask me'.",
        "1 of 3 offers have a price without a rate to US dollars (`dropline fx import`), such as 'XMR'.",
    )  # fmt: skip


def test_a_file_that_is_no_store_is_told_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"this is no database at all" * 100)
    says(run(tmp_path, "--store", f"sqlite:///{path}", "status"), 1, "x.sqlite")
    assert path.read_bytes() == b"this is no database at all" * 100


def test_an_empty_store_says_what_to_do(tmp_path: Path) -> None:
    done = run(tmp_path, "--format", "json", "trends", "listings")
    says(done, 0, "no observations yet")
    assert json.loads(done.stdout) == []
    says(run(tmp_path, "status"), 0, "empty")


def test_schemas_of_all_records(tmp_path: Path) -> None:
    names = [row["record"] for row in json.loads(run(tmp_path, "--format", "json", "schema").stdout)]
    assert {"page", "listing", "crawl", "observation", "offer-day"} <= set(names)
    for name in names:
        loaded = json.loads(run(tmp_path, "schema", name).stdout)
        assert loaded["additionalProperties"] is False


def test_trends_formats_agree(demo: Path) -> None:
    store = f"sqlite:///{demo / 'dropline.sqlite'}"
    asked = ["trends", "price", "--substance", "mephedrone,cannabis-herb", "--split", "substance", "--by", "week"]
    rows = json.loads(run(demo, "--store", store, "--format", "json", *asked).stdout)
    assert {row["substance"] for row in rows} == {"mephedrone", "cannabis-herb"}
    assert all(row["bucket"] == "2025-01-06" or row["bucket"] == "2025-01-13" for row in rows)
    text = run(demo, "--store", store, "--format", "csv", *asked).stdout.decode().splitlines()
    assert text[0].startswith("bucket,substance,value,low,high,n,crawls,coverage,tz")
    assert len(text) == len(rows) + 1
    table = run(demo, "--store", store, *asked).stdout.decode()
    assert "mephedrone" in table


def test_a_filter_that_matches_nothing_says_which_part(demo: Path) -> None:
    store = f"sqlite:///{demo / 'dropline.sqlite'}"
    says(run(demo, "--store", store, "trends", "listings", "--substance", "mephedron"), 0, "mephedrone")
    says(run(demo, "--store", store, "trends", "listings", "--from", "2030-01-01", "--to", "2030-01-09"), 0, "2030")
    says(run(demo, "--store", store, "search", "weed", "--market", "stahs"), 0, "Did you mean stash")


def test_search_and_rows(demo: Path) -> None:
    store = f"sqlite:///{demo / 'dropline.sqlite'}"
    hits = json.loads(run(demo, "--store", store, "--format", "json", "search", "кристаллы", "--limit", "5").stdout)
    assert hits
    found = json.loads(run(demo, "--store", store, "--format", "json", "rows", "--market", "postal", "--limit", "7").stdout)
    assert len(found) == 7
    assert all(":" in row["vendor"] for row in found)


def test_forgetting_a_market_leaves_no_trace(demo: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(demo, copy)
    says(run(copy, "forget", "--market", "postl", "--yes"), 2, "Did you mean postal?")
    says(run(copy, "forget", "--vendor", "postal", "--yes"), 2, "no vendor's pseudonym")
    says(run(copy, "forget", "--market", "postal", "--yes"), 0)
    says(run(copy, "forget", "--market", "postal", "--yes"), 2, "There is: stash.")
    assert not list((copy / "logs" / "postal").glob("*.jsonl"))
    assert {row["market"] for row in json.loads(run(copy, "--format", "json", "status").stdout)} == {"stash"}


def test_a_demo_folder_with_other_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me", encoding="utf-8")
    says(run(tmp_path, "demo", "--days", "2", "--out", str(tmp_path)), 2, "--out")
    assert (tmp_path / "mine.txt").read_text("utf-8") == "keep me"


def test_nothing_of_the_hostile_world_reaches_disk_or_screen(demo: Path) -> None:
    from monitor.demo.world import World

    names = {row.listing.vendor.name for market in ("stash", "postal") for row in World(3, 8).day(market, World(3, 8).start).listings}  # type: ignore[arg-type]
    written = b"".join(path.read_bytes() for path in demo.rglob("*") if path.is_file())
    leaked = [name for name in names if len(name) > 6 and name.encode() in written]
    assert leaked == []


def test_demo_over_tor_without_tor_says_how_to_get_it(tmp_path: Path) -> None:
    says(run(tmp_path, "demo", "--tor", PATH=str(tmp_path)), 1, "apt-get install tor")


def test_doctor_names_what_is_there_and_what_is_missing(tmp_path: Path) -> None:
    done = run(tmp_path, "--format", "json", "doctor", DROPLINE_TOR_SOCKS="127.0.0.1:9")
    says(done, 0)
    found = {row["what"]: row["state"] for row in json.loads(done.stdout)}
    assert found["store"] == found["data folder"] == "ok"
    assert found["SOCKS 127.0.0.1:9, for crawl"] == "not there"
    says(run(tmp_path, "--store", "http://127.0.0.1:9", "doctor"), 1)


def test_purge_removes_archives_by_age_and_keeps_a_record(tmp_path: Path) -> None:
    for stamp in ("20200101T000000Z", "29990101T000000Z"):
        (tmp_path / "archive" / "m").mkdir(parents=True, exist_ok=True)
        (tmp_path / "archive" / "m" / f"m-{stamp}.warc.gz").write_bytes(b"x")
    says(run(tmp_path, "purge", "--older-than", "90"), 0, "1 archives removed")
    assert [path.name for path in (tmp_path / "archive" / "m").iterdir()] == ["m-29990101T000000Z.warc.gz"]
    assert "m-20200101T000000Z.warc.gz" in (tmp_path / "purged.log").read_text("utf-8")


def test_forgetting_a_vendor_leaves_no_trace_of_the_pseudonym(demo: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(demo, copy)
    vendor = json.loads(run(copy, "--format", "json", "rows", "--market", "stash", "--limit", "1").stdout)[0]["vendor"]
    assert any(vendor.encode() in path.read_bytes() for path in (copy / "logs").rglob("*.jsonl"))
    says(run(copy, "forget", "--vendor", vendor, "--yes"), 0)
    assert not any(vendor.encode() in path.read_bytes() for path in (copy / "logs").rglob("*.jsonl"))
    assert json.loads(run(copy, "--format", "json", "rows", "--vendor", vendor).stdout) == []
    says(run(copy, "forget", "--market", "../logs", "--yes"), 2, "no market's id")


def test_what_the_system_refuses_is_told_without_a_traceback(tmp_path: Path) -> None:
    long = run(tmp_path, "backup", "x" * 5_000)
    assert (long.returncode, long.stderr.decode().count("Check the path, its rights and the space")) == (1, 1)
    broken = subprocess.run([sys.executable, "-m", "monitor.cli", "--data-dir", tmp_path, "alerts", "show", b"\xff"], capture_output=True, check=False)
    assert broken.returncode == 2
    assert "a word of the command is not UTF-8" in broken.stderr.decode()
