"""What the pages show and the API gives, over plain HTTP from the real server, on a small made-up market."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from alert_market import VERSION, build_crawl, build_rule, put_day, seen_by
from command_lab import answer, call
from lxml import etree
from web_lab import FIRST, Client, add_users, build_data, day, serving

from config.settings import Settings
from index.derive import derive_offer_days
from index.open import open_store
from monitor.alerts.evaluate import evaluate_all
from monitor.alerts.records import Records
from monitor.charts import Series, as_svg, draw_trend
from monitor.state import State, state_path
from monitor.web.trends import series_of

HOSTILE = "<script>alert(1)</script> \u202eevil\u202c =HYPERLINK(\"http://shop.onion\") https://shop.onion/x &amp; שלום"
RULE = """\
id: many
title: Many listings
measure: listings
filter: {substance: mephedrone}
by: day
test: {kind: threshold, above: 50}
owner: anna
recipients: [desk]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The market, two crawls of another with a hostile listing, a rule and what it fired."""
    settings = build_data(tmp_path_factory.mktemp("web-pages"))
    store = open_store(settings.store_url)
    for day_number in (11, 12):
        crawl = build_crawl(FIRST + day_number, market="other")
        store.write_crawl(crawl)
        store.write([seen_by(crawl, 1, prefix="bad", title=HOSTILE, vendor="t:<b>", region="<i>x</i>", form="<u>")])
    folder = settings.data_dir / "alerts"
    folder.mkdir()
    (folder / "mine.yml").write_text(RULE)
    with State(state_path(settings.data_dir)) as state:
        rules = [build_rule(id="many", title="Many listings"), build_rule(
            id="strange", filter={"market": "other"}, split=["region"], test={"kind": "threshold", "above": 0}, min_n=0,
        )]
        evaluate_all(store, state, rules, datetime(2024, 12, 15, tzinfo=UTC))
    store.close()
    return settings


@pytest.fixture(scope="module")
def browser(data: Settings) -> Iterator[Client]:
    with serving(data) as client:
        yield client.open()


def store_options(settings: Settings) -> list[str]:
    return ["--store", settings.store_url]


@pytest.mark.parametrize(
    "question",
    [
        "listings?by=day", "listings?by=day&split=substance,market", "price?substance=mephedrone&by=day",
        "vendors?by=week&from=2024-10-14&to=2024-10-27", "turnover?method=all", "share?split=market", "coverage?by=day",
        "new?by=day&without-relists=true", "survival", "listings?market=nobody", "listings?region=GE&split=region&seed=4",
        "event?at=2024-10-23&by=day&control=market=other",
    ],
)  # fmt: skip
def test_the_api_gives_the_very_rows_of_the_command(browser: Client, data: Settings, question: str) -> None:
    measure, _, query = question.partition("?")
    options: list[str] = []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        options += [f"--{name}"] if value == "true" else [f"--{name}", value]
    told = answer(data.data_dir, *store_options(data), "trends", measure, *options)
    given = browser.ask(f"/api/trends/{question}")
    assert given.status == 200, given.body
    assert given.headers["content-type"] == "application/json"
    assert given.json == told
    assert told or "nobody" in question


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("trends/listing", ["trends", "listing"]),
        ("trends/listings?by=fortnight", ["trends", "listings", "--by", "fortnight"]),
        ("trends/listings?split=substanc", ["trends", "listings", "--split", "substanc"]),
        ("trends/listings?from=2033-02-30", ["trends", "listings", "--from", "2033-02-30"]),
        ("trends/listings?from=2033-02-03&to=2033-01-01", ["trends", "listings", "--from", "2033-02-03", "--to", "2033-01-01"]),
        ("trends/listings?of=price", ["trends", "listings", "--of", "price"]),
        ("trends/turnover?method=magic", ["trends", "turnover", "--method", "magic"]),
        ("trends/event?control=shop=x", ["trends", "event", "--control", "shop=x"]),
        ("alerts?state=gone", ["alerts", "list", "--fired", "--state", "gone"]),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_told_as_the_command_tells_it(
    browser: Client, data: Settings, path: str, options: list[str]
) -> None:
    told = call(data.data_dir, *store_options(data), *options).stderr.decode().removeprefix("dropline: ")
    given = browser.ask(f"/api/{path}")
    assert given.status == 400
    assert given.json["error"].split() == told.split()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("trends/listings?substanse=x", "Did you mean 'substance'"), ("trends/new?without-relists=maybe", "neither true"),
        ("trends/listings?seed=x", "whole number"), ("trends/listings?format=xml", "json or csv"),
        ("alerts?limit=0", "above 0"), ("alerts?colour=red", "Known: state"),
    ],
)  # fmt: skip
def test_what_the_command_line_would_refuse_itself(browser: Client, path: str, words: str) -> None:
    given = browser.ask(f"/api/{path}")
    assert given.status == 400
    assert words in given.json["error"]


def test_the_api_gives_alerts_rules_and_status(browser: Client, data: Settings) -> None:
    listed = answer(data.data_dir, "alerts", "list", "--fired", "--state", "all")
    assert browser.ask("/api/alerts?state=all").json == listed
    [alert] = browser.ask("/api/alerts?state=all&rule=many&limit=5").json
    whole = browser.ask(f"/api/alerts/{alert['id']}").json
    assert whole == answer(data.data_dir, "alerts", "show", alert["id"])
    assert browser.ask("/api/alerts/zzz").status == 404
    assert browser.ask("/api/rules").json == answer(data.data_dir, "alerts", "list")
    status = browser.ask("/api/status").json
    assert {row["market"]: row["crawls"] for row in status["markets"]} == {"m": 13, "other": 2}
    assert status["needs"]
    assert browser.ask("/api/nothing").status == 404
    assert browser.ask("/api/rules", method="DELETE").status == 405


def test_csv_is_safe_to_open(browser: Client) -> None:
    given = browser.ask("/api/trends/listings?by=day&split=region&format=csv")
    assert "attachment" in given.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(given.body)))
    assert "<i>x</i>" in {row["region"] for row in rows}
    assert {"bucket", "value", "n", "coverage", "reason"} <= rows[0].keys()


def test_trends_show_a_chart_a_table_and_the_command(browser: Client, data: Settings) -> None:
    page = browser.ask("/trends?measure=listings&by=day&market=m")
    assert page.status == 200
    assert "dropline trends listings --market m --by day" in page.text
    gap = str(day(4))
    row = re.search(rf'<tr class="gap"><th[^>]*>(?:<a[^>]*>)?{gap}(?:</a>)?</th>(.*?)</tr>', page.body, re.DOTALL)
    assert row is not None
    assert "no crawl" in row[1]
    command = re.search(r"dropline trends [^<]*", page.text)
    assert command is not None
    link = re.search(r'href="(/api/trends/[^"]*)">JSON', page.body)
    assert link is not None
    rows = browser.ask(link[1].replace("&amp;", "&")).json
    assert rows == answer(data.data_dir, *store_options(data), "trends", "listings", "--market", "m", "--by", "day")
    figures = re.findall(r'<th scope="row" class="when"><a[^>]*>([^<]*)</a></th>\s*<td class="num">([^<]*)</td>', page.body)
    assert figures == [(row["bucket"], "" if row["value"] is None else f"{row['value']:.0f}") for row in rows]


def lines_in(svg: str) -> list[int]:
    """Points of each piece of each line."""
    paths = re.findall(r'<path aria-label="[^"]*"[^>]*d="([^"]*)"[^>]*stroke="#0b3c5d"', svg)
    paths = paths or re.findall(r'<path[^>]*d="([^"]*)"[^>]*stroke="#0b3c5d"', svg)
    return [1 + piece.count("L") for path in paths for piece in path.split("M")[1:] if "A" not in piece]


@pytest.mark.parametrize("name", ["days", "every"])
def test_a_line_has_one_point_a_bucket(name: str) -> None:
    rows = [
        {"bucket": str(day(7 * week)), "substance": "mdma", name: each, "value": 1.0 / each, "n": 10 - each}
        for week in range(3) for each in (1, 3)
    ]  # fmt: skip
    found = series_of(rows)
    assert [line for line, _ in found] == [f"mdma, {name} 1", f"mdma, {name} 3"]
    assert [[row["bucket"] for row in some] for _, some in found] == [[str(day(7 * week)) for week in range(3)]] * 2


def test_an_index_is_in_no_currency(browser: Client) -> None:
    page = browser.ask("/trends?measure=price-index&by=day&market=m").body
    assert ">Price index by day, first bucket = 100</h2>" in page
    assert ">Currency</th>" in page


def test_terms_of_an_event_are_no_course_of_time(browser: Client) -> None:
    page = browser.ask("/trends?measure=event&at=2024-10-23&by=day&market=m").body
    assert ">Event by day, % of the mean before</h2>" in page
    assert "<figure" not in page
    assert ">level</td>" in page


def test_a_gap_is_drawn_as_a_gap(browser: Client) -> None:
    page = browser.ask("/trends?measure=listings&by=day&market=m").body
    assert lines_in(page) == [4, 9]
    assert page.count('fill="#e8e8e8"') == 1
    whole = draw_trend([Series("all", [(day(number), 0.0, None, None) for number in range(9)])], unit="x", days=1)
    assert lines_in(as_svg(whole)) == [9]
    assert "#e8e8e8" not in as_svg(whole)


def test_a_chart_escapes_what_it_is_told() -> None:
    hostile = 'x" onload="alert(1)" \'><script>alert(2)</script>&lt;'
    lines = [Series(name, [(day(at), float(at), None, None) for at in range(5)]) for name in (hostile, "b")]
    drawn = etree.fromstring(as_svg(draw_trend(lines, unit=hostile, days=1)).encode())
    assert any(hostile in str(value) for one in drawn.iter() for value in one.attrib.values())
    for one in drawn.iter():
        assert etree.QName(one).localname in {"svg", "g", "path", "line", "text", "rect"}
        assert not [name for name in one.attrib if name.startswith("on") or name.endswith("href") or name == "style"]


def test_a_wrong_value_keeps_what_was_written(browser: Client) -> None:
    page = browser.ask("/trends?measure=listings&substance=meph%22%3E%3Cscript%3E&split=substanc")
    assert page.status == 400
    assert "Did you mean 'substance'" in page.text
    assert 'value="meph&#34;&gt;&lt;script&gt;"' in page.body


def test_an_empty_answer_says_why(browser: Client) -> None:
    page = browser.ask("/trends?measure=listings&substance=mephedron")
    assert "Did you mean mephedrone?" in page.text


@pytest.mark.parametrize(
    "path",
    ["/search?q=evil", "/trends?measure=listings&by=day&split=region", "/trends?measure=listings&split=form,vendor&by=day",
     "/alerts?state=all", "/", "/crawls", "/trends"],
)  # fmt: skip
def test_hostile_text_is_only_text(browser: Client, path: str) -> None:
    page = browser.ask(path)
    assert page.status == 200
    assert "<script" not in page.body.lower()
    assert not re.search(r"<(i|b|u)>", page.body)
    assert "\u202e" not in page.body
    assert "shop.onion" not in page.body
    assert not re.search(r'(href|src)="(?!/|#)', page.body)
    assert " style=" not in page.body
    assert not re.search(r"\son[a-z]+=", page.body)


def test_search_finds_and_shows_hostile_titles_as_they_are(browser: Client) -> None:
    page = browser.ask("/search?q=evil")
    assert "<script>alert(1)</script> \\u202eevil" in page.text.replace("< ", "<")
    assert "שלום" in page.text
    explained = browser.ask(f"/explain?key=other/Lbad1/bad1/{build_crawl(FIRST + 12, market='other').id}")
    assert explained.status == 200
    assert "<script" not in explained.body


def test_a_bucket_is_explained_and_leads_to_its_observations(browser: Client, data: Settings) -> None:
    page = browser.ask("/trends?measure=listings&by=week&split=substance,market")
    link = re.search(r'<a href="(/explain[^"]*)" title', page.body)
    assert link is not None
    explained = browser.ask(unescape(link[1]))
    options = ["--bucket", str(day(0)), "--by", "week", "--substance", "mephedrone", "--market", "m"]
    facts = answer(data.data_dir, *store_options(data), "explain", "listings", *options)
    assert re.findall(r'<th scope="row">([^<]*)</th>', explained.body) == [fact["part"] for fact in facts]
    behind = re.search(r'href="(/rows[^"]*)"', explained.body)
    assert behind is not None
    rows = answer(data.data_dir, *store_options(data), "rows", "--market", "m", "--substance", "mephedrone",
                  "--from", str(day(0)), "--to", str(day(6)), "--limit", "1000")  # fmt: skip
    shown: list[str] = []
    for number in range(1, len(rows) // 50 + 2):
        part = browser.ask(f"{unescape(behind[1])}&page={number}").body
        shown += [unescape(key) for key in re.findall(r'href="/explain\?key=([^"]*)"', part)]
    assert shown == [row["key"] for row in rows]
    assert browser.ask("/explain?measure=listings").status == 400
    assert browser.ask("/rows?from=tomorrow").status == 400


def test_an_alert_shows_its_evidence_rows_and_history(browser: Client, data: Settings) -> None:
    [alert] = answer(data.data_dir, "alerts", "list", "--fired", "--state", "all", "--rule", "many")
    page = browser.ask(f"/alerts/{alert['id'][:9]}")
    for words in (alert["bucket"], f"Value {alert['value']:.0f}", f"of {alert['vendors']} vendors", "dropline trends listings", "fired", "desk"):
        assert words in page.text
    assert "<svg" in page.body
    rows = answer(data.data_dir, *store_options(data), "alerts", "rows", alert["id"], "--limit", "1000")
    assert len(rows) == alert["value"]
    shown: list[str] = []
    for number in (1, 2):
        part = browser.ask(f"/alerts/{alert['id']}?page={number}")
        shown += re.findall(r'href="/explain\?key=([^"]*)"', part.body)
    assert shown == [row["key"] for row in rows]
    assert browser.ask("/alerts/nothing").status == 404


def test_an_alert_is_acknowledged_and_dismissed_with_a_verdict(browser: Client, data: Settings) -> None:
    [strange] = answer(data.data_dir, "alerts", "list", "--fired", "--rule", "strange")
    path = f"/alerts/{strange['id']}"
    assert browser.send(f"{path}/acknowledge", {"note": "I look <b>"}).headers["location"] == path
    shown = answer(data.data_dir, "alerts", "show", strange["id"])
    assert (shown["state"], shown["history"][-1]["note"]) == ("acknowledged", "I look <b>")
    refused = browser.send(f"{path}/dismiss", {"verdict": "maybe"})
    assert refused.status == 400
    assert "true, false or unclear" in refused.text
    assert browser.send(f"{path}/dismiss", {"verdict": "false", "note": "a misprint"}).status == 303
    again = browser.send(f"{path}/acknowledge", {})
    assert again.status == 400
    assert "dismissed" in again.text
    assert "a misprint" in browser.ask(path).text
    assert browser.send(f"{path}/dismiss", {"verdict": "false", "note": "x" * 3_000}).status == 400


def test_rules_stand_with_their_precision(browser: Client, data: Settings) -> None:
    [alert] = answer(data.data_dir, "alerts", "list", "--fired", "--state", "all", "--rule", "many")
    assert "no verdict" in browser.ask("/rules").text
    browser.send(f"/alerts/{alert['id']}/dismiss", {"verdict": "true"})
    assert "100% (1 of 1)" in browser.ask("/rules").text
    assert "Many listings" in browser.ask("/rules/many").text
    assert browser.ask("/rules/none").status == 404


def test_crawls_tell_of_gaps_and_markets_are_paused(browser: Client, data: Settings) -> None:
    store = open_store(data.store_url)
    store.write_crawl(build_crawl(FIRST + 20, market="part", coverage=0.6))
    store.write_crawl(build_crawl(FIRST + 21, market="part", coverage=None))
    store.close()
    page = browser.ask("/crawls/part").text
    assert "saw 60%, and 90% is enough" in page
    assert "coverage not known" in page
    assert browser.ask("/crawls/nowhere").status == 404
    assert browser.send("/crawls/part/pause", {"reason": "a challenge"}).status == 303
    with State(state_path(data.data_dir)) as state:
        [pause] = state.pauses()
    assert pause.market == "part"
    assert "a challenge" in browser.ask("/crawls").text
    assert browser.send("/crawls/part/resume", {}).status == 303
    assert "a challenge" not in browser.ask("/crawls").text


def test_readers_see_what_may_be_published(tmp_path: Path) -> None:
    """Fourteen days of the past: forty listings of one substance, four of another, which are too few."""
    settings = Settings(data_dir=tmp_path, store=f"sqlite:///{tmp_path / 'store.db'}", tor_socks="127.0.0.1:9")
    add_users(tmp_path)
    store = open_store(settings.store_url)
    for number in range(14):
        put_day(store, FIRST + number, {"heroin": 4, "mephedrone": 40, "mdma": 30})
    derive_offer_days(store, "m", VERSION, day(0))
    store.close()
    with serving(settings) as client:
        client.log_in("reader")
        told = client.ask("/api/trends/listings?by=day&split=substance").json
        small = [row for row in told if row["substance"] == "heroin"]
        assert len(small) == 14
        assert {(row["value"], row["n"], row["reason"]) for row in small} == {(None, None, "suppressed")}
        assert {row["value"] for row in told if row["substance"] == "mephedrone"} <= {40.0, None}
        # one withheld beside two told and their sum would be no secret: a second one goes with it, day by day
        days = {row["bucket"] for row in told}
        assert all(sum(row["bucket"] == bucket and row["value"] is None for row in told) >= 2 for bucket in days)
        assert client.ask("/api/trends/listings?by=day&substance=heroin").json[0]["value"] is None
        assert client.ask("/api/trends/listings?by=day&substance=mephedrone").json[0]["value"] == 40
        page = client.ask("/trends?measure=listings&by=day&split=substance")
        assert "suppressed" in page.text
        for refused in ("survival", "listings?split=vendor", "event?at=2024-10-15", "new?without-relists=true"):
            assert client.ask(f"/api/trends/{refused}").status == 400, refused
        # a bucket that the dates cut would tell, by difference, of the days between
        cut = client.ask(f"/api/trends/listings?by=week&from={day(1)}&to={day(9)}").json
        assert cut == []
        for path in ("/", "/crawls", "/crawls/m", "/api/status"):
            body = client.ask(path).body
            assert str(tmp_path) not in body
            assert "isting" not in body.replace("Public listing metadata", "")
        nothing = client.ask("/trends?measure=listings&substance=heroin&from=2031-01-01")
        assert not re.search(r"\d+ offers? match", nothing.text)
        client.log_in("analyst")
        whole = client.ask("/api/trends/listings?by=day&substance=heroin").json
        assert [row["value"] for row in whole] == [4.0] * 14


def test_a_store_that_is_not_there_is_a_page_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is no database at all, whatever it is called" * 100)
    settings = Settings(data_dir=tmp_path, store=f"sqlite:///{tmp_path / 'x.db'}", tor_socks="127.0.0.1:9")
    with serving(settings) as client:
        client.open()
        page = client.ask("/trends?measure=listings")
        assert page.status == 503
        assert "This cannot be looked up" in page.text
        assert "Traceback" not in page.body
        given = client.ask("/api/trends/listings")
        assert given.status == 503
        assert "dropline" in given.json["error"]
        assert client.ask("/").status == 200  # the overview says so and shows the rest
    empty = settings.model_copy(update={"store": None, "data_dir": tmp_path / "new"})
    with serving(empty) as client:
        client.open()
        assert "dropline demo" in client.ask("/").text
        assert "holds no observations yet" in client.ask("/trends?measure=listings").text
        for path in ("/alerts", "/rules", "/crawls", "/search?q=x"):
            assert client.ask(path).status == 200


def test_what_it_says_of_records(data: Settings) -> None:
    """The lab's own check: the hostile series fired, so that the pages above had it to show."""
    with State(state_path(data.data_dir)) as state:
        assert "<i>x</i>" in {alert.series.get("region") for alert in Records(state).select(rule="strange")}
    assert day(0).weekday() == 0
