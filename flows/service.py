"""The HTTP app of a student: `/predict`, `/health`, `/metrics`, and its own page `/docs`.

A request that is malformed, too large or too slow gets an answer 4xx, and none of them holds up another: bodies are read
before anything waits for them, one at a time is computed, and who waits too long for it is sent away.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from kdmodels.inference import Prediction, Predictor
from kdmodels.onnx_student import needs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_PAGE_FILES = "/docs/files"
_TOLD = 10  # of the errors of one request


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Attributes:
        texts: at most
        characters: of each
        body_bytes: of the request
        seconds: for it to arrive, and to wait for its turn
        waiting: requests that wait at once
    """

    texts: int
    characters: int
    body_bytes: int
    seconds: float
    waiting: int


class Health(BaseModel):
    """That the service answers, and with what."""

    status: str
    language: str
    model: str
    labels: list[str]


class Answer(BaseModel):
    """What the student says of one text."""

    label: str
    probability: float
    probabilities: dict[str, float]
    truncated: bool = Field(description="the text was longer than the student reads; only its beginning counted")

    @classmethod
    def of(cls, found: Prediction) -> "Answer":
        """Return a prediction without its text."""
        return cls(
            label=found.label,
            probability=found.probability,
            probabilities=found.probabilities,
            truncated=found.truncated,
        )


class Answers(BaseModel):
    """One answer for each text, in their order."""

    predictions: list[Answer]


def service(predictor: Predictor, limits: Limits, *, language: str, model: str) -> App:
    """Return the app of a student.

    Args:
        model: what tells this student from others

    Raises:
        BadInputError: where a library of the extra `serve` is missing.
    """
    prometheus = needs("prometheus_client", "serve")
    pages = needs("swagger_ui_bundle", "serve")
    app = FastAPI(title=f"Text classifier, {language}", version=model[:12], docs_url=None, redoc_url=None)
    counted = prometheus.CollectorRegistry()
    named = partial(prometheus.Counter, registry=counted)
    texts_total = named("distilingua_texts", "texts labelled, by label", ["label"])
    compute = prometheus.Histogram("distilingua_compute_seconds", "of one request's texts", registry=counted)
    waiting = prometheus.Gauge("distilingua_waiting_requests", "that wait for their turn", registry=counted)
    turn = asyncio.Semaphore(1)  # the model uses all cores by itself
    line = [0]
    text = Annotated[str, Field(max_length=limits.characters), AfterValidator(_encodable)]
    request = create_model(
        "Texts",
        __config__=ConfigDict(extra="forbid", strict=True),
        texts=(Annotated[list[text], Field(min_length=1, max_length=limits.texts)], ...),
    )

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        # without what was given: it may be long, or be no text that can be written
        told = [{"where": list(map(str, one["loc"])), "why": one["msg"]} for one in error.errors()]
        return JSONResponse({"detail": told[:_TOLD]}, 422)

    @app.post("/predict", summary="Label texts")
    async def predict(given: request) -> Answers:
        texts: list[str] = given.texts  # type: ignore[attr-defined]
        if line[0] >= limits.waiting:
            raise HTTPException(429, f"{line[0]} requests wait already; try again", {"Retry-After": "1"})
        line[0] += 1
        waiting.inc()
        try:
            await asyncio.wait_for(turn.acquire(), limits.seconds)
        except TimeoutError:
            raise HTTPException(
                429, f"no turn within {limits.seconds:g} seconds; try again", {"Retry-After": "1"}
            ) from None
        finally:
            line[0] -= 1
            waiting.dec()
        try:
            with compute.time():
                found = await asyncio.shield(asyncio.to_thread(predictor.predict_together, texts))
        finally:
            turn.release()
        for one in found:
            texts_total.labels(one.label).inc()
        return Answers(predictions=[Answer.of(one) for one in found])

    @app.get("/health", summary="Whether it answers")
    async def health() -> Health:
        return Health(status="ok", language=language, model=model, labels=predictor.labels)

    @app.get("/metrics", summary="For Prometheus", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(prometheus.generate_latest(counted), media_type=prometheus.CONTENT_TYPE_LATEST)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=app.title,
            swagger_js_url=f"{_PAGE_FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{_PAGE_FILES}/swagger-ui.css",
            swagger_favicon_url=f"{_PAGE_FILES}/favicon-32x32.png",
        )

    app.mount(_PAGE_FILES, StaticFiles(directory=pages.swagger_ui_path))
    requests = prometheus.Histogram(
        "distilingua_request_seconds", "by path and status", ["path", "status"], registry=counted
    )
    known = {"/predict", "/health", "/metrics", "/docs", str(app.openapi_url)}

    def observe(path: str, status: int, seconds: float) -> None:
        requests.labels(path if path in known else "other", str(status)).observe(seconds)

    return _bounded(app, limits, observe)


class _TooLargeError(Exception):
    """The body of a request is longer than it may be."""


def _encodable(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair stands in it, which is no character") from None
    return text


def _bounded(app: App, limits: Limits, observe: Callable[[str, int, float], None]) -> App:
    """Return an app that reads each body within bounds before the inner one sees the request, and tells how it went."""

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began, answered = time.perf_counter(), [499]  # 499: the client went before it was answered

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answered[0] = message["status"]
            await send(message)

        try:
            body = await asyncio.wait_for(_body(scope, receive, limits.body_bytes), limits.seconds)
        except TimeoutError:
            await _refuse(sending, scope, 408, f"the request did not arrive within {limits.seconds:g} seconds")
        except _TooLargeError:
            await _refuse(sending, scope, 413, f"a request has at most {limits.body_bytes} bytes")
        else:
            if body is not None:
                await app(scope, _again(body, receive), sending)
        observe(scope["path"], answered[0], time.perf_counter() - began)

    return bounded


async def _body(scope: Scope, receive: Receive, most: int) -> bytes | None:
    """Return the body of a request, or none where the client went before it was whole.

    Raises:
        _TooLargeError: where it is, or says that it is, longer than `most` bytes.
    """
    said = dict(scope["headers"]).get(b"content-length", b"0")
    if not said.isdigit() or int(said[:20]) > most:
        raise _TooLargeError
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            raise _TooLargeError
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, and then what comes after it."""
    first = [True]

    async def read() -> MutableMapping[str, Any]:
        if first[0]:
            first[0] = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return read


async def _refuse(send: Send, scope: Scope, status: int, why: str) -> None:
    """Answer as the app does, and end the connection: what was sent of the request is not read to its end."""
    answer = JSONResponse({"detail": why}, status, {"connection": "close"})

    async def nothing() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    await answer(scope, nothing, send)
