import asyncio
from datetime import datetime

import websockets

from daemon.clock import SimulatedClock
from daemon.core.values import Region
from daemon.kis.spec import Api
from tests.sim.rig import (
    AMERICAN_OPTIONS,
    NIGHT,
    QUIET,
    change_body,
    live,
    notice_request,
    order_body,
)
from tests.sim.test_server import notices, opened, run


def test_another_process_can_build_the_same_clock() -> None:
    async def main() -> None:
        async with live(speed=30.0) as client:
            said = (await client.get("/sim/clock")).body
            start = datetime.fromisoformat(said["start"])
            twin = SimulatedClock(start, speed=said["speed"], origin=said["origin"])
            apart = (twin.now() - client.server.clock.now()).total_seconds()
            assert abs(apart) < 1.0

    run(main())


def test_orders_by_hand_show_in_the_books_and_in_the_notices() -> None:
    async def main() -> None:
        async with live(accounts=("12345678-01", "12345678-02")) as client:
            approval = await client.log_in()
            before = (await client.get("/sim/conservation")).body
            async with websockets.connect(client.server.ws_url) as stream:
                key, iv = await opened(client, approval, stream)
                wish = {"code": "005930", "side": "buy", "quantity": 4}
                said = await client.post("/sim/order", {**wish, "account": "12345678-02"})
                assert said.body == {"number": "0000000001"}
                accepted, filled = await notices(stream, 2, key, iv)
                assert accepted[1] == filled[1] == "1234567802"
            said = await client.post("/sim/order", {**wish, "price": 60_000})
            books = (await client.get("/sim/books")).body
            assert books["accounts"]["12345678-02"]["holdings"] == {"005930": 4}
            (order,) = books["accounts"]["12345678-01"]["open_orders"]
            assert order == {
                "number": "0000000002",
                "code": "005930",
                "side": "buy",
                "quantity": 4,
                "remaining": 4,
                "price": "60000",
                "venue": "KRX",
                "currency": "KRW",
            }
            assert books["totals"] == {"accepted": 2, "fills": 1, "rejects": 0, "sequence": 3}
            assert (await client.get("/sim/conservation")).body == before

    run(main())


def test_every_number_ever_given_is_told_with_what_became_of_its_shares() -> None:
    async def main() -> None:
        async with live(listings=QUIET) as client:
            assert (await client.get("/sim/orders")).body == {"orders": []}
            await client.log_in()
            wish = {"code": "005930", "side": "buy"}
            await client.post("/sim/order", {**wish, "quantity": 4})
            said = await client.post(Api.BUY.path, order_body("005930", 9, 60_000), Api.BUY.real)
            number = said.body["output"]["ODNO"]
            modify, cancel = (
                change_body(number, False, 5, 61_000),
                change_body(number, True, 3, 60_000),
            )
            for change in (modify, cancel):
                await client.post(Api.MODIFY_CANCEL.path, change, Api.MODIFY_CANCEL.real)
            first, second, third, fourth = (await client.get("/sim/orders")).body["orders"]
            assert [each["origin"] for each in (first, second)] == ["HTS", "OpnAPI"]
            assert (first["action"], first["filled"], first["open"]) == ("new", 4, False)
            assert float(first["notional"]) > 4 * 60_000
            assert second == {
                "account": "12345678-01",
                "day": "2026-10-12",
                "number": number,
                "action": "new",
                "original": None,
                "origin": "OpnAPI",
                "code": "005930",
                "side": "buy",
                "quantity": 9,
                "price": "60000",
                "filled": 0,
                "notional": "0",
                "cancelled": 3,
                "refused": 0,
                "moved": 5,
                "remaining": 1,
                "open": True,
            }
            assert (third["action"], third["original"]) == ("modify", number)
            assert (third["price"], third["remaining"]) == ("61000", 5)
            assert (fourth["action"], fourth["original"]) == ("cancel", number)
            assert (fourth["remaining"], fourth["open"]) == (0, False)

    run(main())


def test_what_is_no_order_is_refused() -> None:
    async def main() -> None:
        async with live() as client:
            nowhere = {"code": "005930", "side": "buy", "quantity": 1, "venue": "X"}
            sideways = {"code": "005930", "side": "up", "quantity": 1}
            wishes: tuple[object, ...] = ({}, [], sideways, nowhere)
            for wish in wishes:
                assert (await client.post("/sim/order", wish)).status == 400
            for venue in ("SOR", "NXT"):
                wish = {**nowhere, "price": 60_000, "venue": venue}
                assert (await client.post("/sim/order", wish)).status == 200
            books = (await client.get("/sim/books")).body
            (account,) = books["accounts"].values()
            assert [each["venue"] for each in account["open_orders"]] == ["SOR", "NXT"]
            stranger = {"account": "x", "code": "005930", "side": "buy", "quantity": 1}
            assert (await client.post("/sim/order", stranger)).status == 400
            bare = {"code": "005930", "side": "sell", "quantity": 1}
            said = await client.post("/sim/order", bare)
            assert (said.status, said.body) == (409, {"error": "holdings"})

    run(main())


def test_an_expired_token_is_renewed_once() -> None:
    async def main() -> None:
        async with live() as client:
            await client.log_in()
            await client.post("/sim/expire-token", {})
            said = await client.get(Api.PRICE.path, Api.PRICE.real)
            assert (said.status, said.code) == (500, "EGW00123")
            old = client.token
            await client.log_in()
            assert client.token != old
            assert (await client.get("/sim/door")).body["tokens_issued"] == 2

    run(main())


def test_a_dropped_stream_ends_without_a_handshake() -> None:
    async def main() -> None:
        async with live() as client:
            approval = await client.log_in()
            async with websockets.connect(client.server.ws_url) as stream:
                await stream.send(notice_request(approval))
                await stream.recv()
                assert (await client.post("/sim/drop-stream", {})).body == {"dropped": 1}
                await asyncio.wait_for(stream.wait_closed(), 5)
                assert stream.close_code == 1006

    run(main())


def test_the_books_of_both_countries_are_one_account() -> None:
    async def main() -> None:
        async with live(
            start=NIGHT,
            listings=QUIET,
            american_listings=AMERICAN_OPTIONS.american_listings,
            regions=frozenset({Region.KR, Region.US}),
        ) as client:
            await client.log_in()
            before = (await client.get("/sim/conservation")).body
            assert set(before["cash_by_currency"]) == {"KRW", "USD"}
            assert {"005930", "AAPL"} <= set(before["shares"])
            wish = {"code": "BRK/B", "side": "buy", "quantity": 4}
            said = await client.post("/sim/order", wish)
            assert said.body == {"number": "0030000001"}
            await client.post("/sim/order", {**wish, "price": "100.25"})
            books = (await client.get("/sim/books")).body
            account = books["accounts"]["12345678-01"]
            assert account["holdings"] == {"BRK/B": 4}
            assert account["cash"] == account["cash_by_currency"]["KRW"] == "100000000"
            assert float(account["cash_by_currency"]["USD"]) < 100_000
            assert account["reserved_by_currency"] == {"KRW": "0", "USD": "401.00"}
            (order,) = account["open_orders"]
            assert (order["number"], order["venue"], order["currency"], order["price"]) == (
                *("0030000002", "NYSE"),
                *("USD", "100.25"),
            )
            assert books["phases"] == {"KR": "closed", "US": "continuous"}
            numbers = [each["number"] for each in (await client.get("/sim/orders")).body["orders"]]
            assert numbers == ["0030000001", "0030000002"]
            assert (await client.get("/sim/conservation")).body == before

    run(main())
