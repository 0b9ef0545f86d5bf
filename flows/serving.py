"""The command `distilingua serve`. What is heavy is imported late."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.command_line import Debug, Root, plain_errors
from flows.students import student_folder
from kdmodels.errors import BadInputError

if TYPE_CHECKING:
    from tasks.sections import Serving


def serve(
    target: Annotated[str, typer.Option("--target", "-t", help="The language, one of targets in params.yaml.")],
    port: Annotated[int, typer.Option("--port", help="To listen on.", min=1, max=65535)] = 8000,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; nobody is asked who they are.")
    ] = "127.0.0.1",
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Answer HTTP requests with an exported student until Ctrl-C."""
    with plain_errors(debug):
        from tasks.config import load_params
        from tasks.exporting import exported

        params = load_params(root)
        student_folder(root, params, target)
        folder, why = exported(root, target)
        if folder is None:
            raise BadInputError(why)
        run(folder, params.serving, params.evaluation.batch_rows, target, host, port)


def run(folder: Path, limits: "Serving", batch_rows: int, language: str, host: str, port: int) -> None:
    """Serve the student of a folder until the program is interrupted.

    Raises:
        BadInputError: where a library of the extra `serve` is missing, or the address cannot be listened on.
    """
    from flows.service import Limits, service
    from kdmodels.inference import Predictor
    from kdmodels.onnx_student import needs, read_settings

    needs("uvicorn", "serve")
    import uvicorn

    made_from = read_settings(folder)["made_from"]
    bounds = Limits(limits.texts, limits.characters, limits.body_bytes, limits.seconds, limits.waiting)
    app = service(Predictor(folder, batch_rows), bounds, language=language, model=made_from)
    listening = listen(host, port)
    typer.echo(f"http://{host}:{port}/docs  (Ctrl-C ends it)")
    config = uvicorn.Config(
        app,
        http=prompt_protocol(limits.seconds),
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=int(limits.seconds) + 1,
    )
    with suppress(KeyboardInterrupt):  # the way to end it
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        BadInputError: where it cannot.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise BadInputError(
            f"{host}, port {port}: cannot listen there ({error}); choose others with --host, --port"
        ) from None


def prompt_protocol(seconds: float) -> Any:
    """Return uvicorn's HTTP protocol with a bound on the time that the head of a request takes, which it lacks."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Prompt(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._timer = self.loop.call_later(seconds, self._too_slow)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            waits = self.conn.their_state is h11.IDLE
            if self._timer is not None and not waits:
                self._timer.cancel()
                self._timer = None
            elif self._timer is None and waits:
                self._timer = self.loop.call_later(seconds, self._too_slow)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._timer is not None:
                self._timer.cancel()
            super().connection_lost(exc)

        def _too_slow(self) -> None:
            if not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                self.transport.close()

    return Prompt
