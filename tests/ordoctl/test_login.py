"""`ordoctl login`: pages, pasted addresses, codes."""

import io
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ordoctl.asking import redirect_port
from ordoctl.cli import main
from tests.ordoctl.scripted import ScriptedDaemon

ACTIVE = {"account": "main", "state": "ACTIVE", "ask": None, "message": "until 06:00"}


def waits(kind: str, url: str | None = None) -> dict[str, Any]:
    ask = {"kind": kind, "prompt": "The code sent to your phone:", "url": url}
    return {"account": "main", "state": "WAITING_OTP", "ask": ask, "message": None}


@pytest.fixture
def login(daemon: ScriptedDaemon) -> Any:
    return lambda *argv: main(["--socket", str(daemon.path), "login", "--account", "main", *argv])


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.TextIOWrapper]:
    """The other end of standard input, a pipe."""
    theirs, ours = os.pipe()
    with open(theirs) as stdin, open(ours, "w") as keyboard:  # noqa: PTH123 - descriptors
        monkeypatch.setattr(sys, "stdin", stdin)
        yield keyboard


def test_a_login_that_needs_nobody_is_done(
    daemon: ScriptedDaemon, login: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.on("account.login", ACTIVE)

    assert login() == 0
    assert capsys.readouterr().out == "main: ACTIVE\nuntil 06:00\n"


@pytest.mark.parametrize("state", ["DENIED", "LOGGING_IN", "EXPIRED"])
def test_only_a_session_is_success(daemon: ScriptedDaemon, login: Any, state: str) -> None:
    daemon.on("account.login", {"account": "main", "state": state})

    assert login() == 1


def test_codes_are_asked_for_one_after_the_other(
    daemon: ScriptedDaemon,
    login: Any,
    typing: io.TextIOWrapper,
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon.on("account.login", waits("otp"))
    daemon.on("account.otp", waits("totp"), ACTIVE)
    typing.write("123456\n654321\n")
    typing.flush()

    status = login()

    assert status == 0
    assert daemon.calls("account.otp") == [
        {"account": "main", "otp": "123456"},
        {"account": "main", "otp": "654321"},
    ]
    assert capsys.readouterr().err.count("The code sent to your phone:") == 2


@pytest.mark.parametrize("pasted", ["https://app.example/cb?request_token=t1&status=ok", "t1"])
def test_a_pasted_address_or_token_is_sent_as_it_is(
    daemon: ScriptedDaemon, login: Any, typing: io.TextIOWrapper, pasted: str
) -> None:
    daemon.on("account.login", waits("page", "https://broker.example/login?v=3"))
    daemon.on("account.otp", ACTIVE)
    typing.write(f"{pasted}\n")
    typing.flush()

    status = login()

    assert status == 0
    assert daemon.calls("account.otp") == [{"account": "main", "otp": pasted}]


def test_a_redirect_to_this_machine_is_caught(
    daemon: ScriptedDaemon, login: Any, typing: io.TextIOWrapper, free_port: int
) -> None:
    daemon.on("account.login", waits("page", "https://broker.example/login?v=3"))
    daemon.on("account.otp", ACTIVE)
    pages: list[httpx.Response] = []

    def browse() -> None:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{free_port}",
            transport=httpx.HTTPTransport(retries=10),
            trust_env=False,
        ) as browser:
            pages.append(browser.get("/favicon.ico"))
            pages.append(browser.get("/cb?request_token=t1&status=success"))

    browser = threading.Thread(target=browse)
    browser.start()
    status = login("--listen", str(free_port))
    browser.join()

    assert status == 0
    assert daemon.calls("account.otp") == [
        {
            "account": "main",
            "otp": f"http://127.0.0.1:{free_port}/cb?request_token=t1&status=success",
        }
    ]
    assert [page.status_code for page in pages] == [404, 200]
    assert "Back to the terminal" in pages[1].text


def test_a_paste_does_as_well_while_the_redirect_is_waited_for(
    daemon: ScriptedDaemon, login: Any, typing: io.TextIOWrapper, free_port: int
) -> None:
    daemon.on("account.login", waits("page", "https://broker.example/login"))
    daemon.on("account.otp", ACTIVE)
    typing.write("t1\n")
    typing.flush()

    status = login("--listen", str(free_port))

    assert status == 0
    assert daemon.calls("account.otp")[0]["otp"] == "t1"


def test_who_answers_nothing_is_told_what_is_still_waited_for(
    daemon: ScriptedDaemon,
    login: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon.on("account.login", waits("otp"))
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    assert login() == 2
    assert "main still waits: The code sent to your phone:" in capsys.readouterr().err
    assert len(daemon.received) == 1


def test_a_login_that_asks_for_ever_is_left(
    daemon: ScriptedDaemon, login: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.on("account.login", waits("otp"))
    daemon.on("account.otp", waits("otp"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n" * 20))

    assert login() == 1
    assert len(daemon.calls("account.otp")) == 5


def test_json_gives_the_state(
    daemon: ScriptedDaemon, login: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.on("account.login", ACTIVE)

    login("--json")

    assert json.loads(capsys.readouterr().out)["state"] == "ACTIVE"


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://b.example/auth?redirect_uri=http%3A%2F%2F127.0.0.1%3A8765%2Fcb", 8765),
        ("https://b.example/auth?redirect_uri=http://localhost:9000", 9000),
        ("https://b.example/auth?redirect_url=http://localhost/cb", 80),
        ("https://b.example/auth?redirect_uri=https://127.0.0.1:1/cb", None),
        ("https://b.example/auth?redirect_uri=http://elsewhere.example/cb", None),
        ("https://b.example/auth?redirect_uri=http://localhost:x/", None),
        ("https://b.example/connect/login?v=3&api_key=k", None),
        ("", None),
        ("http://[", None),
    ],
)
def test_the_page_tells_where_it_redirects_to(url: str, port: int | None) -> None:
    assert redirect_port(url) == port
