"""`distilingua lineage`: what a student was made from."""

from pathlib import Path
from typing import Annotated

import typer

from flows.command_line import Debug, Root, plain_errors
from kdmodels.errors import BadInputError


def lineage(
    what: Annotated[
        str, typer.Argument(help="A stage such as student@de, as it is now; a registered model; or the id of a run.")
    ],
    forward: Annotated[
        bool,
        typer.Option(
            "--forward",
            help="What was made from it: a run, a data set's name such as corpus/de/pairs, or a file's sha256.",
        ),
    ] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a graph that Markdown pages draw.")] = False,
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Walk from a run back to the runs and files that it was made from, as they were recorded."""
    with plain_errors(debug):
        from tasks.ancestry import ancestry, as_mermaid, as_tree
        from tasks.config import load_params
        from tasks.recording import run_that_made
        from tasks.stage import locked_outputs

        load_params(root)
        if forward:
            from tasks.descent import as_list, descent

            if mermaid:
                raise BadInputError("--mermaid draws the way back; leave out --forward")
            typer.echo(as_list(descent(root, what)))
            return
        outputs = locked_outputs(root).get(what)
        top = ancestry(root, run_that_made(root, what, outputs) if outputs else what)
        typer.echo(as_mermaid(top) if mermaid else as_tree(top))
