"""An alert over HTTP: one POST to an address of the user's.

No proxies, no redirects (they would carry the secret elsewhere), TLS verified by the system's authorities, ten seconds in all.
Of what comes back little is read: a page without an end costs nothing.
"""

import json
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from socket import getaddrinfo
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx
import msgspec
import structlog

from ordod.adapter import Secret
from ordod.core.ports import DiskError, Undelivered
from ordod.domain.alerts import PLACEHOLDER, Alert
from ordod.io.connections import tls_context
from ordod.io.worker import Worker

__all__ = ["HttpReceiver"]

CALL_S = 10.0
REFUSAL_S = 2.0  # for what a refusal says besides its status
ANSWER_BYTES_MAX = 2000  # an error in JSON has some hundred
SHOWN_MAX = 200
WORTH_ANOTHER_TRY = (408, 425, 429)

log = structlog.get_logger("alerts")


class HttpReceiver:
    """Posts alerts to one address.

    Args:
        url, headers, body: with placeholders; `body` None: the alert as JSON; a text: as it is; else as JSON.
        token: reads the secret, in a thread, at each alert; raises ValueError. Where no placeholder names it, it is the bearer's.
        hide: takes secrets out of a text.
        tls: makes the context; default: the system's authorities.
    """

    def __init__(
        self,
        *,
        url: str,
        headers: Mapping[str, str],
        body: Any,
        token: Callable[[], Secret] | None,
        hide: Callable[[str], str],
        tls: Callable[[], ssl.SSLContext] = tls_context,
    ) -> None:
        self._url = url
        self._headers = headers
        self._body = body
        self._token = token
        self._is_bearer = "{token}" not in json.dumps([url, dict(headers), body])
        self._hide = hide
        self._tls = tls
        self._client: httpx.AsyncClient | None = None
        self._names: Worker | None = None

    async def prepare(self) -> None:
        with suppress(OSError):
            await self._ready()

    async def send(self, alert: Alert) -> None:
        try:
            with anyio.fail_after(CALL_S):
                client = await self._ready()
                await self._look_up()
                request = await self._request(client, alert)
                await self._exchange(client, request)
        except TimeoutError:
            raise Undelivered(f"no answer within {CALL_S:.0f} s") from None
        except (httpx.HTTPError, OSError) as error:
            why = self._hide(str(error)) or "the connection broke"
            raise Undelivered(f"{type(error).__name__}: {why}"[:SHOWN_MAX]) from None

    async def aclose(self) -> None:
        names, self._names = self._names, None
        if names is not None:
            names.stop(0.0)
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()  # no connection is kept: there is nothing to wait for

    async def _ready(self) -> httpx.AsyncClient:
        """The authorities take some ten milliseconds to read: in a thread."""
        if self._client is None:
            context = await anyio.to_thread.run_sync(self._tls)
            self._client = httpx.AsyncClient(
                verify=context,
                headers={"user-agent": "ordod", "accept-encoding": "identity"},
                trust_env=False,
                follow_redirects=False,
                timeout=CALL_S,
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._client

    async def _look_up(self) -> None:
        """In a thread of its own first: a name server that hangs would hang the few threads that look up brokers, too."""
        host = urlsplit(self._url).hostname or ""
        self._names = self._names or Worker("ordod-alerts-names")
        try:
            await self._names.do(lambda: getaddrinfo(host, None))
        except DiskError as error:  # what a worker makes of an OSError
            raise Undelivered(f"{host} cannot be found: {error}") from None

    async def _request(self, client: httpx.AsyncClient, alert: Alert) -> httpx.Request:
        values = {
            name: "" if value is None else str(value)
            for name, value in msgspec.to_builtins(alert).items()
        }
        values["reminder"] = "true" if alert.reminder else "false"
        values["text"] = f"{alert.title}\n{alert.message}"
        values["token"] = await self._secret()
        headers = {
            name.lower().encode(): " ".join(_filled(text, values).split()).encode(
                "ascii", "replace"
            )
            for name, text in self._headers.items()
        }
        if self._is_bearer and values["token"]:
            headers.setdefault(b"authorization", b"Bearer " + values["token"].encode())
        match self._body:
            case None:
                kind, content = "application/json", msgspec.json.encode(alert)
            case str():
                kind, content = "text/plain; charset=utf-8", _filled(self._body, values).encode()
            case _:
                kind, content = "application/json", json.dumps(_filled(self._body, values)).encode()
        headers.setdefault(b"content-type", kind.encode())
        url = _filled(self._url, values)
        try:
            return client.build_request("POST", url, headers=headers, content=content)
        except httpx.InvalidURL:
            raise Undelivered("its address with the token in it is none", is_final=True) from None

    async def _secret(self) -> str:
        if self._token is None:
            return ""
        try:
            secret = await anyio.to_thread.run_sync(self._token)
        except ValueError as error:
            raise Undelivered(f"its token cannot be read: {error}") from None
        return secret.reveal().strip()

    async def _exchange(self, client: httpx.AsyncClient, request: httpx.Request) -> None:
        """The status says whether it was taken: what else a yes says is not waited for."""
        response = await client.send(request, stream=True)
        try:
            status = response.status_code
            log.debug("alert_answered", status=status)
            if 200 <= status < 300:
                return
            answer = await self._beginning(response)
        finally:
            await response.aclose()
        where = " (redirects are not followed)" if 300 <= status < 400 else ""
        said = f": {answer}" if answer else ""
        raise Undelivered(
            f"answered with status {status}{where}{said}",
            is_final=status < 500 and status not in WORTH_ANOTHER_TRY,
        )

    async def _beginning(self, response: httpx.Response) -> str:
        """Of what a refusal says, without secrets."""
        content = b""
        with anyio.move_on_after(REFUSAL_S), suppress(httpx.HTTPError):
            async for part in response.aiter_raw(ANSWER_BYTES_MAX):
                content += part
                if len(content) >= ANSWER_BYTES_MAX:
                    break
        text = self._hide(content[:ANSWER_BYTES_MAX].decode(errors="replace"))
        return " ".join(text.split())[:SHOWN_MAX]


def _filled(template: Any, values: Mapping[str, str]) -> Any:
    """The template with its placeholders filled, in one pass: what is filled in is not looked at again."""
    match template:
        case str():
            return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)
        case dict():
            return {key: _filled(value, values) for key, value in template.items()}
        case list() | tuple():
            return [_filled(value, values) for value in template]
        case _:
            return template
