"""The log: one line an event to stderr; JSON for programs, words for a terminal; no secret and no forged line in either.

Every value is made plain, redacted and cleaned before it is written: a broker's message with a line break in it cannot pass
for an event of ours. Parts take a logger of their own once (`structlog.get_logger().bind(account=...)`): a level that is
off then costs one empty call.
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
TEXT_MAX = 20_000  # characters of one value: a broker's page of HTML must not fill the disk

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
    if as_json is None:
        as_json = wants_json(target, os.environ)
    render: Processor = _as_json if as_json else _as_words
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _Plain(redactor),
            _stamp,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _Writer(target),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Bridge()], level=max(LEVELS[level], logging.WARNING), force=True)
    logging.captureWarnings(True)


def wants_json(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a program reads this stream: no terminal, or systemd's journal."""
    if not stream.isatty():
        return True
    status = os.fstat(stream.fileno())
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


class _Bridge(logging.Handler):
    """Records of libraries that use the standard logging, through the same processors."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        structlog.get_logger().log(
            max(record.levelno, logging.DEBUG),
            message,
            logger=record.name,
            exc_info=record.exc_info or None,
        )


class _Plain:
    """Makes every value of an event plain (text, number, list, mapping), without secrets."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _logger: Any, _name: str, event: Event) -> Event:
        return {self._text(key): self._plain(value, DEPTH_MAX) for key, value in event.items()}

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
        hidden = self._redactor.hide(text)
        if not hidden.isascii():  # half a surrogate pair is no text a stream can take
            hidden = hidden.encode(errors="backslashreplace").decode()
        if len(hidden) > TEXT_MAX:
            return f"{hidden[:TEXT_MAX]}... ({len(hidden)} characters)"
        return hidden


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


def _as_json(_logger: Any, _name: str, event: Event) -> str:
    # JSON itself escapes the controls below a blank; the rest of what is unsafe is escaped in the finished line.
    line = orjson.dumps(event).decode()
    return _clean(line)


def _as_words(_logger: Any, _name: str, event: Event) -> str:
    trace = event.pop("exception", None)
    at, level, what = event.pop("at"), event.pop("level"), event.pop("event")
    pairs = "".join(f" {_clean(key)}={_shown(value)}" for key, value in event.items())
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
