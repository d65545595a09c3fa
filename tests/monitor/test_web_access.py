"""Who gets in, by which way, and what each role may see and do."""

from __future__ import annotations

import base64
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_lab import call
from web_lab import PASSWORD, Client, add_users, build_data, serving

from config.errors import UsageError
from config.settings import Settings
from monitor.web.access import Access, Refused
from monitor.web.app import PAGES
from monitor.web.serve import Place, Server
from monitor.web.users import Role, User, digest, fits, load_users, put_user, remove_user, users_path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return build_data(tmp_path_factory.mktemp("web-access"))


@pytest.fixture(scope="module")
def alone(data: Settings) -> Iterator[Client]:
    """A server without users."""
    with serving(data) as client:
        yield client


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Path]]:
    """A server with a user of each role, reached by a name of its own."""
    settings = build_data(tmp_path_factory.mktemp("web-users"))
    add_users(settings.data_dir)
    with serving(settings, names=("dropline.example",)) as client:
        yield client, settings.data_dir


def anew(client: Client) -> Client:
    """Another browser at the same server."""
    return Client(client.place.geturl())


def test_the_printed_address_opens_once_and_the_token_leaves_the_address(alone: Client) -> None:
    browser = anew(alone)
    assert browser.ask("/").headers["location"] == "/login?next=%2F"
    wrong = browser.ask("/?token=guessed")
    assert (wrong.status, browser.cookies) == (401, {})
    opened = browser.ask(f"/alerts?state=all&token={browser.token}")
    assert (opened.status, opened.headers["location"]) == (303, "/alerts?state=all")
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert browser.token not in cookie
    page = browser.ask("/")
    assert page.status == 200
    assert "operator" in page.text
    assert browser.token not in page.body


def test_headers_forbid_scripts_framing_and_keeping(alone: Client) -> None:
    for path in ("/", "/login", "/nowhere", "/api/status"):
        headers = alone.ask(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script" not in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example:80", "[::1"])
def test_a_strange_host_is_refused(alone: Client, host: str) -> None:
    assert anew(alone).ask(f"/?token={alone.token}", Host=host).status == 421
    assert anew(alone).ask("/api/status", Host=host, Authorization=f"Bearer {alone.token}").status == 421


def test_names_of_our_own_are_answered(shared: tuple[Client, Path]) -> None:
    client, _ = shared
    assert anew(client).ask("/login", Host="dropline.example").status == 200
    assert anew(client).ask("/login", Host="localhost:1").status == 200


def test_without_users_only_this_machine_is_served(data: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--add-user"):
        Server(data, Place(host="0.0.0.0", port=0))
    # a name of a proxy's is not answered to either: what comes through it would be let in by the token alone
    (tmp_path / "channels.yml").write_text("dashboard: https://dropline.example\n")
    (tmp_path / "channels.yml").chmod(0o600)
    with serving(data.model_copy(update={"data_dir": tmp_path})) as client:
        assert client.ask("/login", Host="dropline.example").status == 421


def test_users_are_asked_for_a_name_where_all_addresses_are_served(shared: tuple[Client, Path]) -> None:
    _, folder = shared
    with pytest.raises(UsageError, match="--name"):
        Server(Settings(data_dir=folder), Place(host="0.0.0.0", port=0))


def test_behind_tls_cookies_go_over_tls_alone(tmp_path: Path) -> None:
    put_user(tmp_path, "anna", Role.ANALYST, PASSWORD)
    (tmp_path / "channels.yml").write_text("dashboard: https://dropline.example\n")
    (tmp_path / "channels.yml").chmod(0o600)
    with serving(Settings(data_dir=tmp_path, tor_socks="127.0.0.1:9")) as client:
        origin = {"Host": "dropline.example", "Origin": "https://dropline.example", "Sec_Fetch_Site": "same-origin"}
        answer = client.ask("/login", {"name": "anna", "password": PASSWORD}, **origin)
        assert answer.status == 303
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-dropline")
        assert "Secure" in cookie
        assert "max-age" in answer.headers["strict-transport-security"]
        assert client.ask("/alerts", Host="dropline.example").status == 200
        foreign = {**origin, "Origin": "https://dropline.example.evil"}
        assert client.ask("/login", {"name": "anna", "password": PASSWORD}, **foreign).status == 403


def test_a_taken_port_is_told(alone: Client, data: Settings) -> None:
    with pytest.raises(UsageError, match="another --port"):
        Server(data, Place(port=alone.place.port or 0))


def test_roles_see_and_do_what_they_may(shared: tuple[Client, Path]) -> None:
    client, _ = shared
    for role in Role:
        browser = anew(client)
        assert browser.log_in(role.value).status == 303
        for page in PAGES:
            path = page.address.format(id="x", market="m", measure="listings", crawl="x")
            status = (browser.send(path, {}) if page.post else browser.ask(path)).status
            assert (status == 403) == (not role.may(page.role)), (role, page.address, status)
            if page.post:
                assert anew(client).ask(path, {}).status == 401
            else:
                assert anew(client).ask(path).status == (401 if page.api else 303)


def test_a_form_needs_the_token_of_its_session_and_our_own_page(shared: tuple[Client, Path]) -> None:
    client, _ = shared
    browser, other = anew(client), anew(client)
    browser.log_in("operator")
    other.log_in("operator")
    good, path = browser.form_token(), "/crawls/m/pause"
    assert browser.ask(path, {"reason": "x"}).status == 403
    assert browser.ask(path, {"reason": "x", "form_token": other.form_token()}).status == 403
    fields = {"reason": "x", "form_token": good}
    here = f"http://127.0.0.1:{client.place.port}"
    for wrong in ("http://evil.example", "null", f"https://127.0.0.1:{client.place.port}9", "http://[", "http://127.0.0.1"):
        assert browser.ask(path, fields, Origin=wrong).status == 403, wrong
    assert browser.ask(path, fields, Sec_Fetch_Site="cross-site").status == 403
    assert browser.ask(path, fields, Sec_Fetch_Site="same-site").status == 403
    assert browser.ask(path, fields, Authorization=f"Basic {_pair('operator')}", Cookie="").status == 401
    assert browser.ask(path, fields, Origin=here, Sec_Fetch_Site="same-origin").status == 303
    assert "paused since" in browser.ask("/crawls").text
    assert anew(client).ask("/login", {"name": "operator", "password": PASSWORD}, Origin="http://evil.example").status == 403


def test_forms_are_bounded(shared: tuple[Client, Path]) -> None:
    client, _ = shared
    browser = anew(client)
    browser.log_in("operator")
    assert browser.ask("/crawls/m/resume", {"x": "y" * 400_000}).status == 400
    assert browser.ask("/crawls/m/resume", {str(n): "1" for n in range(600)}).status == 400
    assert browser.ask("/crawls/m/resume", body="{}", Content_Type="application/json").status == 400
    assert browser.ask(f"/trends?{'&'.join(f'a{n}=1' for n in range(600))}").status == 400


def _pair(name: str, password: str = PASSWORD) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()


def test_programs_come_in_by_header(shared: tuple[Client, Path], alone: Client) -> None:
    client, _ = shared
    program = anew(client)
    assert program.ask("/api/rules", Authorization=f"Basic {_pair('analyst')}").json == []
    assert program.ask("/api/rules", Authorization=f"Basic {_pair('reader')}").status == 403
    for wrong in ("Basic ###", "Basic", "Bearer", "Bearer x", f"Digest {_pair('analyst')}", f"Basic {_pair('nobody')}"):
        refused = program.ask("/api/rules", Authorization=wrong)
        assert refused.status == 401, wrong
        assert refused.headers["www-authenticate"].startswith("Basic")
    assert anew(client).ask("/api/rules").headers["www-authenticate"].startswith("Basic")
    assert anew(alone).ask("/api/rules", Authorization=f"Bearer {alone.token}").json == []


def test_logging_out_and_another_password_end_a_session(shared: tuple[Client, Path]) -> None:
    client, folder = shared
    put_user(folder, "carol", Role.ANALYST, PASSWORD)
    browser = anew(client)
    assert browser.log_in("carol").status == 303
    kept = dict(browser.cookies)
    assert browser.ask("/alerts").status == 200
    assert browser.send("/logout", {}).headers["location"] == "/login"
    browser.cookies = kept
    assert browser.ask("/alerts").status == 303
    browser.log_in("carol")
    put_user(folder, "carol", Role.READER, "another password")
    assert browser.ask("/alerts").status == 303
    browser.log_in("carol", "another password")
    assert browser.ask("/alerts").status == 403
    remove_user(folder, "carol")
    assert browser.ask("/trends").status == 303
    broken = {name: f"x{value}" for name, value in kept.items()}
    browser.cookies = broken
    assert browser.ask("/").status == 303


def test_after_logging_in_only_our_own_pages_follow(shared: tuple[Client, Path]) -> None:
    client, _ = shared
    for wanted, got in (
        ("/alerts?state=all", "/alerts?state=all"), ("//evil.example/x", "/"), ("https://evil.example", "/"),
        ("/\\evil.example", "/"), ("/a\r\nSet-Cookie: x=y", "/"), ("javascript:alert(1)", "/"),
    ):  # fmt: skip
        answer = anew(client).ask("/login", {"name": "reader", "password": PASSWORD, "next": wanted})
        assert answer.headers["location"] == got, wanted


def test_a_link_from_elsewhere_comes_back_with_its_cookie(shared: tuple[Client, Path]) -> None:
    """A browser leaves a strict cookie behind when somebody else's page leads here; from our own page it comes along."""
    client, _ = shared
    answer = anew(client).ask("/alerts/abc", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert answer.status == 200
    assert '<meta http-equiv="refresh" content="0; url=/alerts/abc">' in answer.body
    assert anew(client).ask("/alerts/abc", Sec_Fetch_Site="same-origin").status == 303


def test_wrong_attempts_are_slowed_by_name_and_by_address() -> None:
    clock = [100.0]
    users = {"anna": User(role=Role.ANALYST, password=digest(PASSWORD, 10))}
    access = Access(lambda: users, clock=lambda: clock[0])

    def wait(name: str, address: str, password: str = "wrong") -> float:
        with pytest.raises(Refused) as caught:
            access.by_password(name, password, address)
        return caught.value.wait

    assert [wait("anna", "192.0.2.1") for _ in range(4)] == [0, 0, 0, 1.0]
    assert wait("anna", "192.0.2.9", PASSWORD) == 1.0  # the right one has to wait as well
    assert wait("ben", "192.0.2.1") == 1.0
    assert wait("ben", "192.0.2.2") == 0
    clock[0] += 1.1
    assert wait("anna", "192.0.2.1") == 0
    assert wait("anna", "192.0.2.1") == 2.0
    clock[0] += 2.1
    assert access.by_password("anna", PASSWORD, "192.0.2.3").role is Role.ANALYST
    assert wait("anna", "192.0.2.3") == 0  # the name is free again
    for _ in range(20):
        clock[0] += 61
        wait("anna", "192.0.2.1")
    assert wait("anna", "192.0.2.1") == 60.0


def test_a_session_ends_by_itself() -> None:
    clock = [0.0]
    users = {"anna": User(role=Role.ANALYST, password=digest(PASSWORD, 10))}
    access = Access(lambda: users, clock=lambda: clock[0])
    cookie = access.begin(access.by_password("anna", PASSWORD, ""))
    assert access.of_cookie(cookie) is not None
    clock[0] = 12 * 3600 + 1
    assert access.of_cookie(cookie) is None
    assert Access(lambda: users, clock=lambda: 0.0).of_cookie(cookie) is None  # another process has another key
    for nonsense in ("", ".", "a.b", cookie[:-1], "é.é"):
        assert access.of_cookie(nonsense) is None


def test_the_file_of_users_is_private_and_holds_no_password(tmp_path: Path) -> None:
    put_user(tmp_path, "anna", Role.ANALYST, PASSWORD)
    path = users_path(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PASSWORD not in path.read_text()
    users = load_users(tmp_path) or {}
    assert fits(PASSWORD, users["anna"].password)
    assert not fits(f"{PASSWORD}x", users["anna"].password)
    assert users["anna"].password not in repr(users)
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        load_users(tmp_path)
    path.chmod(0o600)
    path.write_text("users:\n  anna: {role: analyst, password: secret}\n")
    with pytest.raises(UsageError, match=r"line 2.*--add-user") as caught:
        load_users(tmp_path)
    assert "secret" not in str(caught.value)
    path.write_text("users:\n  anna: {role: boss, password: x}\n")
    with pytest.raises(UsageError, match="line 2"):
        load_users(tmp_path)


def test_a_broken_list_of_users_lets_nobody_in_and_tells_strangers_nothing(tmp_path: Path) -> None:
    put_user(tmp_path, "anna", Role.OPERATOR, PASSWORD)
    with serving(Settings(data_dir=tmp_path, tor_socks="127.0.0.1:9")) as client:
        assert client.log_in("anna").status == 303
        users_path(tmp_path).write_text("users: [secret-line]\n")
        for answer in (client.ask("/"), client.ask("/api/rules"), anew(client).log_in("anna")):
            assert answer.status == 503
            assert "log of" in answer.text
            assert str(tmp_path) not in answer.body
            assert "secret-line" not in answer.body
        users_path(tmp_path).unlink()
        assert client.ask("/").status == 303
        assert anew(client).log_in("anna").status == 401


def test_users_are_made_and_removed_by_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monitor.cli", "--data-dir", str(tmp_path), "serve", "--add-user", "anna"]
    done = subprocess.run(
        [*command, "--role", "analyst"], input=f"{PASSWORD}\n", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert fits(PASSWORD, (load_users(tmp_path) or {})["anna"].password)
    for name, password, words in (("An na", PASSWORD, "user name"), ("ben", "short", "10 characters")):
        with pytest.raises(UsageError, match=words) as caught:
            put_user(tmp_path, name, Role.READER, password)
        assert password not in str(caught.value)
    for arguments, words in ((["--add-user", "anna", "--role", "boss"], "reader, analyst, operator"),
                             (["--remove-user", "bob"], "anna")):  # fmt: skip
        wrong = call(tmp_path, "serve", *arguments)
        assert wrong.returncode == 2
        assert words in " ".join(wrong.stderr.decode().split())
    assert call(tmp_path, "serve", "--remove-user", "anna").returncode == 0
    assert load_users(tmp_path) == {}
