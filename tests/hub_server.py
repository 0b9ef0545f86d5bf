"""A hub on this machine: what `huggingface_hub` and `datasets` ask of one, and nothing more."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_REPOSITORY = re.compile(r"/(?:api/)?datasets/([^/]+/[^/]+)(/.*)?")


@dataclass
class Repository:
    """A data set: its files by path; `refusal` is what the hub says instead, a status and an error code.

    What it says repeats the token that it was sent, as a careless proxy may.
    """

    files: dict[str, bytes]
    refusal: tuple[int, str] | None = None
    broken: int = 0  # requests that get 503 first
    requests: list[str] = field(default_factory=list)


@contextmanager
def hub(repositories: dict[str, Repository]) -> Iterator[str]:
    """Serve data sets while the block lasts; yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.repositories = repositories  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"] or 0)))

    def _answer(self, body: bytes) -> None:
        match = _REPOSITORY.fullmatch(self.path.partition("?")[0])
        repository = self.server.repositories.get(match[1]) if match else None  # type: ignore[attr-defined]
        if match is None or repository is None:
            self._refuse(404, "RepoNotFound")
            return
        repository.requests.append(f"{self.command} {self.path}")
        if repository.refusal is not None:
            self._refuse(*repository.refusal)
        elif repository.broken > 0:
            repository.broken -= 1
            self._refuse(503, "Broken")
        else:
            self._serve(repository, match[2] or "", body)

    def _serve(self, repository: Repository, path: str, body: bytes) -> None:
        kind, _, rest = path.strip("/").partition("/")
        revision, _, rest = rest.partition("/")
        if kind and revision not in {"main", COMMIT}:
            self._refuse(404, "RevisionNotFound")
        elif kind in {"", "revision"}:
            card = repository.files.get("README.md", b"")
            licence = re.search(rb"^license: (.*)$", card, re.MULTILINE)
            siblings = [{"rfilename": name} for name in repository.files]
            data = {"license": licence[1].decode()} if licence else {}
            self._json({"id": "x/y", "sha": COMMIT, "siblings": siblings, "cardData": data, "tags": []})
        elif kind == "tree":
            self._json(_entries(repository.files, rest))
        elif kind == "paths-info":
            self._json(_named(repository.files, body))
        elif rest not in repository.files:
            self._refuse(404, "EntryNotFound")
        else:
            self._file(repository.files[rest])

    def _file(self, content: bytes) -> None:
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        if not asked:
            self._send(200, content, headers)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._send(206, content[first : last + 1], headers)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json", "X-Repo-Commit": COMMIT})

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": f"{code} {self.headers['Authorization']}"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _entries(files: dict[str, bytes], folder: str) -> list[dict[str, Any]]:
    """Return all files and folders below a folder."""
    inside = [name for name in files if name.startswith(f"{folder}/" if folder else "")]
    folders = {name.rpartition("/")[0] for name in inside} - {"", folder}
    return [_entry("directory", name, b"") for name in sorted(folders)] + [
        _entry("file", name, files[name]) for name in inside
    ]


def _named(files: dict[str, bytes], body: bytes) -> list[dict[str, Any]]:
    text = body.decode()
    names = json.loads(text)["paths"] if text.startswith("{") else parse_qs(text).get("paths", [])
    found = []
    for name in names:
        if name in files:
            found.append(_entry("file", name, files[name]))
        elif any(other.startswith(f"{name}/") for other in files):
            found.append(_entry("directory", name, b""))
    return found


def _entry(kind: str, path: str, content: bytes) -> dict[str, Any]:
    return {"type": kind, "path": path, "size": len(content), "oid": hashlib.sha1(path.encode() + content).hexdigest()}
