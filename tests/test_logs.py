"""The log: one line an event, nothing secret in it, nothing forged."""

import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from ordod.adapter import Secret
from ordod.logs import configure, wants_json
from ordod.secrets import Redactor


def refuse(message: str) -> None:
    raise ValueError(message)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.captureWarnings(False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def log_to(
    stream: TextIO, *secrets: str, level: str = "info", as_json: bool = True
) -> structlog.typing.FilteringBoundLogger:
    redactor = Redactor()
    redactor.add(*map(Secret, secrets))
    configure(level, redactor, stream=stream, as_json=as_json)
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind()
    return logger


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_indian_time() -> None:
    stream = io.StringIO()

    log_to(stream).info("order sent", account="kite", took_ms=3, tags=["a", None])

    (event,) = events(stream)
    assert datetime.fromisoformat(event.pop("at")).utcoffset() == timedelta(hours=5, minutes=30)
    assert event == {
        "level": "info",
        "event": "order sent",
        "account": "kite",
        "took_ms": 3,
        "tags": ["a", None],
    }


def test_an_event_is_readable_on_a_terminal() -> None:
    stream = io.StringIO()

    log_to(stream, as_json=False).warning("order sent", account="kite", words="two words", none="")

    line = stream.getvalue()
    assert line.endswith(' warning order sent account=kite words="two words" none=""\n')


def test_a_level_that_is_off_writes_nothing() -> None:
    stream = io.StringIO()
    log = log_to(stream, level="warning")

    log.info("unseen")
    log.warning("seen")

    assert [event["event"] for event in events(stream)] == ["seen"]


def test_a_stream_that_is_no_terminal_gets_json() -> None:
    assert wants_json(io.StringIO(), {})


def test_the_system_s_journal_is_told_each_line_s_priority_and_a_file_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "log"
    with file.open("w") as stream:
        status = os.fstat(stream.fileno())
        for name in (f"{status.st_dev}:{status.st_ino}", "1:1"):
            monkeypatch.setenv("JOURNAL_STREAM", name)
            log = log_to(stream, level="debug")
            for level in ("debug", "info", "warning", "error", "exception"):
                getattr(log, level)("seen")
            logging.getLogger("a library").warning("seen")

    priorities = [line.partition("{")[0] for line in file.read_text().splitlines()]

    assert priorities == ["<7>", "<6>", "<4>", "<3>", "<3>", "<4>", *[""] * 6]


def test_a_terminal_that_is_the_journal_gets_json() -> None:
    leader, follower = os.openpty()

    with os.fdopen(follower, "w") as terminal:
        status = os.fstat(follower)
        is_journal = wants_json(terminal, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        is_terminal = wants_json(terminal, {"JOURNAL_STREAM": "1:1"})
    os.close(leader)

    assert is_journal
    assert not is_terminal


# Secrets


@pytest.mark.parametrize("as_json", [True, False])
def test_a_secret_is_hidden_wherever_it_stands(as_json: bool) -> None:
    stream = io.StringIO()
    log = log_to(stream, "hunter22", "123456", as_json=as_json)

    log.bind(bound="hunter22").info(
        "login with hunter22",
        text="x=hunter22&y",
        number=123456,
        raw=b"hunter22",
        nested={"hunter22": [("hunter22", {"deep": {"hunter22"}})]},
        error=ValueError("hunter22"),
        wrapped=Secret("never registered"),
        hunter22="a key",
    )

    assert "hunter22" not in stream.getvalue()
    assert "123456" not in stream.getvalue()
    assert "never registered" not in stream.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_secret_is_hidden_in_a_traceback(as_json: bool) -> None:
    stream = io.StringIO()
    log = log_to(stream, "hunter22", as_json=as_json)

    try:
        refuse("refused: hunter22")
    except ValueError:
        log.exception("login failed")

    assert "refused: ***" in stream.getvalue()
    assert "hunter22" not in stream.getvalue()


def test_a_token_learned_later_is_hidden_too() -> None:
    stream = io.StringIO()
    redactor = Redactor()
    configure("info", redactor, stream=stream, as_json=True)
    log = structlog.get_logger().bind()

    redactor.add(Secret("new-token"))
    log.info("logged in", token="new-token")

    assert events(stream)[0]["token"] == "***"


# Forged lines


@pytest.mark.parametrize("as_json", [True, False])
@given(text=st.text(st.characters(exclude_categories=()), max_size=20))
@example(text="\ud800")
def test_no_text_makes_a_second_line_or_moves_the_cursor(as_json: bool, text: str) -> None:
    stream = io.StringIO()

    log_to(stream, as_json=as_json).info(text, message=text, rows=[text], **{"k" + text: 1})

    written = stream.getvalue()
    written.encode()
    assert len(written.splitlines()) == 1
    assert written[:-1].isprintable() or not _unsafe(written[:-1])


def _unsafe(line: str) -> set[str]:
    controls = {chr(code) for code in (*range(32), *range(127, 160))}
    return set(line) & (controls | set("\u2028\u2029\u202e\u2066\u200f"))


def test_a_json_line_gives_back_the_text_as_it_was() -> None:
    stream = io.StringIO()
    text = 'a\nb\t"\x1b[0m\u2028\u202eच'

    log_to(stream).info("x", message=text)

    assert events(stream)[0]["message"] == text


def test_a_traceback_on_a_terminal_is_set_in() -> None:
    stream = io.StringIO()
    log = log_to(stream, as_json=False)

    try:
        refuse("a\n10:00:00.000 info    kill released")
    except ValueError:
        log.exception("bug")

    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("error   bug")
    assert all(line.startswith("    | ") for line in rest)


# Odd values


def test_an_object_with_a_broken_repr_does_not_cost_the_event() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    stream = io.StringIO()

    log_to(stream).info("x", value=Broken())

    assert events(stream)[0]["value"] == "<Broken that cannot be written: RuntimeError>"


def test_a_value_that_contains_itself_and_a_page_of_html_are_cut() -> None:
    stream = io.StringIO()
    loop: list[Any] = []
    loop.append(loop)

    log_to(stream).info("x", loop=loop, page="<p>" * 100_000, big=2**80)

    (event,) = events(stream)
    assert event["big"] == str(2**80)
    assert event["page"].endswith("... (300000 characters)")
    assert len(stream.getvalue()) < 5_000


# systemd's journal cuts a line at 48 KiB, and what is cut is two lines, neither of them JSON.
@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("text", ["x", "\x1b", "\u2028", "च", "\U0001f600", '"'])
def test_a_line_has_a_bound_whatever_is_in_it(as_json: bool, text: str) -> None:
    stream = io.StringIO()
    log = log_to(stream, as_json=as_json)
    many = {f"field{number}": [text * 5_000] * 4 for number in range(50)}

    log.error("x", log_id="1f0c9a2b", symbols=[text * 100] * 500)
    log.error("x", log_id="1f0c9a2b", **many)

    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert all(len(line.encode()) <= 40_000 and "1f0c9a2b" in line for line in lines)
    if as_json:
        assert [event["event"] for event in events(stream)] == ["x", "x"]


def test_of_a_long_traceback_the_end_is_kept() -> None:
    stream = io.StringIO()

    def deeper(levels: int) -> None:
        if not levels:
            refuse("the reason" + "." * 100)
        deeper(levels - 1)

    log = log_to(stream)
    try:
        deeper(900)
    except ValueError:
        log.exception("bug", task="x" * 3_000)

    (event,) = events(stream)
    assert "ValueError: the reason" in event["exception"]
    assert len(event["exception"]) < 17_000


def test_words_and_json_tell_the_same_facts() -> None:
    facts = {"account": "kite", "why": "two words", "times": 3, "ok": True, "rows": ["a", "b"]}
    told = []
    for as_json in (True, False):
        stream = io.StringIO()
        log_to(stream, as_json=as_json).warning("order_in_doubt", **facts)
        told.append(stream.getvalue())

    (json_line, words) = told
    assert json.loads(json_line) | facts == json.loads(json_line)
    shown = [f"{name}={value}" for name, value in facts.items() if name not in ("why", "rows")]
    assert all(each in words for each in ["warning order_in_doubt", 'why="two words"', *shown])
    assert "'a', 'b'" in words


def test_a_log_nobody_reads_does_not_stop_the_daemon() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    with os.fdopen(writing, "wb", buffering=0) as raw:
        log_to(io.TextIOWrapper(raw, write_through=True)).info("x")


# Other libraries


def test_a_library_s_warning_is_an_event_and_its_chatter_is_not() -> None:
    stream = io.StringIO()
    log_to(stream, "hunter22", level="debug")

    logging.getLogger("httpx").info("GET https://api.example/?token=hunter22")
    logging.getLogger("asyncio").error("never retrieved: %s", "hunter22")

    (event,) = events(stream)
    assert event["event"] == "library"
    assert event["message"] == "never retrieved: ***"
    assert event["logger"] == "asyncio"
    assert event["level"] == "error"


def test_a_python_warning_is_an_event() -> None:
    stream = io.StringIO()
    log_to(stream)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    assert "DeprecationWarning: old" in events(stream)[0]["message"]
