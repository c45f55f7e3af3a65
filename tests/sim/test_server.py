import asyncio
import json
import socket
import sqlite3
from collections.abc import Coroutine
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from daemon.kis.spec import Api
from daemon.sim.server import SimulatorServer, describe
from daemon.sim.statefile import StateFailed
from tests.sim.rig import (
    ABROAD,
    AMERICAN_OPTIONS,
    BODY,
    OPTIONS,
    Live,
    live,
    notice_request,
    order_abroad,
    order_body,
    registration,
    unsealed,
)

BUY = (Api.BUY.path, Api.BUY.real)


def run(main: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await main

    asyncio.run(bounded())


async def buy(client: Live, quantity: int = 1, price: int = 0) -> str:
    path, tr_id = BUY
    said = await client.post(path, order_body("005930", quantity, price), tr_id)
    assert said.body["rt_cd"] == "0", said
    return str(said.body["output"]["ODNO"])


async def notices(stream: Any, count: int, key: str, iv: str) -> list[list[str]]:
    found: list[list[str]] = []
    while len(found) < count:
        text = str(await stream.recv())
        if text.startswith("1|"):
            found.append(unsealed(text, key, iv))
    return found


async def drained(stream: Any) -> None:
    """Read until the other side is gone."""
    with suppress(ConnectionClosed):
        while True:
            await stream.recv()


async def opened(client: Live, approval: str, stream: Any) -> tuple[str, str]:
    await stream.send(notice_request(approval))
    output = json.loads(await stream.recv())["body"]["output"]
    return output["key"], output["iv"]


def test_log_in_trade_and_hear_of_it() -> None:
    async def main() -> None:
        async with live(early_notices=0.0) as client:
            approval = await client.log_in()
            url = client.server.ws_url + "/tryitout/H0STCNI0"
            async with websockets.connect(url, ping_interval=None) as stream:
                key, iv = await opened(client, approval, stream)
                number = await buy(client, 3)
                accepted, filled = await notices(stream, 2, key, iv)
                assert (accepted[2], accepted[13], accepted[14]) == (number, "1", "1")
                assert (filled[2], filled[13], filled[14]) == (number, "2", "2")
                assert int(filled[9]) == 3

    run(main())


def test_only_the_brokers_own_header_names_are_lower_case() -> None:
    async def main() -> None:
        async with live() as client:
            await client.log_in()
            url = client.server.rest_url + Api.PRICE.path
            async with client.http.get(url, headers=client.headers(Api.PRICE.real)) as got:
                names = {name.decode() for name, _ in got.raw_headers}
            # The official sample makes a named tuple of them.
            lower = {name for name in names if name.islower()}
            assert "tr_cont" in lower
            assert all(name.isidentifier() for name in lower)

    run(main())


def test_a_body_that_is_not_whole_carries_nothing_out() -> None:
    async def main() -> None:
        async with live() as client:
            await client.log_in()
            url = client.server.rest_url + Api.BUY.path
            packed = {**client.headers(Api.BUY.real), "content-encoding": "gzip"}
            packed["content-type"] = "application/json"
            async with client.http.post(url, data=b"no gzip", headers=packed) as got:
                assert (await got.json())["msg_cd"] == "IGW00007"
            host, port = client.server.rest_url.removeprefix("http://").split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            body = json.dumps(order_body("005930", 1, 0))
            head = {**client.headers(Api.BUY.real), "content-type": "application/json"}
            lines = [f"POST {Api.BUY.path} HTTP/1.1", "host: x", f"content-length: {len(body) + 1}"]
            lines += [f"{name}: {value}" for name, value in head.items()]
            writer.write("\r\n".join([*lines, "", body]).encode())
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(0.1)
            assert (await client.get("/sim/books")).body["totals"]["accepted"] == 0

    run(main())


def test_notices_often_come_before_the_reply() -> None:
    async def main() -> None:
        async with live(early_notices=1.0) as client:
            approval = await client.log_in()
            async with websockets.connect(client.server.ws_url, ping_interval=None) as stream:
                key, iv = await opened(client, approval, stream)
                order = []
                async with asyncio.TaskGroup() as group:
                    asked = group.create_task(buy(client))
                    asked.add_done_callback(lambda _: order.append("reply"))
                    (accepted,) = await notices(stream, 1, key, iv)
                    order.append("notice")
                assert order == ["notice", "reply"]
                assert accepted[2] == asked.result()

    run(main())


def test_trades_and_books_arrive_in_plain_text() -> None:
    async def main() -> None:
        async with live(speed=60.0) as client:
            approval = await client.log_in()
            async with websockets.connect(client.server.ws_url, ping_interval=None) as stream:
                for channel in ("H0STCNT0", "H0STASP0"):
                    await stream.send(registration(approval, channel, "005930"))
                widths: dict[str, int] = {}
                while len(widths) < 2:
                    text = str(await stream.recv())
                    if text.startswith("0|"):
                        _, channel, count, payload = text.split("|", 3)
                        widths[channel] = len(payload.split("^")) // int(count)
                assert widths == {"H0STCNT0": 47, "H0STASP0": 62}

    run(main())


def test_one_session_a_key_and_its_place_is_free_after_it_closes() -> None:
    async def main() -> None:
        async with live() as client:
            approval = await client.log_in()
            url = client.server.ws_url
            async with websockets.connect(url) as first:
                await opened(client, approval, first)
                async with websockets.connect(url) as second:
                    await second.send(notice_request(approval))
                    assert json.loads(await second.recv())["body"]["msg_cd"] == "OPSP8996"
                    with pytest.raises(ConnectionClosed):
                        await second.recv()
            # The place is free once the server has seen the first one go: ask until it is.
            answers = []
            while "OPSP0000" not in answers:
                async with websockets.connect(url) as third:
                    await third.send(notice_request(approval))
                    answers.append(json.loads(await third.recv())["body"]["msg_cd"])

    run(main())


def test_pings_answered_either_way_keep_a_session_and_silence_ends_it() -> None:
    async def main() -> None:
        async with live(ping_interval=0.02, missed_pings=3) as client:
            url = client.server.ws_url
            async with websockets.connect(url, ping_interval=None) as stream:
                for number in range(12):
                    ping = str(await stream.recv())
                    assert json.loads(ping)["header"]["tr_id"] == "PINGPONG"
                    if number % 2:
                        await stream.send(ping)
                    else:
                        await stream.pong(ping)
                await drained(stream)

    run(main())


def test_garbage_frames_are_answered_and_survived() -> None:
    async def main() -> None:
        async with live() as client:
            async with websockets.connect(client.server.ws_url) as stream:
                for garbage in ("{", b"\xff\x00", "[]", "0|x"):
                    await stream.send(garbage)
                    assert json.loads(await stream.recv())["body"]["msg_cd"] == "OPSP9999"
            url = client.server.rest_url + Api.BUY.path
            async with client.http.post(url, data=b"\xff\xfe") as got:
                assert "msg_cd" in await got.json()
            async with client.http.get(client.server.ws_url.replace("ws", "http")) as got:
                assert got.status == 400

    run(main())


def test_a_client_that_does_not_read_is_dropped_and_stalls_nobody() -> None:
    async def main() -> None:
        async with live(speed=60.0, queue_size=20) as client:
            approval = await client.log_in()
            async with websockets.connect(
                client.server.ws_url, max_queue=1, ping_interval=None
            ) as stream:
                await stream.send(registration(approval, "H0STCNT0", "005930"))
                (connection,) = client.server.connections
                for _ in range(100):
                    connection.send("x" * 100_000)
                assert connection.dropped.is_set()
                assert (await client.get("/sim/clock")).status == 200
                await drained(stream)

    run(main())


def test_a_taken_port_is_an_error_and_a_stop_leaves_nothing_behind() -> None:
    async def main() -> None:
        server = SimulatorServer(OPTIONS)
        await server.start()
        assert "12345678-01" in describe(server, server.clock.now())
        port = int(server.rest_url.rsplit(":", 1)[1])
        second = SimulatorServer(OPTIONS.__class__(listings=OPTIONS.listings, rest_port=port))
        with pytest.raises(OSError, match="address"):
            await second.start()
        await server.stop()
        assert len(asyncio.all_tasks()) <= 2
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0

    run(main())


def test_the_door_counts_real_requests() -> None:
    async def main() -> None:
        async with live(rate_limit=3) as client:
            client.token = "x"
            replies = await asyncio.gather(
                *(client.get(Api.PRICE.path, Api.PRICE.real) for _ in range(8))
            )
            assert sum(reply.code == "EGW00201" for reply in replies) == 5
            door = (await client.get("/sim/door")).body
            assert (door["requests"], door["refused"]) == (8, 5)
            assert door["max_requests_in_any_second"] == 8

    run(main())


def test_two_clients_of_the_http_side_can_come_and_go() -> None:
    async def main() -> None:
        async with live() as client:
            await client.log_in()
            url = client.server.rest_url + "/sim/clock"
            async with aiohttp.ClientSession() as other, other.get(url) as got:
                assert (await got.json())["speed"] == 1.0

    run(main())


def test_an_order_that_cannot_be_kept_is_not_confirmed_and_ends_the_market(tmp_path: Path) -> None:
    path = tmp_path / "books"

    async def main() -> None:
        server = SimulatorServer(replace(OPTIONS, state=path))
        await server.start()
        async with aiohttp.ClientSession() as http:
            client = Live(server, http)
            await client.log_in()
            with closing(sqlite3.connect(path)) as other:
                other.execute("drop table orders")
                other.commit()
            api, tr_id = BUY
            url = server.rest_url + api
            body = order_body("005930", 1, 0)
            async with http.post(url, json=body, headers=client.headers(tr_id)) as got:
                assert got.status == 500
            with pytest.raises(StateFailed, match="no such table"):
                await server.wait_broken()
        await server.stop()

    run(main())


def test_a_broken_market_nobody_asked_about_is_told_at_the_stop() -> None:
    async def main() -> None:
        server = SimulatorServer(OPTIONS)
        await server.start()
        server._failure = StateFailed(Path("books"), OSError("disk full"))
        with pytest.raises(StateFailed, match="disk full"):
            await server.stop()

    async def also() -> None:
        server = SimulatorServer(replace(OPTIONS, host="::1"))
        await server.start()
        assert server.rest_url.startswith("http://[::1]:")
        await server.stop()

    run(main())
    run(also())


def test_a_us_order_is_placed_and_told_of_on_real_sockets() -> None:
    async def main() -> None:
        american = AMERICAN_OPTIONS
        async with live(
            start=american.start,
            regions=american.regions,
            american_listings=american.american_listings,
            early_notices=0.0,
        ) as client:
            approval = await client.log_in()
            async with websockets.connect(client.server.ws_url, ping_interval=None) as stream:
                await stream.send(notice_request(approval, "H0GSCNI0"))
                pair = json.loads(await stream.recv())["body"]["output"]
                body = order_abroad("AAPL", "NASD", 2, "9000")
                said = await client.post(ABROAD + "order", body, "TTTT1002U")
                number = said.body["output"]["ODNO"]
                accepted, filled = await notices(stream, 2, pair["key"], pair["iv"])
                assert (accepted[2], accepted[12], accepted[15]) == (number, "1", "")
                assert (filled[2], filled[12], filled[15]) == (number, "2", "000000002")
                assert filled[9] == filled[24][-9:]
            query = {**BODY, "OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD"}
            held = await client.get(ABROAD + "inquire-balance", "TTTS3012R", **query)
            assert held.body["output1"][0]["ovrs_cblc_qty"] == "2"

    run(main())
