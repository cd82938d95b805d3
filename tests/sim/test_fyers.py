"""A simulated FYERS by hand: logins and limits, orders, GTT, files (fyers.md 2 to 10). Its day with the SDK: `tests/vendor`."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from ordod.sim.fyers import FyersSim
from tests.sim.fyers_client import TEN, USER, FyersClient, packed


@pytest.fixture
def sim() -> FyersSim:
    return FyersSim(seed=7, now=TEN)


@pytest.fixture
def fyers(sim: FyersSim) -> FyersClient:
    return FyersClient(sim)


# Sessions


def test_an_auth_code_is_good_once_and_for_minutes(fyers: FyersClient, sim: FyersSim) -> None:
    code, late = sim.request_token(USER.fy_id, TEN), sim.request_token(USER.fy_id, TEN)

    first, again = fyers.validate(code), fyers.validate(code)
    fyers.now += timedelta(minutes=6)

    assert orjson.loads(first.body)["access_token"].count(".") == 2
    assert again.status == fyers.validate(late).status == 401


def test_a_wrong_secret_is_refused(fyers: FyersClient, sim: FyersSim) -> None:
    assert fyers.validate(sim.request_token(USER.fy_id, TEN), secret="wrong").status == 400


def test_the_steps_behind_the_page_lead_to_an_auth_code(fyers: FyersClient) -> None:
    first = fyers.step("/send_login_otp_v2", {"fy_id": packed(USER.fy_id), "app_id": "2"})
    body = {"request_key": first["request_key"], "otp": fyers.code_of_now()}
    second = fyers.step("/verify_otp", body)
    body = {"request_key": second["request_key"], "identity_type": "pin"}
    third = fyers.step("/verify_pin_v2", body | {"identifier": packed(USER.pin)})
    app_id, _, kind = USER.app_id.partition("-")
    asked = {"fyers_id": USER.fy_id, "app_id": app_id, "appType": kind, "response_type": "code"}
    bearer = f"Bearer {third['data']['access_token']}"
    last = fyers.send("POST", "/token", asked | {"redirect_uri": USER.redirect_uri}, bearer)

    assert (last.status, "auth_code=" in orjson.loads(last.body)["Url"]) == (308, True)
    assert fyers.send("POST", "/token", asked, bearer).status == 401  # its key is used


def test_a_code_is_good_once_and_a_wrong_pin_needs_a_new_start(fyers: FyersClient) -> None:
    def begun() -> str:
        asked = {"fy_id": packed(USER.fy_id), "app_id": "2"}
        return str(fyers.step("/send_login_otp_v2", asked)["request_key"])

    code = fyers.code_of_now()
    second = fyers.step("/verify_otp", {"request_key": begun(), "otp": code})
    again = fyers.step("/verify_otp", {"request_key": begun(), "otp": code})
    wrong = {"request_key": second["request_key"], "identity_type": "pin"}
    wrong |= {"identifier": packed("0000")}

    assert again["code"] == -1025
    assert fyers.step("/verify_pin_v2", wrong)["code"] == -1026
    assert fyers.step("/verify_pin_v2", wrong)["code"] == -1004


def test_a_token_dies_in_the_morning_at_a_logout_and_with_another_app(fyers: FyersClient) -> None:
    assert fyers.send("GET", "/profile", authorization=f"OTHER-100:{fyers.access_token}")[0] == 401
    fyers.now += timedelta(hours=20)
    assert fyers.refused("GET", "/profile") == (401, -16)
    fyers.access_token = fyers.sim.access_token(USER.fy_id, fyers.now)
    assert fyers.ask("POST", "/logout")["message"] == "you are successfully logged out"
    assert fyers.refused("GET", "/profile") == (401, -16)


def test_ten_requests_a_second_and_200_a_minute_are_all(fyers: FyersClient) -> None:
    for number in range(10):
        fyers.now = TEN
        assert fyers.ask("GET", "/funds")["code"] == 200, number
    fyers.now = TEN
    assert fyers.refused("GET", "/orders") == (429, -429)


def test_a_minute_passed_a_fourth_time_blocks_the_day(fyers: FyersClient) -> None:
    for minute in range(4):
        for number in range(201):
            fyers.now = TEN + timedelta(minutes=minute, seconds=number / 5)
            fyers.send("GET", "/funds")
    fyers.now = TEN + timedelta(hours=3)

    assert fyers.refused("GET", "/funds") == (429, -429)
    fyers.now = TEN + timedelta(days=1)
    fyers.access_token = fyers.sim.access_token(USER.fy_id, fyers.now)
    assert fyers.ask("GET", "/funds")["code"] == 200


# Orders


def test_a_market_order_is_shown_as_the_limit_order_it_became(fyers: FyersClient) -> None:
    row = fyers.row(fyers.place(orderTag="day1"))

    assert (row["type"], row["status"], row["filledQty"]) == (1, 2, 10)
    assert row["limitPrice"] >= row["tradedPrice"] > 0
    assert row["orderTag"] == "1:day1"
    assert fyers.ask("GET", "/orders?order_tag=1:day1")["orderBook"] == [row]
    assert fyers.ask("GET", "/orders?order_tag=day1")["orderBook"] == []


def test_a_change_names_its_type_and_leaves_the_rest(fyers: FyersClient) -> None:
    low = int(fyers.last_price() * 0.95)
    order_id = fyers.place(type=1, limitPrice=low)

    assert fyers.refused("PATCH", "/orders/sync", {"id": order_id, "qty": 12}) == (400, -50)
    changed = fyers.ask("PATCH", "/orders/sync", {"id": order_id, "type": 1, "qty": 12})
    row = fyers.row(order_id)
    ended = fyers.ask("DELETE", "/orders/sync", {"id": order_id})

    assert (row["qty"], row["limitPrice"], row["status"]) == (12, low, 6)
    assert (changed["code"], ended["code"], fyers.row(order_id)["status"]) == (1102, 1103, 1)
    assert fyers.refused("DELETE", "/orders/sync", {"id": order_id}) == (400, -99)
    assert fyers.refused("DELETE", "/orders/sync", {"id": "42"}) == (400, -51)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"qty": 0}, -50),
        ({"qty": "10"}, -50),
        ({"type": 9}, -50),
        ({"side": 0}, -50),
        ({"productType": "NRML"}, -50),
        ({"validity": "GTC"}, -50),
        ({"type": 1, "limitPrice": 0}, -50),
        ({"type": 1, "limitPrice": 1450.512}, -50),
        ({"orderTag": "with blank"}, -50),
        ({"orderTag": USER.fy_id}, -50),
        ({"symbol": "NSE:NIFTY50-INDEX"}, -300),
        ({"symbol": "NSE:INFY"}, -300),
        ({"symbol": "NSE:NIFTY26DECFUT", "productType": "MARGIN"}, -50),
    ],
)
def test_what_is_wrong_is_refused_and_not_booked(
    fyers: FyersClient, more: dict[str, Any], code: int
) -> None:
    assert fyers.refused("POST", "/orders/sync", fyers.order(**more)) == (400, code)
    assert fyers.ask("GET", "/orders")["orderBook"] == []
    assert fyers.sim.orders.deeds[-1].error


def test_a_want_of_money_is_refused_with_an_id_and_stands_rejected(fyers: FyersClient) -> None:
    answer = fyers.send("POST", "/orders/sync", fyers.order(qty=90_000))
    said = orjson.loads(answer.body)

    assert (said["code"], said["message"][:4]) == (-99, "RED:")
    assert fyers.row(said["id"])["status"] == 5


def test_a_quantity_on_mcx_is_in_lots(fyers: FyersClient) -> None:
    row = fyers.row(fyers.place(symbol="MCX:CRUDEOIL26DECFUT", productType="MARGIN", qty=2))
    (position,) = fyers.ask("GET", "/positions")["netPositions"]

    assert (row["qty"], row["segment"], row["exchange"]) == (2, 20, 11)
    assert (position["netQty"], position["qtyMulti_com"]) == (2, 100)


# GTT, market, files


def test_a_trigger_that_fired_is_an_order_and_leaves_the_list(fyers: FyersClient) -> None:
    price = int(fyers.last_price() * 1.002)
    leg = {"price": price + 20, "triggerPrice": price, "qty": 1}
    body = {"side": 1, "symbol": "NSE:INFY-EQ", "productType": "CNC", "orderInfo": {"leg1": leg}}
    fyers.ask("POST", "/gtt/orders/sync", body)
    assert len(fyers.ask("GET", "/gtt/orders")["orderBook"]) == 1

    for _ in range(400):
        fyers.now += timedelta(seconds=30)
        if fyers.ask("GET", "/orders")["orderBook"]:
            break

    assert [row["qty"] for row in fyers.ask("GET", "/orders")["orderBook"]] == [1]
    assert fyers.ask("GET", "/gtt/orders")["orderBook"] == []


def test_the_files_have_21_columns_and_no_header(fyers: FyersClient) -> None:
    for base in ("NSE_CM", "NSE_FO", "NSE_CD", "BSE_CM", "BSE_FO", "MCX_COM"):
        lines = fyers.send("GET", f"/{base}.csv").body.decode().splitlines()
        assert lines, base
        for line in lines:
            cells = line.split(",")
            assert len(cells) == 21, line
            assert cells[0].startswith(f"{cells[10]}{cells[11]}"), line
    assert fyers.send("GET", "/NSE_XX.csv").status == 404


def test_more_than_fifty_symbols_or_a_hundred_days_are_too_many(fyers: FyersClient) -> None:
    many = ",".join(["NSE:INFY-EQ"] * 51)
    path = "/history?symbol=NSE:INFY-EQ&resolution=1&date_format=1&cont_flag=0"

    assert fyers.refused("GET", f"/quotes?symbols={many}") == (400, -50)
    wide = f"{path}&range_from=2026-07-01&range_to=2026-11-24"
    assert fyers.refused("GET", wide) == (400, -50)
