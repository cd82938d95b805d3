"""Messages of a hostile shape: refused with words, carried out never, and of no weight in memory."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.promises.daemon import PAPER, Daemon, ended
from tests.security.hostile import everything, raw, request, resident

MEGABYTE = 1 << 20
ORDER = b'"jsonrpc":"2.0","id":1,"method":"order.place","params":{"account":"paper","key":"hostile"'
PING = b'{"jsonrpc":"2.0","id":1,"method":"system.ping"}'
HEAD = b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with ended([Daemon(tmp_path_factory.mktemp("s"), PAPER)]) as (daemon,):
        yield daemon.ready()


def answer(daemon: Daemon, data: bytes) -> bytes:
    """All that is answered to it before the end."""
    with raw(daemon) as one:
        one.sendall(data)
        one.shutdown(socket.SHUT_WR)
        return everything(one)


LINES = {
    "bytes that are no UTF-8": (b"{" + ORDER + b',"tag":"\xff\xfe"}}', "PARSE"),
    "half a surrogate": (b"{" + ORDER + b',"strategy":"\\ud800"}}', "PARSE"),
    "an exponent": (b"{" + ORDER + b',"price":1e999999999}}', "INVALID_PARAMS"),
    "not a number": (b"{" + ORDER + b',"price":NaN}}', "PARSE"),
    "a quantity beyond all bounds": (
        b"{" + ORDER + b',"quantity":' + b"9" * 300_000 + b"}}",
        "PARSE",
    ),
    "a price of a million digits": (
        b"{" + ORDER + b',"price":1.' + b"9" * 1_000_000 + b"}}",
        "INVALID_PARAMS",
    ),
    "parameters nested a hundred thousand deep": (
        b"{" + ORDER + b',"symbol":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        "PARSE",
    ),
    "a hundred thousand parameters": (
        b"{" + ORDER + b"," + b",".join(b'"p%d":0' % n for n in range(90_000)) + b"}}",
        "INVALID_PARAMS",
    ),
    "a batch beyond the bound": (b"[" + b",".join([PING] * 65) + b"]", "INVALID_REQUEST"),
    "a zero byte in a name": (b"{" + ORDER + b',"quan\\u0000tity":1}}', "INVALID_PARAMS"),
}


@pytest.mark.parametrize("shape", LINES)
def test_a_line_of_hostile_shape_is_one_short_error(patient: Daemon, shape: str) -> None:
    line, kind = LINES[shape]
    before = resident(patient)

    answers = answer(patient, line + b"\n" + request(2, "system.ping")).splitlines()

    refused, pinged = map(json.loads, answers)
    assert refused["error"]["data"]["kind"] == kind
    assert len(answers[0]) < 2000
    assert "result" in pinged
    assert resident(patient) - before < 16 * MEGABYTE
    assert not patient.records("intent", key="hostile")


def test_a_name_given_twice_counts_once_and_never_as_both(patient: Daemon) -> None:
    """As JSON has it, the last; what is checked is what is carried out."""
    twice = b"{" + ORDER + b',"key":"the-last","account":"nobodys"}}\n'

    refused = json.loads(answer(patient, twice))

    assert refused["error"]["data"]["kind"] in ("INVALID_PARAMS", "UNKNOWN_ACCOUNT")
    assert not patient.records("intent")


SMUGGLED = {
    "two lengths": HEAD + b"Content-Length: 47\r\nContent-Length: 0\r\n\r\n" + PING,
    "a length and chunks": HEAD
    + b"Content-Length: 47\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + PING,
    "a coding nobody knows": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + PING,
    "a length with a sign": HEAD + b"Content-Length: +47\r\n\r\n" + PING,
    "a line end in a header": HEAD + b"X: a\rContent-Length: 47\r\n\r\n" + PING,
    "a space before the colon": HEAD + b"Content-Length : 47\r\n\r\n" + PING,
    "a header of a megabyte": HEAD + b"X: " + b"a" * MEGABYTE + b"\r\n\r\n",
}


@pytest.mark.parametrize("shape", SMUGGLED)
def test_http_that_two_could_read_differently_is_refused_and_hung_up_on(
    patient: Daemon, shape: str
) -> None:
    with raw(patient) as one:
        try:
            one.sendall(SMUGGLED[shape])
            answered = everything(one)
        except BrokenPipeError:
            answered = everything(one)

    assert answered.count(b"HTTP/1.1 ") <= 1  # and then it hangs up, or did so before
    assert b"HTTP/1.1 200" not in answered
    assert b'"at":' not in answered  # no ping was answered
    assert patient.call("system.ping")


def test_heads_that_never_end_are_counted_and_bounded(patient: Daemon) -> None:
    before = resident(patient)

    with ExitStack() as stack:
        for _ in range(200):
            one = stack.enter_context(raw(patient))
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            one.sendall(b"a" * 15_000)
        assert patient.place("in-between", account="paper")["order"]["broker_order_id"]
        grown = resident(patient) - before

    assert grown < 16 * MEGABYTE


def test_lines_that_come_a_byte_at_a_time_for_ever_hold_up_nobody(patient: Daemon) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(raw(patient)) for _ in range(100)]
        for byte in request(1, "system.ping")[:20]:
            for one in slow:
                one.sendall(bytes([byte]))
        assert patient.call("system.ping")

    assert "Traceback" not in patient.log_text()
