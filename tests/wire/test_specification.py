"""The examples of the JSON-RPC 2.0 specification (section 7), on a table of its methods."""

import json
from typing import Any

import anyio
import pytest
from msgspec import Struct

from ordod.errors import Kind
from ordod.service.methods import Call, Caller, Method, Role
from ordod.wire.dispatch import Checked, Dispatcher, Send


class Two(Struct):
    minuend: int
    subtrahend: int


class Three(Struct):
    a: int
    b: int
    c: int


class Five(Struct):
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    e: int = 0


class NoParams(Struct):
    pass


class One(Struct):
    a: int


async def subtract(_: Call, two: Two) -> Any:
    return two.minuend - two.subtrahend


async def total(_: Call, three: Three) -> Any:
    return three.a + three.b + three.c


async def silent(_: Call, __: Any) -> Any:
    return None


async def get_data(_: Call, __: NoParams) -> Any:
    return ["hello", 5]


def method(name: str, params: type, run: Any) -> Method:
    return Method(name=name, role=Role.READ, summary=name, params=params, result=Any, run=run)


TABLE = (
    method("subtract", Two, subtract),
    method("update", Five, silent),
    method("sum", Three, total),
    method("notify_hello", One, silent),
    method("get_data", NoParams, get_data),
)

PARSE, INVALID = Kind.PARSE.code, Kind.INVALID_REQUEST.code
UNKNOWN = Kind.METHOD_NOT_FOUND.code


async def answer(sent: str) -> Any:
    """What is sent back: None for nothing; an error is cut down to its code."""
    dispatcher = Dispatcher(TABLE, positional=True)
    received: list[bytes | None] = []
    async with anyio.create_task_group() as tasks:

        async def carry_out(checked: Checked, send: Send) -> None:
            send(await dispatcher.run(checked))

        def start(checked: Checked, send: Send) -> None:
            tasks.start_soon(carry_out, checked, send)

        call = Call(Caller("test", Role.READ))
        dispatcher.begin(dispatcher.parse(sent.encode()), call, start, received.append)
    (line,) = received
    assert dispatcher.in_flight == 0
    return None if line is None else cut(json.loads(line))


def cut(response: Any) -> Any:
    if isinstance(response, list):
        return [cut(each) for each in response]
    if "error" in response:
        response["error"] = response["error"]["code"]
    return response


def ok(result: Any, request_id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": result, "id": request_id}


def no(code: int, request_id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": code, "id": request_id}


EXAMPLES = [
    ('{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}', ok(19, 1)),
    ('{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}', ok(-19, 2)),
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
        ok(19, 3),
    ),
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
        ok(19, 4),
    ),
    ('{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
    ('{"jsonrpc": "2.0", "method": "foobar"}', None),
    ('{"jsonrpc": "2.0", "method": "foobar", "id": "1"}', no(UNKNOWN, "1")),
    ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', no(INVALID, None)),
    ("[1]", [no(INVALID, None)]),
    ("[1,2,3]", [no(INVALID, None)] * 3),
    (
        """[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
        ]""",
        [
            ok(7, "1"),
            ok(19, "2"),
            no(INVALID, None),
            no(UNKNOWN, "5"),
            ok(["hello", 5], "9"),
        ],
    ),
    (
        """[
        {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
        ]""",
        None,
    ),
]


@pytest.mark.parametrize(("sent", "expected"), EXAMPLES)
async def test_every_example_of_the_specification_is_answered_as_there(
    sent: str, expected: Any
) -> None:
    assert await answer(sent) == expected


BROKEN = [
    ('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', PARSE),
    (
        '[ {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method" ]',
        PARSE,
    ),
    ("[]", INVALID),
]


@pytest.mark.parametrize(("sent", "code"), BROKEN)
async def test_what_is_no_json_or_an_empty_batch_is_one_error_without_an_id(
    server: Any, connect: Any, sent: str, code: int
) -> None:
    client = await connect()

    await client.send(sent.replace("\n", " ").encode() + b"\n")

    assert cut(await client.read()) == no(code, None)
