"""The tester is tested: an adapter with one planted bug must fail the check that is there for it, and that alone is asserted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec import structs

from ordo_adapters.angelone import AngelOne
from ordo_adapters.fyers import Fyers
from ordo_adapters.zerodha import ZERODHA, Zerodha
from ordo_adapters.zerodha import tables as zerodha_tables
from ordod.adapter import (
    Adapter,
    BrokerError,
    BrokerOrder,
    BrokerSpec,
    Codes,
    Dialogue,
    Fault,
    Faults,
    HttpRequest,
    HttpResponse,
    Instrument,
    Instruments,
    NewOrder,
    Placed,
    Rows,
    Session,
    Side,
    Status,
    Tag,
    Window,
    suite,
)
from ordod.adapter.suite import Check, Skipped, Violation

SAMPLES = Path(__file__).parent / "zerodha" / "samples"


def check(adapter: Adapter, name: str) -> Check:
    return next(one for one in suite.checks(adapter, SAMPLES) if name in one.name)


def violation(adapter: Adapter, name: str) -> str:
    with pytest.raises(Violation) as caught:
        check(adapter, name).run()
    return str(caught.value)


class Placing(Zerodha):
    """Zerodha, with a place that goes wrong in one way."""

    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        dialogue = super().place(session, order, instrument)
        request = next(dialogue)
        response = yield self.request(request)
        try:
            dialogue.send(self.response(response))
        except StopIteration as end:
            placed: Placed = end.value
            return placed
        except BrokerError as error:
            return self.error(error, session, response)
        raise AssertionError("one request places")

    def request(self, request: HttpRequest) -> HttpRequest:
        return request

    def response(self, response: HttpResponse) -> HttpResponse:
        return response

    def error(self, error: BrokerError, session: Session, response: HttpResponse) -> Placed:
        raise error


class SureOfEverything(Placing):
    def error(self, error: BrokerError, session: Session, response: HttpResponse) -> Placed:
        raise BrokerError(error.fault, error.message, sure=True)


class BelievesGarbage(Placing):
    def error(self, error: BrokerError, session: Session, response: HttpResponse) -> Placed:
        return Placed("?")


class Stumbles(Placing):
    def error(self, error: BrokerError, session: Session, response: HttpResponse) -> Placed:
        raise KeyError("order_id")


class Tells(Placing):
    def error(self, error: BrokerError, session: Session, response: HttpResponse) -> Placed:
        raise BrokerError(error.fault, f"with {session.access_token.reveal()}: {error}")


class YesWithoutAnId(Placing):
    def error(self, error: BrokerError, session: Session, response: HttpResponse) -> Placed:
        if response.status == 200 and b'"success"' in response.body:
            return Placed("")
        raise error


class DropsTheTag(Placing):
    def request(self, request: HttpRequest) -> HttpRequest:
        form = {name: text for name, text in (request.form or {}).items() if name != "tag"}
        return structs.replace(request, form=form)


class NoWrite(Placing):
    def request(self, request: HttpRequest) -> HttpRequest:
        return structs.replace(request, writes=False)


class OtherHost(Placing):
    def request(self, request: HttpRequest) -> HttpRequest:
        return structs.replace(request, host="elsewhere")


class Uncounted(Placing):
    def request(self, request: HttpRequest) -> HttpRequest:
        return structs.replace(request, group="uncounted")


class WritesTwice(Zerodha):
    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        yield next(super().place(session, order, instrument))
        return (yield from super().place(session, order, instrument))


class ReadsByWriting(Zerodha):
    def user(self, session: Session) -> Dialogue[str]:
        dialogue = super().user(session)
        response = yield structs.replace(next(dialogue), writes=True)
        try:
            dialogue.send(response)
        except StopIteration as end:
            return str(end.value)
        raise AssertionError("one request")


class NoGenerator(Zerodha):
    def user(self, session: Session) -> Dialogue[str]:
        return super().user(session)


@pytest.mark.parametrize(
    ("adapter", "name", "words"),
    [
        (SureOfEverything(), "place refuses garbage", "sure of"),
        (BelievesGarbage(), "place refuses garbage", "taken for a success"),
        (Stumbles(), "place refuses garbage", "KeyError escapes"),
        (Tells(), "place keeps secrets", "tells a secret"),
        (YesWithoutAnId(), "a success without an id", "taken for Placed"),
        (DropsTheTag(), "place sends every field", "does not tell tag"),
        (NoWrite(), "place asks for what it may", "0 requests write, 1 must"),
        (OtherHost(), "place asks for what it may", "host 'elsewhere'"),
        (Uncounted(), "place asks for what it may", "no window counts"),
        (WritesTwice(), "place ends as its samples say", "asked for more than 1 answers"),
        (ReadsByWriting(), "user asks for what it may", "1 requests write, 0 must"),
        (NoGenerator(), "operations are generators", "user is not a generator"),
        (SureOfEverything(), "place ends as its samples say", "sure is True"),
    ],
)
def test_a_planted_bug_is_caught(adapter: Adapter, name: str, words: str) -> None:
    assert words in violation(adapter, name)
    check(ZERODHA, name).run()


def _spec(**changes: Any) -> Adapter:
    class Misspelt(Zerodha):
        spec: ClassVar[BrokerSpec] = structs.replace(zerodha_tables.SPEC, **changes)

    return Misspelt()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "Zerodha Kite"}, "id 'Zerodha Kite'"),
        ({"hosts": {"rest": "http://api.kite.trade"}}, "is not https"),
        ({"hosts": {"rest": "https://api.kite.trade/"}}, "ends in a slash"),
        ({"windows": ()}, "no rate windows"),
        ({"windows": (Window("orders", 0, 1),)}, "window"),
        ({"tag": Tag(20, "abca" * 5)}, "tag alphabet"),
        ({"tag": Tag(4)}, "would repeat"),
        ({"credentials": {"": ("api_kee",)}}, "needs unknown"),
        ({"credentials": {"magic": ()}}, "not described"),
    ],
)
def test_a_spec_that_cannot_be_is_caught(changes: dict[str, Any], words: str) -> None:
    assert words in violation(_spec(**changes), "sane spec")


def test_another_contract_is_caught() -> None:
    class Newer(Zerodha):
        contract: ClassVar[int] = 2

    assert "contract 2" in violation(Newer(), "written for this contract")


def _orders(read: Callable[[Rows[BrokerOrder]], Rows[BrokerOrder]]) -> Adapter:
    class Reading(Zerodha):
        def orders(
            self, session: Session, instruments: Instruments, last: Rows[BrokerOrder] | None = None
        ) -> Dialogue[Rows[BrokerOrder]]:
            return read((yield from super().orders(session, instruments, last)))

    return Reading()


def _guess(rows: Rows[BrokerOrder]) -> Rows[BrokerOrder]:
    """An unknown status taken for PENDING."""
    return Rows(
        (*rows.good, *(structs.replace(rows.good[0], status=Status.PENDING) for _ in rows.bad))
    )


def _give_up(rows: Rows[BrokerOrder]) -> Rows[BrokerOrder]:
    """One bad row makes the book unreadable."""
    if rows.bad:
        raise BrokerError(Fault.UNREADABLE, rows.bad[0].why)
    return rows


@pytest.mark.parametrize(("read", "words"), [(_guess, "rows"), (_give_up, "spoils the whole book")])
def test_a_guess_at_an_unknown_status_is_caught(read: Any, words: str) -> None:
    assert words in violation(_orders(read), "an unknown status")


def test_a_book_that_is_read_whole_every_time_is_caught() -> None:
    class Forgetful(Zerodha):
        def orders(
            self, session: Session, instruments: Instruments, last: Rows[BrokerOrder] | None = None
        ) -> Dialogue[Rows[BrokerOrder]]:
            return super().orders(session, instruments)

    assert "read again" in violation(Forgetful(), "not read again")


def test_a_book_that_is_taken_from_the_last_without_a_look_is_caught() -> None:
    class Repeating(Zerodha):
        def orders(
            self, session: Session, instruments: Instruments, last: Rows[BrokerOrder] | None = None
        ) -> Dialogue[Rows[BrokerOrder]]:
            rows = yield from super().orders(session, instruments, last)
            return rows if last is None else last

    assert "another book" in violation(Repeating(), "not read again")


class GuessesOfTwo(AngelOne):
    """The same guess, where a row says its status twice."""

    def orders(
        self, session: Session, instruments: Instruments, last: Rows[BrokerOrder] | None = None
    ) -> Dialogue[Rows[BrokerOrder]]:
        return _guess((yield from super().orders(session, instruments, last)))


class GuessesOfNumbers(Fyers):
    """The same guess, where a status is a number."""

    def orders(
        self, session: Session, instruments: Instruments, last: Rows[BrokerOrder] | None = None
    ) -> Dialogue[Rows[BrokerOrder]]:
        return _guess((yield from super().orders(session, instruments, last)))


@pytest.mark.parametrize("adapter", [GuessesOfTwo(), GuessesOfNumbers()])
def test_a_guess_is_caught_where_a_row_says_its_status_in_another_way(adapter: Adapter) -> None:
    broker = adapter.spec.id
    samples = SAMPLES.parents[1] / broker / "samples"
    found = {one.name: one for one in suite.checks(adapter, samples)}

    with pytest.raises(Violation, match="made unknown"):
        found[f"{broker}: an unknown status spoils one row only"].run()


def test_a_word_and_a_fault_that_no_sample_reaches_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unused = Codes("side", {Side.BUY: "B"})
    shadowed = Faults((400, "", "", Fault.INVALID_INPUT, "x"), (400, "E1", "", Fault.AMBIGUOUS, ""))
    monkeypatch.setattr(zerodha_tables, "UNUSED", unused, raising=False)
    monkeypatch.setattr(zerodha_tables, "SHADOWED", shadowed, raising=False)

    assert "UNUSED: B" in violation(ZERODHA, "every word")
    assert "SHADOWED[1] (400, 'E1', '')" in violation(ZERODHA, "every row")


def test_without_samples_a_check_is_skipped_with_the_reason(tmp_path: Path) -> None:
    checks = {one.name: one for one in suite.checks(ZERODHA, tmp_path)}

    with pytest.raises(Skipped, match=r"no suite\.json in"):
        checks["zerodha: place refuses garbage"].run()
    checks["zerodha: has a sane spec"].run()
