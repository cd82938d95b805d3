"""`ordoctl token`, as a person runs it, with no daemon there; and the rules of `--url` and of where a token is taken from."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import ordoctl as package
from ordoctl.cli import main
from ordoctl.commands.terminal import Misuse
from ordoctl.commands.token import _end
from ordoctl.endpoint import TcpEndpoint, UnixEndpoint, endpoint_of
from ordoctl.ist import IST

NOW = datetime(2026, 11, 23, 9, 15, tzinfo=IST)


class Machine:
    """A configuration, and the command's answers."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.state = folder / "state"
        self.config = folder / "ordod.conf"
        self.config.write_text(
            f'[daemon]\nstate_dir = "{self.state}"\ntcp = "127.0.0.1:7878"\n[accounts.paper]\nbroker = "paper"\n[accounts.second]\nbroker = "paper"\n'
        )
        self.config.chmod(0o600)

    def run(self, *argv: str) -> tuple[int, str, str]:
        status = main(["token", *argv, "--config", str(self.config)])
        said = self._capsys.readouterr()
        return status, said.out, said.err


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, capsys)


@pytest.fixture(autouse=True)
def _no_daemon_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "SOCKET", "TOKEN", "CA", "CLIENT_CERT", "CLIENT_KEY"):
        monkeypatch.delenv(f"ORDOD_{name}", raising=False)


def test_a_token_is_printed_once_and_nothing_else_with_it(machine: Machine) -> None:
    status, out, err = machine.run("new", "scalper", "trade")
    listed = machine.run("list")[1] + machine.run("list", "--json")[1]

    token = out.strip()
    assert status == 0
    assert token.startswith("ordo_")
    assert out == f"{token}\n"
    assert "not shown again" in err
    assert "scalper" in listed
    assert token not in listed
    assert token not in (machine.state / "tokens.json").read_text()


def test_a_token_may_be_for_some_accounts_only(machine: Machine) -> None:
    machine.run("new", "bot", "trade", "paper", "second=read")

    (token,) = json.loads(machine.run("list", "--json")[1])["tokens"]
    assert token["role"] == "nobody"
    assert token["accounts"] == {"paper": "trade", "second": "read"}
    assert "paper=trade, second=read" in machine.run("list")[1]


@pytest.mark.parametrize(
    ("argv", "status", "word"),
    [
        (["new", "bot", "trade", "papr"], 1, 'did you mean "paper"?'),
        (["new", "bot", "trade", "paper=owner"], 2, "read, trade, admin"),
        (["new", "bot", "trade", "--account", "paper"], 2, "ordoctl token new bot trade paper"),
        (["new", "bot", "trade", "--expires", "soon"], 2, "--expires soon"),
        (["new", "bot", "trade", "--expires", "2020-01-01"], 2, "is past"),
        (["new", "a bot", "trade"], 1, "1 to 32"),
        (["revoke", "bot"], 1, "there is no token bot"),
    ],
)
def test_what_cannot_be_is_told_and_no_token_is_made(
    machine: Machine, argv: list[str], status: int, word: str
) -> None:
    done, out, err = machine.run(*argv)

    assert (done, out) == (status, "")
    assert word in err
    assert json.loads(machine.run("list", "--json")[1]) == {"tokens": []}


def test_a_revoked_token_is_listed_no_more(machine: Machine) -> None:
    machine.run("new", "bot", "admin")

    status, _, err = machine.run("revoke", "bot")

    assert (status, "opens nothing from now on" in err) == (0, True)
    assert "no tokens" in machine.run("list")[1]


def test_a_token_lasts_to_the_end_of_a_day_in_india() -> None:
    night = timedelta(hours=14, minutes=44, seconds=59)

    assert _end("90d", NOW) == NOW + timedelta(days=90) + night
    assert _end("2026-11-23", NOW) == NOW + night
    assert _end("12h", NOW) == NOW + timedelta(hours=12)
    assert _end("never", NOW) is None
    for text in ("", "0d", "-1d", "90", "1w", "2026-11-22", "2026-13-01"):
        with pytest.raises(Misuse):
            _end(text, NOW)


# Where the daemon is


@pytest.mark.parametrize(
    ("url", "host", "port", "is_tls"),
    [
        ("tls://ordo.example:7878", "ordo.example", 7878, True),
        ("tls://[2001:db8::1]:7878/", "2001:db8::1", 7878, True),
        ("tcp://127.0.0.1:7878", "127.0.0.1", 7878, False),
        ("tcp://localhost:1", "localhost", 1, False),
        ("tcp://[::1]:7878", "::1", 7878, False),
    ],
)
def test_a_url_names_host_port_and_whether_it_is_tls(
    url: str, host: str, port: int, is_tls: bool
) -> None:
    place = endpoint_of(None, url)

    assert isinstance(place, TcpEndpoint)
    assert (place.host, place.port, place.is_tls) == (host, port, is_tls)
    assert str(place) == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("ordo.example:7878", "tls://HOST:PORT"),
        ("https://ordo.example:7878", "tls://HOST:PORT"),
        ("tls://ordo.example", "tls://HOST:PORT"),
        ("tls://ordo.example:x", "tls://HOST:PORT"),
        ("tls://:7878", "tls://HOST:PORT"),
        ("tls://ordo.example:7878/rpc", "tls://HOST:PORT"),
        ("tcp://ordo.example:7878", "use tls://ordo.example:7878"),
        ("tcp://127.evil.example:7878", "use tls://"),
        ("tls://ordo_secret@ordo.example:7878", "$ORDOD_TOKEN"),
    ],
)
def test_another_url_is_refused_before_anything_is_sent(
    url: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="tls://") as caught:
        package.Client(url=url)
    with pytest.raises(ValueError, match="tls://"):
        package.AsyncClient(url=url)
    status = main(["--url", url, "status"])

    assert word in str(caught.value)
    assert status == 2
    assert word in capsys.readouterr().err
    assert "ordo_secret" not in str(caught.value)


def test_a_socket_and_a_url_are_two_places() -> None:
    with pytest.raises(ValueError, match="two places"):
        package.Client("/run/ordod.sock", url="tcp://127.0.0.1:7878")


def test_the_environment_names_a_place_where_no_argument_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORDOD_URL", "tls://ordo.example:7878")
    monkeypatch.setenv("ORDOD_SOCKET", "/a.sock")

    assert isinstance(endpoint_of(None, None), TcpEndpoint)
    named = endpoint_of("/b.sock", None)
    assert isinstance(named, UnixEndpoint)
    assert str(named) == "/b.sock"
    monkeypatch.delenv("ORDOD_URL")
    assert str(endpoint_of(None, None)) == "/a.sock"


# Where the token is


def test_a_token_comes_from_the_caller_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "tcp://127.0.0.1:1"
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text("ordo_file\n")
    monkeypatch.setenv("ORDOD_TOKEN", "ordo_env")

    def token(**given: str | Path) -> str:
        place = endpoint_of(None, url, **given)  # type: ignore[arg-type]
        assert isinstance(place, TcpEndpoint)
        assert "ordo_" not in repr(place)
        return place.token()

    assert token() == "ordo_env"
    assert token(token="ordo_given") == "ordo_given"
    assert token(token_file=file) == "ordo_file"
    file.write_text("ordo_new\n")
    assert token(token_file=file) == "ordo_new"


def test_without_a_usable_token_nothing_is_sent_and_it_is_told_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "tcp://127.0.0.1:1"
    readable, empty = tmp_path / "readable", tmp_path / "empty"
    readable.write_text("ordo_x")
    readable.chmod(0o644)
    empty.touch(0o600)

    for more, word in (
        ([], "$ORDOD_TOKEN"),
        (["--token-file", str(readable)], f"chmod 600 {readable}"),
        (["--token-file", str(empty)], "there is no token"),
        (["--token-file", str(tmp_path / "none")], "No such file"),
    ):
        status = main(["--url", url, *more, "status"])
        said = capsys.readouterr().err
        assert (status, "UNAUTHENTICATED" in said, word in said) == (1, True, True), said
    with package.Client(url=url) as client, pytest.raises(package.NotAllowed):
        client.system.ping()
    with (
        package.Client(url=url) as client,
        client.events(["orders"]) as events,
        pytest.raises(package.NotAllowed),
    ):
        next(events)


def test_a_missing_ca_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text("ordo_x")

    status = main(["--url", "tls://127.0.0.1:1", "--token-file", str(file), "--ca", str(tmp_path / "ca"), "status"])  # fmt: skip

    assert status == 3
    assert f"--ca: {tmp_path / 'ca'}: No such file" in capsys.readouterr().err
