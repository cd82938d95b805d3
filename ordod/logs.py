"""The log: one line an event to stderr; JSON for programs, words for a terminal; no secret and no forged line in either.

Every value is made plain, redacted and cleaned before it is written: a broker's message with a line break in it cannot pass
for an event of ours. docs/logs.md lists every event and what its fields mean; a test compares it with the source.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from typing import Any, TextIO

import orjson
import structlog

from ordod.adapter import IST, Secret
from ordod.secrets import Redactor

__all__ = ["configure", "wants_json"]

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
DEPTH_MAX = 8  # of nested values; deeper ones are written as one text
DIGITS_MAX = (
    18  # of a whole number; a longer one may pass what 64 bits hold, and is written as text
)
TEXT_MAX = 4_000  # characters of one value: a broker's page of HTML must not fill the disk
TRACE_MAX = 16_000  # of a traceback, its end
LINE_BYTES_MAX = 40_000  # systemd's journal cuts a line at 48 KiB, and half a line is no JSON
SHORTER = (1_000, 100)  # characters of each value, where a line is too long
KEPT_LAST = ("at", "level", "event", "log_id")  # of a line that is too long all the same

# What a terminal or a reader of lines could take for something else: controls, line separators, changes of direction.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")

Event = MutableMapping[str, Any]
Processor = Callable[[Any, str, Event], Any]


def configure(
    level: str, redactor: Redactor, *, stream: TextIO | None = None, as_json: bool | None = None
) -> None:
    """From now on `structlog.get_logger()` and the standard library's loggers write to `stream`.

    Args:
        level: the least that is written: `debug`, `info`, `warning` or `error`. Other libraries' loggers: at least
            `warning`, because below it some write whole URLs.
        stream: default stderr.
        as_json: default: as `wants_json` says.
    """
    target = sys.stderr if stream is None else stream
    writer = _JournalWriter if _is_journal(target, os.environ) else _Writer
    if as_json is None:
        as_json = wants_json(target, os.environ)
    render = _as_json if as_json else _as_words
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _Plain(redactor),
            _stamp,
            _Bounded(render),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: writer(target),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Bridge()], level=max(LEVELS[level], logging.WARNING), force=True)
    logging.captureWarnings(True)


def wants_json(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a program reads this stream: no terminal, or systemd's journal."""
    return not stream.isatty() or _is_journal(stream, environment)


def _is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file, or closed
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _Writer:
    """Writes whole lines. A log nobody reads any more must not stop the daemon."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = exception = log = msg


class _JournalWriter(_Writer):
    """Says each line's priority in the way that systemd takes off again: `journalctl -p warning` shows what it should."""

    def debug(self, line: str) -> None:
        self.msg(f"<7>{line}")

    def info(self, line: str) -> None:
        self.msg(f"<6>{line}")

    def warning(self, line: str) -> None:
        self.msg(f"<4>{line}")

    def error(self, line: str) -> None:
        self.msg(f"<3>{line}")

    critical = exception = error


class _Bridge(logging.Handler):
    """Records of libraries that use the standard logging, through the same processors."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        structlog.get_logger().log(
            max(record.levelno, logging.DEBUG),
            "library",
            logger=record.name,
            message=message,
            exc_info=record.exc_info or None,
        )


class _Plain:
    """Makes every value of an event plain (text, number, list, mapping), without secrets."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _logger: Any, _name: str, event: Event) -> Event:
        return {
            self._text(key): self._trace(value)
            if key == "exception"
            else self._plain(value, DEPTH_MAX)
            for key, value in event.items()
        }

    def _trace(self, value: object) -> str:
        """A traceback's end says what went wrong."""
        text = _without_surrogates(self._redactor.hide(_written(value)))
        is_long = len(text) > TRACE_MAX
        return f"({len(text)} characters) ...{text[-TRACE_MAX:]}" if is_long else text

    def _plain(self, value: object, depth: int) -> Any:
        match value:
            case str():
                return self._text(value)
            case None | bool():
                return value
            case int() | float():
                text = str(value)
                is_known = self._redactor.hide(text) != text
                is_long = isinstance(value, int) and len(text) > DIGITS_MAX
                return self._text(text) if is_known or is_long else value
            case Secret():
                return "***"
            case bytes():
                return self._text(value.decode(errors="backslashreplace"))
            case Mapping() if depth:
                return {
                    self._text(str(key)): self._plain(part, depth - 1)
                    for key, part in value.items()
                }
            case list() | tuple() | set() | frozenset() if depth:
                return [self._plain(part, depth - 1) for part in value]
            case _:
                return self._text(_written(value))

    def _text(self, text: str) -> str:
        return _short(_without_surrogates(self._redactor.hide(text)), TEXT_MAX)


def _without_surrogates(text: str) -> str:
    """Half a surrogate pair is no text a stream can take."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _short(text: str, limit: int) -> str:
    return f"{text[:limit]}... ({len(text)} characters)" if len(text) > limit else text


class _Bounded:
    """Renders an event as a line of at most LINE_BYTES_MAX: what is too long in it is cut, and says so."""

    def __init__(self, render: Callable[[Event], str]) -> None:
        self._render = render

    def __call__(self, _logger: Any, _name: str, event: Event) -> str:
        if _length(event) <= LINE_BYTES_MAX and _fits(line := self._render(event)):
            return line
        for limit in SHORTER:
            shorter = {name: _shorter(value, limit) for name, value in event.items()}
            if _length(shorter) <= LINE_BYTES_MAX and _fits(line := self._render(shorter)):
                return line
        kept = {name: event[name] for name in KEPT_LAST if name in event}
        return self._render({name: _shorter(value, SHORTER[-1]) for name, value in kept.items()})


def _fits(line: str) -> bool:
    return len(line) * 4 <= LINE_BYTES_MAX or len(line.encode()) <= LINE_BYTES_MAX


def _length(value: Any) -> int:
    """Characters at least: what is far too long is not rendered first."""
    match value:
        case str():
            return len(value)
        case dict():
            return sum(_length(part) for part in value.values())
        case list():
            return sum(_length(part) for part in value)
        case _:
            return 1


def _shorter(value: Any, limit: int) -> Any:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return _short(text, limit) if len(text) > limit else value


def _written(value: object) -> str:
    """Never raises: a broken `repr` must not cost the event."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - foreign code, any bug
        return f"<{type(value).__name__} that cannot be written: {type(error).__name__}>"


def _stamp(_logger: Any, _name: str, event: Event) -> Event:
    """Time, level and what happened first; then the rest in the order it was given."""
    at = datetime.now(IST).isoformat(timespec="milliseconds")
    return {"at": at, "level": event.pop("level"), "event": event.pop("event"), **event}


def _as_json(event: Event) -> str:
    # JSON itself escapes the controls below a blank; the rest of what is unsafe is escaped in the finished line.
    line = orjson.dumps(event).decode()
    return _clean(line)


def _as_words(event: Event) -> str:
    rest = dict(event)
    trace = rest.pop("exception", None)
    at, level, what = rest.pop("at"), rest.pop("level"), rest.pop("event")
    pairs = "".join(f" {_clean(key)}={_shown(value)}" for key, value in rest.items())
    line = f"{at[11:23]} {level:<7} {_clean(str(what))}{pairs}"
    if not trace:
        return line
    # Set in, so that no line of it can be taken for an event.
    return "\n".join([line, *(f"    | {_clean(part)}" for part in str(trace).split("\n"))])


def _shown(value: object) -> str:
    text = _clean(value if isinstance(value, str) else str(value))
    return f'"{text}"' if not text or set(text) & set(' "=') else text


def _clean(text: str) -> str:
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
