"""The OpenRPC document is valid, and what it says happens (WIRE 1, 3)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from tests.acceptance.daemon import Client, Daemon, running

META = json.loads(
    (Path(__file__).parents[1] / "wire" / "data" / "openrpc-meta-schema.json").read_text()
)
ANY_SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": ["object", "boolean"],
    "definitions": {"JSONSchemaObject": {"properties": {"$ref": {"type": "string"}}}},
}
EXAMPLE_CONFIG = Path(__file__).parents[2] / "ordod.conf.example"
# WIRE 3, name by name, with the least role; what this stage has not is listed below.
ROLES = {
    "read": "system.authenticate system.ping system.version system.status system.config account.list account.status order.get order.list "
    "order.trades order.history order.margin gtt.list portfolio.positions portfolio.holdings portfolio.funds market.quote "
    "market.ltp market.depth market.candles market.status market.holidays market.option_chain market.greeks "
    "instrument.get instrument.search instrument.expiries events.subscribe events.unsubscribe "
    "kill.status risk.limits risk.check journal.tail journal.verify rpc.discover",
    "trade": "order.place order.modify order.cancel order.cancel_all gtt.place gtt.modify gtt.cancel portfolio.convert "
    "kill.engage",
    "admin": "system.reload system.shutdown account.login account.otp account.logout order.resolve instrument.refresh "
    "kill.release journal.export alert.test",
}
PARAMETERS = {
    "order.place": "account accounts key symbol side quantity type product price trigger_price validity validity_minutes "
    "variety iceberg_legs disclosed_quantity market_protection strategy timeout_ms dry_run",
    "order.modify": "order_id account key change_key price trigger_price quantity type validity disclosed_quantity timeout_ms",
    "order.cancel": "order_id account key timeout_ms",
    "order.cancel_all": "account strategy symbol",
    "order.get": "order_id account key wait_ms",
    "order.list": "account strategy symbol status limit after",
    "order.trades": "account strategy symbol limit after",
    "order.history": "order_id account key",
    "order.margin": "account orders",
    "order.resolve": "account key outcome broker_order_id reason",
    "market.quote": "symbols account",
    "market.option_chain": "symbol expiry strikes rate_percent account",
    "market.greeks": "symbols forward rate_percent account",
    "market.candles": "symbol interval from to account",
    "events.subscribe": "topics accounts strategy symbols since epoch",
    "kill.engage": "account strategy mode cancel_open square_off cancel_gtt reason",
    "kill.release": "account strategy reason",
    "account.otp": "account otp",
}
NOT_YET = "order.basket order.slice order.target deadman.arm deadman.beat deadman.disarm portfolio.close portfolio.close_all"


@pytest.fixture(scope="module")
def document(daemon: Daemon) -> Any:
    assert daemon.contract is not None
    return daemon.contract.document


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Daemon]:
    """The daemon of the example configuration, which nobody has used."""
    config = EXAMPLE_CONFIG.read_text().split("[daemon]\n", 1)[1]
    with running(tmp_path / "ordod", config) as started:
        yield started


def test_the_document_is_valid(document: Any) -> None:
    resource = Resource.from_contents(ANY_SCHEMA)
    registry: Registry[Any] = Registry().with_resources(
        [
            ("https://meta.json-schema.tools", resource),
            ("https://meta.json-schema.tools/", resource),
        ]
    )

    jsonschema.Draft7Validator(META, registry=registry).validate(document)


def test_it_describes_every_method_of_this_stage_with_its_role_and_no_other(document: Any) -> None:
    roles = {name: role for role, names in ROLES.items() for name in names.split()}

    assert {each["name"]: each["x-role"] for each in document["methods"]} == roles


ADDED = {"events.subscribe": "mode", "market.candles": "progress"}  # since the contract was fixed


@pytest.mark.parametrize("method", sorted(PARAMETERS))
def test_a_method_has_the_parameters_of_the_contract(document: Any, method: str) -> None:
    described = next(each for each in document["methods"] if each["name"] == method)

    added = set(ADDED.get(method, "").split())
    named = {each["name"]: each.get("required", False) for each in described["params"]}
    assert set(named) == set(PARAMETERS[method].split()) | added
    assert not any(named[each] for each in added)  # who knows nothing of it goes on as before


@pytest.mark.parametrize("method", NOT_YET.split())
def test_a_method_that_is_not_there_yet_is_not_found(
    client: Client, document: Any, method: str
) -> None:
    error = client.refused(method, account="paper")

    assert error["data"]["kind"] == "METHOD_NOT_FOUND"
    assert method in error["message"]
    assert method not in {each["name"] for each in document["methods"]}


def test_a_misspelt_method_is_answered_with_the_one_that_was_meant(client: Client) -> None:
    assert "did you mean `order.place`?" in client.refused("order.plce")["message"]


def test_every_method_has_an_example_that_works_on_a_fresh_daemon(fresh: Daemon) -> None:
    assert fresh.contract is not None
    methods = fresh.contract.document["methods"]
    last = [each for each in methods if each["name"] == "system.shutdown"]

    with fresh.connect() as client:
        for method in [each for each in methods if each not in last] + last:
            assert method.get("examples"), f"{method['name']} has no example"
            for example in method["examples"]:
                params = {each["name"]: each["value"] for each in example["params"]}
                told = client.ask(method["name"], **params)

                assert holds(example["result"]["value"], told), (method["name"], params, told)


def holds(said: Any, told: Any) -> bool:
    """Whether what an example says is a part of what was told."""
    if isinstance(said, dict):
        return all(name in told and holds(value, told[name]) for name, value in said.items())
    if isinstance(said, list) and said:
        return len(told) >= len(said) and all(map(holds, said, told))
    return bool(said == told)


def test_the_document_of_http_is_the_document_of_the_method(daemon: Daemon, document: Any) -> None:
    with daemon.connect(checked=False) as client:
        client.send_bytes(b"GET /openrpc.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

        head, _, body = client.rest().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200")
    assert json.loads(body) == document
