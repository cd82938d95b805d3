"""Alerts over HTTP to a server that is really there, and does what servers should not."""

import gc
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from typing import Any

import anyio
import pytest
import trustme

from ordod.adapter import Secret
from ordod.core.ports import Undelivered
from ordod.domain.alerts import Alert, AlertState, Severity
from ordod.io import receivers
from ordod.io.receivers import HttpReceiver
from ordod.secrets import Redactor
from tests.alerts.receiver import http_place
from tests.simulation.ports import IST

TOKEN = Secret("123456:AAE-very-secret")
AT = datetime(2026, 11, 23, 9, 15, tzinfo=IST)
ALERT = Alert(
    id="session:zerodha",
    kind="session",
    severity=Severity.CRITICAL,
    state=AlertState.FIRING,
    account="zerodha",
    since=AT,
    at=AT,
    host="desk",
    reminder=False,
    title="[CRITICAL] ordod at desk: session zerodha",
    message='zerodha has no session: "expired" {token} {nothing} \N{INDIAN RUPEE SIGN}. Run: ordoctl login zerodha',
)


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio", {"use_uvloop": True}


def receiver(url: str, *, token: Callable[[], Secret] | None = None, **more: Any) -> HttpReceiver:
    redactor = Redactor()
    redactor.add(TOKEN)
    fields: dict[str, Any] = {"headers": {}, "body": None, "hide": redactor.hide} | more
    return HttpReceiver(url=url, token=token, **fields)


async def test_the_alert_itself_is_posted_as_json_where_nothing_else_is_said() -> None:
    with http_place() as place:
        await receiver(place.url).send(ALERT)

    [request] = place.requests
    assert (request["method"], request["target"]) == ("POST", "/alerts")
    assert request["headers"]["content-type"] == "application/json"
    assert "authorization" not in request["headers"]
    assert place.alerts[0] == {
        "id": "session:zerodha",
        "kind": "session",
        "severity": "critical",
        "state": "firing",
        "account": "zerodha",
        "since": "2026-11-23T09:15:00+05:30",
        "at": "2026-11-23T09:15:00+05:30",
        "host": "desk",
        "reminder": False,
        "title": ALERT.title,
        "message": ALERT.message,
    }


async def test_a_token_that_is_named_nowhere_is_the_bearers() -> None:
    with http_place() as place:
        await receiver(place.url, token=lambda: TOKEN, body="{text}").send(ALERT)

    [request] = place.requests
    assert request["headers"]["authorization"] == f"Bearer {TOKEN.reveal()}"
    assert request["headers"]["content-type"] == "text/plain; charset=utf-8"
    assert (
        request["body"] == f"{ALERT.title}\n{ALERT.message}"
    )  # braces of a message are the message's


async def test_placeholders_are_filled_in_address_headers_and_body_and_nowhere_twice() -> None:
    with http_place() as place:
        one = receiver(
            place.url + "/bot{token}/sendMessage",
            token=lambda: TOKEN,
            headers={"Title": "{title}", "X-Message": "{message}"},
            body={"chat_id": 7, "text": "{text}", "more": [{"since": "{since}", "loud": True}]},
        )
        await one.send(ALERT)

    [request] = place.requests
    assert request["target"] == f"/alerts/bot{TOKEN.reveal()}/sendMessage"
    assert request["headers"]["title"] == ALERT.title
    assert request["headers"]["x-message"].isascii()
    assert "authorization" not in request["headers"]
    assert place.alerts[0] == {
        "chat_id": 7,
        "text": f"{ALERT.title}\n{ALERT.message}",
        "more": [{"since": "2026-11-23T09:15:00+05:30", "loud": True}],
    }


async def test_a_token_is_read_anew_for_each_alert() -> None:
    tokens = [Secret("first-token"), Secret("second-token")]
    with http_place() as place:
        one = receiver(place.url, token=lambda: tokens.pop(0))
        await one.send(ALERT)
        await one.send(ALERT)

    sent = [request["headers"]["authorization"] for request in place.requests]
    assert sent == ["Bearer first-token", "Bearer second-token"]


async def test_a_token_that_cannot_be_read_sends_nothing() -> None:
    def missing() -> Secret:
        raise ValueError("store:tg is not in the store")

    with http_place() as place, pytest.raises(Undelivered, match="not in the store") as raised:
        await receiver(place.url, token=missing).send(ALERT)

    assert place.requests == []
    assert not raised.value.is_final


async def test_an_authority_that_is_trusted_is_and_another_is_not() -> None:
    ours, other = trustme.CA(), trustme.CA()
    trusting = ssl.create_default_context()
    ours.configure_trust(trusting)

    with http_place(authority=ours) as good, http_place(authority=other) as bad:
        await receiver(good.url, tls=lambda: trusting).send(ALERT)
        with pytest.raises(Undelivered, match="CERTIFICATE_VERIFY_FAILED"):
            await receiver(bad.url, tls=lambda: trusting, token=lambda: TOKEN).send(ALERT)

    assert len(good.requests) == 1
    assert bad.requests == []


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_place() as proxy, http_place() as place:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        await receiver(place.url).send(ALERT)

    assert len(place.requests) == 1
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("behaviour", "is_final", "why"),
    [
        ("refused", False, "Connect"),
        ("500", False, "status 500"),
        ("503", False, "status 503"),
        ("429", False, "status 429"),
        ("404", True, "status 404"),
        ("redirects", True, "redirects are not followed"),
        ("garbage", False, "Protocol"),
        ("resets", False, "Error"),
        ("endless", False, "status 500"),
    ],
)
async def test_what_a_receiver_does_wrong_is_said_and_no_more_is_sent(
    behaviour: str, is_final: bool, why: str
) -> None:
    with http_place(behaviour) as place, pytest.raises(Undelivered, match=why) as raised:
        await receiver(place.url, token=lambda: TOKEN).send(ALERT)

    assert raised.value.is_final is is_final
    assert len(place.requests) <= 1
    assert TOKEN.reveal() not in str(raised.value)
    assert len(str(raised.value)) < 300


async def test_a_refusals_words_are_told_without_the_secret() -> None:
    with http_place("400") as place:
        place.said = f'{{"description": "chat not found for\n{TOKEN.reveal()}"}}'.encode()
        with pytest.raises(Undelivered) as raised:
            await receiver(place.url, token=lambda: TOKEN).send(ALERT)

    assert str(raised.value) == (
        'answered with status 400: {"description": "chat not found for ***"}'
    )


async def test_one_that_answers_nothing_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receivers, "CALL_S", 0.5)
    with http_place("hangs") as place:
        began = time.monotonic()
        with pytest.raises(Undelivered, match="no answer"):
            await receiver(place.url).send(ALERT)

    assert time.monotonic() - began < 5


async def test_a_yes_with_a_body_without_an_end_is_a_yes_and_is_not_read() -> None:
    with http_place("drips") as place:
        began = time.monotonic()
        await receiver(place.url).send(ALERT)
        took_s = time.monotonic() - began

    assert took_s < 5
    assert place.sent < 32 << 20


async def test_endless_bodies_cost_no_memory() -> None:
    with http_place("endless") as place:
        one = receiver(place.url)
        with pytest.raises(Undelivered):
            await one.send(ALERT)
        gc.collect()
        tracemalloc.start()
        for _ in range(20):
            with pytest.raises(Undelivered):
                await one.send(ALERT)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 4 << 20


async def test_a_host_that_nobody_knows_is_said() -> None:
    with pytest.raises(Undelivered, match=r"no-such-host\.invalid cannot be found"):
        await receiver("https://no-such-host.invalid/x").send(ALERT)


async def test_a_name_server_that_hangs_hangs_nobody_elses_look_ups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()
    monkeypatch.setattr(receivers, "CALL_S", 0.2)
    monkeypatch.setattr(receivers, "getaddrinfo", lambda *_: over.wait(30))
    ones = [receiver("https://slow.example/x") for _ in range(8)]

    for one in ones:
        with pytest.raises(Undelivered, match="no answer"):
            await one.send(ALERT)
    with anyio.fail_after(5):
        found = await anyio.getaddrinfo("localhost", 80)
    over.set()
    for one in ones:
        await one.aclose()

    assert found
