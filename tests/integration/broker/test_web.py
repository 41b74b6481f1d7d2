"""What a broker shows by HTTP, asked by clients of other people's, and by none at all."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from maelstrom_core import messages as m
from maelstrom_core.http_server import Answer, Route, Site
from maelstrom_core.tls import client_context
from maelstrom_core.wire import Greeted, Received
from tests.support.broker import PATIENCE, Running, running
from tests.support.certificates import Authority


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "credentials.toml", "--http", "127.0.0.1:0") as process:
        yield process


def get(broker: Running, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", broker.http, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def told(broker: Running, path: str) -> Any:
    status, body = get(broker, path)
    assert status == 200, body
    return json.loads(body)


def raw(broker: Running, data: bytes) -> bytes:
    """All that is answered to some bytes, until the connection is closed."""
    with socket.create_connection(("127.0.0.1", broker.http), timeout=PATIENCE) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while more := connection.recv(65536):
            answer += more
        return answer


def samples(broker: Running) -> dict[str, float]:
    _, page = get(broker, "/metrics")
    families = text_string_to_metric_families(page.decode())
    return {
        "/".join([each.name, *(value for key, value in each.labels.items() if key != "peer")]): each.value
        for family in families
        for each in family.samples
    }


def test_what_is_told_moves_with_the_jobs(broker: Running) -> None:
    with broker.client("somebody-with-a-long-name") as client, broker.worker(slots=2, name="w") as worker:
        assert isinstance(client.next(), Greeted)
        assert isinstance(worker.next(), Greeted)
        for sequence in range(5):
            client.say(m.Submit(sequence), b"job")
        first, *_ = (worker.next() for _ in range(4))
        assert isinstance(first, Received)
        assert isinstance(first.message, m.Run)
        worker.say(m.Started(first.message.attempt))
        worker.say(m.Ended(first.message.attempt))
        client.next()
        metrics = samples(broker)
        assert metrics["maelstrom_broker_jobs_ended_total/finished"] == 1
        assert metrics["maelstrom_broker_jobs/running"] == 4
        assert metrics["maelstrom_broker_slots_used"] == 2
        assert metrics["maelstrom_worker_jobs_ended_total/w"] == 1
        status = told(broker, "/api/status")
        assert status["status"]["finished"] == 1
        assert status["status"]["workers"][0]["used"] == 2
        assert status["status"]["connected"][0]["name"] == "somebody"
        jobs = told(broker, "/api/jobs?state=assigned&limit=2")
        assert jobs["total"] == 4
        assert [(job["state"], job["worker"]) for job in jobs["jobs"]] == [("assigned", "w")] * 2


def test_history_is_filled_each_second(broker: Running) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(told(broker, "/api/history")["time"]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    columns = told(broker, "/api/history?level=0&since=0")
    assert {len(values) for values in columns["values"].values()} == {len(columns["time"])}
    assert told(broker, f"/api/history?since={int(columns['time'][-1]) + 1000}")["time"] == []


def test_the_page_comes_with_a_policy_and_there_is_no_way_to_other_files(broker: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", broker.http, timeout=PATIENCE)
    connection.request("GET", "/")
    answer = connection.getresponse()
    page = answer.read().decode()
    assert "Maelstrom broker" in page
    assert answer.getheader("content-security-policy", "").startswith("default-src 'none'; script-src 'self'")
    for path in ("/page.js", "/charts.js", "/page.css", "/uPlot.js", "/uPlot.css", "/icon.svg", "/healthz"):
        connection.request("GET", path)  # on the same connection
        answer = connection.getresponse()
        assert (answer.status, len(answer.read()) > 0) == (200, True)
    connection.close()
    for path in (
        "/index.html",
        "/../config.py",
        "/%2e%2e/config.py",
        "//etc/passwd",
        "/page.css/",
        "/vendored/uPlot.css",
    ):
        assert get(broker, path)[0] == 404


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", b"405"),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", b"200"),
        (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", b"403"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /api/jobs?limit=9999999 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"400"),
        (b"GET /api/jobs?state=%00 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n", b"400"),
        (b"GET /api/history?level=7 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 40_000, b"431"),
        (b"\0\0\0\1\0\0\0\0[", b"400"),
        (b"HEAD /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n", b"200"),
    ],
)
def test_requests_that_are_none_are_answered_and_end_their_own_connection(
    broker: Running, request_: bytes, status: bytes
) -> None:
    answer = raw(broker, request_)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert get(broker, "/healthz") == (200, b"ok\n")


def test_many_requests_at_once_are_answered_in_order(broker: Running) -> None:
    one = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = raw(broker, b"".join(one % path for path in (b"healthz", b"none", b"page.css") * 200))
    assert answer.count(b"HTTP/1.1 200") == 400
    assert answer.count(b"HTTP/1.1 404") == 200


@pytest.mark.parametrize(
    ("often", "statuses"),
    [
        ((0.001, 3, 1.0), [200, 200, 200, 429, 429, 200, 404]),  # the next one would be due in a thousand seconds
        ((200.0, 1, 5.0), [200, 200, 200, 200, 200, 200, 404]),  # each waits for a moment
    ],
)
def test_who_asks_too_often_waits_or_is_refused_but_for_what_is_there_anyway(
    often: tuple[float, int, float], statuses: list[int]
) -> None:
    async def ask() -> list[int]:
        routes = {"/made": Route(lambda _: Answer(b"made")), "/file": Route(lambda _: Answer(b"file"), open=True)}
        site = Site(routes, None, often=often)
        listening = site.listen("127.0.0.1", 0, None, "http")
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.port)
        one = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
        writer.write(b"".join(one % path for path in (*[b"made"] * 5, b"file", b"none")))
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        listening.close()
        site.close()
        return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", answer)]

    assert asyncio.run(ask()) == statuses


def test_beyond_loopback_a_token_is_wanted_but_for_the_page_that_asks_for_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("broker")
    arguments = ("--http", "0.0.0.0:0", "--tls-cert", certificate, "--tls-key", key)
    with running(tmp_path / "credentials.toml", *arguments) as broker:
        connection = http.client.HTTPSConnection(
            "localhost", broker.http, timeout=PATIENCE, context=client_context(authority.certificate)
        )

        def status(path: str, token: str = "") -> int:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            answer.read()
            return answer.status

        assert [status(path) for path in ("/", "/healthz")] == [200, 200]
        paths = ("/api/status", "/api/jobs", "/api/history", "/metrics")
        tokens = broker.credentials
        assert [status(path) for path in paths] == [401] * 4
        assert [status(path, token) for path in paths for token in ("wrong", tokens.client, tokens.worker)] == [
            401
        ] * 12
        assert [status(path, token) for path in paths for token in (tokens.monitor, tokens.admin)] == [200] * 8
        connection.close()
        with pytest.raises(ssl.SSLError):
            http.client.HTTPSConnection("localhost", broker.http, timeout=PATIENCE).request("GET", "/")
