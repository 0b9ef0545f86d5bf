"""The command `distilingua predict`. What is heavy is imported late."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.command_line import Debug, Root, plain_errors
from flows.students import predictor_of
from kdmodels.errors import BadInputError

if TYPE_CHECKING:
    from kdmodels.inference import Prediction, Predictor

_TOGETHER = 1024  # predictions written at once
_BETWEEN_LINES = 10.0  # seconds


def predict(
    target: Annotated[
        str, typer.Option("--target", "-t", help="The language of the texts, one of targets in params.yaml.")
    ],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts. [default: each line of standard input is one]")
    ] = None,
    given: Annotated[
        Path | None, typer.Option("--input", "-i", help="A file of texts, a line each; .gz, .xz, .bz2 or .zst too.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file to write instead: .tsv, .jsonl or .parquet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Label texts with the student of a language, with the probability of each label."""
    with plain_errors(debug):
        from tasks.config import load_params

        params = load_params(root)
        if texts and given:
            raise BadInputError("texts are given twice: as arguments and with --input. Leave one out")
        if output is not None and as_json:
            raise BadInputError("--json is for the terminal; --output takes its format from the file's ending")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        predictor = predictor_of(root, params, target, lambda line: typer.echo(line, err=True))
        read = texts or (_lines() if given is None else _file(given))
        if output is not None:
            _write(predictor, read, output)
            return
        typed = not texts and given is None and sys.stdin.isatty()  # each line is answered at once
        for found in predictor.predict(read, read_ahead=1 if typed else None):
            _print(found, as_json)


def _write(predictor: "Predictor", texts: Iterable[str], output: Path) -> None:
    from kdmodels.prediction_files import prediction_file

    with prediction_file(output, predictor.labels) as write:
        found = _counted(predictor.predict(texts))
        while some := list(islice(found, _TOGETHER)):
            write(some)
    typer.echo(f"written: {output}", err=True)


def _counted(found: Iterator["Prediction"]) -> Iterator["Prediction"]:
    """Show how many there are: a bar on a terminal, lines elsewhere."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(found, unit=" texts", unit_scale=True, file=sys.stderr)
        return
    began = last = time.monotonic()
    for number, one in enumerate(found, start=1):
        yield one
        if time.monotonic() >= last + _BETWEEN_LINES:
            last = time.monotonic()
            typer.echo(f"{number:,} texts labelled, {number / (last - began):,.0f} a second", err=True)


def _file(path: Path) -> Iterator[str]:
    from kdmodels.text_files import read_lines

    for _, line in read_lines(path):
        yield line


def _lines() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise BadInputError(
                f"standard input, line {number}: not UTF-8 ({error.reason}). Convert it first"
            ) from None


def _print(found: "Prediction", as_json: bool) -> None:
    if as_json:
        from kdmodels.prediction_files import as_row

        line = json.dumps(as_row(found), ensure_ascii=False)
    else:
        others = sorted(found.probabilities.items(), key=lambda item: -item[1])
        line = "\t".join([found.label, " ".join(f"{label}={value:.3f}" for label, value in others), found.text])
        if found.truncated:
            typer.echo("note: the next text is longer than the student reads; its beginning was labelled", err=True)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
