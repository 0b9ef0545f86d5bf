"""The command `distilingua sweep`. What is heavy is imported late."""

from pathlib import Path
from typing import Annotated

import typer

from flows.command_line import Debug, Root, plain_errors


def sweep(
    target: Annotated[str, typer.Option("--target", "-t", help="The language, one of targets in params.yaml.")],
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Train students of several loss designs, and say which the teacher's knowledge reaches best.

    The designs, temperatures and seeds are those of the section sweep in params.yaml.
    """
    with plain_errors(debug):
        from tasks.config import load_params

        load_params(root)
        from flows.display import displayed
        from flows.server import prefect_server

        with prefect_server("flows.sweep"):
            from flows.sweep import FOLDER
            from flows.sweep import sweep as run

            with displayed():
                ranking = run(str(root.absolute()), target)
        from rich.console import Console
        from rich.table import Table

        from flows.sweep_report import HEADINGS, cells

        table = Table(*HEADINGS, title=f"Designs, {target}")
        for place in ranking:
            table.add_row(*cells(place))
        Console().print(table)
        typer.echo(f"in detail  {root / FOLDER / target / 'report.md'}")
