"""The service answers what the student says; what is malformed, huge or slow gets a 4xx and holds up nobody."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from flows.service import Limits, service
from flows.serving import listen, prompt_protocol
from kdmodels.errors import BadInputError
from kdmodels.inference import Predictor
from tests import tiny

LIMITS = Limits(texts=4, characters=100, body_bytes=2000, seconds=1.0, waiting=2)
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor(tiny.bert_teacher(tmp_path_factory.mktemp("student")), 2)


class Server:
    """The service of a student on a port, in a thread."""

    def __init__(self, predictor: Any) -> None:
        import uvicorn

        self._listening = listen("127.0.0.1", 0)
        self.address = self._listening.getsockname()
        app = service(predictor, LIMITS, language="de", model="0123456789abcdef")
        config = uvicorn.Config(
            app, http=prompt_protocol(LIMITS.seconds), ws="none", lifespan="off", log_level="critical",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listening]})
        self._thread.start()
        self.client = httpx.Client(base_url="http://{}:{}".format(*self.address), timeout=30)
        while not self._server.started:
            time.sleep(0.01)

    def end(self) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()

    def ask(self, *texts: str) -> httpx.Response:
        return self.client.post("/predict", json={"texts": list(texts)})


@pytest.fixture(scope="module")
def server(predictor: Predictor) -> Iterator[Server]:
    made = Server(predictor)
    yield made
    made.end()


def test_it_answers_what_the_student_says(server: Server, predictor: Predictor) -> None:
    texts = ["where is my parcel", "", "lamp " * 15]
    answer = server.ask(*texts)
    assert answer.status_code == 200
    for ours, theirs in zip(answer.json()["predictions"], predictor.predict(texts), strict=True):
        assert (ours["label"], ours["truncated"]) == (theirs.label, theirs.truncated)
        assert ours["probabilities"] == pytest.approx(theirs.probabilities, abs=1e-6)
        assert ours["probability"] == max(ours["probabilities"].values())


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{texts}",
    "not UTF-8": b'{"texts": ["\xff"]}',
    "half a surrogate pair": b'{"texts": ["\\ud800"]}',
    "no texts": b'{"texts": []}',
    "another key": b'{"texts": ["a"], "model": "b"}',
    "a number": b'{"texts": [1]}',
    "one text": b'{"texts": "a"}',
    "a list": b'["a"]',
    "too many texts": b'{"texts": ["a", "a", "a", "a", "a"]}',
    "a long text": json.dumps({"texts": ["a" * 101]}).encode(),
    "deep": b"[" * 1900,
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_request_gets_a_4xx_and_the_next_is_answered(kind: str, server: Server) -> None:
    refused = server.client.post("/predict", content=MALFORMED[kind], headers=JSON)
    assert refused.status_code in {400, 422}, refused.text
    assert "detail" in refused.json()
    assert server.ask("lamp").status_code == 200


def test_other_paths_and_methods_get_a_4xx(server: Server) -> None:
    assert server.client.get("/predict").status_code == 405
    assert server.client.get("/../../etc/passwd").status_code == 404
    assert server.client.get("/docs/files/..%2f..%2f__init__.py").status_code == 404


def raw(server: Server, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send bytes with pauses between, and return all that is answered until the server closes."""
    with socket.create_connection(server.address, timeout=20) as connection:
        for number, part in enumerate(parts):
            if number:
                time.sleep(pause)
            try:
                connection.sendall(part)
            except OSError:
                break  # closed by the server, which is what is to be seen
        answer = b""
        try:
            while found := connection.recv(65536):
                answer += found
        except ConnectionResetError:
            pass
    return answer


HEAD = b"POST /predict HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"content-length: 2001\r\n\r\n" + b"a",
        HEAD + b"content-length: 99999999999999999999\r\n\r\n",
        HEAD
        + b"transfer-encoding: chunked\r\n\r\n"
        + b"3e8\r\n"
        + b"a" * 1000
        + b"\r\n3e9\r\n"
        + b"a" * 1001
        + b"\r\n",
    ],
)
def test_a_huge_request_is_refused_before_it_is_read(request_bytes: bytes, server: Server) -> None:
    answer = raw(server, request_bytes)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"at most 2000 bytes" in answer
    assert server.ask("lamp").status_code == 200


SLOW = {
    "says nothing": [b""],
    "half a head": [b"POST /predict HT"],
    "half a head, then trickles": [b"POST /predict HTTP/1.1\r\n", *[b"x-a: b\r\n"] * 20],
    "half a body": [HEAD + b'content-length: 20\r\n\r\n{"te'],
    "a body that trickles": [HEAD + b"content-length: 20\r\n\r\n", *[b" "] * 19],
    "a second head on a kept connection": [b"GET /health HTTP/1.1\r\nhost: here\r\n\r\n", b"GET /heal"],
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_slow_request_is_sent_away_and_holds_up_nobody(kind: str, server: Server) -> None:
    found: list[bytes] = []
    slow = threading.Thread(target=lambda: found.append(raw(server, *SLOW[kind], pause=0.15)))
    slow.start()
    while slow.is_alive():
        assert server.ask("lamp").status_code == 200
    assert b"HTTP/1.1 408 " in found[0]


def test_a_broken_head_gets_a_400(server: Server) -> None:
    assert raw(server, b"\x16\x03\x01 no http\r\n\r\n").startswith(b"HTTP/1.1 400 ")


class Held:
    """A student that answers when it is let."""

    labels = tiny.LABELS

    def __init__(self) -> None:
        self.go, self.asked = threading.Event(), 0

    def predict_together(self, texts: list[str]) -> list[Any]:
        self.asked += 1
        self.go.wait(20)
        return []


def test_who_waits_too_long_or_stands_too_far_back_is_sent_away() -> None:
    held = Held()
    server = Server(held)
    try:

        async def ask_five() -> list[int]:
            async with httpx.AsyncClient(base_url=server.client.base_url, timeout=30) as client:
                first = asyncio.create_task(client.post("/predict", json={"texts": ["a"]}))
                while not held.asked:
                    await asyncio.sleep(0.01)
                others = [asyncio.create_task(client.post("/predict", json={"texts": ["a"]})) for _ in range(4)]
                assert (await client.get("/health")).status_code == 200
                found = await asyncio.gather(*others)
                assert all(answer.headers["retry-after"] == "1" for answer in found)
                held.go.set()
                return [(await first).status_code, *(answer.status_code for answer in found)]

        assert asyncio.run(ask_five()) == [200, 429, 429, 429, 429]
        assert held.asked == 1
        assert server.ask("a").status_code == 200
    finally:
        held.go.set()
        server.end()


def test_health_metrics_and_pages(server: Server) -> None:
    health = server.client.get("/health").json()
    assert health == {"status": "ok", "language": "de", "model": "0123456789abcdef", "labels": tiny.LABELS}
    label = server.ask("lamp").json()["predictions"][0]["label"]
    server.client.get("/no/such/place")
    lines = server.client.get("/metrics").text.splitlines()
    assert any(line.startswith(f'distilingua_texts_total{{label="{label}"}}') for line in lines)
    assert any('path="/predict",status="200"' in line for line in lines)
    assert any('path="other",status="404"' in line for line in lines), "a path that a client made up makes no series"
    described = server.client.get("/openapi.json").json()
    assert set(described["paths"]) == {"/predict", "/health", "/metrics"}
    page = server.client.get("/docs").text
    assert "https://" not in page.replace("https://fastapi", ""), "the page needs no other server"
    script = server.client.get("/docs/files/swagger-ui-bundle.js")
    assert script.status_code == 200 and len(script.content) > 100_000


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInputError, match=rf"127\.0\.0\.1, port {port}: cannot listen there.*--port"):
            listen("127.0.0.1", port)
