"""The command line: exit statuses, what goes to which stream, and that nothing makes it fall over."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ordoctl.cli import build_parser, main
from ordoctl.completion import script
from tests.ordoctl.scripted import (
    HANG_UP,
    SILENCE,
    Action,
    Event,
    Fail,
    Line,
    Pause,
    ScriptedDaemon,
    Wait,
    far,
    order,
)

ACCOUNTS = {
    "accounts": [
        {"account": "main", "broker": "zerodha", "state": "ACTIVE", "is_real": True},
        {"account": "toy", "broker": "paper", "state": "ACTIVE", "is_real": False},
    ]
}
PLACED = {"order": order(), "replayed": False}
PLACE = ["place", "buy", "10", "NSE:INFY", "--price", "1,450.05", "--product", "cnc"]

Run = Callable[..., int]


@pytest.fixture
def run(daemon: ScriptedDaemon, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`ordoctl` in this process, against the scripted daemon."""
    monkeypatch.setenv("ORDOD_SOCKET", str(daemon.path))
    return lambda *argv: main(argv)


def test_an_order_that_was_placed_is_done(
    daemon: ScriptedDaemon, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.on("order.place", PLACED)

    status = run(*PLACE, "--account", "main")

    said = capsys.readouterr()
    (call,) = daemon.calls("order.place")
    assert status == 0
    assert call["side"] == "BUY"
    assert call["type"] == "LIMIT"
    assert call["price"] == "1450.05"
    assert call["product"] == "CNC"
    assert "BUY 10 NSE:INFY 1,450.05" in said.out
    assert said.err == f"key {call['key']}\n"


@pytest.mark.parametrize(
    ("prices", "kind"),
    [
        ([], "MARKET"),
        (["--price", "1"], "LIMIT"),
        (["--trigger", "1"], "SL-M"),
        (["--price", "1", "--trigger", "1"], "SL"),
    ],
)
def test_the_prices_given_tell_the_type(
    daemon: ScriptedDaemon, run: Run, prices: list[str], kind: str
) -> None:
    daemon.on("order.place", PLACED)

    run("place", "sell", "1", "NSE:INFY", "--product", "MIS", "--account", "main", *prices)

    assert daemon.calls("order.place")[0]["type"] == kind


def test_the_only_account_needs_no_name_and_of_several_one_must_be_named(
    daemon: ScriptedDaemon, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.on("account.list", {"accounts": ACCOUNTS["accounts"][:1]}, ACCOUNTS)
    daemon.on("order.place", PLACED)

    assert run(*PLACE) == 0
    assert daemon.calls("order.place")[0]["account"] == "main"
    assert run(*PLACE) == 2
    assert "main, toy" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [["a", "k1", "not_placed"], ["k1", "not_placed", "--account", "a"]]
)
def test_an_account_may_be_named_as_the_daemons_hints_do(
    daemon: ScriptedDaemon, run: Run, argv: list[str]
) -> None:
    daemon.on("order.resolve", PLACED)
    daemon.on("account.logout", {"account": "a", "state": "NEW"})

    run("resolve", *argv, "--reason", "seen")
    run("logout", "a")

    assert daemon.calls("order.resolve") == [
        {"account": "a", "key": "k1", "outcome": "not_placed", "reason": "seen"}
    ]
    assert daemon.calls("account.logout") == [{"account": "a"}]


def test_json_is_what_the_daemon_said_number_for_number(
    daemon: ScriptedDaemon, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    line = b'{"jsonrpc":"2.0","id":1,"result":{"orders": [],"next":null,"of_tomorrow": 1450.10}}\n'
    daemon.on("order.list", Line(line))

    before = run("--json", "orders")
    after = run("orders", "--json")

    said = capsys.readouterr()
    assert before == after == 0
    assert said.out == '{"orders":[],"next":null,"of_tomorrow":1450.10}\n' * 2
    assert said.err == ""


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ({"order": order(status="IN_DOUBT")}, 4),
        ({"order": order(status="REJECTED")}, 0),
        (Fail(1204, "ORDER_REJECTED", retry="new_key"), 1),
        (Fail(1102, "SESSION_REQUIRED", retry="same_key"), 1),
        (Fail(1002, "FORBIDDEN", retry="same_key"), 1),
        (SILENCE, 4),
        (HANG_UP, 4),
        (Line(b"what?\n"), 4),
        ({"order": {"nothing": "we know"}}, 4),
    ],
)
def test_the_exit_status_of_place(
    daemon: ScriptedDaemon, run: Run, reply: Any, status: int
) -> None:
    daemon.on("order.place", reply)

    assert run(*PLACE, "--account", "main", "--timeout", "0.15") == status


@pytest.mark.parametrize("reply", [SILENCE, HANG_UP, Line(b"what?\n"), {"order": 1}])
def test_a_look_that_gets_no_answer_leaves_nothing_in_doubt(
    daemon: ScriptedDaemon, run: Run, reply: Any
) -> None:
    daemon.on("order.get", reply)

    assert run("order", "o1", "--timeout", "0.15") == 1


@pytest.mark.parametrize(
    ("argv", "method", "result", "status"),
    [
        (["cancel", "o1"], "order.cancel", {"order": order(), "change": "done"}, 0),
        (["cancel", "o1"], "order.cancel", {"order": order(), "change": "in_doubt"}, 4),
        (["modify", "o1", "--price", "1"], "order.modify", {"order": order(), "change": "done"}, 0),
        (["cancel", "--all"], "order.cancel_all", {"results": []}, 0),
        (
            ["cancel", "--all"],
            "order.cancel_all",
            {"results": [{"order_id": "o1", "order": order(), "change": "in_doubt"}]},
            4,
        ),
        (
            ["cancel", "--all"],
            "order.cancel_all",
            {"results": [{"order_id": "o1", "error": {"code": 1302, "message": "x"}}]},
            1,
        ),
        (["order", "o1"], "order.get", {"order": order(status="IN_DOUBT")}, 4),
        (["quote", "NSE:X"], "market.quote", {"quotes": {}, "missing": ["NSE:X"]}, 1),
        (["search", "no", "such"], "instrument.search", {"instruments": []}, 1),
        (
            ["positions"],
            "portfolio.positions",
            {"accounts": [{"account": "a", "error": {"code": 1102, "message": "x"}}]},
            1,
        ),
        (["kill"], "kill.engage", {"durable": True, "cancelled": 1}, 0),
        (["release", "--reason", "x"], "kill.release", {"state": {"engaged": False}}, 0),
        (["resolve", "a", "k", "not_placed", "--reason", "x"], "order.resolve", PLACED, 0),
        (["gtt", "cancel", "7", "--account", "a"], "gtt.cancel", {"change": "in_doubt"}, 4),
        (["call", "order.get"], "order.get", {"order": {"status": "IN_DOUBT"}}, 4),
        (["call", "order.modify"], "order.modify", {"change": "in_doubt"}, 4),
    ],
)
def test_the_exit_status_of(
    daemon: ScriptedDaemon,
    run: Run,
    argv: list[str],
    method: str,
    result: dict[str, Any],
    status: int,
) -> None:
    daemon.on(method, result)

    assert run(*argv) == status


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["gtt"],
        ["nonsense"],
        ["place", "buy", "0", "NSE:INFY", "--product", "CNC"],
        ["place", "buy", "1", "NSE:INFY", "--product", "CNC", "--price", "1e3"],
        ["place", "buy", "1", "NSE:INFY"],
        ["cancel"],
        ["cancel", "o1", "--key", "k1"],
        ["cancel", "o1", "--all"],
        ["cancel", "o1", "--symbol", "X"],
        ["modify", "o1"],
        ["candles", "NSE:INFY", "2m"],
        ["candles", "NSE:INFY", "1m", "--from", "yesterday"],
        ["resolve", "k1", "placed", "--reason", "x"],
        ["resolve", "k1", "not_placed", "--reason", "x", "--broker-order-id", "1"],
        ["gtt", "place", "NSE:INFY", "--account", "a", "--leg", "HOLD", "1", "1", "1"],
        ["gtt", "place", "NSE:INFY", "--account", "a", "--leg", "BUY", "x", "1", "1"],
        ["gtt", "place", "NSE:INFY", "--account", "a", "--leg", "BUY", "1", "nan", "1"],
        ["kill", "--state", "/tmp"],
        ["kill", "--local", "--strategy", "x"],
        ["call", "system.ping", "nonsense"],
        ["journal", "verify", "/nonexistent"],
        ["candles", "NSE:INFY", "1d", "--to", "0001-01-01"],
        ["quote", "NSE:\udcff"],
        ["--timeout", "0", "status"],
    ],
)
def test_misuse_is_told_as_usage(
    daemon: ScriptedDaemon, run: Run, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    try:
        status = run(*argv)
    except SystemExit as end:
        status = int(end.code or 0)

    assert status == 2
    assert capsys.readouterr().err
    assert daemon.received == []


def test_no_daemon_is_its_own_status_and_kill_says_what_works_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    socket = str(tmp_path / "none.sock")

    assert main(["--socket", socket, "status"]) == 3
    assert main(["--socket", socket, *PLACE, "--account", "main"]) == 3
    assert main(["--socket", socket, "kill"]) == 3
    assert "ordoctl kill --local" in capsys.readouterr().err


def test_an_error_is_data_too_with_json(
    daemon: ScriptedDaemon, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.on("order.place", Fail(1202, "RISK_REFUSED", "too much", limit="max_value", value=1.5))

    status = run("--json", *PLACE, "--account", "main", "--key", "k1")

    said = capsys.readouterr()
    assert status == 1
    assert json.loads(said.out) == {
        "error": {
            "code": 1202,
            "kind": "RISK_REFUSED",
            "message": "too much",
            "data": {"kind": "RISK_REFUSED", "limit": "max_value", "value": 1.5, "key": "k1"},
        }
    }
    assert said.err == "ordoctl: RISK_REFUSED: too much\n"


def test_a_brokers_words_do_not_steer_the_terminal(
    daemon: ScriptedDaemon, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "[red]no[/red] \x1b]0;title\x07"
    daemon.on("order.list", {"orders": [order(status_message=words, symbol="[b]X\x1b")]})
    daemon.on("order.get", Fail(1303, "BROKER_ERROR", words))

    run("orders")
    run("order", "o1")

    said = capsys.readouterr()
    assert "[red]no[/red]" in said.out
    assert "[b]X" in said.out
    assert "\x1b" not in said.out + said.err
    assert "\x07" not in said.out + said.err


def test_a_chain_is_asked_for_by_the_name_of_its_underlying(
    daemon: ScriptedDaemon, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {
        "symbol": "NFO:NIFTY",
        "expiry": "2026-12-29",
        "money": 24450,
        "strikes": [],
        "basis": {},
    }
    daemon.on("market.option_chain", answer, {**answer, "missing": ["NFO:NIFTY29DEC2624450CE"]})

    known = run("chain", "nifty", "--expiry", "2026-12-29", "--strikes", "3", "--rate", "6.5")
    silent = run("chain", "bfo:sensex")

    assert (known, silent) == (0, 1)
    assert daemon.calls("market.option_chain") == [
        {"symbol": "NFO:NIFTY", "expiry": "2026-12-29", "strikes": 3, "rate_percent": "6.5"},
        {"symbol": "BFO:SENSEX"},
    ]
    assert "nothing known of NFO:NIFTY29DEC2624450CE" in capsys.readouterr().err


def test_call_reads_values_as_json_else_as_text(daemon: ScriptedDaemon, run: Run) -> None:
    daemon.on("a.b", {})

    run("call", "a.b", "n=3", "yes=true", "list=[1]", "text=NSE:INFY", "price=1450.10", "method=x")

    assert daemon.calls("a.b") == [
        {"n": 3, "yes": True, "list": [1], "text": "NSE:INFY", "price": "1450.10", "method": "x"}
    ]


@pytest.mark.parametrize(("text", "status"), [('{"n": 3}', 0), ("[1]", 2), ("{", 2), ("", 2)])
def test_call_reads_standard_input(
    daemon: ScriptedDaemon, run: Run, monkeypatch: pytest.MonkeyPatch, text: str, status: int
) -> None:
    daemon.on("a.b", {})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    assert run("call", "a.b", "-") == status
    assert daemon.calls("a.b") == ([{"n": 3}] if status == 0 else [])


def test_a_terminal_that_knows_little_is_no_reason_to_fall_over(daemon: ScriptedDaemon) -> None:
    daemon.on("system.status", {"state": "läuft", "todo": "→ log in"})

    with ordoctl(daemon, "status", env={**os.environ, "PYTHONIOENCODING": "ascii"}) as process:
        shown, said = process.communicate(timeout=10)

    assert process.returncode == 0
    assert b"l\\xe4uft" in shown
    assert said == b""


def test_the_last_day_there_is_can_be_shown(daemon: ScriptedDaemon, run: Run) -> None:
    far = order(placed_at="9999-12-31T23:59:59-10:00", average_price=10**30)
    daemon.on("order.list", {"orders": [far]})

    assert run("orders") == 0


def ordoctl(daemon: ScriptedDaemon, *argv: str, **how: Any) -> subprocess.Popen[bytes]:
    """`ordoctl` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ordoctl.cli", "--socket", str(daemon.path), *argv],
        **{
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **how,
        },
    )


def answered_at_a_terminal(daemon: ScriptedDaemon, answer: bytes, *argv: str) -> tuple[int, bytes]:
    """The exit status, and what was asked, of a person at a terminal who types `answer`."""
    ours, theirs = pty.openpty()
    with ordoctl(daemon, *argv, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL) as process:
        os.close(theirs)
        os.write(ours, answer)
        status = process.wait(10)
        try:
            asked = os.read(ours, 10_000)
        except OSError:  # the terminal's other end is closed, and nothing was said
            asked = b""
    os.close(ours)
    return status, asked


def test_a_person_is_asked_before_a_real_broker_gets_an_order(daemon: ScriptedDaemon) -> None:
    daemon.on("account.list", ACCOUNTS)
    daemon.on("order.place", PLACED)

    no, asked = answered_at_a_terminal(daemon, b"\n", *PLACE, "--account", "main")
    placed_on_no = daemon.calls("order.place")
    yes, _ = answered_at_a_terminal(daemon, b"y\n", *PLACE, "--account", "main")

    assert no == 1
    assert placed_on_no == []
    assert b"BUY 10 NSE:INFY LIMIT at 1450.05 CNC, at main (zerodha)? [y/N]" in asked
    assert yes == 0


def test_nobody_is_asked_on_paper_or_with_yes_or_before_a_kill(daemon: ScriptedDaemon) -> None:
    daemon.on("account.list", ACCOUNTS)
    daemon.on("order.place", PLACED)
    daemon.on("kill.engage", {"durable": True})

    for argv in ([*PLACE, "--account", "toy"], [*PLACE, "--account", "main", "--yes"], ["kill"]):
        status, asked = answered_at_a_terminal(daemon, b"", *argv)

        assert status == 0
        assert b"[y/N]" not in asked


def test_ctrl_c_after_an_order_went_out_is_doubt_and_says_how_to_look(
    daemon: ScriptedDaemon,
) -> None:
    asked = threading.Event()

    def silent(_said: object) -> Any:
        asked.set()
        return SILENCE

    daemon.on("order.place", silent)
    daemon.on("order.get", silent)

    with ordoctl(daemon, *PLACE, "--account", "main", "--key", "k1") as process:
        asked.wait(10)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    asked.clear()
    with ordoctl(daemon, "order", "o1") as looking:
        asked.wait(10)
        looking.send_signal(signal.SIGINT)
        _, looked = looking.communicate(timeout=10)

    assert process.returncode == 4
    assert b"ordoctl order --key k1" in said
    assert looking.returncode == 130
    assert looked == b"ordoctl: interrupted\n"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_reader_that_has_enough_is_no_error(daemon: ScriptedDaemon, form: list[str]) -> None:
    closed = threading.Event()
    daemon.on("order.list", [Wait(closed), {"orders": [order()]}])

    with ordoctl(daemon, "orders", *form) as process:
        assert process.stdout is not None
        process.stdout.close()
        closed.set()
        assert process.stderr is not None
        said = process.stderr.read()

    assert process.returncode == 141
    assert said == b""


def test_json_needs_no_rich_and_nothing_of_the_daemon(daemon: ScriptedDaemon) -> None:
    daemon.on("order.place", PLACED)
    code = (
        "import sys, ordoctl.cli\n"
        f"ordoctl.cli.main(['--json', '--socket', {str(daemon.path)!r}, *{PLACE!r}, '--account', 'a'])\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'rich', 'anyio', 'asyncio', 'ordod', 'hashlib', 'http'}))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_has_a_function_behind_it() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert script(build_parser(), shell)
    paths = [["status"], ["gtt", "list"], ["journal", "tail"], ["logout"], ["funds"], ["trades"]]

    for path in paths:
        module, function = build_parser().parse_args(path).run
        loaded = __import__(f"ordoctl.commands.{module}", fromlist=[function])
        assert callable(getattr(loaded, function))


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["pla"], ["place"]),
        (["gtt", "can"], ["cancel"]),
        (["place", "--prod"], ["--product"]),
        (["place", "--product", "M"], ["MIS", "MTF"]),
        (["--json", "place", "B"], ["BUY"]),
        (["completion", "z"], ["zsh"]),
        (["journal", "verify", "--h"], ["--help", "--head", "--hash-key"]),
    ],
)
def test_bash_completes(typed: list[str], completed: list[str]) -> None:
    words = " ".join(["ordoctl", *typed])
    code = (
        f"{script(build_parser(), 'bash')}\n"
        f'COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _ordoctl; echo "${{COMPREPLY[@]}}"'
    )

    done = subprocess.run(["bash", "-c", code], capture_output=True, check=True, text=True)

    assert done.stdout.split() == completed


COMMANDS: list[tuple[list[str], str]] = [
    (["status"], "system.status"),
    ([*PLACE, "--account", "main"], "order.place"),
    (["modify", "o1", "--price", "1"], "order.modify"),
    (["cancel", "--all"], "order.cancel_all"),
    (["order", "o1", "--history"], "order.history"),
    (["orders"], "order.list"),
    (["trades"], "order.trades"),
    (["positions"], "portfolio.positions"),
    (["holdings"], "portfolio.holdings"),
    (["funds"], "portfolio.funds"),
    (["quote", "X"], "market.quote"),
    (["quote", "X", "--depth"], "market.depth"),
    (["candles", "X", "1d"], "market.candles"),
    (["search", "x"], "instrument.search"),
    (["gtt", "list", "--account", "a"], "gtt.list"),
    (["kill"], "kill.engage"),
    (["release", "--reason", "x"], "kill.release"),
    (["journal", "tail"], "journal.tail"),
    (["login", "--account", "a"], "account.login"),
    (["call", "a.b"], "a.b"),
]
NAMES = st.sampled_from(
    [
        "account",
        "accounts",
        "at",
        "average_price",
        "cancelled",
        "candles",
        "change",
        "code",
        "data",
        "depth",
        "doubts",
        "durable",
        "engaged",
        "entries",
        "error",
        "exposed",
        "failed",
        "funds",
        "gtt",
        "gtts",
        "holdings",
        "instruments",
        "journal",
        "key",
        "kill",
        "last_price",
        "legs",
        "message",
        "order",
        "order_id",
        "orders",
        "account",
        "price",
        "quantity",
        "quotes",
        "records",
        "result",
        "results",
        "seq",
        "side",
        "state",
        "status",
        "symbol",
        "trade_id",
        "trades",
        "type",
        "positions",
        "read_at",
        "scopes",
        "sweep",
        "todo",
        "took_ms",
        "available",
        "segment",
        "ask",
        "kind",
        "trigger_price",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["1.5", "2026-11-23T09:15:00+05:30", "0001-01-01T00:00:00+14:00", "IN_DOUBT"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)
RESULTS = st.dictionaries(NAMES, JSON, max_size=6) | JSON


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(command=st.sampled_from(COMMANDS), result=RESULTS, is_error=st.booleans())
def test_no_answer_makes_it_fall_over(
    daemon: ScriptedDaemon,
    run: Run,
    command: tuple[list[str], str],
    result: Any,
    is_error: bool,
) -> None:
    argv, method = command
    member = "error" if is_error else "result"
    line = json.dumps({"jsonrpc": "2.0", "id": 1, member: result}).encode() + b"\n"
    daemon.on(method, Line(line))

    assert run(*argv, "--timeout", "2") in (0, 1, 2, 4)


@pytest.mark.parametrize("command", ["login", "logout"])
@pytest.mark.parametrize("words", ["kite", "--account kite"])
def test_an_account_is_named_behind_login_as_the_daemon_tells_it(command: str, words: str) -> None:
    args = build_parser().parse_args([command, *words.split()])

    assert args.account == "kite"


def test_a_resolve_reads_as_the_daemon_tells_it() -> None:
    told = "resolve --account kite my-key not_placed --reason seen"

    args = build_parser().parse_args(told.split())

    assert (args.account, args.key, args.outcome) == ("kite", "my-key", "not_placed")


def test_a_long_question_shows_a_person_how_far_it_is_and_its_data_stays_clean(
    daemon: ScriptedDaemon,
) -> None:
    def parts(said: dict[str, Any]) -> list[Action]:
        word = said["params"]["progress"]
        return [far(word, 1), Pause(0.3), far(word, 2), Pause(0.3), far(word, 3), {"candles": []}]

    daemon.on("market.candles", parts)
    ours, theirs = pty.openpty()
    with ordoctl(daemon, "candles", "NSE:INFY", "1m", stderr=theirs) as process:
        os.close(theirs)
        out, _ = process.communicate(timeout=20)
        shown = os.read(ours, 100_000)
    os.close(ours)

    assert process.returncode == 0
    assert out == b"no candles\n"
    assert b"asking the broker" in shown


def ticking(daemon: ScriptedDaemon) -> None:
    started = {"subscription": "s1", "epoch": "e1", "seq": 5, "reset": False, "snapshot": None}
    tick = {"symbol": "NSE:INFY", "last_price": 1450.05, "close_price": 1400, "volume": 1234567}
    told = Event(
        subscription="s1", topic="ticks", epoch="e1", at=None, skipped=0, ticks=[tick, tick]
    )
    daemon.on("events.subscribe", [started, told])


def test_watch_writes_a_line_for_each_price(
    daemon: ScriptedDaemon, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    ticking(daemon)

    status = run("watch", "NSE:INFY", "--limit", "2")

    first, second = capsys.readouterr().out.splitlines()
    assert status == 0
    assert first.split()[1:] == ["NSE:INFY", "1,450.05", "+50.05", "+3.58%", "12,34,567"]
    assert second[8:] == first[8:]  # behind the time


HAPPENED = {
    "orders": {"order": order(status="FILLED", filled_quantity=10, average_price=1450)},
    "trades": {
        "trade": {
            "trade_id": "t1", "account": "main", "symbol": "NSE:INFY", "side": "BUY", "quantity": 10,
            "price": 1450.05, "order_id": "o1",
        }
    },
    "accounts": {"account": {"account": "main", "state": "EXPIRED", "why": "its session ended"}},
    "kill": {"kill": {"engaged": True}},
}  # fmt: skip


def happening(daemon: ScriptedDaemon) -> None:
    snapshot = {"orders": [order()], "positions": {}, "accounts": [], "kill": {"engaged": False}}
    started = {"subscription": "s1", "epoch": "e1", "seq": 5, "reset": False, "snapshot": snapshot}
    events = [
        Event(subscription="s1", topic=topic, epoch="e1", seq=6 + n, prev=5 + n, at=None, **what)
        for n, (topic, what) in enumerate(HAPPENED.items())
    ]
    daemon.on("events.subscribe", [started, *events])


def test_watch_tells_what_happens_behind_how_it_stood(
    daemon: ScriptedDaemon, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    happening(daemon)

    status = run("watch", *HAPPENED, "--limit", "5")

    *before, filled, trade, account, kill = capsys.readouterr().out.splitlines()
    assert status == 0
    assert any("OPEN" in line for line in before)
    assert filled.split()[1:] == ["main", "BUY", "10/10", "NSE:INFY", "1,450.05", "FILLED", "o1"]
    assert trade.split()[1:] == ["main", "BUY", "10", "NSE:INFY", "at", "1,450.05", "o1"]
    assert account.split()[1:] == ["main", "EXPIRED", "its", "session", "ended"]
    assert kill.split()[1:] == ["kill", "engaged=True"]
    assert daemon.calls("events.subscribe")[0] == {"topics": [*HAPPENED]}


def test_watch_tells_programs_whole_events(
    daemon: ScriptedDaemon, run: Run, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    happening(daemon)

    status = run("--json", "watch", "orders", "NSE:INFY", "-n", "2")

    first, second = (json.loads(line) for line in capfdbinary.readouterr().out.splitlines())
    assert status == 0
    assert first["snapshot"]["orders"][0]["order_id"] == "o1"
    assert (second["topic"], second["order"]["status"], second["seq"]) == ("orders", "FILLED", 6)
    wanted = {"topics": ["orders", "ticks"], "symbols": ["NSE:INFY"]}
    assert daemon.calls("events.subscribe")[0] == wanted


def test_watch_names_a_word_that_it_does_not_know(
    daemon: ScriptedDaemon, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("watch", "order") == 2
    assert "'order' is neither a symbol (NSE:INFY) nor one of orders" in capsys.readouterr().err


def test_watch_writes_json_lines_for_programs(
    daemon: ScriptedDaemon, run: Run, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    ticking(daemon)

    status = run("--json", "watch", "NSE:INFY", "-n", "1")

    assert status == 0
    assert json.loads(capfdbinary.readouterr().out) == {
        "symbol": "NSE:INFY",
        "last_price": 1450.05,
        "close_price": 1400,
        "volume": 1234567,
    }


def test_watch_ends_with_ctrl_c_and_that_is_no_failure(daemon: ScriptedDaemon) -> None:
    ticking(daemon)

    with ordoctl(daemon, "watch", "NSE:INFY") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)

        assert process.wait(10) == 0
