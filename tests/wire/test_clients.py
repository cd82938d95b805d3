"""Clients others wrote: jsonrpcclient from Python, jayson from Node."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from jsonrpcclient import Error, Ok, parse, request

from tests.vendor import environments

SCRIPT = """
const jayson = require("jayson/promise");
const path = process.argv[2];
const clients = { lines: jayson.Client.tcp({ path }), http: jayson.Client.http({ socketPath: path, path: "/rpc" }) };
async function talk(client) {
  const single = await client.request("order.place", { account: "main", key: "k-1", price: "1450.50" });
  const refused = await client.request("refuse", {});
  const batch = await client.request([
    client.request("ping", {}, undefined, false),
    client.request("nowhere", {}, undefined, false),
    client.request("ping", {}, null, false),
    client.request("hold", { n: "5" }, undefined, false),
  ]);
  return { single, refused, batch };
}
(async () => {
  const heard = {};
  for (const [name, client] of Object.entries(clients)) heard[name] = await talk(client);
  console.log(JSON.stringify(heard));
})().catch((error) => { console.error(error); process.exit(1); });
"""


async def test_jsonrpcclient_makes_calls_and_reads_the_answers(client: Any) -> None:
    await client.send(request("ping", id=1), request("refuse", id=2))

    answers: dict[Any, Any] = {}
    for _ in range(2):
        answer: Any = parse(await client.read())
        answers[answer.id] = answer

    assert isinstance(answers[1], Ok)
    assert answers[1].result["pong"].startswith("uid:")
    assert isinstance(answers[2], Error)
    assert (answers[2].code, answers[2].data["limit"]) == (1202, "orders")


async def test_jsonrpcclient_reads_a_batch(client: Any) -> None:
    await client.send([request("ping", id=1), request("nowhere", id=2)])

    answers: Any = parse(await client.read())
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
async def test_jayson_calls_and_batches_over_the_socket_and_over_http(
    server: Any, path: Path, jayson: Path
) -> None:
    done = await anyio.run_process(
        ["node", "-e", SCRIPT, "--", "-", str(path)], cwd=jayson, check=False
    )

    assert done.returncode == 0, done.stderr.decode()
    for heard in json.loads(done.stdout).values():
        assert heard["single"]["result"]["order"]["price"] == 1450.5
        assert heard["refused"]["error"]["data"]["kind"] == "RISK_REFUSED"
        kinds = [each.get("error", {}).get("data", {}).get("kind") for each in heard["batch"]]
        assert kinds == [None, "METHOD_NOT_FOUND", "INVALID_PARAMS"]
