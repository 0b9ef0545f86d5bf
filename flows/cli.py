"""The command line, `distilingua`. It parses and calls; what is heavy is imported late."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.annotating import annotate
from flows.command_line import Debug, Root, plain_errors
from flows.deploying import deploy
from flows.exporting import export
from flows.feeding_back import feedback
from flows.predicting import predict
from flows.reproducing import reproduce
from flows.serving import serve
from flows.sweeping import sweep
from flows.tracing import lineage
from flows.working import worker
from kdmodels.errors import BadInputError

if TYPE_CHECKING:
    from tasks.sections import Params

REASONS = 3  # shown of a stale stage
STUDENTS = Path("data/student")

app = typer.Typer(
    help="Cross-lingual knowledge distillation: labelled text in one language, small fast models in others.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    Path | None, typer.Option("--data", help="The folder of the preset's data; data/external becomes a link to it.")
]


predict_command = app.command()(predict)
export_command = app.command()(export)
serve_command = app.command()(serve)
annotate_command = app.command()(annotate)
sweep_command = app.command()(sweep)
feedback_command = app.command()(feedback)
deploy_command = app.command()(deploy)
worker_command = app.command()(worker)
lineage_command = app.command()(lineage)
reproduce_command = app.command()(reproduce)


def main() -> None:
    """Run the command line."""
    app(prog_name="distilingua")


@app.command()
def run(
    stages: Annotated[
        list[str] | None,
        typer.Argument(help="Stages to bring up to date, with all before them, such as student@de. [default: all]"),
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="Write this preset into params.yaml first (distilingua use).")
    ] = None,
    data: Data = None,
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Bring the project up to date: run each stage that may be stale, and show the results."""
    with plain_errors(debug):
        if preset is not None:
            _use(root, preset, data, force=False)
        elif data is not None:
            raise BadInputError("--data belongs to a preset: give --preset too, or distilingua use")
        params = _params(root)
        if debug:
            os.environ["DISTILINGUA_DEBUG"] = "1"  # stages show their tracebacks too
        _pipeline(root, stages)
        _show_results(root, params)


@app.command()
def use(
    preset: Annotated[str, typer.Argument(help="A file of the folder presets, without its ending.")],
    data: Data = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite edits of params.yaml that are not saved.")] = False,
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Write a preset into params.yaml: the corpora, labels and numbers of a known task."""
    with plain_errors(debug):
        _use(root, preset, data, force)
        typer.echo(f"params.yaml is set to {preset}. To run it: distilingua run")


def _use(root: Path, preset: str, data: Path | None, force: bool) -> None:
    from tasks.presets import use as use_preset

    use_preset(root, preset, data=data, force=force)


@app.command()
def status(root: Root = Path(), debug: Debug = False) -> None:
    """Say which stages are fresh, and why the others are not."""
    with plain_errors(debug):
        _params(root)
        from tasks.stage import graph, locked_outputs, stale

        with ThreadPoolExecutor(1) as beside:  # DVC's own status is a program that takes as long as the rest
            asked = beside.submit(stale, root.absolute())
            declared, made = graph(root.absolute()), locked_outputs(root)
            changed = asked.result()
        behind = declared.behind(changed)
        width = max(map(len, declared.stages), default=0)
        for name in declared.stages:
            state = "stale" if name in changed else "waits" if name in behind else "fresh"
            causes = [other for other in declared.stages if other in declared.upstream[name] & behind]
            why = [] if name not in changed else _some(changed[name]) if name in made else ["never made"]
            if name in behind and causes:
                why = [*why, f"needs {', '.join(causes)}"]
            typer.echo(f"{name:<{width}}  {state}{': ' if why else ''}{'; '.join(why)}")
        if behind:
            typer.echo("\nTo bring them up to date: distilingua run")


@app.command()
def ui(
    port: Annotated[
        int, typer.Option("--port", help="Of this machine; only programs on it can connect.", min=1, max=65535)
    ] = 5000,
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Show the recorded runs in MLflow's pages until Ctrl-C."""
    with plain_errors(debug):
        _params(root)
        from flows.pages import serve
        from tasks.recording import ui_command

        command, environment = ui_command(root.absolute(), port)
        with suppress(KeyboardInterrupt):  # the way to end it
            serve(command, environment, root, port, lambda address: typer.echo(f"{address}  (Ctrl-C ends it)"))


def _some(reasons: list[str]) -> list[str]:
    more = len(reasons) - REASONS
    return reasons if more <= 0 else [*reasons[:REASONS], f"{more} more (dvc status)"]


def _params(root: Path) -> "Params":
    from tasks.config import load_params

    return load_params(root)


def _pipeline(root: Path, stages: list[str] | None) -> None:
    from flows.display import displayed
    from flows.server import prefect_server

    with prefect_server("flows.pipeline"):
        from flows.pipeline import pipeline

        with displayed():
            pipeline(str(root.absolute()), stages or None)


def _show_results(root: Path, params: "Params") -> None:
    from rich.console import Console
    from rich.table import Table

    from flows.results import FOLDER, SHORT_HEADINGS, results, short_cells

    rows = results(root, params.targets)
    if not rows:
        return
    table = Table(*SHORT_HEADINGS, title="Students")
    for row in rows:
        table.add_row(*short_cells(row))
    Console().print(table)
    language = rows[0]["language"]
    for what, where in (
        ("in detail", root / FOLDER / language / "report.md"),
        ("the model", root / STUDENTS / language / "model"),
        ("to use it", f'distilingua predict --target {language} "..."'),
        ("all runs", "distilingua ui"),
    ):
        typer.echo(f"{what:<10} {where}")
