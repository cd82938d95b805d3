"""Websockets to a broker: opened once, to one address, and what becomes of them told in words that hold no token."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from ordod.adapter import StreamRequest
from ordod.core.ports import FeedLost, LineSettings
from ordod.io.feeds import WebsocketFeed, WebsocketFeeds
from ordod.paper import PAPER

TOKEN = "a-token-that-nobody-sees"
ASKED = StreamRequest("ws", "/feed", (("X-Version", "3"),), (("access_token", TOKEN),))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Far:
    """A broker: what it was asked, and what it says."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.said: list[str | bytes] = []
        self.says: list[str | bytes] = []
        self.answer: tuple[int, dict[str, str]] | None = None
        self.ends_with: tuple[int, str] | None = None
        self.url = ""
        self.port = 0

    def decide(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if self.answer is None:
            return None
        status, headers = self.answer
        response = connection.respond(status, "no")
        for name, value in headers.items():
            response.headers[name] = value
        return response

    async def talk(self, connection: ServerConnection) -> None:
        for frame in self.says:
            await connection.send(frame)
        if self.ends_with is not None:
            await connection.close(*self.ends_with)
        async for frame in connection:
            self.said.append(frame)


@asynccontextmanager
async def broker(far: Far, tls: ssl.SSLContext | None = None) -> AsyncIterator[Far]:
    async with serve(
        far.talk, "127.0.0.1", 0, process_request=far.decide, ssl=tls, compression=None
    ) as server:
        far.port = server.sockets[0].getsockname()[1]
        far.url = f"{'https' if tls else 'http'}://localhost:{far.port}"
        yield far


def settings(url: str, **more: str) -> LineSettings:
    return LineSettings(account="acc", urls={"ws": url}, **more)


async def opened(far: Far, feeds: WebsocketFeeds | None = None) -> WebsocketFeed:
    feed = await (feeds or WebsocketFeeds()).open(PAPER.spec, settings(far.url), ASKED)
    assert isinstance(feed, WebsocketFeed)
    return feed


async def test_frames_go_both_ways_as_they_are() -> None:
    far = Far()
    far.says = ["a text", b"\x00\x01"]
    async with broker(far):
        feed = await opened(far)
        await feed.send("subscribe")
        await feed.send(b"\x02")

        assert [await feed.receive(), await feed.receive()] == far.says
        await feed.aclose()

    assert far.said == ["subscribe", b"\x02"]
    (request,) = far.requests
    assert request.path == f"/feed?access_token={TOKEN}"
    assert request.headers["X-Version"] == "3"
    assert request.headers["User-Agent"].startswith("ordod/")


@pytest.mark.parametrize("target", ["/feeds?requestId=1&code=a%2Fb/", "/feeds/", "/?code=x", "/"])
async def test_an_address_that_the_broker_named_is_asked_for_to_the_letter(target: str) -> None:
    async with broker(Far()) as far:
        named = StreamRequest(far.url.replace("http", "ws") + target)

        feed = await WebsocketFeeds().open(PAPER.spec, settings(far.url), named)

        assert far.requests[0].path == target
        await feed.aclose()


async def test_a_refusal_tells_its_status_and_no_token() -> None:
    far = Far()
    far.answer = (403, {})
    async with broker(far):
        with pytest.raises(FeedLost) as raised:
            await opened(far)

    assert raised.value.status == 403
    assert TOKEN not in str(raised.value)


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    far, elsewhere = Far(), Far()
    async with broker(far), broker(elsewhere):
        far.answer = (302, {"Location": f"ws://localhost:{elsewhere.port}/"})
        with pytest.raises(FeedLost) as raised:
            await opened(far)

    assert raised.value.status == 302
    assert len(far.requests) == 1
    assert elsewhere.requests == []


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "ws_proxy", "wss_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    far = Far()
    far.says = ["here"]
    async with broker(far):
        feed = await opened(far)

        assert await feed.receive() == "here"
        await feed.aclose()


async def test_what_is_not_there_is_lost_without_an_address_in_the_words() -> None:
    far = Far()
    async with broker(far):
        pass
    with pytest.raises(FeedLost) as raised:
        await opened(far)

    assert raised.value.status is None
    assert TOKEN not in str(raised.value)


async def test_an_end_is_told_in_the_brokers_words() -> None:
    far = Far()
    far.ends_with = (1008, "session expired")
    async with broker(far):
        feed = await opened(far)
        with pytest.raises(FeedLost, match=r"1008, session expired"):
            await feed.receive()
        with pytest.raises(FeedLost):
            await feed.send("more")
        await feed.aclose()


async def test_tls_names_are_checked() -> None:
    authority = trustme.CA()
    right, wrong = authority.issue_cert("localhost"), authority.issue_cert("elsewhere.example")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    for certificate, is_good in ((right, True), (wrong, False)):
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(served)
        far = Far()
        far.says = ["here"]
        async with broker(far, served):
            if is_good:
                feed = await opened(far, WebsocketFeeds(context))
                assert await feed.receive() == "here"
                await feed.aclose()
            else:
                with pytest.raises(FeedLost):
                    await opened(far, WebsocketFeeds(context))
