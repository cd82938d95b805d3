"""The compliance suite: what every adapter, ours or a plugin's, must pass.

    from ordod.adapter import suite

    @pytest.mark.parametrize("check", suite.checks(BANYAN, Path("tests/samples")), ids=str)
    def test_banyan_keeps_the_contract(check: suite.Check) -> None:
        check.run()       # raises Violation; or Skipped, with the reason

Samples are a folder: the broker's bytes as files, and `suite.json`, which says what conversation each belongs to:

    {"session": {"user_id": "AB1234", "api_key": "key", "access_token": "secret"},
     "instruments": [{"exchange": "NSE", "symbol": "NSE:INFY", ...}],
     "conversations": [
       {"operation": "place", "arguments": {"order": {...}, "instrument": "NSE:INFY"}, "answers": ["placed.json"]},
       {"operation": "orders", "answers": [{"status": 403, "json": {...}}], "fault": "AUTH_EXPIRED"}]}

A stream is no operation. What proves it stands under `streams`: what one frame says of instruments that were subscribed.

     "streams": [{"mode": "depth", "instruments": ["NSE:INFY"], "base64": "AAEA...", "pushed": [{"symbol": "NSE:INFY", ...}]}]

A text frame is `text`; `before` are the frames (base64) that were read before it; `unreadable` says how many parts of it cannot
be read; what opens the connection is a conversation of `connect_stream`. Frames of a connection that brings order updates alone
stand under `updates`, without mode and instruments; what opens it is a conversation of `connect_updates`.

An answer is a file's name (status 200), an object (`status`, `headers`, and one of `file`, `json`, `text`), or
`{"say": "..."}` for what a person or the daemon answers to an `Ask`. Arguments have the contract's names; an instrument is
named by its symbol. A conversation with a `fault` must end in it, and with `sure` as said; one without must end well.

Brokers of a family share samples. A member's `suite.json` names the folder it shares and says only what differs:

    {"family": "../../noren/samples", "instead": ["login"], "conversations": [...]}

The family's conversations are the member's too, but for those of the operations under `instead`; its session and instruments as
well, where the member names none. A file is looked for in the member's folder first.

`python -m ordod.adapter.table` prints the brokers' table in Markdown, from the same samples.
"""

import base64
import inspect
import json
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field, structs

from ordod.adapter import (
    CONTRACT,
    OPERATIONS,
    PRICES,
    UPDATES,
    Adapter,
    Ask,
    BadRow,
    BrokerError,
    Codes,
    Credentials,
    Exchange,
    Fault,
    Faults,
    Frame,
    HttpRequest,
    HttpResponse,
    Instrument,
    Instruments,
    Mode,
    Placed,
    Pushed,
    Rows,
    Secret,
    Session,
    Stream,
    StreamRequest,
    UpdateStream,
    supports,
)

__all__ = [
    "READS",
    "SESSIONS",
    "WRITES",
    "Answer",
    "Bench",
    "Check",
    "Conversation",
    "Listed",
    "Played",
    "Samples",
    "Skipped",
    "Violation",
    "checks",
    "load",
    "play",
]

ORDER_WRITES = ("place", "modify", "cancel")
WRITES = frozenset(
    {"place", "modify", "cancel", "place_gtt", "modify_gtt", "cancel_gtt", "convert"}
)
SESSIONS = frozenset({"login", "logout"})  # they pass the gate: a cancel needs a session
READS = frozenset(OPERATIONS) - WRITES - SESSIONS - {"parse_master"}
PURE = frozenset({"parse_master"})  # no dialogue
CONNECTS = (PRICES[0], UPDATES[0])
STEPS_MAX = 1000  # requests of one dialogue; more is a loop

GARBAGE: Mapping[str, HttpResponse] = {
    "an empty body": HttpResponse(200, (), b""),
    "a page of HTML": HttpResponse(200, (("content-type", "text/html"),), b"<html>502</html>"),
    "half a JSON": HttpResponse(200, (), b'{"status":"success","data":{"ord'),
    "a JSON of another shape": HttpResponse(200, (), b"[[1,2],null]"),
    "JSON null": HttpResponse(200, (), b"null"),
    "bytes that are no text": HttpResponse(200, (), b"\xff\xfe\x00{}"),
    "a hundred thousand brackets": HttpResponse(200, (), b"[" * 100_000),
    "a redirect": HttpResponse(302, (("location", "https://elsewhere.example/"),), b""),
    "502 with a page": HttpResponse(502, (), b"<html>Bad Gateway</html>"),
    "500 with nothing": HttpResponse(500, (), b""),
    "504 with half a JSON": HttpResponse(504, (), b'{"status":'),
    "a status nobody knows": HttpResponse(299, (), b"{}"),
}

CHANGES: Mapping[str, Callable[[Any], Any]] = {
    "quantity": lambda quantity: quantity * 2,
    "price": lambda price: str(Decimal(str(price)) + 10),
    "trigger_price": lambda price: str(Decimal(str(price)) + 10),
    "disclosed_quantity": lambda quantity: quantity * 2,
    "side": lambda side: "SELL" if side == "BUY" else "BUY",
    "tag": lambda tag: tag[::-1],
}


class Violation(AssertionError):  # noqa: N818 - the suite's own word for a failure
    """An adapter breaks the contract; the message says where."""


class Skipped(Exception):  # noqa: N818 - an outcome, not an error
    """A check that has nothing to look at here, and why."""


class Check(Struct, frozen=True):
    """One thing that must hold. `run` raises Violation or Skipped."""

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name


# Samples


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """What a conversation's partner says: an HTTP answer, or words for an `Ask`."""

    status: int = 200
    headers: dict[str, str | list[str]] = field(default_factory=dict)
    file: str | None = None
    json: Any = None
    text: str | None = None
    say: str | None = None


class Conversation(Struct, frozen=True, forbid_unknown_fields=True):
    """One dialogue: an operation, what it is called with, what it is answered.

    `source`: `sample` where the broker's answer was recorded or published, `documentation` where it was composed from what its
    documentation says.
    """

    operation: str
    arguments: dict[str, Any] = field(default_factory=dict)
    answers: tuple[str | Answer, ...] = ()
    fault: Fault | None = None
    sure: bool | None = None
    about: str = ""
    source: str = "sample"


class SampleSession(Struct, frozen=True, forbid_unknown_fields=True):
    user_id: str
    access_token: str
    api_key: str = ""
    extra: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


class StreamSample(Struct, frozen=True, forbid_unknown_fields=True):
    """One frame, after these instruments were subscribed in this mode. `pushed`: the good values in it, as JSON, in order.

    `before`: frames that were read before it, as base64.
    """

    pushed: tuple[dict[str, Any], ...]
    instruments: tuple[str, ...] = ()
    mode: Mode = Mode.QUOTE
    before: tuple[str, ...] = ()
    base64: str | None = None
    text: str | None = None
    unreadable: int = 0
    about: str = ""
    source: str = "sample"

    @property
    def frame(self) -> Frame:
        return base64.b64decode(self.base64) if self.base64 is not None else self.text or ""


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    session: SampleSession | None = None  # none: the family's
    family: str | None = None
    instead: tuple[str, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    conversations: tuple[Conversation, ...] = ()
    streams: tuple[StreamSample, ...] = ()
    updates: tuple[StreamSample, ...] = ()


class Samples(Struct, frozen=True):
    """A folder of samples, read. `family`: the folder it shares, where the broker is one of a family."""

    folder: Path
    session: Session
    instruments: Mapping[str, Instrument]
    conversations: tuple[Conversation, ...]
    streams: tuple[StreamSample, ...] = ()
    updates: tuple[StreamSample, ...] = ()
    family: Path | None = None

    def bytes_of(self, name: str) -> bytes:
        """A file of this folder, else of the family's."""
        own = self.folder / name
        return (own if self.family is None or own.exists() else self.family / name).read_bytes()

    def of(self, operation: str, *, ending_well: bool = False) -> tuple[Conversation, ...]:
        return tuple(
            one
            for one in self.conversations
            if one.operation == operation and not (ending_well and one.fault)
        )


def load(folder: Path) -> Samples:
    """Read `suite.json`, and its family's. Raises ValueError (msgspec's) with the place that is wrong."""
    file = msgspec.json.decode((folder / "suite.json").read_bytes(), type=_File)
    family = load(folder / file.family) if file.family is not None else None
    named = {*file.instead, *(one.operation for one in file.conversations)}
    if unknown := named - {*OPERATIONS, *CONNECTS}:
        raise ValueError(f"suite.json: no such operations: {', '.join(sorted(unknown))}")
    own = Samples(
        folder,
        _session(file.session, family),
        {one.symbol: one for one in file.instruments},
        file.conversations,
        file.streams,
        file.updates,
    )
    if family is None:
        return own
    shared = tuple(one for one in family.conversations if one.operation not in file.instead)
    return structs.replace(
        own,
        family=family.folder,
        instruments=own.instruments or family.instruments,
        conversations=own.conversations + shared,
        streams=own.streams or family.streams,
        updates=own.updates or family.updates,
    )


def _session(said: SampleSession | None, family: Samples | None) -> Session:
    if said is None and family is not None:
        return family.session
    if said is None:
        raise ValueError("suite.json: no session")
    return Session(
        user_id=said.user_id,
        access_token=Secret(said.access_token),
        api_key=said.api_key,
        extra={name: Secret(text) for name, text in said.extra.items()},
        options=said.options,
    )


class Listed(Instruments):
    """The sample instruments, looked up as a master is."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._all = tuple(instruments)

    def by_broker_symbol(self, exchange: Exchange, broker_symbol: str) -> Instrument | None:
        found = (i for i in self._all if (i.exchange, i.broker_symbol) == (exchange, broker_symbol))
        return next(found, None)

    def by_token(self, instrument_token: str) -> Instrument | None:
        return next((i for i in self._all if i.instrument_token == instrument_token), None)


def _arguments(adapter: Adapter, samples: Samples, one: Conversation) -> dict[str, Any]:
    """The call's arguments: session and instruments are the folder's, the rest is converted by the contract's types."""
    hints = get_type_hints(getattr(Adapter, one.operation))
    return {
        name: _argument(samples, one.arguments.get(name), hint, f"{one.operation}.{name}")
        for name, hint in hints.items()
        if name not in ("return", "last")
    }


def _argument(samples: Samples, value: Any, hint: Any, where: str) -> Any:
    if hint is Session:
        return samples.session
    if hint is Instruments:
        return Listed(samples.instruments.values())
    if value is None:
        raise ValueError(f"suite.json: {where} is missing")
    if hint is Instrument:
        return samples.instruments[value]
    if hint == tuple[Instrument, ...]:
        return tuple(samples.instruments[symbol] for symbol in value)
    if where == "margin.orders":
        terms = get_type_hints(Adapter.margin)["orders"].__args__[0].__args__[0]
        return tuple(
            (msgspec.convert(order, terms, strict=False), samples.instruments[symbol])
            for order, symbol in value
        )
    if hint is bytes:
        return samples.bytes_of(value)
    return msgspec.convert(value, hint, strict=False, dec_hook=_secret)


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(f"a value of {kind}")


def _response(samples: Samples, answer: str | Answer) -> HttpResponse | str:
    if isinstance(answer, str):
        return HttpResponse(200, (), samples.bytes_of(answer))
    if answer.say is not None:
        return answer.say
    if answer.file is not None:
        body = samples.bytes_of(answer.file)
    elif answer.json is not None:
        body = json.dumps(answer.json).encode()
    else:
        body = (answer.text or "").encode()
    headers = tuple(
        (name, one)
        for name, values in answer.headers.items()
        for one in ([values] if isinstance(values, str) else values)
    )
    return HttpResponse(answer.status, headers, body)


# Playing a conversation


class Played(Struct):
    """What became of a conversation: what was asked for, and either a value or an error. Not `is_over`: answers ran out."""

    requests: list[HttpRequest] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    value: Any = None
    error: BrokerError | None = None
    is_over: bool = True


def play(dialogue: Any, answers: Iterable[HttpResponse | str]) -> Played:
    """Answer in turn until the dialogue ends or no answer is left. Anything but a BrokerError goes to the caller."""
    played = Played()
    given = iter(answers)
    try:
        step = next(dialogue)
        for _ in range(STEPS_MAX):
            if isinstance(step, HttpRequest):
                played.requests.append(step)
            else:
                played.asks.append(step)
            answer = next(given, None)
            if answer is None:
                played.is_over = False
                dialogue.close()
                return played
            if isinstance(answer, str) is not isinstance(step, Ask):
                raise Violation(f"the sample answers {step!r:.60} with {type(answer).__name__}")
            step = dialogue.send(answer)
        raise Violation(f"a dialogue of more than {STEPS_MAX} steps")
    except StopIteration as end:
        played.value = end.value
    except BrokerError as error:
        played.error = error
    return played


class Bench:
    """An adapter and its samples, with what the checks need of both."""

    def __init__(self, adapter: Adapter, samples: Samples | None, why_none: str) -> None:
        self.adapter = adapter
        self.maybe_samples = samples
        self._why_none = why_none
        self.operations = tuple(name for name in OPERATIONS if supports(adapter, name))
        self.streams = any(supports(adapter, name) for name in PRICES)
        self.updates = any(supports(adapter, name) for name in UPDATES)

    @property
    def samples(self) -> Samples:
        if self.maybe_samples is None:
            raise Skipped(self._why_none)
        return self.maybe_samples

    def start(self, one: Conversation, **more: Any) -> Any:
        """The dialogue, begun anew. (A pure operation is dressed as a dialogue that asks for nothing.)"""
        arguments = _arguments(self.adapter, self.samples, one) | more
        method = getattr(self.adapter, one.operation)
        return _pure(method, arguments) if one.operation in PURE else method(**arguments)

    def play(self, one: Conversation, **more: Any) -> Played:
        return play(self.start(one, **more), [_response(self.samples, a) for a in one.answers])

    def conversations(self, operation: str) -> tuple[Conversation, ...]:
        found = self.samples.of(operation, ending_well=True)
        if not found:
            raise Skipped(f"no sample of {operation}")
        return found


def _pure(
    method: Callable[..., Iterable[Any]], arguments: dict[str, Any]
) -> Generator[HttpRequest, HttpResponse, list[Any]]:
    yield from ()
    return list(method(**arguments))


# The checks


def checks(adapter: Adapter, folder: Path | None = None) -> list[Check]:
    """Every check for this adapter; `folder`: its samples, without which most are skipped."""
    why = "the adapter brings no samples"
    samples = None
    if folder is not None and (folder / "suite.json").exists():
        samples = load(folder)
    elif folder is not None:
        why = f"no suite.json in {folder.name}"
    bench = Bench(adapter, samples, why)

    def check(name: str, test: Callable[..., None], *arguments: Any) -> Check:
        return Check(f"{adapter.spec.id}: {name}", lambda: test(bench, *arguments))

    found = [
        check("is written for this contract", _contract),
        check("has a sane spec", _spec),
        check("operations are generators with the contract's parameters", _generators),
        check("a sample reaches every word of its tables", _words),
        check("a sample reaches every row of its faults", _fault_rows),
    ]
    for operation in bench.operations:
        found += [
            check(f"{operation} has a sample", _has_sample, operation),
            check(f"{operation} ends as its samples say", _ends, operation),
        ]
        if operation in PURE:
            continue
        found += [
            check(f"{operation} asks for what it may", _requests, operation),
            check(f"{operation} refuses garbage", _garbage, operation),
            check(f"{operation} keeps secrets out of its errors", _secrets, operation),
        ]
    if "place" in bench.operations:
        found += [
            check("place sends every field of the order", _place_fields),
            check("a success without an id is not a yes", _no_id),
        ]
    if "orders" in bench.operations:
        found += [
            check("an unknown status spoils one row only", _unknown_status),
            check("a row that has not moved is not read again", _last_reading),
        ]
    if bench.streams:
        found += [
            check("what opens its stream is of its hosts", _stream_request),
            check("its stream reads its samples", _stream_samples),
            check("its stream says what subscribes", _stream_frames),
            check("its stream refuses a frame that was cut", _stream_cut),
        ]
    if bench.updates:
        found += [
            check("what opens its updates is of its hosts", _updates_request),
            check("its updates read their samples", _updates_samples),
            check("its updates refuse a frame that was cut", _updates_cut),
        ]
    return found


def _stream_request(bench: Bench) -> None:
    _must(bench.adapter.spec.streams is not None, "spec.streams says nothing of its limits")
    _request(bench, PRICES)
    if (limits := bench.adapter.spec.streams) and limits.keep_alive_s is not None:
        stream = bench.adapter.stream(bench.samples.session, Listed(()))
        _must(bool(stream.keep_alive()), "keep_alive makes no frame")


def _updates_request(bench: Bench) -> None:
    _must(bench.adapter.spec.updates is not None, "spec.updates says nothing of its limits")
    _request(bench, UPDATES)
    if (limits := bench.adapter.spec.updates) and limits.keep_alive_s is not None:
        stream = bench.adapter.updates(bench.samples.session, Listed(()))
        _must(bool(stream.keep_alive()), "keep_alive makes no frame")


def _request(bench: Bench, parts: tuple[str, str]) -> None:
    """All parts of it are there, and the secrets are where no log shows them: in headers or the query."""
    adapter, spec = bench.adapter, bench.adapter.spec
    _must(all(supports(adapter, name) for name in parts), f"it takes {parts}")
    for one in bench.conversations(parts[0]):
        request = bench.play(one).value
        _must(isinstance(request, StreamRequest), f"{parts[0]} gives {type(request).__name__}")
        is_named = request.host.startswith(("wss://", "ws://"))
        _must(is_named or request.host in spec.hosts, f"host {request.host!r} is not in the spec")
        secrets = (bench.samples.session.access_token, *bench.samples.session.extra.values())
        _must(not any(s.reveal() in request.path for s in secrets), "a token stands in the path")


def _stream(bench: Bench, one: StreamSample) -> Stream:
    samples = bench.samples
    stream = bench.adapter.stream(samples.session, Listed(samples.instruments.values()))
    list(stream.greet())
    list(stream.subscribe([samples.instruments[symbol] for symbol in one.instruments], one.mode))
    _read_before(stream, one)
    return stream


def _read_before(stream: UpdateStream, one: StreamSample) -> None:
    for frame in one.before:
        stream.read(base64.b64decode(frame))


def _stream_samples(bench: Bench) -> None:
    _must(bool(bench.samples.streams), "no frame in suite.json")
    for one in bench.samples.streams:
        _reads(one, _stream(bench, one).read(one.frame))


def _reads(one: StreamSample, pushed: Sequence[Pushed]) -> None:
    where = one.about or one.mode
    good = [value for value in pushed if not isinstance(value, BadRow)]
    bad = [value.why for value in pushed if isinstance(value, BadRow)]
    told = [json.loads(msgspec.json.encode(value), parse_float=Decimal) for value in good]
    said = [_with_text_amounts(value) for value in told]
    _must(said == [_with_text_amounts(value) for value in one.pushed], f"{where}: it reads {said}")
    _must(len(bad) == one.unreadable, f"{where}: unreadable are {bad}")


def _with_text_amounts(value: Any) -> Any:
    """Numbers and texts of one amount are one."""
    match value:
        case dict():
            return {name: _with_text_amounts(each) for name, each in value.items()}
        case list():
            return [_with_text_amounts(each) for each in value]
        case bool() | None:
            return value
        case int() | float() | Decimal():
            return str(Decimal(str(value)).normalize())
        case str() if value.replace(".", "", 1).isdigit():
            return str(Decimal(value).normalize())
        case _:
            return value


def _stream_frames(bench: Bench) -> None:
    """Whatever mode, whatever is subscribed already, and for none at all."""
    samples, every = bench.samples, list(bench.samples.instruments.values())
    stream = bench.adapter.stream(samples.session, Listed(every))
    for mode in (*Mode, Mode.LTP):
        frames = [*stream.subscribe(every, mode)]
        _must(bool(frames), f"nothing subscribes in mode {mode}")
        _must(all(isinstance(frame, bytes | str) for frame in frames), "a frame is bytes or a text")
    _must(bool([*stream.unsubscribe(every)]), "nothing unsubscribes")


def _stream_cut(bench: Bench) -> None:
    """A cut frame is refused by BrokerError, or read as far as it is good: never a value that the whole frame lacks."""
    for one in bench.samples.streams:
        _cut(one, partial(_stream, bench, one))


def _cut(one: StreamSample, codec: Callable[[], UpdateStream]) -> None:
    whole, frame = codec().read(one.frame), one.frame
    for length in range(len(frame)):
        try:
            pushed = codec().read(frame[:length])
        except BrokerError:
            continue
        strange = [v for v in pushed if not isinstance(v, BadRow) and v not in whole]
        _must(not strange, f"{one.about or one.mode}, cut at {length}: {strange}")


def _updates(bench: Bench, one: StreamSample) -> UpdateStream:
    stream = bench.adapter.updates(
        bench.samples.session, Listed(bench.samples.instruments.values())
    )
    list(stream.greet())
    _read_before(stream, one)
    return stream


def _updates_samples(bench: Bench) -> None:
    _must(bool(bench.samples.updates), "no update in suite.json")
    for one in bench.samples.updates:
        _reads(one, _updates(bench, one).read(one.frame))


def _updates_cut(bench: Bench) -> None:
    for one in bench.samples.updates:
        _cut(one, partial(_updates, bench, one))


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Violation(otherwise)


def _contract(bench: Bench) -> None:
    number = bench.adapter.contract
    _must(number == CONTRACT, f"contract {number}, and this suite tests {CONTRACT}")


def _spec(bench: Bench) -> None:
    spec = bench.adapter.spec
    good = set("abcdefghijklmnopqrstuvwxyz0123456789_")
    _must(bool(spec.id) and set(spec.id) <= good, f"id {spec.id!r} is not of a-z 0-9 _")
    _must(bool(spec.name), "the broker has no name")
    for name, url in spec.hosts.items() if spec.id != "paper" else ():
        parts = urlsplit(url)
        _must(
            parts.scheme in ("https", "wss") and bool(parts.netloc),
            f"host {name}: {url} is not https or wss",
        )
        _must(
            not url.endswith("/"), f"host {name}: {url} ends in a slash, and paths begin with one"
        )
    if spec.tag:
        alphabet = spec.tag.alphabet
        _must(len(set(alphabet)) == len(alphabet) >= 10, f"tag alphabet {alphabet!r}")
        _must(alphabet.isascii() and alphabet.isalnum(), f"tag alphabet {alphabet!r}")
        _must(spec.tag.length >= 8, f"tags of {spec.tag.length} characters would repeat")
    for window in spec.windows:
        _must(window.count > 0 and window.seconds > 0, f"window {window}")
    _must(bool(spec.windows) or spec.id == "paper", "no rate windows: every broker has limits")
    known = set(Credentials.__struct_fields__)
    twice = known & {*spec.options, *spec.secrets} | spec.options.keys() & spec.secrets.keys()
    _must(not twice, f"options or secrets of names that are taken: {twice}")
    for mode, names in spec.credentials.items():
        _must(
            set(names) <= known | {*spec.options, *spec.secrets},
            f"login {mode!r} needs unknown {names}",
        )
        _must(mode in spec.logins, f"login {mode!r} is not described in spec.logins")


def _generators(bench: Bench) -> None:
    for operation in bench.operations:
        ours = getattr(type(bench.adapter), operation)
        if operation not in PURE:
            _must(inspect.isgeneratorfunction(ours), f"{operation} is not a generator function")
        asked = list(inspect.signature(getattr(Adapter, operation)).parameters)
        given = list(inspect.signature(ours).parameters)
        _must(asked == given, f"{operation} has parameters {given}, the contract {asked}")


def _has_sample(bench: Bench, operation: str) -> None:
    _must(bool(bench.samples.of(operation)), f"no conversation of {operation} in suite.json")


def _ends(bench: Bench, operation: str) -> None:
    """Ends well, or in the fault that its sample names; a success's rows are all read."""
    for one in bench.samples.of(operation):
        played, where = bench.play(one), f"{operation} {one.about or one.answers!r:.80}"
        _must(played.is_over, f"{where}: asked for more than {len(one.answers)} answers")
        error = played.error
        if one.fault is None:
            _must(error is None, f"{where}: {error and error.fault} {error}")
            if isinstance(played.value, Rows):
                whys = "; ".join(row.why for row in played.value.bad)
                _must(played.value.is_whole, f"{where}: unread rows: {whys}")
        else:
            _must(error is not None, f"{where}: ended well instead of {one.fault}")
            assert error is not None
            _must(error.fault is one.fault, f"{where}: {error.fault} ({error}), not {one.fault}")
            is_right = one.sure is None or error.sure is one.sure
            _must(is_right, f"{where}: sure is {error.sure}")


def _requests(bench: Bench, operation: str) -> None:
    """Hosts and groups of the spec; one request that writes in a writing operation, none in another, nothing after it."""
    spec = bench.adapter.spec
    for one in bench.conversations(operation):
        requests = bench.play(one).requests
        for request in requests:
            where = f"{operation}: {request.method} {request.path}"
            _must(request.host in spec.hosts, f"{where}: host {request.host!r} is not in the spec")
            _must(request.path.startswith("/"), f"{where}: the path does not begin with a slash")
            bodies = (request.form, request.json, request.content)
            _must(sum(body is not None for body in bodies) <= 1, f"{where}: two bodies")
            known = not spec.windows or any(w.counts(request.group) for w in spec.windows)
            _must(known, f"{where}: no window counts group {request.group!r}")
            if request.writes and operation in ORDER_WRITES:
                due = f"orders.{operation}"
                _must(request.group == due, f"{where}: group {request.group!r}, must be {due!r}")
            for text in (name for pair in request.headers for name in pair):
                _must("\n" not in text and "\r" not in text, f"{where}: a line end in a header")
            request.body()  # it can be written
        writes = [request.writes for request in requests]
        count = 1 if operation in WRITES else 0
        _must(sum(writes) == count, f"{operation}: {sum(writes)} requests write, {count} must")
        _must(not count or writes[-1], f"{operation}: requests after the one that writes")


def _garbage(bench: Bench, operation: str) -> None:
    """Garbage in the place of any answer is a BrokerError, and never sure of a request that writes."""
    one = bench.conversations(operation)[0]
    answers = [_response(bench.samples, answer) for answer in one.answers]
    for place, proper in enumerate(answers):
        if isinstance(proper, str):
            continue
        for name, garbage in GARBAGE.items():
            where = f"{operation}, {name} as answer {place + 1}"
            played = _broken(bench, one, answers[:place], garbage, where)
            last = played.requests[-1]
            if played.error is None:
                # A step whose answer is not read (a login page) may go on, and a bare list may have bad rows.
                is_partly = isinstance(played.value, Rows) and not played.value.is_whole
                _must(not played.is_over or is_partly, f"{where}: taken for a success")
            elif last.writes:
                _must(not played.error.sure, f"{where}: sure of {played.error.fault}")


def _broken(
    bench: Bench,
    one: Conversation,
    before: list[HttpResponse | str],
    garbage: HttpResponse,
    where: str,
) -> Played:
    try:
        return play(bench.start(one), [*before, garbage])
    except Violation:
        raise
    except Exception as bug:  # that none escapes is what is tested
        raise Violation(f"{where}: {type(bug).__name__} escapes: {bug}") from bug


def _secrets(bench: Bench, operation: str) -> None:
    """No error text holds a secret: of the session, the credentials, or what a person answered."""
    one = bench.conversations(operation)[0]
    answers = [_response(bench.samples, answer) for answer in one.answers]
    texts = set(_secrets_of(bench, one)) | {text for text in answers if isinstance(text, str)}
    secret = [text for text in texts if len(text) >= 4]
    if not secret:
        raise Skipped("the samples hold no secrets")
    for place, proper in enumerate(answers):
        if isinstance(proper, str):
            continue
        for garbage in GARBAGE.values():
            error = _broken(bench, one, answers[:place], garbage, operation).error
            told = [text for text in secret if error and text in f"{error} {error.code}"]
            _must(not told, f"{operation}: an error tells a secret")


def _secrets_of(bench: Bench, one: Conversation) -> Iterator[str]:
    session = bench.samples.session
    yield session.access_token.reveal()
    yield from (secret.reveal() for secret in session.extra.values())
    for value in _arguments(bench.adapter, bench.samples, one).values():
        if isinstance(value, Credentials):
            for name in Credentials.__struct_fields__:
                secret = getattr(value, name)
                if isinstance(secret, Secret):
                    yield secret.reveal()
            yield from (secret.reveal() for secret in value.secrets.values())


def _place_fields(bench: Bench) -> None:
    """Change one field of a sample order at a time: the request must change with it."""
    quiet = set()
    for one in bench.conversations("place"):
        order = one.arguments["order"]
        for name, change in CHANGES.items():
            if order.get(name) is None:
                continue
            changed = {**one.arguments, "order": {**order, name: change(order[name])}}
            if _told(bench, one) == _told(bench, structs.replace(one, arguments=changed)):
                quiet.add(name)
    _must(not quiet, f"the request does not tell {', '.join(sorted(quiet))}")


def _told(bench: Bench, one: Conversation) -> list[tuple[str, bytes]]:
    return [(request.target(), request.body()[1]) for request in bench.play(one).requests]


def _no_id(bench: Bench) -> None:
    """The id taken out of a success's answer, emptied, or made null: no yes any more, and no sure no either."""
    for one in bench.conversations("place"):
        answers = [_response(bench.samples, answer) for answer in one.answers]
        last = answers[-1]
        assert isinstance(last, HttpResponse)
        value = bench.play(one).value
        _must(isinstance(value, Placed) and bool(value.broker_order_id), "place answers no id")
        try:
            whole = json.loads(last.body)
        except ValueError:
            raise Skipped("the answer to place is no JSON") from None
        for spoiled in ("", None, ABSENT):
            body = json.dumps(_without(whole, value.broker_order_id, spoiled)).encode()
            answer = structs.replace(last, body=body)
            played = play(bench.start(one), [*answers[:-1], answer])
            _must(played.error is not None, f"an answer without an id is taken for {played.value}")
            assert played.error is not None
            _must(not played.error.sure, "an answer without an id is taken for a sure no")


ABSENT = object()
UNHEARD_OF, UNHEARD_OF_NUMBER = "never heard of", 98_765


def _without(value: Any, broker_id: str, spoiled: Any) -> Any:
    """The same JSON, `spoiled` wherever the id stood alone (ABSENT: its key is gone)."""
    if isinstance(value, dict):
        changed = {key: _without(item, broker_id, spoiled) for key, item in value.items()}
        return {key: item for key, item in changed.items() if item is not ABSENT}
    if isinstance(value, list):
        changed_items = [_without(item, broker_id, spoiled) for item in value]
        return [item for item in changed_items if item is not ABSENT]
    return spoiled if not isinstance(value, bool) and str(value) == broker_id else value


def _unknown_status(bench: Bench) -> None:
    """One row's status is made a word nobody knows: that row is bad, the others are read."""
    for one in bench.conversations("orders"):
        whole = bench.play(one).value
        if len(whole.good) < 2:
            continue
        answers = [_response(bench.samples, answer) for answer in one.answers]
        for place, answer in enumerate(answers):
            assert isinstance(answer, HttpResponse)
            for word in _status_words(bench.adapter):
                body = _spoiled_row(answer.body, word)
                if body is None:
                    continue
                spoiled = structs.replace(answer, body=body)
                rows = play(
                    bench.start(one), [*answers[:place], spoiled, *answers[place + 1 :]]
                ).value
                _must(isinstance(rows, Rows), f"status {word!r} made unknown spoils the whole book")
                left = (len(rows.good), len(rows.bad))
                _must(left == (len(whole.good) - 1, 1), f"{word!r} made unknown: {left} rows")
                return
    raise Skipped("no sample of orders holds two rows, one of a status of its own")


def _last_reading(bench: Bench) -> None:
    """A book that is read with the reading before at hand says the same, and of the same rows by the same objects."""
    for one in bench.conversations("orders"):
        alone = bench.play(one).value
        first = bench.play(one, last=Rows(())).value
        second = bench.play(one, last=first).value
        says = [(rows.good, rows.bad) for rows in (alone, first, second)]
        _must(says[0] == says[1] == says[2], "with the last reading at hand it reads another book")
        again = [a for a, b in zip(first.good, second.good, strict=True) if a is not b]
        is_paper = bench.adapter.spec.id == "paper"  # both sides write the same types
        _must(is_paper or not again, f"{len(again)} rows are read again that have not moved")


def _spoiled_row(body: bytes, word: str) -> bytes | None:
    """The answer with this word made unknown wherever one row has it, the first that does; None: none has it, or it is no JSON.

    Where statuses are numbers a field must be called one: other fields have the same numbers.
    """
    try:
        whole = json.loads(body)
    except ValueError:
        return None
    left = [whole]
    while left:
        value = left.pop(0)
        if isinstance(value, list):
            left += value
        elif isinstance(value, dict):
            named = {key: UNHEARD_OF for key, item in value.items() if item == word} | {
                key: UNHEARD_OF_NUMBER
                for key, item in value.items()
                if "status" in key.lower() and type(item) is int and str(item) == word
            }
            value.update(named)
            if named:
                return json.dumps(whole).encode()
            left += value.values()
    return None


def _status_words(adapter: Adapter) -> Iterator[str]:
    for name, codes in _tables(adapter, Codes).items():
        if "status" in name.lower():
            yield from sorted(codes.readable)


# Tables


def _tables(adapter: Adapter, kind: type[Any]) -> dict[str, Any]:
    """The module-level tables of this kind in the packages of the adapter's class and of those it derives from, by name."""
    packages = {one.__module__ for one in type(adapter).__mro__} - {Adapter.__module__, "builtins"}
    found: dict[str, Any] = {}
    for name, module in sorted(sys.modules.items()):
        if any(name == package or name.startswith(f"{package}.") for package in packages):
            found |= {key: item for key, item in vars(module).items() if isinstance(item, kind)}
    return found


@contextmanager
def _watched() -> Iterator[tuple[set[tuple[int, str]], set[tuple[int, int]]]]:
    """What the tables are asked while the samples are played: (table, word) and (table, row)."""
    words: set[tuple[int, str]] = set()
    rows: set[tuple[int, int]] = set()
    write, read, find = Codes.write, Codes.read, Faults.find

    def watched_write(codes: Codes[Any], ours: Any) -> str:
        theirs = write(codes, ours)
        words.add((id(codes), theirs))
        return theirs

    def watched_read(codes: Codes[Any], theirs: str) -> Any:
        words.add((id(codes), theirs))
        return read(codes, theirs)

    def watched_find(faults: Faults, status: int, code: str, message: str) -> Any:
        row = find(faults, status, code, message)
        rows.update((id(faults), place) for place, one in enumerate(faults.rows) if one is row)
        return row

    patched: dict[tuple[type[Any], str], Any] = {
        (Codes, "write"): watched_write,
        (Codes, "read"): watched_read,
        (Faults, "find"): watched_find,
    }
    for (owner, name), function in patched.items():
        setattr(owner, name, function)
    try:
        yield words, rows
    finally:
        for (owner, name), function in zip(patched, (write, read, find), strict=True):
            setattr(owner, name, function)


def _words(bench: Bench) -> None:
    with _watched() as (words, _):
        for one in bench.samples.conversations:
            bench.play(one)
    missed = [
        f"{name}: {word}"
        for name, codes in _tables(bench.adapter, Codes).items()
        for word in sorted(codes.readable)
        if (id(codes), word) not in words
    ]
    _must(not missed, f"no sample reaches {'; '.join(missed)}")


def _fault_rows(bench: Bench) -> None:
    with _watched() as (_, rows):
        for one in bench.samples.conversations:
            bench.play(one)
    missed = [
        f"{name}[{place}] {tuple(row)[:3]}"
        for name, faults in _tables(bench.adapter, Faults).items()
        for place, row in enumerate(faults.rows)
        if (id(faults), place) not in rows
    ]
    _must(not missed, f"no sample reaches, or a row before shadows, {'; '.join(missed)}")
