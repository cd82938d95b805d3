"""`ordoctl setup`, as somebody with an empty home meets it: a real terminal, a real daemon, a simulated broker."""

import fcntl
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ordod.io.files import filesystem_of
from ordod.sim.process import SimProcess
from ordod.sim.process import running as simulated
from ordod.sim.zerodha import App
from ordod.sim.zerodha import Client as User
from tests.ordoctl.newcomer import Newcomer, newcomer
from tests.ordoctl.person import Person

APP, USER = App(), User()
TYPED = (APP.api_key, APP.api_secret, USER.password, USER.totp_secret)
KITE = (
    "--broker",
    "zerodha",
    "--account",
    "kite",
    "--login",
    "headless",
    "--user-id",
    USER.user_id,
)
FROM_STDIN = [
    word
    for name in ("api_key", "api_secret", "password", "totp_secret")
    for word in ("--secret", f"{name}=-")
]


@pytest.fixture
def someone(tmp_path: Path) -> Iterator[Newcomer]:
    with newcomer(tmp_path) as one:
        one.secrets = TYPED
        yield one


@pytest.fixture
def broker() -> Iterator[SimProcess]:
    """One for each test: a TOTP code of one login would be refused to the next one's."""
    with simulated("--no-limits") as sim:
        yield sim


def logins(broker: SimProcess) -> int:
    """How often a password was sent to it."""
    return sum(request["path"] == "/api/login" for request in broker.requests())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# From nothing to a first order


def test_a_newcomer_who_only_presses_enter_comes_to_a_filled_paper_order(someone: Newcomer) -> None:
    with someone.at_a_terminal("setup") as person:
        person.answers("Which broker [paper]: ", "")
        person.answers("yours to choose [paper]: ", "")
        person.sees("place   an order for 1 NSE:INFY at paper: paper, no money")
        person.answers("Go on? [Y/n]: ", "")
        status = person.ends()

    assert status == 0, person.shown
    assert "FILLED" in person.shown
    assert max(map(len, person.shown.split("\n"))) <= 80 + len("\x1b[2m\x1b[0m") * 4
    assert someone.config.read_text() == '[accounts.paper]\nbroker = "paper"\n'
    assert mode(someone.config) == 0o600
    assert mode(someone.log) == 0o600
    trades = someone.json("trades")["trades"]
    assert [(trade["symbol"], trade["quantity"]) for trade in trades] == [("NSE:INFY", 1)]


def test_set_up_again_nothing_is_written_started_or_bought_twice(someone: Newcomer) -> None:
    first = someone.run("setup", "--yes", "--broker", "paper")
    content, began = someone.config.read_bytes(), someone.json("status")["started_at"]

    again = someone.run("setup", "--yes", "--broker", "paper")

    assert (first.returncode, again.returncode) == (0, 0), again.stderr
    assert "the same key is the same order" in again.stderr
    assert someone.config.read_bytes() == content
    assert someone.json("status")["started_at"] == began
    assert len(someone.json("trades")["trades"]) == 1


# A real broker's flow


def test_a_real_broker_is_logged_in_by_what_was_typed_and_only_its_funds_are_shown(
    someone: Newcomer, broker: SimProcess
) -> None:
    with someone.at_a_terminal("setup", "--base-url", broker.url) as person:
        person.answers("Which broker [paper]: ", "zerodah")
        person.sees('did you mean "zerodha"?')
        person.answers("Which broker [paper]: ", "zerodha")
        person.answers("yours to choose [zerodha]: ", "kite")
        person.answers("How it logs in [official]: ", "headless")
        person.answers("Your user id at Zerodha: ", USER.user_id)
        person.answers("api_key: ", APP.api_key)
        person.answers("api_secret: ", APP.api_secret)
        person.answers("password: ", USER.password)
        person.answers("totp_secret", "123456")
        person.sees("no code can be made of it")
        person.answers("totp_secret", USER.totp_secret)
        person.sees("good: a code can be made of it")
        person.answers("Go on? [Y/n]: ", "y")
        status = person.ends()

    assert status == 0, person.shown
    assert "kite: ACTIVE, as ZX0001" in person.shown
    assert "equity" in person.shown
    someone.no_secret_in(person.shown)
    someone.no_secret_in(someone.config.read_text())
    someone.no_secret_in(someone.log.read_text())
    assert broker.placements() == []
    assert someone.json("secret", "list")["secrets"][0]["name"] == "kite_api_key"
    assert mode(someone.key) == 0o600


def test_the_brokers_page_is_shown_and_the_address_it_ends_on_is_taken(
    someone: Newcomer, broker: SimProcess
) -> None:
    with someone.at_a_terminal("setup", "--base-url", broker.url, "--no-browser") as person:
        person.answers("Which broker [paper]: ", "zerodha")
        person.answers("yours to choose [zerodha]: ", "")
        person.answers("How it logs in [official]: ", "")
        person.answers("Your user id at Zerodha (Enter: as the login says): ", "")
        person.answers("api_key: ", APP.api_key)
        person.answers("api_secret: ", APP.api_secret)
        person.answers("Go on? [Y/n]: ", "")
        person.answers("paste the address it leads to:", broker.request_token())
        status = person.ends()

    assert status == 0, person.shown
    assert "Open http" in person.shown
    assert "zerodha: ACTIVE, as ZX0001" in person.shown


def test_a_script_gives_secrets_by_standard_input_and_a_refused_login_is_mended_by_setup_again(
    someone: Newcomer, broker: SimProcess
) -> None:
    given = ("setup", "--yes", "--base-url", broker.url, *KITE)
    wrong = [APP.api_key, APP.api_secret, "not-the-password", USER.totp_secret]

    refused = someone.run(*given, *FROM_STDIN, said="\n".join(wrong) + "\n")
    unmended = someone.run(*given)
    tried = logins(broker)
    mended = someone.run(*given, "--secret", "password=-", said=f"{USER.password}\n")

    assert (refused.returncode, unmended.returncode) == (1, 1)
    assert tried == 1  # a wrong password twice may lock the account
    assert "kite: DENIED" in refused.stderr
    assert "then: ordoctl login kite" in refused.stderr
    assert "FILLED" in refused.stdout  # the paper order needs no broker
    assert mended.returncode == 0, mended.stderr
    assert "kite: ACTIVE" in mended.stderr
    assert someone.json("status")["accounts"][1]["state"] == "ACTIVE"


def test_references_are_written_as_they_are_given(someone: Newcomer, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("123456\n")
    pin.chmod(0o600)
    someone.environment["DHAN_TOTP"] = USER.totp_secret

    done = someone.run(
        "setup", "--yes", "--no-start", "--broker", "dhan", "--user-id", "1000000001", "--base-url", "http://127.0.0.1:9",
        "--secret", f"pin=file:{pin}", "--secret", "totp_secret=env:DHAN_TOTP",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert someone.config.read_text() == (
        '[accounts.paper]\nbroker = "paper"\n\n[accounts.dhan]\nbroker = "dhan"\nuser_id = "1000000001"\n'
        'base_url = "http://127.0.0.1:9"\n'
        f'pin = "file:{pin}"\ntotp_secret = "env:DHAN_TOTP"\n'
    )
    assert "To start it: ordod --config ~/.config/ordod/ordod.conf".lower() in done.stderr.lower()
    assert not someone.socket.exists()


# Giving up


def beginning(person: Person, count: int) -> None:
    """The first so many questions of a Zerodha account answered, and the next one there."""
    questions = (
        ("Which broker", "zerodha"),
        ("yours to choose", "kite"),
        ("How it logs in", "headless"),
        ("Your user id", USER.user_id),
        ("api_key: ", APP.api_key),
        ("api_secret: ", APP.api_secret),
        ("password: ", USER.password),
        ("totp_secret", USER.totp_secret),
        ("Go on?", ""),
    )
    for question, answer in questions[:count]:
        person.answers(question, answer)
    person.sees(questions[count][0])


@pytest.mark.parametrize("answered", [0, 3, 6, 8])
def test_ctrl_c_at_a_question_leaves_nothing(someone: Newcomer, answered: int) -> None:
    with someone.at_a_terminal("setup") as person:
        beginning(person, answered)
        person.presses_ctrl_c()
        status = person.ends()

    assert status == 130
    assert "nothing was changed" in person.shown
    assert someone.files() == []


def test_a_no_at_the_end_leaves_nothing(someone: Newcomer) -> None:
    with someone.at_a_terminal("setup") as person:
        beginning(person, 8)
        person.types("n")
        status = person.ends()

    assert status == 1
    assert "nothing was changed" in person.shown
    assert someone.files() == []


# A file that is there


def test_an_account_is_added_behind_what_is_there_and_the_daemon_takes_it_over(
    someone: Newcomer,
) -> None:
    someone.config.parent.mkdir(parents=True)
    there = '# mine\r\n[daemon]   # as it was\r\nlog_level = "warning"\r\n\r\n[accounts.one]\r\nbroker = "paper" # yes'
    someone.config.write_bytes(there.encode())
    someone.config.chmod(0o640)
    someone.run("setup", "--yes", "--account", "one")
    begun = someone.json("status")["started_at"]

    added = someone.run("setup", "--yes", "--broker", "paper", "--account", "two")

    assert added.returncode == 0, added.stderr
    assert "reloaded" in added.stderr
    assert someone.config.read_bytes() == f'{there}\n\n[accounts.two]\nbroker = "paper"\n'.encode()
    assert mode(someone.config) == 0o640
    status = someone.json("status")
    assert [one["account"] for one in status["accounts"]] == ["one", "two"]
    assert status["started_at"] == begun  # it is the same daemon


def test_a_file_with_a_mistake_is_not_touched_and_every_mistake_is_told(someone: Newcomer) -> None:
    someone.config.parent.mkdir(parents=True)
    someone.config.write_text("[accounts.one]\nbrokr = 'paper'\n")

    done = someone.run("setup", "--yes", "--broker", "paper")

    assert done.returncode == 1
    assert 'ordod.conf:2: [accounts.one] unknown key "brokr"' in done.stderr.replace("\n", " ")
    assert someone.config.read_text() == "[accounts.one]\nbrokr = 'paper'\n"
    assert not someone.state.exists()


def test_another_user_at_an_account_that_is_there_is_refused(someone: Newcomer) -> None:
    someone.config.parent.mkdir(parents=True)
    someone.config.write_text('[accounts.kite]\nbroker = "zerodha"\nuser_id = "AB1234"\n')

    done = someone.run("setup", "--yes", *KITE)

    assert done.returncode == 2
    assert "an account kite with another user_id (AB1234)" in done.stderr
    assert someone.files() == [".config", ".config/ordod", ".config/ordod/ordod.conf"]


@pytest.mark.skipif(filesystem_of(Path("/dev/shm")) != "tmpfs", reason="no tmpfs at /dev/shm")
def test_a_real_account_on_a_disk_that_forgets_is_refused_before_anything_is_written(
    someone: Newcomer,
) -> None:
    someone.config.parent.mkdir(parents=True)
    there = '[daemon]\nstate_dir = "/dev/shm/ordod-of-a-test"\n'
    someone.config.write_text(there)

    done = someone.run("setup", "--yes", *KITE, *FROM_STDIN, said="\n".join(TYPED))

    assert done.returncode == 1
    assert "is on tmpfs, which may forget or be shared" in done.stderr
    assert someone.config.read_text() == there
    assert not Path("/dev/shm/ordod-of-a-test").exists()


def test_a_daemon_that_does_not_start_is_shown_with_its_own_words(someone: Newcomer) -> None:
    someone.run("setup", "--yes", "--no-start", "--broker", "paper")
    someone.state.mkdir(mode=0o700, parents=True)
    with (someone.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = someone.run("setup", "--yes", "--broker", "paper")

    assert done.returncode == 1
    assert "the daemon ended at once; it said:\nordod: state directory: " in done.stderr
    assert "is in use by another ordod" in done.stderr
    (someone.state / "lock").unlink()


# Without a person


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ((), "there is no terminal to ask at: answer by options, and say --yes"),
        (("--yes", "--broker", "zerodah"), 'did you mean "zerodha"?'),
        (("--yes", "--broker", "zerodha"), "say it with --secret api_key=-"),
        (("--yes", "--broker", "dhan"), "say it with --user-id"),
        (("--yes", "--broker", "fyers"), "say it with --option redirect_uri=VALUE"),
        (("--yes", "--account", "A B"), "a name has 1 to 32 of a-z 0-9 _ -"),
        (("--yes", "--option", "kash=1"), "knows no such name; it has cash, hours"),
        (("--yes", *KITE, "--secret", "totp_secret=-"), "no code can be made of it"),
        (("--yes", *KITE, "--secret", f"password={USER.password}"), "every user of a machine sees arguments"),
    ],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_named_with_its_option(
    someone: Newcomer, argv: tuple[str, ...], told: str
) -> None:
    is_totp = "totp_secret=-" in argv
    others = FROM_STDIN[:6] if is_totp else []

    done = someone.run("setup", *argv[:9], *others, *argv[9:], said="a\nb\nc\n123456\n")

    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert someone.files() == []
