"""TCP as a client and an operator see it: tokens, TLS, what is refused, and that nothing secret is written down (WIRE 1, 7, 8)."""

import json
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

import ordoctl as package
from ordod.tokens import TokenFile, TokenRole, token_path
from tests.acceptance.daemon import Daemon, running
from tests.acceptance.remote import Certificates, Lines, free_port, issue, ordoctl

PAPER = '[accounts.paper]\nbroker = "paper"\n[accounts.second]\nbroker = "paper"\n'
TERMS: dict[str, Any] = {
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 1,
    "type": "MARKET",
    "product": "CNC",
}


class Remote:
    """A daemon with TCP, and what is needed to get in."""

    def __init__(self, daemon: Daemon, port: int, certificates: Certificates | None) -> None:
        self.daemon = daemon
        self.port = port
        self.certificates = certificates
        self.config = daemon.folder / "ordod.conf"
        self.url = f"{'tls' if certificates else 'tcp'}://localhost:{port}"
        self.context = certificates.context() if certificates else None

    def issue(self, *arguments: str) -> str:
        return issue(self.config, *arguments)

    def lines(self, token: str | None = None) -> Lines:
        lines = Lines(self.port, self.context)
        if token is not None:
            lines.ask("system.authenticate", token=token)
        return lines

    def ctl(self, token: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        more = ["--ca", str(self.certificates.ca_file)] if self.certificates else []
        return ordoctl("--url", self.url, *more, *arguments, environment={"ORDOD_TOKEN": token})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    port = free_port()
    config = f'tcp = "127.0.0.1:{port}"\n{PAPER}'
    with running(tmp_path_factory.mktemp("plain"), config) as daemon:
        yield Remote(daemon, port, None)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    folder, port = tmp_path_factory.mktemp("secure"), free_port()
    certificates = Certificates(folder / "tls", "localhost", "127.0.0.1")
    # Every address of this machine: what needs TLS.
    config = f'tcp = "0.0.0.0:{port}"\ntls_cert = "{certificates.cert}"\ntls_key = "file:{certificates.key}"\n{PAPER}'
    with running(folder, config) as daemon:
        yield Remote(daemon, port, certificates)


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    folder, port = tmp_path_factory.mktemp("mutual"), free_port()
    certificates = Certificates(folder / "tls", "localhost")
    config = (
        f'tcp = "localhost:{port}"\ntls_cert = "{certificates.cert}"\ntls_key = "file:{certificates.key}"\n'
        f'tls_client_ca = "{certificates.ca_file}"\n{PAPER}'
    )
    with running(folder, config) as daemon:
        yield Remote(daemon, port, certificates)


_NUMBERS = iter(range(10_000))


@pytest.fixture
def name() -> str:
    return f"bot-{next(_NUMBERS)}"


# An order over the wire


def test_an_order_is_placed_over_tls_by_the_command_and_journaled_with_the_tokens_name(
    secure: Remote, name: str
) -> None:
    token = secure.issue(name, "trade")

    done = secure.ctl(token, "--json", "--account", "paper", "place", "buy", "1", "NSE:INFY", "--product", "CNC", "--key", name)  # fmt: skip
    again = secure.ctl(token, "order", "--account", "paper", "--key", name)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["order"]["key"] == name
    assert again.returncode == 0
    records = [json.loads(line) for line in secure.daemon.journal().splitlines()]
    (intent,) = [each for each in records if each["type"] == "intent" and each["key"] == name]
    assert intent["caller"] == f"token:{name}"


@pytest.mark.parametrize("house", ["plain", "secure"])
def test_the_python_clients_work_over_tcp_and_follow_events(
    house: str, name: str, request: pytest.FixtureRequest
) -> None:
    remote: Remote = request.getfixturevalue(house)
    token = remote.issue(name, "trade")
    ca = remote.certificates.ca_file if remote.certificates else None

    with package.Client(url=remote.url, token=token, ca=ca) as client:
        with client.events(["orders"], accounts=["paper"]) as events:
            assert next(events).topic == "snapshot"
            order = client.order.place("paper", "NSE:INFY", "BUY", 1, "MARKET", "CNC", key=f"{name}-s")  # fmt: skip
            heard = next(each.order for each in events if each.order)
        assert heard.key == order.key == f"{name}-s"

    async def awaited() -> None:
        async with (
            package.AsyncClient(url=remote.url, token=token, ca=ca) as client,
            client.events(["orders"], accounts=["paper"]) as events,
        ):
            assert (await anext(events)).topic == "snapshot"
            await client.order.place("paper", "NSE:INFY", "BUY", 1, "MARKET", "CNC", key=f"{name}-a")  # fmt: skip
            heard = set()
            while f"{name}-a" not in heard:
                event = await anext(events)
                heard |= {event.order.key} if event.order else set()

    anyio.run(awaited)


def test_watch_follows_events_over_tls(secure: Remote, name: str) -> None:
    token = secure.issue(name, "trade")
    with secure.daemon.connect() as client:
        client.ask("order.place", account="paper", key=name, **TERMS)

        done = secure.ctl(token, "watch", "orders", "NSE:INFY", "--limit", "1")

    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_clients_come_back_by_themselves_after_a_restart(tmp_path: Path) -> None:
    port = free_port()
    certificates = Certificates(tmp_path / "tls", "localhost")
    config = f'tcp = "localhost:{port}"\ntls_cert = "{certificates.cert}"\ntls_key = "file:{certificates.key}"\n{PAPER}'
    with running(tmp_path / "ordod", config) as daemon:
        remote = Remote(daemon, port, certificates)
        token = remote.issue("bot", "trade")

        async def across() -> None:
            async with package.AsyncClient(
                url=remote.url, token=token, ca=certificates.ca_file
            ) as awaited:
                await awaited.system.ping()
                await anyio.to_thread.run_sync(daemon.stop)
                await anyio.to_thread.run_sync(daemon.start)
                assert await awaited.system.ping()

        with (
            package.Client(url=remote.url, token=token, ca=certificates.ca_file) as client,
            client.events(["orders"]) as events,
        ):
            next(events)
            placed = client.order.place("paper", "NSE:INFY", "BUY", 1, "MARKET", "CNC", key="a")
            anyio.run(across)
            again = client.order.place("paper", "NSE:INFY", "BUY", 1, "MARKET", "CNC", key="a")
            while next(events).topic != "snapshot":  # a new daemon keeps no older events
                pass
            client.order.place("paper", "NSE:INFY", "BUY", 1, "MARKET", "CNC", key="b")
            event = next(events)

    assert again.order_id == placed.order_id
    assert event.order is not None
    assert event.order.key == "b"


# TLS


def only(context: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    """It speaks this old version, with whatever ciphers there are."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")


def test_no_older_tls_than_1_2_is_spoken_by_either_side(secure: Remote) -> None:
    assert secure.certificates is not None
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        old = secure.certificates.context()
        only(old, version)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            Lines(secure.port, old)

    new = secure.certificates.context()
    new.maximum_version = ssl.TLSVersion.TLSv1_2
    with Lines(secure.port, new) as two, Lines(secure.port, secure.context) as three:
        assert (two.link.version(), three.link.version()) == ("TLSv1.2", "TLSv1.3")  # type: ignore[attr-defined]
        assert two.link.cipher()[0].startswith("ECDHE")  # type: ignore[attr-defined]


def impostor(context: ssl.SSLContext) -> tuple[socket.socket, Callable[[], bytes]]:
    """A server that is not ordod, and what it heard from the one client that comes."""
    import threading

    listener = socket.create_server(("127.0.0.1", 0))
    heard = bytearray()

    def serve() -> None:
        link, _ = listener.accept()
        try:
            with context.wrap_socket(link, server_side=True) as spoken:
                heard.extend(spoken.recv(4096))
        except OSError:
            link.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def told() -> bytes:
        thread.join(30)
        listener.close()
        return bytes(heard)

    return listener, told


def ping(client: str, url: str, ca: Path) -> None:
    if client == "sync":
        package.Client(url=url, token="ordo_secret", ca=ca, timeout=2).system.ping()
    else:
        anyio.run(package.AsyncClient(url=url, token="ordo_secret", ca=ca, timeout=2).system.ping)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [("ca", "not trusted"), ("host", "not trusted"), ("version", "TLS failed")],
)
def test_a_client_shows_its_token_to_no_impostor(tmp_path: Path, wrong: str, word: str) -> None:
    ca, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer = other if wrong == "ca" else ca
    signer.issue_cert("evil.example" if wrong == "host" else "localhost").configure_cert(context)
    if wrong == "version":
        only(context, ssl.TLSVersion.TLSv1_1)
    ca.cert_pem.write_to_path(tmp_path / "ca.crt")

    for client in ("sync", "async"):
        listener, told = impostor(context)
        url = f"tls://localhost:{listener.getsockname()[1]}"
        with pytest.raises(package.NoDaemon) as caught:
            ping(client, url, tmp_path / "ca.crt")

        assert word in caught.value.message, client
        assert "ordo_secret" not in caught.value.message
        assert told() == b""


def test_what_is_said_in_the_clear_to_tls_is_not_heard(secure: Remote, name: str) -> None:
    token = secure.issue(name, "trade")

    with Lines(secure.port) as lines, pytest.raises((ConnectionError, ValueError)):
        lines.ask("system.authenticate", token=token)
    client = package.Client(url=f"tcp://127.0.0.1:{secure.port}", token=token, timeout=2)
    with client, pytest.raises(package.NoDaemon, match="tls://"):
        client.system.ping()


def test_a_client_that_wants_tls_is_told_that_there_is_none(plain: Remote) -> None:
    url = plain.url.replace("tcp://", "tls://")

    client = package.Client(url=url, token="x", timeout=2)
    with client, pytest.raises(package.NoDaemon, match=r"hung up|TLS"):
        client.system.ping()


def test_without_a_clients_certificate_a_token_is_not_even_looked_at(
    mutual: Remote, name: str
) -> None:
    assert mutual.certificates is not None
    token = mutual.issue(name, "read")
    stranger = trustme.CA().issue_cert("bot@ordo.example")
    forged = mutual.certificates.context()
    stranger.configure_cert(forged)

    for context in (mutual.certificates.context(), forged):
        with pytest.raises(OSError), Lines(mutual.port, context) as lines:  # noqa: PT011 - of TLS, or a reset
            lines.ask("system.authenticate", token=token)
    with Lines(mutual.port, mutual.certificates.context(client=True)) as lines:
        assert lines.kind("system.authenticate", token="wrong") == "UNAUTHENTICATED"
    with Lines(mutual.port, mutual.certificates.context(client=True)) as lines:
        assert lines.ask("system.authenticate", token=token)["role"] == "read"


def test_the_clients_show_their_certificate_and_say_so_where_it_is_missing(
    mutual: Remote, name: str
) -> None:
    assert mutual.certificates is not None
    token = mutual.issue(name, "read")

    done = mutual.ctl(token, "--client-cert", str(mutual.certificates.client_cert), "status")
    without = mutual.ctl(token, "status")

    async def awaited() -> None:
        client = package.AsyncClient(url=mutual.url, token=token, ca=mutual.certificates.ca_file)  # type: ignore[union-attr]
        with pytest.raises(package.NoDaemon, match="--client-cert"):
            await client.system.ping()

    anyio.run(awaited)
    assert done.returncode == 0, done.stderr
    assert without.returncode == 3
    assert "--client-cert" in without.stderr


def test_a_new_certificate_is_taken_at_a_reload_and_a_bad_one_is_refused(
    tmp_path: Path,
) -> None:
    port = free_port()
    certificates = Certificates(tmp_path / "tls", "localhost", "old.example")
    config = f'tcp = "localhost:{port}"\ntls_cert = "{certificates.cert}"\ntls_key = "file:{certificates.key}"\n{PAPER}'
    with (
        running(tmp_path / "ordod", config) as daemon,
        Lines(port, certificates.context(), name="old.example") as stays,
        daemon.connect() as admin,
    ):
        certificates.issue("localhost", "new.example")
        admin.ask("system.reload")
        Lines(port, certificates.context(), name="new.example").close()
        certificates.key.write_text("no key")
        error = admin.refused("system.reload")
        Lines(port, certificates.context(), name="new.example").close()
        token = issue(daemon.folder / "ordod.conf", "bot", "read")
        assert stays.ask("system.authenticate", token=token)

    assert error["data"]["kind"] == "INVALID_PARAMS"
    assert "tls.key" in error["message"]


# Tokens


def test_a_token_opens_its_accounts_and_no_others(plain: Remote, name: str) -> None:
    token = plain.issue(name, "trade", "paper", "second=read")

    with plain.lines(token) as lines:
        assert lines.ask("order.place", account="paper", key=name, **TERMS)
        assert "orders" in lines.ask("order.list", account="second")
        assert lines.kind("order.place", account="second", key=name, **TERMS) == "FORBIDDEN"
        assert lines.kind("system.reload") == "FORBIDDEN"
        assert lines.kind("kill.engage") == "FORBIDDEN"


@pytest.mark.parametrize("wrong", ["", "ordo_", "ordo_" + "x" * 43, "x" * 5000, "é\u0000"])
def test_a_wrong_token_opens_nothing(plain: Remote, wrong: str) -> None:
    with plain.lines() as lines:
        answer = lines.answer("system.authenticate", token=wrong)
        assert answer["error"]["data"]["kind"] in ("UNAUTHENTICATED", "INVALID_PARAMS")
        assert lines.is_over()
        if wrong:
            assert wrong not in json.dumps(answer, ensure_ascii=False)


def test_an_expired_token_is_told_so_and_opens_nothing(plain: Remote, name: str) -> None:
    file = TokenFile(token_path(plain.daemon.state))
    ended, _ = file.make(name, TokenRole.TRADE, {}, datetime.now(UTC) - timedelta(seconds=1))

    with plain.lines() as lines:
        error = lines.answer("system.authenticate", token=ended)["error"]

    assert error["data"]["kind"] == "UNAUTHENTICATED"
    assert f"token:{name} has expired" in error["message"]
    assert "ordoctl token new" in error["message"]


def test_a_token_that_expires_while_it_is_used_opens_nothing_more(plain: Remote, name: str) -> None:
    file = TokenFile(token_path(plain.daemon.state))
    ends_at = datetime.now(UTC) + timedelta(seconds=3)
    token, _ = file.make(name, TokenRole.TRADE, {}, ends_at)

    with plain.lines(token) as lines:
        assert lines.ask("system.ping")
        while datetime.now(UTC) <= ends_at:
            time.sleep(0.1)
        try:
            answer = lines.answer("order.place", account="paper", key=name, **TERMS)
        except (ConnectionError, OSError):
            answer = None  # it was hung up on already

    assert answer is None or answer["error"]["data"]["kind"] == "UNAUTHENTICATED"
    with plain.daemon.connect() as owner:
        assert owner.refused("order.get", account="paper", key=name)


def test_a_revoked_token_is_refused_at_once_and_what_it_has_open_is_closed(
    plain: Remote, name: str
) -> None:
    token = plain.issue(name, "trade")
    with plain.lines(token) as follows, plain.lines(token) as asks:
        follows.ask("events.subscribe", topics=["orders"])

        done = ordoctl("token", "revoke", name, "--config", str(plain.config))
        try:
            answer = asks.answer("order.place", account="paper", key=name, **TERMS)
        except (ConnectionError, OSError):
            answer = None  # the sweep was quicker

        assert done.returncode == 0
        assert answer is None or answer["error"]["data"]["kind"] == "UNAUTHENTICATED"
        assert follows.is_over()
    with plain.lines() as lines:
        assert lines.kind("system.authenticate", token=token) == "UNAUTHENTICATED"
    with plain.daemon.connect() as owner:
        assert owner.refused("order.get", account="paper", key=name)


def test_an_admins_calls_are_journaled_by_the_tokens_name(plain: Remote, name: str) -> None:
    with plain.lines(plain.issue(name, "admin")) as lines:
        lines.ask("system.reload")
        lines.ask("kill.engage", reason="a test")
        lines.ask("kill.release", reason="a test")

    records = [json.loads(line) for line in plain.daemon.journal().splitlines()]
    types = {each["type"] for each in records if each.get("caller") == f"token:{name}"}
    assert types == {"kill", "release"}


def test_wrong_tokens_of_an_address_wait_and_a_good_one_does_not(secure: Remote, name: str) -> None:
    token = secure.issue(name, "read")
    waits = []
    for _ in range(4):
        with Lines(secure.port, secure.context, source="127.0.0.9", host="127.0.0.1") as lines:
            began = time.monotonic()
            lines.answer("system.authenticate", token="wrong")
            waits.append(time.monotonic() - began)

    assert waits[3] >= 0.8
    with Lines(secure.port, secure.context, source="127.0.0.9") as lines:
        assert lines.ask("system.authenticate", token=token)
    with secure.daemon.connect() as owner:
        assert owner.ask("system.ping")


def test_nothing_secret_is_in_log_journal_or_state(secure: Remote, name: str) -> None:
    token = secure.issue(name, "admin")
    wrong = "ordo_" + "w" * 43
    with secure.lines(token) as lines:
        lines.ask("system.reload")
        lines.answer("system.authenticate", token=token)
        shown = json.dumps(lines.ask("system.config"))
    with secure.lines() as lines:
        lines.answer("system.authenticate", token=wrong)
    with secure.lines() as lines:
        lines.answer("system.authenticate", token={"a": wrong})
    assert secure.certificates is not None
    key = secure.certificates.key.read_text().splitlines()[1]

    written = [secure.daemon.log(), secure.daemon.journal(), shown]
    written += [
        each.read_bytes().decode("latin-1")
        for each in secure.daemon.state.rglob("*")
        if each.is_file()
    ]
    for secret in (token, token.removeprefix("ordo_"), wrong, key):
        assert not any(secret in each for each in written)
    assert f"token:{name}" in secure.daemon.log()


# HTTP


def test_http_over_tls_wants_token_and_host_and_no_page(secure: Remote, name: str) -> None:
    token = secure.issue(name, "read")

    def get(*more: str) -> int:
        with Lines(secure.port, secure.context) as lines:
            head = "\r\n".join(["GET /healthz HTTP/1.1", *more, "Connection: close", "", ""])
            lines.link.sendall(head.encode())
            return int(lines._file.readline().split()[1])

    bearer = f"Authorization: Bearer {token}"
    assert get("Host: localhost", bearer) == 200
    assert get(f"Host: 127.0.0.1:{secure.port}", bearer) == 200
    assert get("Host: localhost") == 401
    assert get("Host: localhost", bearer, "Origin: https://localhost") == 403
    assert get("Host: evil.example", bearer) == 421


# Start and check


def checked(folder: Path, config: str) -> "subprocess.CompletedProcess[str]":
    file = folder / "ordod.conf"
    file.write_text(f'[daemon]\nstate_dir = "{folder / "state"}"\n{config}')
    file.chmod(0o600)
    command = [sys.executable, "-m", "ordod", "check", "--config", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_plain_tcp_off_this_machine_is_refused_by_check_and_at_the_start(tmp_path: Path) -> None:
    config = f'tcp = "0.0.0.0:{free_port()}"\n{PAPER}'

    check = checked(tmp_path, config)
    command = [sys.executable, "-m", "ordod", "--config", str(tmp_path / "ordod.conf")]
    start = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    for done in (check, start):
        assert done.returncode == 1
        assert "ordod.conf:3: [daemon] tcp" in done.stderr
        assert "tls_cert" in done.stderr


def test_check_reads_the_certificate_and_says_what_is_still_to_do(tmp_path: Path) -> None:
    good = Certificates(tmp_path / "good", "localhost")
    config = f'tcp = "0.0.0.0:7878"\ntls_cert = "{good.cert}"\ntls_key = "file:{good.key}"\n{PAPER}'

    first = checked(tmp_path, config)
    good.key.chmod(0o644)
    second = checked(tmp_path, config)

    assert (first.returncode, "ordoctl token new" in first.stderr) == (0, True)
    assert (second.returncode, f"chmod 600 {good.key}" in second.stderr) == (1, True)
