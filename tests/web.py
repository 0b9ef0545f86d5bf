"""A web server on this machine that plays faults. Each request takes the next of an address's faults; then all is well."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Fault:
    """What goes wrong with one answer.

    `status` instead of 200; `cut`: bytes after which the connection is closed; `hold`: waited for after the `cut` bytes
    (or before the first); `headers` are added; none as a value takes one away.
    """

    status: int = 200
    cut: int | None = None
    hold: threading.Event | None = None
    headers: dict[str, str | None] = field(default_factory=dict)


@dataclass
class Page:
    """What stands at an address: with `forever`, its last fault is played again and again."""

    body: bytes
    faults: list[Fault] = field(default_factory=list)
    forever: bool = False
    ranges: bool = True
    if_range: bool = True
    tag: str | None = '"1"'
    headers: dict[str, str | None] = field(default_factory=dict)


@dataclass
class Request:
    path: str
    range: str | None
    if_range: str | None
    authorization: str | None
    sent: int = 0


class Web:
    """The server: its pages by path, and the requests it had."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pages: dict[str, Page] = {}
        self.requests: list[Request] = []
        self.asked = threading.Event()

    def url(self, path: str, user: str = "") -> str:
        return self.address.replace("://", f"://{user}@") + path if user else self.address + path

    def put(self, path: str, body: bytes, *faults: Fault, **settings: Any) -> str:
        """Set what stands at a path; return its address."""
        self.pages[path] = Page(body, list(faults), **settings)
        return self.url(path)

    @property
    def ranges(self) -> list[str | None]:
        return [request.range for request in self.requests]


@contextmanager
def served() -> Iterator[Web]:
    """Serve pages while the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    web = Web(f"http://127.0.0.1:{server.server_port}")
    server.web = web  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        web: Web = self.server.web  # type: ignore[attr-defined]
        headers = self.headers
        request = Request(self.path, headers["Range"], headers["If-Range"], headers["Authorization"])
        web.requests.append(request)
        web.asked.set()
        page = web.pages.get(self.path.partition("?")[0])
        try:
            if page is None:
                self._send(request, 404, b"gone", {}, Fault())
            else:
                self._answer(request, page)
        except ConnectionError:  # whoever asked has had enough
            pass
        self.close_connection = True

    def _answer(self, request: Request, page: Page) -> None:
        fault = Fault()
        if page.faults:
            fault = page.faults[0] if page.forever and len(page.faults) == 1 else page.faults.pop(0)
        more: dict[str, str | None] = {"ETag": page.tag, "Content-Type": "application/octet-stream", **page.headers}
        if fault.status != 200:
            self._send(request, fault.status, b"sorry", {}, fault)
            return
        status, body = 200, page.body
        if request.range and page.ranges and (not page.if_range or request.if_range == page.tag):
            start = int(request.range.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self._send(request, 416, b"", more, fault)
                return
            status = 206
            more["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body = body[start:]
        self._send(request, status, body, more, fault)

    def _send(self, request: Request, status: int, body: bytes, headers: dict[str, str | None], fault: Fault) -> None:
        self.send_response(status)
        every = {"Content-Length": str(len(body)), "Connection": "close", **headers, **fault.headers}
        for name, value in every.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: fault.cut] if fault.cut is not None else b"")
        self.wfile.flush()
        request.sent = fault.cut or 0
        if fault.hold is not None:
            fault.hold.wait(60)
        if fault.cut is None or fault.hold is not None:
            self.wfile.write(body[request.sent :])
            request.sent = len(body)
