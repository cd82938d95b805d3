"""The paper broker itself: the other side of `adapter`'s protocol, around one exchange that all its users share.

Its book is its own. What is saved is the exchange's commands behind a head line that names the day, the seed and the hours;
each new day, and a restart under other settings, writes a new head with the whole state behind it, and only what follows the
last head is read again.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ordod.adapter import Fault, HttpRequest, HttpResponse, StreamRequest
from ordod.core.ports import DiskError
from ordod.domain.calendar import WEEKDAYS, Calendar
from ordod.domain.gtt import NewGtt
from ordod.domain.market import Interval, Quote
from ordod.domain.orders import NewOrder, OrderChanges, OrderTerms
from ordod.domain.portfolio import Conversion
from ordod.paper.exchange import Exchange, Refusal
from ordod.paper.hours import IST, Hours
from ordod.paper.listed import listings

__all__ = ["BOOK_DAY", "CASH", "PaperBroker"]

BOOK_DAY = time(6, 0)  # IST; the book of a day is emptied at this time of the next
CASH = Decimal(1_000_000)
SEED = 7
TAG_LENGTH = 20
FORMAT = 1  # of the saved book; a newer one is refused
_STATUS = {Fault.AUTH_EXPIRED: 401, Fault.NOT_FOUND: 404}
_HEAD = b'["exchange",'


class _Head(Struct, frozen=True):
    """What the commands behind it happened under. `day`: the book's. `calendar`: that of the market's hours, where they are kept."""

    day: date
    seed: int
    market_hours: bool
    calendar: Calendar | None = None
    format: int = 1

    @property
    def hours(self) -> Hours | None:
        return Hours(self.calendar or WEEKDAYS) if self.market_hours else None


class PaperBroker:
    """Answers requests of its users.

    Args:
        now: IST; a new book begins where the saved one is of an earlier day.
        calendar: open as it says; None: always.
        saved: what `save` was given in earlier lives, in order; a torn end is left out.
        save: takes what happened, before the answer is given.
    Raises:
        ValueError: `saved` is damaged, or of a newer format.
    """

    def __init__(
        self,
        now: datetime,
        *,
        seed: int = SEED,
        calendar: Calendar | None = None,
        saved: bytes = b"",
        save: Callable[[bytes], None] | None = None,
    ) -> None:
        self._write = save
        self._head = _Head(_book_day(now), seed, calendar is not None, calendar, FORMAT)
        self._before = b""  # goes before the next line that is saved
        self._logged_out: set[str] = set()
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._encode = msgspec.json.Encoder().encode
        self.exchange = self._made(self._head)
        self._restore(saved)
        self._routes: dict[tuple[str, str], Callable[[str, str, HttpRequest, datetime], Any]] = {
            ("DELETE", "login"): self._logout,
            ("GET", "user"): self._user,
            ("POST", "orders"): self._place,
            ("PUT", "orders"): self._modify,
            ("DELETE", "orders"): self._cancel,
            ("GET", "orders"): self._orders,
            ("GET", "trades"): self._trades,
            ("POST", "gtts"): self._place_gtt,
            ("PUT", "gtts"): self._modify_gtt,
            ("DELETE", "gtts"): self._cancel_gtt,
            ("GET", "gtts"): self._gtts,
            ("GET", "positions"): self._positions,
            ("PUT", "positions"): self._convert,
            ("GET", "holdings"): self._holdings,
            ("GET", "funds"): self._funds,
            ("POST", "margin"): self._margin,
            ("GET", "quotes"): self._quotes,
            ("GET", "ltp"): self._ltp,
            ("GET", "candles"): self._candles,
            ("GET", "master"): self._master,
        }

    def open_account(self, user: str, cash: Decimal, now: datetime) -> None:
        """What a user begins with who is not known yet, rupees."""
        self._turn(now)
        self.exchange.open_account(user, cash, now)

    def handle(self, user: str, request: HttpRequest, now: datetime) -> HttpResponse:
        """Carry out one request of a user and answer it."""
        self._turn(now)
        _, resource, *rest = request.path.split("/", 2)
        try:
            if resource == "login" and request.method == "GET":
                return self._yes(self._login(user))
            if user in self._logged_out or not _is_authorized(request, user):
                return self._no(Fault.AUTH_EXPIRED, "not logged in")
            route = self._routes.get((request.method, resource))
            if route is None:
                return self._no(Fault.NOT_FOUND, f"no {request.method} {request.path} here")
            return self._yes(route(user, rest[0] if rest else "", request, now))
        except Refusal as refusal:
            return self._no(refusal.fault, refusal.message)
        except msgspec.ValidationError as error:
            return self._no(Fault.INVALID_INPUT, str(error))
        finally:
            for wake in self._listeners.get(user, ()) if request.writes else ():
                wake()

    def admits(self, user: str, request: StreamRequest) -> bool:
        """Whether this opens a stream."""
        return user not in self._logged_out and _is_authorized(request, user)

    def pushed(self, user: str, symbols: Iterable[str], now: datetime) -> list[Quote] | None:
        """What a stream shows of the listed ones of these; None: it ends, the session is dead."""
        self._turn(now)
        if user in self._logged_out:
            return None
        self.exchange.advance(now)
        return [self.exchange.quote(s, now) for s in symbols if self.exchange.listing(s)]

    def listen(self, user: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after every request of this user that may have changed an order; the answer ends it."""
        self._listeners.setdefault(user, []).append(wake)
        return lambda: self._listeners[user].remove(wake)

    # Sessions

    def end_session(self, user: str) -> None:
        """The session dies, as one that another login ended."""
        self._logged_out.add(user)

    def _login(self, user: str) -> Any:
        self._logged_out.discard(user)
        return {"user_id": user, "access_token": _token(user)}

    def _logout(self, user: str, _name: str, _request: HttpRequest, _now: datetime) -> Any:
        self.end_session(user)
        return {}

    def _user(self, user: str, _name: str, _request: HttpRequest, _now: datetime) -> Any:
        return {"user_id": user}

    # Orders

    def _place(self, user: str, _name: str, request: HttpRequest, now: datetime) -> Any:
        order = msgspec.convert(request.json, NewOrder)
        if order.tag is not None and len(order.tag) > TAG_LENGTH:
            raise Refusal(Fault.INVALID_INPUT, f"a tag has at most {TAG_LENGTH} characters")
        return {"order_id": self.exchange.place(user, order, now).order_id}

    def _modify(self, user: str, name: str, request: HttpRequest, now: datetime) -> Any:
        changes = msgspec.convert(request.json, OrderChanges)
        return {"order_id": self.exchange.modify(user, name, changes, now).order_id}

    def _cancel(self, user: str, name: str, _request: HttpRequest, now: datetime) -> Any:
        return {"order_id": self.exchange.cancel(user, name, now).order_id}

    def _orders(self, user: str, name: str, request: HttpRequest, now: datetime) -> Any:
        self.exchange.advance(now)
        if name:
            return self.exchange.order(user, name).trail
        wanted = dict(request.query).get("tag")
        orders = self.exchange.orders(user)
        return [order.row() for order in orders if wanted is None or order.terms.tag == wanted]

    def _trades(self, user: str, _name: str, _request: HttpRequest, now: datetime) -> Any:
        self.exchange.advance(now)
        return self.exchange.trades(user)

    # GTT

    def _place_gtt(self, user: str, _name: str, request: HttpRequest, now: datetime) -> Any:
        return {"gtt_id": self.exchange.place_gtt(user, _gtt(request), now)}

    def _modify_gtt(self, user: str, name: str, request: HttpRequest, now: datetime) -> Any:
        self.exchange.modify_gtt(user, name, _gtt(request), now)
        return {"gtt_id": name}

    def _cancel_gtt(self, user: str, name: str, _request: HttpRequest, now: datetime) -> Any:
        self.exchange.cancel_gtt(user, name, now)
        return {"gtt_id": name}

    def _gtts(self, user: str, _name: str, _request: HttpRequest, now: datetime) -> Any:
        self.exchange.advance(now)
        return [gtt.row() for gtt in self.exchange.gtts(user)]

    # Portfolio

    def _positions(self, user: str, _name: str, _request: HttpRequest, now: datetime) -> Any:
        self.exchange.advance(now)
        return self.exchange.positions(user)

    def _convert(self, user: str, _name: str, request: HttpRequest, now: datetime) -> Any:
        self.exchange.convert(user, msgspec.convert(request.json, Conversion), now)
        return {}

    def _holdings(self, user: str, _name: str, _request: HttpRequest, now: datetime) -> Any:
        self.exchange.advance(now)
        return self.exchange.holdings(user)

    def _funds(self, user: str, _name: str, _request: HttpRequest, now: datetime) -> Any:
        self.exchange.advance(now)
        return self.exchange.funds(user)

    def _margin(self, user: str, _name: str, request: HttpRequest, now: datetime) -> Any:
        return self.exchange.margin(user, msgspec.convert(request.json, list[OrderTerms]), now)

    # Market data; symbols that are not listed are left out

    def _quotes(self, _user: str, _name: str, request: HttpRequest, now: datetime) -> Any:
        return [self.exchange.quote(symbol, now) for symbol in self._listed(request)]

    def _ltp(self, _user: str, _name: str, request: HttpRequest, now: datetime) -> Any:
        return [
            Quote(symbol=symbol, last_price=self.exchange.last_price(symbol, now), at=now)
            for symbol in self._listed(request)
        ]

    def _candles(self, _user: str, _name: str, request: HttpRequest, now: datetime) -> Any:
        asked = dict(request.query)
        return self.exchange.candles(
            asked.get("symbol", ""),
            msgspec.convert(asked.get("interval"), Interval),
            msgspec.convert(asked.get("start"), datetime),
            msgspec.convert(asked.get("end"), datetime),
            now,
        )

    def _master(self, _user: str, _name: str, _request: HttpRequest, _now: datetime) -> Any:
        return [listing.instrument for listing in self.exchange.listings()]

    def _listed(self, request: HttpRequest) -> list[str]:
        return [symbol for _, symbol in request.query if self.exchange.listing(symbol)]

    # Answers

    def _yes(self, answer: Any) -> HttpResponse:
        return HttpResponse(200, _JSON, self._encode(answer))

    def _no(self, fault: Fault, message: str) -> HttpResponse:
        body = self._encode({"fault": fault, "message": message})
        return HttpResponse(_STATUS.get(fault, 400), _JSON, body)

    # The book's days, and its lives

    def _turn(self, now: datetime) -> None:
        """Begin a new book where the day of the last one is over."""
        day = _book_day(now)
        if day > self._head.day:
            self._head = replace(self._head, day=day)
            self._before = self._head_line()
            self.exchange.new_day(now, listings(day))

    def _restore(self, saved: bytes) -> None:
        """Live again what was saved, and go on behind it."""
        whole, _, torn = saved.rpartition(b"\n")
        lines, is_cut = _last_book(whole)
        mend = b"\n" if torn else b""
        if not lines:
            self._before = mend + self._head_line()
            return
        head = _read_head(lines[0])
        wanted = replace(self._head, day=head.day)
        self.exchange = self._made(head)
        self.exchange.replay(lines[1:])
        self._head = wanted
        dump = self.exchange.dump() if torn or is_cut or head != wanted else b""
        if head != wanted:
            self.exchange = self._made(wanted)
            self.exchange.load(dump)
        if dump:
            self._before = mend + self._head_line() + b'["state",' + dump + b"]\n"

    def _made(self, head: _Head) -> Exchange:
        return Exchange(
            listings(head.day),
            seed=head.seed,
            cash=CASH,
            hours=head.hours,
            save=self._keep,
        )

    def _keep(self, line: bytes) -> None:
        """Save a line. Where the disk fails the exchange goes on without, so that orders can still be cancelled."""
        if self._write is not None:
            try:
                self._write(self._before + line)
            except DiskError:
                self._write = None
                raise
            self._before = b""

    def _head_line(self) -> bytes:
        return self._encode(("exchange", self._head)) + b"\n"


_JSON = (("content-type", "application/json"),)


def _read_head(line: bytes) -> _Head:
    try:
        given = msgspec.json.decode(line)[1]
        is_newer = given.get("format", 1) > FORMAT
        head = None if is_newer else msgspec.convert(given, _Head)
    except (msgspec.MsgspecError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"not a paper broker's book: {error}") from None
    if head is None:
        raise ValueError(
            f"it is of format {given['format']}, and this ordod reads up to format {FORMAT}: start the ordod that wrote it or a "
            "newer one, or move the file away, and the paper account begins anew"
        )
    return head


def _last_book(whole: bytes) -> tuple[list[bytes], bool]:
    """The lines from the last head on that has something behind it, and whether a bare head, all that a crash left of a new
    day, was passed over for it."""
    end = len(whole)
    while True:
        start = whole.rfind(b"\n" + _HEAD, 0, end) + 1
        lines = whole[start:end].splitlines()
        if len(lines) > 1 or not start:
            return lines, end < len(whole)
        end = start - 1


def _book_day(now: datetime) -> date:
    local = now.astimezone(IST)
    return (local - timedelta(hours=BOOK_DAY.hour, minutes=BOOK_DAY.minute)).date()


def _gtt(request: HttpRequest) -> NewGtt:
    return msgspec.convert(request.json, NewGtt)


def _is_authorized(request: HttpRequest | StreamRequest, user: str) -> bool:
    return ("authorization", f"paper {_token(user)}") in request.headers


def _token(user: str) -> str:
    """No secret, but a word of its own: what logs hide of it must not be the user's name."""
    return f"session-of-{user}"
