"""`ordoctl alert test`, and what `ordoctl status` says of a receiver that gets nothing."""

import json
from typing import Any

import pytest

from ordoctl import Client
from ordoctl.cli import main
from tests.ordoctl.scripted import ScriptedDaemon

GOOD = {"receiver": "phone", "delivered": True, "problem": ""}
BAD = {"receiver": "pager", "delivered": False, "problem": "the command ended with status 3"}


@pytest.mark.parametrize(
    ("results", "status"), [([GOOD], 0), ([GOOD, BAD], 1), ([], 1)], ids=["all", "not all", "none"]
)
def test_it_is_done_where_every_receiver_was_reached(
    daemon: ScriptedDaemon,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    results: list[dict[str, Any]],
    status: int,
) -> None:
    monkeypatch.setenv("ORDOD_SOCKET", str(daemon.path))
    daemon.on("alert.test", {"results": results})

    ended = main(["alert", "test"])

    said = capsys.readouterr()
    assert ended == status
    assert all(one["receiver"] in said.out and one["problem"] in said.out for one in results)
    assert ("[alerts.NAME]" in said.err) is (not results)


def test_one_receiver_alone_can_be_tried_also_for_programs(
    daemon: ScriptedDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORDOD_SOCKET", str(daemon.path))
    daemon.on("alert.test", {"results": [BAD]})

    ended = main(["alert", "test", "pager", "--json"])

    assert ended == 1
    assert json.loads(capsys.readouterr().out) == {"results": [BAD]}
    (call,) = daemon.calls("alert.test")
    assert call["receiver"] == "pager"


def test_the_client_has_it_typed(daemon: ScriptedDaemon) -> None:
    daemon.on("alert.test", {"results": [GOOD, BAD]})

    with Client(socket=daemon.path) as client:
        tried = client.alert.test()

    assert [(one.receiver, one.delivered) for one in tried] == [("phone", True), ("pager", False)]


def test_status_says_which_receiver_gets_nothing(
    daemon: ScriptedDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORDOD_SOCKET", str(daemon.path))
    receivers = [
        {"receiver": "phone", "delivered": 3, "problem": ""},
        {"receiver": "pager", "failed": 2, "problem": "no answer within 10 s"},
    ]
    daemon.on("system.status", {"state": "READY", "alerts": {"firing": [], "receivers": receivers}})

    assert main(["status"]) == 0

    said = capsys.readouterr().out
    assert "pager gets NO ALERTS: no answer within 10 s" in said
    assert "phone" not in said
