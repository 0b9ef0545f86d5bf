"""The command `distilingua feedback`. What is heavy is imported late."""

from pathlib import Path
from typing import Annotated

import typer

from flows.command_line import Debug, Root, plain_errors


def feedback(
    neutral: Annotated[
        bool, typer.Option("--neutral", help="Tell the teacher nothing again: write the neutral file, and stop.")
    ] = False,
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Fine-tune the teacher anew by what its students could not follow, in rounds, as long as that does no harm.

    How many rounds and how strong is in the section feedback of params.yaml.
    """
    with plain_errors(debug):
        from tasks.config import load_params

        load_params(root)
        if neutral:
            from kdmodels.feedback import NEUTRAL, write_feedback
            from tasks import places

            write_feedback(root / places.FEEDBACK, NEUTRAL)
            typer.echo(f"{places.FEEDBACK} is neutral. To bring the rest up to date: distilingua run")
            return
        from flows.display import displayed
        from flows.server import prefect_server

        with prefect_server("flows.feedback"):
            from flows.feedback import FILE, FOLDER, best
            from flows.feedback import feedback as run

            with displayed():
                rounds = run(str(root.absolute()))
        from rich.console import Console
        from rich.table import Table

        from flows.feedback_report import HEADINGS, cells

        table = Table(*HEADINGS, title="Rounds of feedback")
        for one in rounds:
            table.add_row(*cells(one))
        Console().print(table)
        typer.echo(f"the project is at round {best(rounds).feedback.round}; git tracks {FILE}, commit it with dvc.lock")
        typer.echo(f"in detail  {root / FOLDER / 'report.md'}")
