"""What all commands share: their common options, and errors as plain lines."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from kdmodels.errors import BadInputError

BAD_INPUT = 2  # exit status, as typer's own for a wrong option
INTERRUPTED = 130

Root = Annotated[
    Path, typer.Option("--root", "-C", help="The project's folder, with params.yaml and dvc.yaml.", show_default="here")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@contextmanager
def plain_errors(debug: bool) -> Iterator[None]:
    """Say what a block raises in one line, and end with the status that fits it."""
    try:
        yield
    except BadInputError as error:
        _fail(str(error), BAD_INPUT, debug)
    except KeyboardInterrupt:
        _fail("interrupted; what had ended well is kept: distilingua run goes on from there", INTERRUPTED, debug)
    except BrokenPipeError:  # of `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except (RuntimeError, OSError) as error:
        bad = getattr(error, "bad_input", False)
        _fail(str(error), BAD_INPUT if bad else 1, debug)


def _fail(message: str, code: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code) from None
