"""`distilingua reproduce`: a recorded run, made once more."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from flows.command_line import Debug, Root, plain_errors


def reproduce(
    run: Annotated[str, typer.Argument(help="The id of a stage's run, as MLflow's pages show it.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Run all stages before it too, rather than take their outputs from the cache.")
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option("--into", help="The folder to make for it. [default: one that goes when all is equal]"),
    ] = None,
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Run a recorded stage again, at its commit with its params, in a clone of its own, and compare the bytes."""
    with plain_errors(debug):
        from tasks.config import load_params
        from tasks.guard import Processes
        from tasks.reproduction import reproduce as reproduced

        load_params(root)
        scratch = into or Path(tempfile.mkdtemp(prefix="distilingua-reproduce-")) / "project"
        processes = Processes()
        try:
            found = reproduced(root.absolute(), run, scratch.absolute(), typer.echo, processes, upstream=everything)
        except BaseException:
            processes.close()
            if into is None:
                shutil.rmtree(scratch.parent, ignore_errors=True)
            raise
        typer.echo()
        differ = [one for one in found if one.recorded != one.now]
        for one in found:
            told = "equal" if one.recorded == one.now else f"differs: {one.recorded or 'not recorded'}, now {one.now}"
            typer.echo(f"{one.path}: {told}")
        if differ:
            typer.echo(f"The clone is in {scratch}. What is timed differs from run to run.")
            raise typer.Exit(1)
        if into is None:
            shutil.rmtree(scratch.parent)
