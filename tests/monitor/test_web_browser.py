"""The dashboard in a real browser: what a person does there from logging in to a verdict."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import cast

import pytest
from alert_market import seen_by
from command_lab import answer, call
from delivery_lab import smtp_server, write_channels
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select
from test_web_pages import HOSTILE
from web_lab import FIRST, PASSWORD, Client, add_users, build_data, day, serving

from config.settings import Settings
from extract.observation import Crawl
from index.open import open_store


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = build_data(tmp_path_factory.mktemp("web-browser"))
    add_users(settings.data_dir)
    store = open_store(settings.store_url)
    crawl = cast("Crawl", next(one for one in store.crawls() if one.id == f"m-{FIRST + 12:04d}-12"))
    store.write([seen_by(crawl, 1, prefix="bad", title=HOSTILE, region="<i>x</i>")])
    store.close()
    return settings


@pytest.fixture(scope="module")
def server(data: Settings) -> Iterator[Client]:
    with serving(data) as client:
        yield client


class Browser:
    """What a person sees and presses."""

    def __init__(self, driver: WebDriver, client: Client) -> None:
        self.driver, self.base = driver, f"http://127.0.0.1:{client.place.port}"

    def go(self, path: str) -> None:
        self.driver.get(self.base + path)

    @property
    def path(self) -> str:
        return self.driver.current_url.removeprefix(self.base)

    @property
    def text(self) -> str:
        return self.one("body").text

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def field(self, label: str) -> WebElement:
        """The field that a label names, as a screen reader finds it."""
        [found] = self.driver.find_elements(By.XPATH, f"//main//label[@for][normalize-space()='{label}']")
        return self.one(f"#{found.get_attribute('for')}")

    def fill(self, label: str, text: str) -> None:
        field = self.field(label)
        field.clear()
        field.send_keys(text)

    def press(self, name: str) -> None:
        """A button or link; returns when the page that it leads to is there."""
        page = self.one("html").id
        self.driver.find_element(By.XPATH, f"(//button | //a)[normalize-space()='{name}']").click()
        for _ in range(600):
            with contextlib.suppress(WebDriverException):  # between two pages
                ready = self.driver.execute_script("return document.readyState") == "complete"
                if ready and self.one("html").id != page and "One moment" not in self.driver.title:
                    return
            threading.Event().wait(0.02)
        raise AssertionError(f"{name!r} leads nowhere: {self.text}")

    def log_in(self, name: str) -> None:
        self.driver.delete_all_cookies()
        self.go("/login")
        self.fill("Name", name)
        self.fill("Password", PASSWORD)
        self.press("Log in")


@pytest.fixture
def browser(chromium: WebDriver, server: Client) -> Browser:
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    return Browser(chromium, server)


def test_logging_in_leads_to_the_page_that_was_asked_for_and_roles_to_their_menus(browser: Browser) -> None:
    browser.driver.delete_all_cookies()
    browser.go("/alerts?state=all")
    assert browser.path.startswith("/login?next=")
    browser.fill("Name", "analyst")
    browser.fill("Password", "not the password")
    browser.press("Log in")
    assert "not right" in browser.text
    browser.fill("Password", PASSWORD)
    browser.field("Password").send_keys(Keys.ENTER)
    assert browser.path == "/alerts?state=all"
    assert browser.driver.execute_script("return document.cookie") == ""  # no page can read it
    assert [one.text for one in browser.all("nav[aria-label=Pages] a")] == [
        "Overview", "Trends", "Search", "Alerts", "Rules", "Crawls",
    ]  # fmt: skip
    browser.press("Log out")
    assert browser.path == "/login"
    browser.log_in("reader")
    assert [one.text for one in browser.all("nav[aria-label=Pages] a")] == ["Overview", "Trends", "Crawls"]
    browser.go("/search?q=x")
    assert "needs the role analyst" in browser.text


def test_a_gap_is_drawn_as_a_gap_and_in_the_colours_of_the_page(browser: Browser) -> None:
    browser.log_in("analyst")
    browser.go("/trends")
    Select(browser.field("Measure")).select_by_visible_text("listings")
    browser.fill("Market", "m")
    Select(browser.field("By")).select_by_visible_text("day")
    browser.press("Show")
    lines = [one.get_attribute("d") or "" for one in browser.all('.chart path[stroke="#0b3c5d"]:not([fill="#0b3c5d"])')]
    pieces = [piece for line in lines for piece in line.split("M")[1:] if "A" not in piece]
    assert [piece.count("L") + 1 for piece in pieces] == [4, 9]
    gap = browser.one('.chart [fill="#e8e8e8"]').rect
    bounds = [float(x) for piece in pieces for x in re.findall(r"(?:^|L)([\d.]+),", piece)]
    assert max(bounds[:4]) < min(bounds[4:])
    assert gap["width"] > 1
    assert browser.all("tr.gap")[0].text.startswith(str(day(4)))
    line = browser.one('.chart [stroke="#0b3c5d"]')
    light = line.value_of_css_property("stroke")
    browser.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    assert line.value_of_css_property("stroke") != light


PAGES = ["/", "/trends?measure=listings&by=day&split=region", "/search?q=evil", "/alerts?state=all", "/rules", "/crawls",
         "/crawls/m", "/rules/new", "/rules/new?kind=surge", "/rules/new?kind=text", "/login", "/nowhere"]  # fmt: skip


def test_every_page_fits_a_phone_has_a_heading_and_breaks_no_policy(browser: Browser) -> None:
    browser.log_in("operator")
    browser.driver.get_log("browser")  # what came before
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    for path in PAGES:
        browser.go(path)
        assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 390, path
        assert len(browser.all("h1")) == 1, path
        assert browser.driver.title.endswith("· Dropline"), path
        nameless = browser.driver.execute_script(
            "return [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]"
            ".filter(e => !e.labels.length).map(e => e.name)"
        )
        assert nameless == [], path
        ids = [one.get_attribute("id") for one in browser.all("[id]")]
        assert len(ids) == len(set(ids)), path
    complaints = [one["message"] for one in browser.driver.get_log("browser") if one["source"] == "security"]
    assert complaints == []


def test_hostile_texts_stay_texts(browser: Browser) -> None:
    browser.log_in("analyst")
    for path in ("/search?q=evil", "/trends?measure=listings&by=day&split=region"):
        browser.go(path)
        assert browser.all("script, main i, main iframe") == []
        assert not [one for one in browser.all("a") if "onion" in (one.get_attribute("href") or "")]
        assert "\u202e" not in browser.driver.page_source
    browser.go("/search?q=evil")
    assert "<script>alert(1)</script>" in browser.text
    browser.go("/trends?measure=listings&by=day&split=region")
    assert "<i>x</i>" in browser.text


def test_the_keyboard_leads_past_the_menu(browser: Browser) -> None:
    browser.log_in("reader")
    browser.go("/trends")
    browser.one("body").send_keys(Keys.TAB)
    first = browser.driver.switch_to.active_element
    assert first.text == "To the content"
    assert first.is_displayed()
    first.send_keys(Keys.ENTER)
    assert browser.path.endswith("#main")


@contextlib.contextmanager
def elsewhere(link: str) -> Iterator[str]:
    """A page of somebody else's, with a link: as a mail program in the browser shows it."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'<!doctype html><title>Mail</title><a href="{link}">link</a>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as other:
        thread = threading.Thread(target=other.serve_forever, daemon=True)
        thread.start()
        yield f"http://localhost:{other.server_address[1]}/"  # another site than 127.0.0.1
        other.shutdown()
        thread.join(5)


def test_from_a_rule_in_the_form_to_the_verdict_on_its_alert(browser: Browser, data: Settings) -> None:
    with smtp_server() as mails:
        write_channels(data.data_dir, f"dashboard: {browser.base}\nchannels:\n  desk:\n    apprise: "
                       f"mailto://127.0.0.1:{mails.port}?from=dropline@example.org&to=anna@example.org\n")  # fmt: skip
        browser.log_in("operator")
        browser.go("/rules")
        browser.press("New rule")
        browser.press("Threshold")
        browser.fill("Id", "many")
        browser.fill("Title", "Many listings")
        Select(browser.field("By")).select_by_visible_text("day")
        browser.fill("Substance", "mephedrone")
        browser.fill("Above", "a lot")
        browser.fill("Recipients", "desk")
        browser.press("Back-test it")
        above = browser.field("Above")
        assert above.get_attribute("aria-invalid") == "true"
        described = str(above.get_attribute("aria-describedby")).split()[0]
        assert "valid number" in browser.one(f"#{described}").text
        assert browser.field("Title").get_attribute("value") == "Many listings"
        browser.fill("Above", "40")
        browser.press("Back-test it")
        assert str(day(1)) in browser.text
        assert "95 % interval" in browser.text
        assert answer(data.data_dir, "alerts", "list") == []
        browser.press("Save this rule")
        assert browser.path == "/rules/many?saved=yes"
        fired = answer(data.data_dir, "--store", data.store_url, "alerts", "run")
        assert [row["rule"] for row in fired] == ["many"]
        assert call(data.data_dir, "alerts", "deliver").returncode == 0
        [(_, raw)] = mails.got
    body = message_from_bytes(raw, policy=policy.default).get_body(("plain",))
    assert body is not None
    words = body.get_content()
    link = re.search(rf"{re.escape(browser.base)}/alerts/\w+", words)
    assert link is not None
    assert "on its page" in words
    with elsewhere(link[0]) as page:
        browser.driver.get(page)
        browser.press("link")
        assert browser.path == f"/alerts/{fired[0]['id']}", browser.text
    assert "Many listings" in browser.text
    assert browser.all(".chart svg")
    assert len(browser.all("section, table")) > 3
    browser.one("#ack-note").send_keys("I look after it")
    browser.press("Acknowledge")
    assert "acknowledged" in browser.text
    assert "I look after it" in browser.text
    browser.one("input[value=true]").click()
    browser.one("#dismiss-note").send_keys("so it was")
    browser.press("Dismiss")
    assert "verdict: true" in browser.text
    history = answer(data.data_dir, "alerts", "show", fired[0]["id"])["history"]
    assert [(one["who"], one["event"], one["verdict"]) for one in history][-2:] == [
        ("operator", "acknowledged", None), ("operator", "dismissed", "true"),
    ]  # fmt: skip
    browser.go("/rules")
    assert "100% (1 of 1)" in browser.text


def test_a_page_elsewhere_cannot_send_a_form(browser: Browser, data: Settings) -> None:
    browser.log_in("operator")
    with elsewhere("/") as page:
        browser.driver.get(page)
        browser.driver.execute_script(
            "document.body.innerHTML = `<form method=post action='${arguments[0]}'><input name=reason value=x>"
            "<button id=go>go</button></form>`", f"{browser.base}/crawls/m/pause",
        )
        browser.press("go")
    assert browser.path == "/crawls/m/pause"
    assert "Log in" in browser.text  # the strict cookie stayed behind
    [market] = answer(data.data_dir, "--store", data.store_url, "status")
    assert market["paused"] is None
    browser.go("/crawls/m")
    assert "Log out" in browser.text
