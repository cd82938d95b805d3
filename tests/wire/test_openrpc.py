"""The OpenRPC document is valid, and true of the table it was made from."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import pytest
from msgspec import Meta, Struct
from referencing import Registry, Resource

from ordod.domain.orders import OrderTerms, Side
from ordod.errors import Kind
from ordod.service.methods import Call, Example, Method, Role, Rupees
from ordod.service.params import AccountName, Key
from ordod.wire.answers import encode
from ordod.wire.openrpc import discover, document, openrpc_page

META = json.loads((Path(__file__).parent / "data" / "openrpc-meta-schema.json").read_text())
# The meta-schema refers to a description of JSON Schema itself; each schema is checked against the real one below.
ANY_SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": ["object", "boolean"],
    "definitions": {"JSONSchemaObject": {"properties": {"$ref": {"type": "string"}}}},
}


class Leg(Struct, forbid_unknown_fields=True):
    side: Side
    price: Rupees


class Place(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to place."""

    account: AccountName
    key: Key
    quantity: Annotated[int, Meta(ge=1, description="units")]
    price: Rupees | None = None
    legs: tuple[Leg, ...] = ()


class Placed(Struct, frozen=True):
    order: OrderTerms
    replayed: bool


async def run(_: Call, __: Any) -> Any: ...


PLACE = Method(
    name="order.place",
    role=Role.TRADE,
    summary="Place one order.",
    params=Place,
    result=Placed,
    run=run,
    changes=True,
    errors=(Kind.KILLED, Kind.ORDER_REJECTED),
    examples=(
        Example(
            {"account": "main", "key": "k", "quantity": 5, "price": 1450.5},
            {
                "order": {
                    "symbol": "NSE:INFY",
                    "side": "BUY",
                    "quantity": 5,
                    "type": "LIMIT",
                    "product": "CNC",
                    "price": 1450.5,
                },
                "replayed": False,
            },
        ),
    ),
)


@pytest.fixture
def described() -> Any:
    _, document_of_it = discover([PLACE], "0.1.0")
    return json.loads(openrpc_page(document_of_it).body)


def with_components(described: Any, schema: Any) -> Any:
    return {**schema, "components": described["components"]}


def test_the_document_is_valid(described: Any) -> None:
    resource = Resource.from_contents(ANY_SCHEMA)
    registry: Registry[Any] = Registry().with_resources(
        [
            ("https://meta.json-schema.tools", resource),
            ("https://meta.json-schema.tools/", resource),
        ]
    )

    jsonschema.Draft7Validator(META, registry=registry).validate(described)


def test_every_schema_of_it_is_one(described: Any) -> None:
    schemas = list(described["components"]["schemas"].values())
    for method in described["methods"]:
        schemas += [each["schema"] for each in [*method["params"], method["result"]]]

    assert len(schemas) > 6
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_method_stands_in_it_with_role_and_errors(described: Any) -> None:
    place, itself = described["methods"]

    assert (place["name"], place["x-role"], place["x-changes"]) == ("order.place", "trade", True)
    assert {"$ref": "#/components/errors/KILLED"} in place["errors"]
    rejected = described["components"]["errors"]["ORDER_REJECTED"]
    assert (rejected["code"], rejected["message"]) == (1204, "ORDER_REJECTED")
    assert rejected["data"] == {
        "kind": "ORDER_REJECTED",
        "retry": "new_key",
        "means": Kind.ORDER_REJECTED.means,
        "advice": Kind.ORDER_REJECTED.advice,
    }
    assert itself["name"] == "rpc.discover"


def test_parameters_come_required_first_with_their_bounds(described: Any) -> None:
    params = described["methods"][0]["params"]

    assert [(each["name"], each["required"]) for each in params] == [
        ("account", True),
        ("key", True),
        ("quantity", True),
        ("price", False),
        ("legs", False),
    ]
    assert params[2]["schema"]["minimum"] == 1


def test_the_example_fits_the_schemas(described: Any) -> None:
    place = described["methods"][0]
    (example,) = place["examples"]
    schemas = {each["name"]: each["schema"] for each in place["params"]}

    for given in example["params"]:
        schema = with_components(described, schemas[given["name"]])
        jsonschema.Draft202012Validator(schema).validate(given["value"])
    result = with_components(described, place["result"]["schema"])
    jsonschema.Draft202012Validator(result).validate(example["result"]["value"])


@pytest.mark.parametrize(
    ("price", "fits"),
    [(1450.5, True), ("1450.25", True), (-1, False), ("1e5", False), (True, False)],
)
def test_a_price_is_described_as_it_is_read(described: Any, price: Any, fits: bool) -> None:
    schema = next(
        each["schema"] for each in described["methods"][0]["params"] if each["name"] == "price"
    )

    assert jsonschema.Draft202012Validator(schema).is_valid(price) == fits


def test_a_price_in_a_result_is_described_as_the_number_it_is_written_as(described: Any) -> None:
    terms = described["components"]["schemas"]["OrderTerms"]["properties"]["price"]

    assert jsonschema.Draft202012Validator(terms).is_valid(json.loads(encode(Decimal("1.5"))))
    assert not jsonschema.Draft202012Validator(terms).is_valid("1.5")


async def test_discover_answers_the_document_itself_included(start: Any, connect: Any) -> None:
    found, _ = discover([PLACE], "0.1.0")
    await start((PLACE, found))

    answer = await (await connect()).ask("rpc.discover")

    assert answer["result"] == json.loads(encode(document((PLACE, found), "0.1.0")))
