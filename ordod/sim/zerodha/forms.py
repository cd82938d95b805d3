"""What clients send, read as strictly as Kite reads it (zerodha.md 4), and a little more.

Stricter than the broker in one thing: a field nobody documents is refused, so that a misspelt one cannot pass unnoticed.
Prices stay Decimal, quantities stay in Kite's units (lots on MCX and in currencies).
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from msgspec import Struct

from ordod.sim.zerodha.envelope import KiteError

__all__ = [
    "ConvertForm",
    "GttForm",
    "GttOrder",
    "ModifyForm",
    "PlaceForm",
    "QuotedOrder",
    "read_convert",
    "read_gtt",
    "read_modify",
    "read_place",
    "read_quoted",
]

EXCHANGES = ("NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "NCO")
PRODUCTS = ("CNC", "MIS", "NRML", "MTF")
ORDER_TYPES = ("MARKET", "LIMIT", "SL", "SL-M")
SIDES = ("BUY", "SELL")
VALIDITIES = ("DAY", "IOC", "TTL")
VARIETIES = ("regular", "amo", "co", "iceberg", "auction")
TAG_MAX = 20
ICEBERG_LEGS = range(2, 51)

PLACE_FIELDS = frozenset(
    [
        "variety",
        "tradingsymbol",
        "exchange",
        "transaction_type",
        "order_type",
        "quantity",
        "product",
        "price",
        "trigger_price",
        "validity",
        "validity_ttl",
        "disclosed_quantity",
        "iceberg_legs",
        "iceberg_quantity",
        "auction_number",
        "market_protection",
        "autoslice",
        "algo_id",
        "tag",
    ]
)
MODIFY_FIELDS = frozenset(
    [
        "variety",
        "order_id",
        "parent_order_id",
        "order_type",
        "quantity",
        "price",
        "trigger_price",
        "validity",
        "validity_ttl",
        "disclosed_quantity",
        "market_protection",
    ]
)


class PlaceForm(Struct, frozen=True, kw_only=True):
    """`POST /orders/{variety}`. What was not given is None, 0 or ""."""

    variety: str
    exchange: str
    tradingsymbol: str
    transaction_type: str
    order_type: str
    quantity: int
    product: str
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: str = "DAY"
    validity_ttl: int = 0
    disclosed_quantity: int = 0
    iceberg_legs: int = 0
    auction_number: str = ""
    market_protection: Decimal | None = None
    autoslice: bool = False
    tag: str = ""


class ModifyForm(Struct, frozen=True, kw_only=True):
    """`PUT /orders/{variety}/{order_id}`. None leaves a field as it is."""

    order_type: str | None = None
    quantity: int | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: str | None = None
    validity_ttl: int | None = None
    disclosed_quantity: int | None = None
    market_protection: Decimal | None = None


class ConvertForm(Struct, frozen=True, kw_only=True):
    """`PUT /portfolio/positions`."""

    exchange: str
    tradingsymbol: str
    transaction_type: str
    position_type: str
    quantity: int
    old_product: str
    new_product: str


class GttOrder(Struct, frozen=True, kw_only=True):
    transaction_type: str
    quantity: int
    order_type: str
    product: str
    price: Decimal


class GttForm(Struct, frozen=True, kw_only=True):
    """`POST` and `PUT /gtt/triggers`: as many orders as trigger values."""

    type: str
    exchange: str
    tradingsymbol: str
    trigger_values: tuple[Decimal, ...]
    last_price: Decimal
    orders: tuple[GttOrder, ...]


class QuotedOrder(Struct, frozen=True, kw_only=True):
    """One order of a margin or charges question. `price` is what it is reckoned at."""

    exchange: str
    tradingsymbol: str
    transaction_type: str
    variety: str
    product: str
    order_type: str
    quantity: int
    price: Decimal
    trigger_price: Decimal


def read_place(variety: str, form: Mapping[str, str]) -> PlaceForm:
    """Raises KiteError 400 InputException, in the order in which a person would mend it."""
    _one_of("variety", variety, VARIETIES)
    _known(form, PLACE_FIELDS)
    if form.get("variety", variety) != variety:
        raise KiteError.bad_input("Invalid `variety`.")
    order_type = _one_of("order_type", _given(form, "order_type"), ORDER_TYPES)
    read = PlaceForm(
        variety=variety,
        exchange=_one_of("exchange", _given(form, "exchange"), EXCHANGES),
        tradingsymbol=_given(form, "tradingsymbol"),
        transaction_type=_one_of("transaction_type", _given(form, "transaction_type"), SIDES),
        order_type=order_type,
        quantity=_positive(form, "quantity"),
        product=_one_of("product", _given(form, "product"), PRODUCTS),
        price=_price(form, "price") if order_type in ("LIMIT", "SL") else None,
        trigger_price=_price(form, "trigger_price")
        if order_type in ("SL", "SL-M") or variety == "co"
        else None,
        validity=_one_of("validity", form.get("validity", "DAY"), VALIDITIES),
        validity_ttl=_positive(form, "validity_ttl") if form.get("validity") == "TTL" else 0,
        disclosed_quantity=_whole("disclosed_quantity", form.get("disclosed_quantity", "0")),
        iceberg_legs=_positive(form, "iceberg_legs") if variety == "iceberg" else 0,
        auction_number=_given(form, "auction_number") if variety == "auction" else "",
        market_protection=_protection(order_type, form.get("market_protection")),
        autoslice=_one_of("autoslice", form.get("autoslice", "false"), ("true", "false")) == "true",
        tag=form.get("tag", ""),
    )
    _fitting(read, form)
    return read


def _fitting(order: PlaceForm, form: Mapping[str, str]) -> None:
    """What one field says must fit the others."""
    if order.tag and (
        len(order.tag) > TAG_MAX or not (order.tag.isascii() and order.tag.isalnum())
    ):
        raise KiteError.bad_input(
            "Invalid `tag`. It should be alphanumeric, of at most 20 characters."
        )
    if order.disclosed_quantity > order.quantity:
        raise KiteError.bad_input("Disclosed quantity cannot be more than the order quantity.")
    is_equity = order.exchange in ("NSE", "BSE")
    if order.product in ("CNC", "MTF") and not is_equity:
        raise KiteError.bad_input(f"{order.product} is not allowed in {order.exchange}.")
    if order.product == "NRML" and is_equity:
        raise KiteError.bad_input("NRML is not allowed for equity. Use CNC or MIS.")
    if order.exchange == "MCX" and order.validity == "IOC":
        raise KiteError.bad_input("IOC orders are not allowed in MCX.")
    if order.variety == "iceberg":
        if order.iceberg_legs not in ICEBERG_LEGS:
            raise KiteError.bad_input("Invalid `iceberg_legs`. It should be between 2 and 50.")
        if order.quantity != order.iceberg_legs * _positive(form, "iceberg_quantity"):
            raise KiteError.bad_input("Invalid `iceberg_quantity`. It should be quantity / legs.")
    elif form.get("iceberg_legs") or form.get("iceberg_quantity"):
        raise KiteError.bad_input("Iceberg fields need the variety iceberg.")
    if order.variety == "co" and (
        order.product != "MIS" or order.order_type not in ("MARKET", "LIMIT")
    ):
        raise KiteError.bad_input("Cover orders are MIS, and MARKET or LIMIT.")


def read_modify(variety: str, order_id: str, form: Mapping[str, str]) -> ModifyForm:
    """The fields to change. Raises KiteError 400."""
    _one_of("variety", variety, VARIETIES)
    _known(form, MODIFY_FIELDS)
    if form.get("variety", variety) != variety or form.get("order_id", order_id) != order_id:
        raise KiteError.bad_input("Invalid `variety` or `order_id`.")
    order_type = (
        _one_of("order_type", form["order_type"], ORDER_TYPES) if "order_type" in form else None
    )
    changes = ModifyForm(
        order_type=order_type,
        quantity=_positive(form, "quantity") if "quantity" in form else None,
        price=_price(form, "price") if _names(form, "price") else None,
        trigger_price=_price(form, "trigger_price") if _names(form, "trigger_price") else None,
        validity=_one_of("validity", form["validity"], VALIDITIES) if "validity" in form else None,
        validity_ttl=_positive(form, "validity_ttl") if _names(form, "validity_ttl") else None,
        disclosed_quantity=_whole("disclosed_quantity", form["disclosed_quantity"])
        if "disclosed_quantity" in form
        else None,
        market_protection=_protection(order_type or "", form.get("market_protection")),
    )
    if changes == ModifyForm():
        raise KiteError.bad_input("Nothing to modify.")
    return changes


def read_convert(form: Mapping[str, str]) -> ConvertForm:
    _known(form, frozenset(ConvertForm.__struct_fields__))
    return ConvertForm(
        exchange=_one_of("exchange", _given(form, "exchange"), EXCHANGES),
        tradingsymbol=_given(form, "tradingsymbol"),
        transaction_type=_one_of("transaction_type", _given(form, "transaction_type"), SIDES),
        position_type=_one_of("position_type", _given(form, "position_type"), ("day", "overnight")),
        quantity=_positive(form, "quantity"),
        old_product=_one_of("old_product", _given(form, "old_product"), PRODUCTS),
        new_product=_one_of("new_product", _given(form, "new_product"), PRODUCTS),
    )


def read_gtt(form: Mapping[str, str]) -> GttForm:
    """`condition` and `orders` are JSON texts inside the form. Raises KiteError 400."""
    _known(form, frozenset({"type", "condition", "orders"}))
    kind = _one_of("type", _given(form, "type"), ("single", "two-leg"))
    condition = _json("condition", _given(form, "condition"), dict)
    orders = _json("orders", _given(form, "orders"), list)
    values = condition.get("trigger_values")
    legs = {"single": 1, "two-leg": 2}[kind]
    if not isinstance(values, list) or len(values) != legs or len(orders) != legs:
        raise KiteError.bad_input("Invalid `trigger_values`.")
    triggers = tuple(_amount("trigger_values", value) for value in values)
    if list(triggers) != sorted(set(triggers)):
        raise KiteError.bad_input("Trigger values should be ascending.")
    exchange = _one_of("exchange", _text(condition, "exchange"), EXCHANGES)
    tradingsymbol = _text(condition, "tradingsymbol")
    for order in orders:
        if not isinstance(order, dict) or _text(order, "tradingsymbol") != tradingsymbol:
            raise KiteError.bad_input("Invalid `orders`.")
        _one_of("exchange", _text(order, "exchange"), (exchange,))
    return GttForm(
        type=kind,
        exchange=exchange,
        tradingsymbol=tradingsymbol,
        trigger_values=triggers,
        last_price=_amount("last_price", condition.get("last_price")),
        orders=tuple(
            GttOrder(
                transaction_type=_one_of(
                    "transaction_type", _text(order, "transaction_type"), SIDES
                ),
                quantity=_whole("quantity", order.get("quantity")),
                order_type=_one_of("order_type", _text(order, "order_type"), ("LIMIT",)),
                product=_one_of("product", _text(order, "product"), PRODUCTS),
                price=_amount("price", order.get("price")),
            )
            for order in orders
        ),
    )


def read_quoted(body: bytes, *, price_field: str = "price") -> tuple[QuotedOrder, ...]:
    """The JSON array of `/margins/orders`, `/margins/basket` (`price`) and `/charges/orders` (`average_price`)."""
    rows = _json("body", body, list)
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise KiteError.bad_input("Expected a list of orders.")
    return tuple(
        QuotedOrder(
            exchange=_one_of("exchange", _text(row, "exchange"), EXCHANGES),
            tradingsymbol=_text(row, "tradingsymbol"),
            transaction_type=_one_of("transaction_type", _text(row, "transaction_type"), SIDES),
            variety=_one_of("variety", _text(row, "variety"), VARIETIES),
            product=_one_of("product", _text(row, "product"), PRODUCTS),
            order_type=_one_of("order_type", _text(row, "order_type"), ORDER_TYPES),
            quantity=_whole("quantity", row.get("quantity")),
            price=_amount(price_field, row.get(price_field, 0), zero=True),
            trigger_price=_amount("trigger_price", row.get("trigger_price", 0), zero=True),
        )
        for row in rows
    )


# Single fields


def _known(form: Mapping[str, str], names: frozenset[str]) -> None:
    for name in form:
        if name not in names:
            raise KiteError.bad_input(f"Unknown field `{name}`.")


def _names(form: Mapping[str, str], name: str) -> bool:
    """Given, and not the 0 by which clients say "none"."""
    return form.get(name, "0") not in ("", "0", "0.0")


def _given(form: Mapping[str, str], name: str) -> str:
    if not form.get(name):
        raise KiteError.bad_input(f"Missing or empty field `{name}`.")
    return form[name]


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise KiteError.bad_input(f"Missing or empty field `{name}`.")
    return value


def _one_of(name: str, value: str, words: Iterable[str]) -> str:
    if value not in words:
        raise KiteError.bad_input(f"Invalid `{name}`.")
    return value


def _whole(name: str, value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise KiteError.bad_input(f"Invalid `{name}`.")
    return int(text)


def _positive(form: Mapping[str, str], name: str) -> int:
    quantity = _whole(name, _given(form, name))
    if quantity == 0:
        raise KiteError.bad_input(f"Invalid `{name}`.")
    return quantity


def _price(form: Mapping[str, str], name: str) -> Decimal:
    return _amount(name, _given(form, name))


def _amount(name: str, value: object, *, zero: bool = False) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise KiteError.bad_input(f"Invalid `{name}`.") from None
    if not amount.is_finite() or amount < 0 or (amount == 0 and not zero):
        raise KiteError.bad_input(f"Invalid `{name}`.")
    return amount


def _protection(order_type: str, text: str | None) -> Decimal | None:
    """Since April 2026 a MARKET or SL-M order states its protection: -1 (automatic), or above 0 up to 100 percent."""
    if text is None:
        if order_type in ("MARKET", "SL-M"):
            raise KiteError.bad_input(
                "Market orders without market protection are not allowed via API. Set `market_protection`."
            )
        return None
    try:
        percent = Decimal(text)
    except InvalidOperation:
        raise KiteError.bad_input("Invalid `market_protection`.") from None
    if percent != -1 and not 0 < percent <= 100 and order_type in ("MARKET", "SL-M"):
        raise KiteError.bad_input(
            "Invalid `market_protection`. It should be -1, or above 0 up to 100."
        )
    return percent


def _json(name: str, text: str | bytes, shape: type) -> Any:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise KiteError.bad_input(f"Invalid `{name}`.") from None
    if not isinstance(value, shape):
        raise KiteError.bad_input(f"Invalid `{name}`.")
    return value
