"""Users, apps and sessions: Kite's login pages, request tokens and access tokens (zerodha.md 2).

The pages of kite.zerodha.com are served under their own paths: `/connect/login`, `/api/login`, `/api/twofa`, the redirect
chain to the app's address, and the consent page of a user who opens an app for the first time.
"""

import hashlib
import html
import random
import string
from datetime import datetime, time, timedelta
from urllib.parse import urlencode

import pyotp
from msgspec import Struct

from ordod.sim.message import Answer, Request
from ordod.sim.zerodha.envelope import KiteError, success

__all__ = ["Accounts", "App", "Client", "Login"]

SESSIONS_END = time(6, 0)  # IST
REQUEST_TOKEN_LIVES = timedelta(minutes=5)
WRONG_PASSWORDS_MAX = 5
WRONG_CODES_MAX = 5
HTML = (("content-type", "text/html; charset=utf-8"),)


class Client(Struct, frozen=True, kw_only=True):
    """A user of the broker. `twofa_type`: `totp`, or `app_code` where no unattended login is possible."""

    user_id: str = "ZX0001"
    password: str = "correct-horse"  # noqa: S105 - a simulated user's
    totp_secret: str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105
    name: str = "Asha Trader"
    twofa_type: str = "totp"


class App(Struct, frozen=True, kw_only=True):
    """A developer's app. `redirect_url` is what the developer registered; without `market_data` its plan has none."""

    api_key: str = "simkey0123456789"
    api_secret: str = "simsecret0123456789abcdef0123456"  # noqa: S105
    redirect_url: str = "http://127.0.0.1/callback"
    app_id: int = 12617
    market_data: bool = True


class Login(Struct, frozen=True, kw_only=True):
    """A live access token: whose, for which app, until when."""

    user_id: str
    api_key: str
    access_token: str
    at: datetime
    expires_at: datetime


class _Web(Struct):
    """A browser's session at kite.zerodha.com: password given, then the code."""

    user_id: str
    request_id: str
    wrong_codes: int = 0
    is_in: bool = False


class _RequestToken(Struct, frozen=True):
    user_id: str
    api_key: str
    at: datetime


class Accounts:
    """Who may come in. Everything secret it gives out comes from `chance`, so that a seed repeats."""

    def __init__(
        self, clients: tuple[Client, ...], apps: tuple[App, ...], chance: random.Random
    ) -> None:
        self.clients = {client.user_id: client for client in clients}
        self.apps = {app.api_key: app for app in apps}
        self.consents = {(app.api_key, client.user_id) for app in apps for client in clients}
        self.logins = 0  # access tokens given out
        self.given: list[str] = [
            *(text for client in clients for text in (client.password, client.totp_secret)),
            *(text for app in apps for text in (app.api_key, app.api_secret)),
        ]  # whatever is secret
        self._chance = chance
        self._wrong_passwords: dict[str, int] = {}
        self._last_step: dict[str, int] = {}
        self._web: dict[str, _Web] = {}
        self._asked: dict[
            str, dict[str, str]
        ] = {}  # sess_id -> the query /connect/login was opened with
        self._request_tokens: dict[str, _RequestToken] = {}
        self._live: dict[tuple[str, str], Login] = {}

    # The API's side

    def authorised(self, request: Request, now: datetime) -> Login:
        """The session a request belongs to. Raises KiteError 403."""
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        api_key, _, access_token = pair.partition(":")
        login = self.living(api_key, access_token, now) if scheme == "token" else None
        if login is None:
            raise KiteError.dead_session()
        return login

    def living(self, api_key: str, access_token: str, now: datetime) -> Login | None:
        """The session of these tokens; None: it does not live."""
        for login in self._live.values():
            if (login.api_key, login.access_token) == (api_key, access_token):
                return login if now < login.expires_at else None
        return None

    def exchange(self, form: dict[str, str], now: datetime) -> Login:
        """`POST /session/token`: a request token, used once, becomes the one live access token of this app and user."""
        for name in ("api_key", "request_token", "checksum"):
            if not form.get(name):
                raise KiteError.bad_input(f"Missing or empty field `{name}`.")
        app = self.apps.get(form["api_key"])
        if app is None:
            raise KiteError(403, "TokenException", "Invalid `api_key`.")
        granted = self._request_tokens.get(form["request_token"])
        text = app.api_key + form["request_token"] + app.api_secret
        if (
            granted is None
            or granted.api_key != app.api_key
            or now - granted.at > REQUEST_TOKEN_LIVES
            or form["checksum"] != hashlib.sha256(text.encode()).hexdigest()
        ):
            raise KiteError.bad_token()
        del self._request_tokens[form["request_token"]]
        return self.open(app.api_key, granted.user_id, now)

    def open(self, api_key: str, user_id: str, now: datetime) -> Login:
        """A new session: the one live access token of this app and user."""
        end = now.replace(hour=SESSIONS_END.hour, minute=0, second=0, microsecond=0)
        login = Login(
            user_id=user_id,
            api_key=api_key,
            access_token=self.text(32),
            at=now,
            expires_at=end if now < end else end + timedelta(days=1),
        )
        self._live[api_key, user_id] = login
        self.logins += 1
        return login

    def end(self, api_key: str, access_token: str) -> None:
        """`DELETE /session/token`. Raises KiteError 403 for a token that does not live."""
        for key, login in self._live.items():
            if (login.api_key, login.access_token) == (api_key, access_token):
                del self._live[key]
                return
        raise KiteError.dead_session()

    def end_all(self, user_id: str) -> None:
        """A master logout."""
        self._live = {key: login for key, login in self._live.items() if login.user_id != user_id}

    def grant(self, api_key: str, user_id: str, now: datetime) -> str:
        """A request token, as the redirect carries it."""
        token = self.text(32)
        self._request_tokens[token] = _RequestToken(user_id, api_key, now)
        return token

    # The pages

    def login_page(self, request: Request, now: datetime) -> Answer:
        """`GET /connect/login`: the form, or for a browser that is logged in the way to the app."""
        query = dict(request.query)
        if query.get("api_key") not in self.apps:
            raise KiteError.bad_input("Invalid `api_key`.")
        if query.get("v") != "3":
            raise KiteError.bad_input("Invalid version.")
        sess_id = query.get("sess_id", "")
        if sess_id not in self._asked:
            sess_id = self.text(32)
            self._asked[sess_id] = query
            known = {"api_key": query["api_key"], "v": "3", "sess_id": sess_id}
            return _redirect("/connect/login?" + urlencode(known))
        if self._inside(request) is None:
            return Answer(
                200, HTML, b"<html><title>Kite - Zerodha's trading platform</title></html>"
            )
        known = {"api_key": query["api_key"], "sess_id": sess_id}
        return _redirect("/connect/finish?" + urlencode(known))

    def finish(self, request: Request, now: datetime) -> Answer:
        """`GET /connect/finish`: to the app's own address, or the consent page of a user who never opened it."""
        web = self._inside(request)
        asked = self._asked.get(request.one("sess_id"))
        if web is None or asked is None:
            raise KiteError(403, "TokenException", "Invalid session credentials")
        app = self.apps[asked["api_key"]]
        if (app.api_key, web.user_id) not in self.consents:
            name = html.escape(self.clients[web.user_id].name)
            page = f"<html><title>Authorize</title><form method=post action=/connect/authorize>{name}</form></html>"
            return Answer(200, HTML, page.encode())
        query = {
            "action": "login",
            "type": "login",
            "status": "success",
            "request_token": self.grant(app.api_key, web.user_id, now),
        }
        extra = asked.get("redirect_params", "")
        mark = "&" if "?" in app.redirect_url else "?"
        return _redirect(
            app.redirect_url + mark + urlencode(query) + (f"&{extra}" if extra else "")
        )

    def authorise(self, request: Request, now: datetime) -> Answer:
        """The button on the consent page, `POST /connect/authorize` with `sess_id`."""
        web = self._inside(request)
        asked = self._asked.get(request.form.get("sess_id", ""))
        if web is None or asked is None:
            raise KiteError(403, "TokenException", "Invalid session credentials")
        self.consents.add((asked["api_key"], web.user_id))
        known = {"api_key": asked["api_key"], "sess_id": request.form["sess_id"]}
        return _redirect("/connect/finish?" + urlencode(known))

    def password(self, request: Request) -> Answer:
        """`POST /api/login`. The fifth wrong password locks the account."""
        form = request.form
        user_id = form.get("user_id", "")
        client = self.clients.get(user_id)
        if client is None or not form.get("password"):
            raise KiteError(400, "InputException", "User profile not found")
        if self._wrong_passwords.get(user_id, 0) >= WRONG_PASSWORDS_MAX:
            raise KiteError(
                403,
                "UserException",
                "Your account has been locked after too many attempts. Reset your password.",
            )
        if form["password"] != client.password:
            self._wrong_passwords[user_id] = self._wrong_passwords.get(user_id, 0) + 1
            raise KiteError(403, "UserException", "Invalid username or password.")
        self._wrong_passwords[user_id] = 0
        cookie = self.text(32)
        web = _Web(user_id, self.text(64))
        self._web[cookie] = web
        data = {
            "user_id": user_id,
            "request_id": web.request_id,
            "twofa_type": client.twofa_type,
            "twofa_types": ["totp", "app_code"]
            if client.twofa_type == "totp"
            else ["app_code", "sms"],
            "twofa_status": "active",
            "profile": {
                "user_name": client.name,
                "user_shortname": _short(client),
                "avatar_url": None,
            },
        }
        return success(data, _cookies(kf_session=cookie))

    def second_factor(self, request: Request, now: datetime) -> Answer:
        """`POST /api/twofa`. A code is good for its own 30 seconds and the ones beside, and only once."""
        form = request.form
        cookie = request.cookies.get("kf_session", "")
        web = self._web.get(cookie)
        if (
            web is None
            or form.get("request_id") != web.request_id
            or form.get("user_id") != web.user_id
        ):
            raise KiteError(403, "TwoFAException", "Invalid session. Login again.")
        client = self.clients[web.user_id]
        if form.get("twofa_type") != client.twofa_type:
            raise KiteError.bad_input("Invalid `twofa_type`.")
        step = self._step_of(client, form.get("twofa_value", ""), now)
        if step is None or step <= self._last_step.get(client.user_id, -1):
            web.wrong_codes += 1
            if web.wrong_codes >= WRONG_CODES_MAX:
                del self._web[cookie]
            raise KiteError(
                403, "TwoFAException", f"Invalid {client.twofa_type.replace('_', ' ')}."
            )
        self._last_step[client.user_id] = step
        web.is_in = True
        return success(
            {"profile": {}},
            _cookies(
                enctoken=self.text(64),
                public_token=self.text(32),
                user_id=client.user_id,
                kf_session=cookie,
            ),
        )

    def lock(self, user_id: str) -> None:
        """As after too many wrong passwords, given elsewhere."""
        self._wrong_passwords[user_id] = WRONG_PASSWORDS_MAX

    def unlock(self, user_id: str) -> None:
        self._wrong_passwords[user_id] = 0

    def text(self, length: int) -> str:
        """A secret of this length."""
        self.given.append(
            "".join(self._chance.choices(string.ascii_letters + string.digits, k=length))
        )
        return self.given[-1]

    def _step_of(self, client: Client, code: str, now: datetime) -> int | None:
        """The 30-second step this code belongs to, None where it is nobody's. No code fits where an app shows it."""
        if client.twofa_type != "totp":
            return None
        generator = pyotp.TOTP(client.totp_secret)
        current = int(now.timestamp()) // 30
        return next(
            (s for s in (current, current - 1, current + 1) if generator.at(s * 30) == code), None
        )

    def _inside(self, request: Request) -> _Web | None:
        web = self._web.get(request.cookies.get("kf_session", ""))
        return web if web is not None and web.is_in else None


def profile(client: Client) -> dict[str, object]:
    """`GET /user/profile`, and the common part of the session answer."""
    return {
        "user_id": client.user_id,
        "user_type": "individual",
        "email": f"{client.user_id.lower()}@example.in",
        "user_name": client.name,
        "user_shortname": _short(client),
        "broker": "ZERODHA",
        "exchanges": ["NSE", "NFO", "BFO", "CDS", "BSE", "MCX", "BCD", "MF"],
        "products": ["CNC", "NRML", "MIS", "BO", "CO"],
        "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
        "avatar_url": None,
        "meta": {"demat_consent": "consent"},
    }


def session_data(login: Login, accounts: Accounts) -> dict[str, object]:
    """The answer of `POST /session/token`."""
    return profile(accounts.clients[login.user_id]) | {
        "api_key": login.api_key,
        "access_token": login.access_token,
        "public_token": accounts.text(32),
        "enctoken": accounts.text(64),
        "refresh_token": "",
        "silo": "",
        "login_time": f"{login.at:%Y-%m-%d %H:%M:%S}",
    }


def _short(client: Client) -> str:
    return client.name.split()[0]


def _redirect(location: str) -> Answer:
    return Answer(302, (*HTML, ("location", location)), b"")


def _cookies(**values: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        ("set-cookie", f"{name}={value}; Path=/; HttpOnly") for name, value in values.items()
    )
