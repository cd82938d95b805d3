"""`[alerts]` and its receivers, `[alerts.NAME]`."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from ordod.config.settings import AlertSettings, ReceiverSettings
from ordod.config.tables import Table, closest_hint
from ordod.config.urls import is_loopback
from ordod.domain.alerts import PLACEHOLDER, PLACEHOLDERS, AlertKind
from ordod.domain.references import SecretReference

__all__ = ["alert_settings"]

Secret = Callable[[Table, str], SecretReference | None]

RECEIVER_NAME = re.compile(r"[a-z0-9_-]{1,32}")
HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
OF_RECEIVERS = ("command", "url", "token", "headers", "body", "kinds")
REMIND_MINUTES_MAX = 7 * 24 * 60
PER_HOUR_MAX = 600
USUAL = AlertSettings()


def alert_settings(table: Table, secret: Secret) -> AlertSettings:
    """`secret`: reads a reference under a key, as accounts have theirs."""
    for key in OF_RECEIVERS:
        if not table.is_table(key):
            table.refuse(
                key, "belongs to a receiver: write it under [alerts.NAME], a name of your choice"
            )
    remind, per_hour = table.count("remind_minutes"), table.count("per_hour")
    for key, value, most in (
        ("remind_minutes", remind, REMIND_MINUTES_MAX),
        ("per_hour", per_hour, PER_HOUR_MAX),
    ):
        if value is not None and value > most:
            table.wrong(key, f"is {value}, above {most}")
    doubt_s, skew_s = table.amount("doubt_older_than_s"), table.amount("clock_skew_above_s")
    settings = AlertSettings(
        remind_minutes=remind or USUAL.remind_minutes,
        per_hour=per_hour or USUAL.per_hour,
        doubt_older_than_s=float(doubt_s or USUAL.doubt_older_than_s),
        disk_free_below_mb=table.count("disk_free_below_mb") or USUAL.disk_free_below_mb,
        clock_skew_above_s=float(skew_s or USUAL.clock_skew_above_s),
        receivers={name: _receiver(name, table.table(name), secret) for name in table.tables()},
    )
    for name in settings.receivers:
        if not RECEIVER_NAME.fullmatch(name):
            table.wrong(name, "is no name for a receiver: 1 to 32 of a-z 0-9 _ -")
    table.close()
    return settings


def _receiver(name: str, table: Table, secret: Secret) -> ReceiverSettings:
    command, url = table.texts("command"), table.checked("url", _url) or ""
    has_command, has_url = "command" in table, "url" in table
    if has_command is has_url:
        table.wrong(None, "needs one of command and url" + (", not both" if has_url else ""))
    is_list = isinstance(table.plain("command"), list)
    if is_list and not (command and command[0].startswith("/")):
        table.wrong(
            "command",
            'must begin with a program by its whole path: ["/usr/local/bin/notify", "me"]',
        )
    if has_command:
        for key in ("token", "headers", "body"):
            table.refuse(key, "goes with url; a command gets the alert on its standard input")
    token = secret(table, "token") if has_url else None
    headers = _headers(table.table("headers")) if has_url else {}
    body = _body(table) if has_url else None
    receiver = ReceiverSettings(
        name=name,
        command=command,
        url=url,
        token=token,
        headers=headers,
        body=body,
        kinds=table.words("kinds", AlertKind),
    )
    _check_token(table, receiver)
    table.close()
    return receiver


def _url(text: str) -> str:
    """Raises ValueError, which does not repeat it: a webhook's address is a secret."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password; use token")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must begin with https:// and name a host")
    if parts.scheme == "http" and not is_loopback(text):
        raise ValueError("is not encrypted: plain http is for loopback only")
    if PLACEHOLDER.search(parts.netloc):
        raise ValueError("must name its host itself; {token} may stand behind it")
    _check_placeholders(text, ("token",))
    return text


def _headers(table: Table) -> dict[str, str]:
    headers = {}
    for name in table.names():
        if not HEADER_NAME.fullmatch(name):
            table.wrong(name, "is no name of a header")
        value = table.checked(name, _template)
        if value is not None:
            headers[name] = value
    return headers


def _template(text: str) -> str:
    """Raises ValueError."""
    _check_placeholders(text, PLACEHOLDERS)
    if not text.isprintable() or not text.isascii():
        raise ValueError("must be plain ASCII text on one line")
    return text


def _body(table: Table) -> Any:
    body = table.plain("body")
    try:
        return None if body is None else _checked_body(body)
    except ValueError as error:
        table.wrong("body", str(error))
        return None


def _checked_body(value: Any) -> Any:
    """What JSON can say, numbers with decimals as floats. Raises ValueError."""
    match value:
        case str():
            _check_placeholders(value, PLACEHOLDERS)
            return value
        case bool() | int():
            return value
        case Decimal():
            return float(value)
        case dict():
            return {key: _checked_body(each) for key, each in value.items()}
        case list():
            return [_checked_body(each) for each in value]
        case _:
            raise ValueError("holds a date or time; put it in quotes")


def _check_placeholders(text: str, known: tuple[str, ...]) -> None:
    """Raises ValueError."""
    for name in PLACEHOLDER.findall(text):
        if name not in known:
            hint = closest_hint(name, known) or f"; there are {', '.join(known)}"
            raise ValueError(f"holds {{{name}}}, which stands for nothing here{hint}")


def _check_token(table: Table, receiver: ReceiverSettings) -> None:
    wants = any(
        "{token}" in text for text in _texts([receiver.url, receiver.headers, receiver.body])
    )
    if wants and "token" not in table:
        table.wrong(None, 'has {token} and no token; for example: token = "store:alerts"')


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for each in value.values() for text in _texts(each)]
        case list():
            return [text for each in value for text in _texts(each)]
        case _:
            return []
