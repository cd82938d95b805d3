"""Clients that others wrote, unchanged, against the real daemon: jsonrpcclient from Python, jayson from Node."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonrpcclient import Error, Ok, parse
from jsonrpcclient import request as make

from tests.acceptance.daemon import Client, Daemon
from tests.vendor import environments

TERMS: dict[str, Any] = {
    "account": "paper",
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 1,
    "type": "MARKET",
    "product": "CNC",
}
SCRIPT = """
const jayson = require("jayson/promise");
const [path, terms, ...keys] = process.argv.slice(2);
const order = (key) => ({ ...JSON.parse(terms), key });
const clients = { lines: jayson.Client.tcp({ path }), http: jayson.Client.http({ socketPath: path, path: "/rpc" }) };
async function talk(client, key) {
  const placed = await client.request("order.place", order(key));
  const again = await client.request("order.place", order(key));
  const refused = await client.request("order.place", { ...order(key), quantity: 2 });
  const batch = await client.request([
    client.request("order.get", { account: "paper", key }, undefined, false),
    client.request("no.such", {}, undefined, false),
    client.request("system.ping", {}, null, false),
    client.request("order.get", { account: "paper", key: 5 }, undefined, false),
  ]);
  return { placed, again, refused, batch };
}
(async () => {
  const heard = {};
  for (const [name, client] of Object.entries(clients)) heard[name] = await talk(client, keys.shift());
  console.log(JSON.stringify(heard));
})().catch((error) => { console.error(error); process.exit(1); });
"""


def test_jsonrpcclient_places_an_order_and_reads_a_refusal(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.send(make("order.place", {**TERMS, "key": key}, id=1))
    placed: Any = parse(client.read())
    client.send(make("order.place", {**TERMS, "key": key, "quantity": 2}, id=2))
    refused: Any = parse(client.read())

    assert isinstance(placed, Ok)
    assert placed.result["order"]["key"] == key
    assert isinstance(refused, Error)
    assert (refused.code, refused.data["kind"]) == (1203, "KEY_REUSED")


def test_jsonrpcclient_reads_a_batch(client: Client, new_key: Callable[[], str]) -> None:
    client.send([make("order.place", {**TERMS, "key": new_key()}, id=1), make("no.such", id=2)])

    answers: Any = parse(client.read())
    good, bad = answers

    assert isinstance(good, Ok)
    assert isinstance(bad, Error)


@pytest.fixture
def jayson() -> Path:
    """A folder where Node finds jayson; made once and kept."""
    try:
        return environments.jayson()
    except environments.CannotInstall as reason:
        pytest.skip(str(reason))


@pytest.mark.vendor
def test_jayson_places_orders_over_the_socket_and_over_http(
    daemon: Daemon, jayson: Path, new_key: Callable[[], str]
) -> None:
    keys = [new_key(), new_key()]
    arguments = [str(daemon.socket), json.dumps(TERMS), *keys]

    done = subprocess.run(
        ["node", "-e", SCRIPT, "--", "-", *arguments],
        cwd=jayson,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    for key, heard in zip(keys, json.loads(done.stdout).values(), strict=True):
        assert heard["placed"]["result"]["order"]["key"] == key
        assert heard["again"]["result"]["replayed"] is True
        assert heard["refused"]["error"]["data"]["kind"] == "KEY_REUSED"
        kinds = [each.get("error", {}).get("data", {}).get("kind") for each in heard["batch"]]
        assert kinds == [None, "METHOD_NOT_FOUND", "INVALID_PARAMS"]
