"""The application: which address leads to which page, for whom, and how errors reach a person."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from config.errors import DroplineError, StoreError, UsageError
from monitor.web import alerts, api, crawls, drafts, overview, rules, search, trends
from monitor.web.access import LIFE, Access, Refused, Who
from monitor.web.guard import BadForm, Fields, Guard, comes_from_us, read_fields, read_form
from monitor.web.render import render
from monitor.web.users import Role
from monitor.web.visit import Denied, House, Missing, Visit, as_json
from monitor.web.work import TooMuch, Work

log = logging.getLogger("dropline.web")

AT_ONCE, SECONDS = 4, 60.0
"""Questions to the store that run at once, and seconds until a person is told that one takes too long."""
QUICK = 32
"""Pages that only look into state.db and files."""
STATIC = Path(__file__).with_name("static")
FILES = {"style.css": "text/css", "icon.svg": "image/svg+xml"}


@dataclass(frozen=True)
class Page:
    """An address. `long`: it asks the store."""

    address: str
    make: Callable[[Visit], Response]
    role: Role
    post: bool = False
    long: bool = False

    @property
    def api(self) -> bool:
        return self.address.startswith("/api/")


READER, ANALYST, OPERATOR = Role.READER, Role.ANALYST, Role.OPERATOR
PAGES = (
    Page("/", overview.show, READER, long=True),
    Page("/trends", trends.show, READER, long=True),
    Page("/crawls", crawls.show_all, READER, long=True),
    Page("/crawls/{market}", crawls.show_one, READER, long=True),
    Page("/crawls/{market}/pause", crawls.pause, OPERATOR, post=True, long=True),
    Page("/crawls/{market}/resume", crawls.resume, OPERATOR, post=True),
    Page("/held/{crawl}/accept", crawls.accept_held, OPERATOR, post=True, long=True),
    Page("/held/{crawl}/discard", crawls.discard_held, OPERATOR, post=True),
    Page("/search", search.show, ANALYST, long=True),
    Page("/rows", search.rows, ANALYST, long=True),
    Page("/explain", search.explain, ANALYST, long=True),
    Page("/alerts", alerts.show_all, ANALYST),
    Page("/alerts/{id}", alerts.show_one, ANALYST, long=True),
    Page("/alerts/{id}/acknowledge", alerts.acknowledge, OPERATOR, post=True),
    Page("/alerts/{id}/dismiss", alerts.dismiss, OPERATOR, post=True),
    Page("/rules", rules.show_all, ANALYST),
    Page("/rules/new", drafts.new, OPERATOR, long=True),
    Page("/rules/draft", drafts.save, OPERATOR, post=True, long=True),
    Page("/rules/{id}", rules.show_one, ANALYST),
    Page("/rules/{id}/edit", drafts.edit, OPERATOR, long=True),
    Page("/rules/{id}/mute", rules.mute, OPERATOR, post=True),
    Page("/rules/{id}/switch", rules.switch, OPERATOR, post=True),
    Page("/api/trends/{measure}", api.trends, READER, long=True),
    Page("/api/status", api.status, READER, long=True),
    Page("/api/alerts", api.alerts, ANALYST),
    Page("/api/alerts/{id}", api.alert, ANALYST),
    Page("/api/rules", api.rules, ANALYST),
)


class Dashboard:
    """Answers requests: finds out who asks, runs the page in a thread, says what went wrong."""

    def __init__(
        self, house: House, access: Access, *, secure: bool, cookie: str, at_once: int, seconds: float
    ) -> None:  # fmt: skip
        self.house, self.access, self._secure = house, access, secure
        # a browser takes a __Host- cookie from nobody else's name
        self._cookie = f"__Host-{cookie}" if secure else cookie
        self._long, self._quick, self._password = Work(at_once, seconds), Work(QUICK, seconds), Work(2, seconds)

    def routes(self) -> list[Route]:
        found = [
            Route(page.address, self._endpoint(page), methods=["POST"] if page.post else ["GET"]) for page in PAGES
        ]
        return [
            *found, Route("/login", self.login_page, methods=["GET"]), Route("/login", self.login, methods=["POST"]),
            Route("/logout", self.logout, methods=["POST"]), Route("/healthz", _alive, methods=["GET"]),
            *(Route(f"/{name}", _file, methods=["GET"]) for name in FILES),
        ]  # fmt: skip

    def _endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        return partial(self._answer, page)

    async def _answer(self, page: Page, request: Request) -> Response:
        who: Who | None = None
        try:
            who, key = await self._who(page, request)
            if who is None:
                return self._ask_to_log_in(page, request)
            if not who.role.may(page.role):
                raise Denied(f"This needs the role {page.role.value}; {who.name} is {who.role.value}.")
            form = await self._form(who, request) if page.post else {}
            visit = Visit(
                self.house, who, key, request.url.path, dict(request.path_params),
                read_fields(request.scope["query_string"]), form,
            )  # fmt: skip
            return await (self._long if page.long else self._quick).run(lambda: page.make(visit))
        except Exception as error:  # noqa: BLE001 - whatever it is, a person is told
            return self._tell(page, who, error if who is not None else _for_strangers(error))

    async def _who(self, page: Page, request: Request) -> tuple[Who | None, str]:
        """Who asks, and the token of their forms."""
        header = request.headers.get("authorization")
        if header is not None and page.api:
            who = await self._password.run(lambda: self.access.with_header(header, _client(request)))
            return who, ""
        token = request.query_params.get("token")
        if token is not None and self.access.by_token and not page.post and not page.api:
            return None, ""  # `_ask_to_log_in` takes it out of the address
        cookie = request.cookies.get(self._cookie)
        found = None if cookie is None else self.access.of_cookie(cookie)
        return found, "" if found is None or found.session is None else self.access.form_token(found.session)

    async def _form(self, who: Who, request: Request) -> Fields:
        form = await read_form(request)
        key = (form.get("form_token") or [""])[-1]
        if who.session is None or not comes_from_us(request) or not self.access.is_form_token(who.session, key):
            raise Denied("This form is not one that this session was given. Open its page again, send it from there.")
        return form

    def _ask_to_log_in(self, page: Page, request: Request) -> Response:
        if page.api:
            return self._challenge("Who is asking? Send a bearer token or name and password.")
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
        address = request.url.path + (f"?{urlencode(query)}" if query else "")
        token = request.query_params.get("token")
        if token is not None and self.access.by_token and not page.post:
            try:
                who = self.access.with_token(token)
            except Refused as error:
                return self._login_form(address, error)
            return self._logged_in(who, address)
        if page.post:
            return self._login_form("/", None)
        # a link in a mail comes from somewhere else, and a strict cookie stays behind: from our own page it comes along
        if request.headers.get("sec-fetch-site") == "cross-site":
            return HTMLResponse(render("again.html", address=_own_address(address)))
        return RedirectResponse(f"/login?next={quote(address, safe='')}", 303)

    def _challenge(self, text: str) -> Response:
        response = as_json({"error": text}, 401)
        response.headers["WWW-Authenticate"] = "Bearer" if self.access.by_token else 'Basic realm="Dropline"'
        return response

    # logging in and out

    async def login_page(self, request: Request) -> Response:
        return self._login_form(request.query_params.get("next", "/"), None, 200)

    async def login(self, request: Request) -> Response:
        try:
            form = await read_form(request)
        except BadForm as error:
            return self._plain("This form cannot be read", str(error), 400)
        if not comes_from_us(request):
            return self._plain("Not from here", "Log in on the dashboard's own page.", 403)
        fields = {name: values[-1] for name, values in form.items()}
        address = fields.get("next", "/")
        client = _client(request)
        try:
            if self.access.by_token:
                who = self.access.with_token(fields.get("token", "").strip())
            else:
                name, password = fields.get("name", "").strip(), fields.get("password", "")
                who = await self._password.run(lambda: self.access.by_password(name, password, client))
        except Refused as error:
            return self._login_form(address, error, name=fields.get("name", ""))
        except (TooMuch, DroplineError) as error:
            return self._plain(*_explain(_for_strangers(error)))
        return self._logged_in(who, address)

    async def logout(self, request: Request) -> Response:
        cookie = request.cookies.get(self._cookie, "")
        try:
            who = self.access.of_cookie(cookie)
            if who is not None:
                await self._form(who, request)
        except (BadForm, Denied) as error:
            return self._plain("This did not work", str(error), 403)
        self.access.end(cookie)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(self._cookie, path="/", secure=self._secure, httponly=True, samesite="strict")
        return response

    def _logged_in(self, who: Who, address: str) -> Response:
        response = RedirectResponse(_own_address(address), 303)
        response.set_cookie(
            self._cookie, self.access.begin(who), max_age=LIFE, path="/", secure=self._secure, httponly=True,
            samesite="strict",
        )  # fmt: skip
        return response

    def _login_form(self, address: str, error: Refused | None, status: int = 401, name: str = "") -> Response:
        response = HTMLResponse(
            render(
                "login.html", by_token=self.access.by_token, next=_own_address(address), error=error, name=name[:64]
            ),
            429 if error is not None and error.wait else status,
        )
        if error is not None and error.wait:
            response.headers["Retry-After"] = str(int(error.wait) + 1)
        return response

    # what went wrong

    def _tell(self, page: Page, who: Who | None, error: Exception) -> Response:
        title, text, status = _explain(error)
        if status == 500:
            log.error("A page failed: %s", page.address, exc_info=error)
        if page.api:
            response = self._challenge(text) if status == 401 else as_json({"error": text}, status)
        elif who is None:
            response = self._plain(title, text, status)
        else:
            key = "" if who.session is None else self.access.form_token(who.session)
            visit = Visit(self.house, who, key, page.address)
            response = visit.show("problem.html", status, title=title, text=text)
        if isinstance(error, Refused) and error.wait:
            response.headers["Retry-After"] = str(int(error.wait) + 1)
        if isinstance(error, TooMuch):
            response.headers["Retry-After"] = "30"
        return response

    def _plain(self, title: str, text: str, status: int) -> Response:
        return HTMLResponse(render("stranger.html", title=title, text=text), status)


def _explain(error: Exception) -> tuple[str, str, int]:
    """(title, text, status) of what a person is told."""
    match error:
        case Denied():
            return "Not with this role", str(error), 403
        case Missing():
            return "Not found", str(error), 404
        case BadForm():
            return "This cannot be read", f"The request cannot be read: {error}", 400
        case Refused():
            wait = f" Wait {error.wait:.0f} s." if error.wait else ""
            return "Not known", f"The name, password or token is not right.{wait}", 429 if error.wait else 401
        case TooMuch(begun=False):
            return "Busy", f"Other questions took all places for {error.seconds:.0f} s. Try again in a while.", 503
        case TooMuch():
            text = f"This takes longer than {error.seconds:.0f} s. Ask for fewer days or splits; or use the command."
            return "This takes too long", text, 504
        case UsageError():
            return "This cannot be asked so", str(error), 400
        case StoreError():
            return "This cannot be looked up", f"{error} `dropline status` and `dropline doctor` say more.", 503
        case DroplineError():
            return "This did not work", str(error), 500
    return "Something unexpected", f"An unexpected {type(error).__name__}. The log of `dropline serve` has more.", 500


def _for_strangers(error: Exception) -> Exception:
    """What is told to somebody who has not logged in: nothing of our files."""
    if isinstance(error, DroplineError):
        log.error("The users cannot be looked up: %s", error)
        return StoreError("The users cannot be looked up. The log of `dropline serve` says why.")
    return error


def _own_address(address: str) -> str:
    """Where to go after logging in: a page of ours, whatever somebody wrote into the link."""
    safe = address.startswith("/") and not address.startswith("//") and "\\" not in address and address.isprintable()
    return quote(address, safe="/?&=%:,.-_~+") if safe else "/"


def _client(request: Request) -> str:
    return request.client.host if request.client is not None else ""


async def _file(request: Request) -> Response:
    name = request.url.path.removeprefix("/")
    headers = {"Cache-Control": "max-age=600"}
    return Response((STATIC / name).read_bytes(), media_type=FILES[name], headers=headers)


async def _alive(request: Request) -> Response:
    return Response("ok\n", media_type="text/plain")


def build_app(
    house: House, access: Access, names: Iterable[str], *, secure: bool = False, cookie: str = "dropline",
    at_once: int = AT_ONCE, seconds: float = SECONDS,
) -> Guard:  # fmt: skip
    """The whole application. `names`: host names that it answers to; `secure`: browsers reach it over TLS."""
    dashboard = Dashboard(house, access, secure=secure, cookie=cookie, at_once=at_once, seconds=seconds)

    async def not_found(request: Request, error: Exception) -> Response:
        text = "There is no such page. The menu of the overview leads to all there are."
        if request.url.path.startswith("/api/"):
            return as_json({"error": "There is no such address; docs/dashboard.md lists them."}, 404)
        return HTMLResponse(render("stranger.html", title="Not found", text=text), 404)

    async def wrong_method(request: Request, error: Exception) -> Response:
        return HTMLResponse(render("stranger.html", title="Not so", text="This address is not asked that way."), 405)

    app = Starlette(routes=dashboard.routes(), exception_handlers={404: not_found, 405: wrong_method})
    return Guard(app, names, secure=secure)
