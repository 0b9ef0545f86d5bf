"""A headless Chromium that opens a page, tells its text, clicks, and takes small pictures."""

import base64
import io
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.team import until

PROGRAM = Path("/usr/bin/chromium")
_WIDTH, _HEIGHT = 1265, 950
_SMALL = 860  # pixels across, of a picture that is kept
_COLOURS = 48
_DRAWN = 5.0  # seconds; no text tells when what is drawn is there
# the innermost element that shows just these words, or is named so for people who cannot see it
_FIND = (
    "[...document.body.querySelectorAll('*')]"
    ".filter(one => [(one.innerText || '').trim(), one.ariaLabel].includes({words})).pop()"
)


class Page:
    """A page, by Chromium's debugging protocol."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._number = 0

    def _ask(self, method: str, **given: Any) -> Any:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": given}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _value(self, expression: str) -> Any:
        return self._ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def open(self, address: str) -> None:
        self._ask("Page.navigate", url=address)

    def text(self) -> str:
        """Return what a person can read on the page."""
        return str(self._value("document.body ? document.body.innerText : ''")).replace("\xa0", " ")

    def shows(self, *words: str) -> bool:
        """Wait until the page shows each of some words; whether it does."""
        return until(lambda: all(word in self.text() for word in words), 60)

    def shows_below(self, *words: str) -> bool:
        """Scroll down, where a page loads what it shows as one does, until each of some words was seen; whether it was."""
        left = set(words)

        def look() -> bool:
            left.difference_update([word for word in left if word in self.text()])
            self._value("document.querySelectorAll('*').forEach(one => one.scrollTo(0, one.scrollHeight))")
            return not left

        return until(look, 120)

    def click(self, words: str) -> None:
        """Click on what shows just these words."""
        found = _FIND.format(words=json.dumps(words))
        assert until(lambda: self._value(f"!!{found}"), 30), f"nothing on the page is called {words}:\n{self.text()}"
        self._value(f"{found}.click()")

    def picture(self, path: Path, left: int = 0) -> None:
        """Keep a small picture of what is seen, without so many pixels at its left."""
        from PIL import Image

        time.sleep(_DRAWN)
        taken = base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])
        seen = Image.open(io.BytesIO(taken)).convert("RGB").crop((left, 0, _WIDTH, _HEIGHT))
        height = round(seen.height * _SMALL / seen.width)
        seen.resize((_SMALL, height), Image.Resampling.LANCZOS).quantize(_COLOURS).save(path, optimize=True)


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Have a browser with one page; its profile lies in a folder."""
    from websockets.sync.client import connect

    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-proxy-server"]
    words += [f"--user-data-dir={folder}", f"--window-size={_WIDTH},{_HEIGHT}", "--hide-scrollbars", "about:blank"]
    quiet = {**os.environ, "HOME": str(folder)}
    port = folder / "DevToolsActivePort"
    with subprocess.Popen(
        [str(PROGRAM), *words], env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            assert until(lambda: port.is_file() and len(port.read_text().split()) == 2, 60), "Chromium does not start"
            number, path = port.read_text().split()
            with connect(f"ws://127.0.0.1:{number}{path}", max_size=None, proxy=None) as above:
                whole = Page(above)
                found = whole._ask("Target.getTargets")["targetInfos"]  # the browser's own pages among them
                target = next(one for one in found if one["url"] == "about:blank")["targetId"]
            with connect(f"ws://127.0.0.1:{number}/devtools/page/{target}", max_size=None, proxy=None) as socket:
                page = Page(socket)
                page._ask("Page.enable")
                size = {"width": _WIDTH, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
                page._ask("Emulation.setDeviceMetricsOverride", **size)
                yield page
        finally:
            os.killpg(process.pid, 9)
