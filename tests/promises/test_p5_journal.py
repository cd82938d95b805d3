"""P5: the journal tells the whole story and shows damage anywhere; against a saved head it shows truncation too."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.promises.daemon import PAPER, Daemon, Refused, until

Make = Callable[..., Daemon]


@pytest.fixture
def used(make: Make) -> Daemon:
    """A daemon on the paper broker that placed and cancelled orders. It runs."""
    daemon = make(PAPER).ready()
    for n in range(5):
        daemon.place(f"k{n}", account="paper")
    daemon.call("order.cancel", account="paper", key="k0")
    return daemon


def kill_when_sealed(daemon: Daemon) -> None:
    """Once it was quiet for a second everything that was told is sealed, and the head is in the log."""
    until(lambda: daemon.journal()[-1]["seq"] in [seq for seq, _ in saved_heads(daemon)])
    daemon.kill()


def segment(daemon: Daemon) -> Path:
    return max((daemon.state / "journal").glob("*.ndjson"))


def saved_heads(daemon: Daemon) -> list[tuple[int, str]]:
    """What the system's log keeps of the journal: seq and hash at each seal."""
    events = [json.loads(line) for line in daemon.log_text().splitlines()]
    return [(event["seq"], event["hash"]) for event in events if event["event"] == "sealed"]


def test_every_order_can_be_told_from_the_journal_alone(used: Daemon) -> None:
    used.kill()
    lines = used.journal()

    stories: dict[str, list[str]] = {}
    for line in lines:
        stories.setdefault(line.get("id", ""), []).append(line["type"])
    intents = {line["key"]: line for line in lines if line["type"] == "intent"}

    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert set(intents) == {f"k{n}" for n in range(5)}
    for intent in intents.values():
        assert stories[intent["id"]][:2] == ["intent", "accepted"]
        assert intent["caller"]
        assert intent["order"]["symbol"] == "NSE:INFY"
    assert [line["order_id"] for line in lines if line["type"] == "cancel"] == [intents["k0"]["id"]]


def test_a_flipped_bit_anywhere_is_shown_and_the_daemon_does_not_start(used: Daemon) -> None:
    kill_when_sealed(used)
    file = segment(used)
    whole = file.read_bytes()

    for place in (0.02, 0.3, 0.6, 0.9):
        data = bytearray(whole)
        data[int(len(data) * place)] ^= 0x10
        file.write_bytes(data)

        report = used.verified()
        used.start()
        status = used.died()

        assert report.damage is not None
        assert status == 1
        last = used.log_text().splitlines()[-1]
        assert "damaged" in last
        assert f"{file.name}, line {report.damage.line}" in last
        assert "ordoctl journal repair" in last
        assert file.read_bytes() == data


def test_a_torn_tail_does_not_hinder_a_start_and_is_noted(used: Daemon) -> None:
    used.kill()
    file = segment(used)
    with file.open("ab") as end:
        end.write(b'{"seq":9999,"batch":99,"at":"2026-')

    used.ready()

    assert "torn" in used.records("note")[0]["text"]
    assert list((used.state / "journal").glob("torn-*"))
    assert used.call("order.get", account="paper", key="k4")["order"]["status"] in (
        "OPEN",
        "PENDING",
    )
    assert used.verified().is_good


def test_a_saved_head_shows_what_was_cut_off(used: Daemon) -> None:
    kill_when_sealed(used)
    head = saved_heads(used)[-1]
    whole = used.verified(head)
    file = segment(used)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:4]))

    without_it, with_it = used.verified(), used.verified(head)

    assert whole.is_good
    assert without_it.is_good
    assert not with_it.is_good
    assert with_it.tampered is not None
    assert str(head[0]) in with_it.tampered


def test_a_rewritten_story_does_not_fit_a_saved_head(used: Daemon, make: Make) -> None:
    kill_when_sealed(used)
    head = saved_heads(used)[-1]
    other = make(PAPER).ready()
    for n in range(9):
        other.place(f"k{n}", account="paper")
    other.kill()

    report = other.verified(head)

    assert report.damage is None
    assert not report.is_good


def test_a_copied_state_directory_starts_killed_and_says_why(used: Daemon, make: Make) -> None:
    used.kill()
    clone = make(PAPER)
    shutil.copytree(used.state, clone.state)

    clone.ready()
    status = clone.call("system.status")

    [scope] = status["kill"]["scopes"]
    assert status["state"] == "KILLED"
    assert "copy" in scope["reason"]
    assert status["todo"]
    assert killed(clone)


def test_an_older_copy_put_back_in_place_is_noticed_by_its_snapshots(used: Daemon) -> None:
    used.kill()
    journal = used.state / "journal"
    old = {file.name: file.read_bytes() for file in journal.iterdir()}
    used.ready()
    used.place("later", account="paper")
    used.stop()

    for file in journal.iterdir():
        file.unlink()
    for name, content in old.items():
        (journal / name).write_bytes(content)
    used.ready()

    assert killed(used)
    assert "cut" in used.call("system.status")["kill"]["scopes"][0]["reason"]


def test_an_older_copy_put_back_after_a_kill_is_noticed_by_the_head_kept_outside(
    used: Daemon,
) -> None:
    """No snapshot tells, the directory is the same one: only what was told and is missing."""
    kill_when_sealed(used)
    journal = used.state / "journal"
    old = {file.name: file.read_bytes() for file in journal.iterdir()}
    used.ready()
    used.place("later", account="paper")
    kill_when_sealed(used)

    for file in journal.iterdir():
        file.unlink()
    for name, content in old.items():
        (journal / name).write_bytes(content)
    used.ready()

    assert killed(used)
    assert "was told" in used.call("system.status")["kill"]["scopes"][0]["reason"]


def test_a_second_daemon_on_one_state_directory_says_one_line_and_ends(used: Daemon) -> None:
    second = Daemon(used.folder, PAPER)
    second.log = used.folder / "log-of-the-second"
    second.start()

    status = second.died()

    [line] = second.log_text().splitlines()
    assert status != 0
    assert "in use" in line
    assert str(used.state) in line
    assert used.call("system.ping")


def killed(daemon: Daemon) -> bool:
    with pytest.raises(Refused) as refused:
        daemon.place("refused", account="paper")
    return refused.value.kind == "KILLED"
