"""The command `distilingua export`. What is heavy is imported late."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.command_line import Debug, Root, plain_errors
from flows.students import student_folder


class Format(StrEnum):
    """What a student is exported to."""

    ONNX = "onnx"


class Quantize(StrEnum):
    """How the weights of an exported student are stored."""

    NONE = "none"
    INT8 = "int8"


def export(
    target: Annotated[str, typer.Option("--target", "-t", help="The language, one of targets in params.yaml.")],
    kind: Annotated[Format, typer.Option("--format", help="Of the model.")] = Format.ONNX,
    quantize: Annotated[
        Quantize, typer.Option("--quantize", help="int8: a quarter of the size, and faster.")
    ] = Quantize.NONE,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Another folder than exports/LANGUAGE, where predict and serve look."),
    ] = None,
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Write a student as an ONNX folder that needs only onnxruntime and tokenizers, checked against the student."""
    with plain_errors(debug):
        from tasks import places
        from tasks.config import load_params
        from tasks.exporting import export_student

        assert kind is Format.ONNX
        params = load_params(root)
        student_folder(root, params, target)
        out = output or places.export(root, target)
        checks = export_student(root, target, quantize.value, out, params)
        typer.echo(f"{out}: {sum(file.stat().st_size for file in out.iterdir()) / 1e6:.1f} MB")
        typer.echo(f"logits in float32 as the student's within {checks['difference']:.1e}")
        if "agreement" in checks:
            typer.echo(f"int8 answers {checks['agreement']:.2%} of the held-out texts as float32 does")
