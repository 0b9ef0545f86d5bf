"""The command `distilingua annotate`. What is heavy is imported late."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.command_line import Debug, Root, plain_errors
from kdmodels.errors import BadInputError

if TYPE_CHECKING:
    from kdmodels.inference import Predictor
    from tasks.sections import Params

FOLDER = Path("annotations")


def annotate(
    target: Annotated[str, typer.Option("--target", "-t", help="The language, one of targets in params.yaml.")],
    number: Annotated[int, typer.Option("--number", "-n", help="Texts to draw.", min=1)] = 200,
    texts: Annotated[
        Path | None,
        typer.Option(
            "--from", help="A file of your own texts, a line each. [default: the held-out pairs' target side]"
        ),
    ] = None,
    read: Annotated[bool, typer.Option("--read", help="Read what was labelled, and score the student on it.")] = False,
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Draw a sample of target texts for people to label, and read it back as a test set of the student."""
    with plain_errors(debug):
        from tasks.config import load_params

        params = load_params(root)
        from flows.students import student_folder
        from kdmodels.inference import Predictor

        predictor = Predictor(student_folder(root, params, target), params.evaluation.batch_rows)
        table = root / FOLDER / f"{target}.tsv"
        if read:
            _read(table, predictor, params)
        else:
            _draw(table, predictor, texts, root / f"data/corpus/{target}/pairs.parquet", number, params)


def _draw(table: Path, predictor: "Predictor", texts: Path | None, pairs: Path, number: int, params: "Params") -> None:
    import numpy as np

    from kdmodels.annotation import design_of, draw, write_sample
    from kdmodels.likeness import likeness
    from kdmodels.tables import read_table
    from kdmodels.text_files import read_lines

    corpus = read_table(pairs, ["target", "held_out"])
    sides: list[str] = corpus["target"].to_pylist()
    held = [text for text, out in zip(sides, corpus["held_out"].to_pylist(), strict=True) if out]
    if texts is None:
        found = held
    else:
        found = list(dict.fromkeys(line.strip() for _, line in read_lines(texts) if line.strip()))
        if not found:
            raise BadInputError(f"{texts}: no text in it")
        alike = likeness(found, held, resamples=params.evaluation.resamples, seed=params.seed)
        if alike.unlike:
            typer.echo(
                f"warning: these texts look unlike the parallel corpus that the student learned from: a text has "
                f"{alike.value:.2f} nats a character n-gram, held-out text {alike.low:.2f} to {alike.high:.2f}. "
                "Expect lower accuracy than its agreement on held-out pairs; parallel text of this kind would help",
                err=True,
            )
    answers = list(predictor.predict(found))
    drawn = draw([one.label for one in answers], np.array([one.probability for one in answers]), number, params.seed)
    write_sample(table, found, drawn)
    typer.echo(f"{number} of {len(found)} texts in {table}. Fill its column label with: {', '.join(predictor.labels)}")
    typer.echo(f"Keep {design_of(table)} beside it. Then: distilingua annotate --target {table.stem} --read")


def _read(table: Path, predictor: "Predictor", params: "Params") -> None:
    import numpy as np

    from kdmodels.annotation import read_sample, stratified
    from kdmodels.comparison import Bootstrap
    from kdmodels.files import write_json

    found = read_sample(table, predictor.labels)
    answers = [one.label for one in predictor.predict(found.texts)]
    right = np.array([ours == theirs for ours, theirs in zip(answers, found.labels, strict=True)], dtype=np.float64)
    numbers = params.evaluation
    draws = Bootstrap(numbers.resamples, numbers.confidence, params.seed)
    score = stratified(right, found.strata, found.sizes, draws)
    result: dict[str, Any] = {"accuracy": score, "labelled": len(found.texts), "unlabelled": found.unlabelled}
    write_json(table.with_suffix(".json"), result)
    typer.echo(
        f"accuracy {score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f}, {numbers.confidence:.0%} interval) "
        f"on {len(found.texts)} labelled texts, each stratum weighed by its share; {found.unlabelled} not labelled"
    )
    missing = sorted(set(found.sizes) - set(found.strata))
    if missing:
        typer.echo(
            f"warning: nothing is labelled of: {'; '.join(missing)}. They count as the others do on average", err=True
        )
