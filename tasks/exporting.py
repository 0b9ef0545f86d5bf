"""A student's ONNX folder, made of what the stages made and recorded as a run of its own."""

import shutil
from pathlib import Path

from kdmodels.errors import BadInputError
from kdmodels.files import folder_sha256
from kdmodels.onnx_student import SETTINGS, read_settings
from kdmodels.tables import read_table
from tasks import places
from tasks.sections import Params


def export_student(root: Path, target: str, quantize: str, out: Path, params: Params) -> dict[str, float]:
    """Write a student's ONNX folder in the place of an earlier one, and record it.

    The model is compared with the student on the labelled test texts, where there are some, and else on held-out pairs;
    an int8 model with the float32 one on held-out pairs.

    Args:
        quantize: none or int8

    Returns:
        what `kdmodels.onnx_export.export` returns

    Raises:
        BadInputError: where `out` holds something else, and as that function.
    """
    from kdmodels.onnx_export import export
    from tasks.recording import recorded_flow
    from tasks.stage import locked_outputs

    if out.exists() and not (out / SETTINGS).is_file():
        raise BadInputError(f"{out}: holds something that is no exported student. Choose another folder with --output")
    student = places.student(root, target)
    pairs = read_table(root / f"data/corpus/{target}/pairs.parquet", ["target", "held_out"])
    sides = zip(pairs["target"].to_pylist(), pairs["held_out"].to_pylist(), strict=True)
    held_out = [text for text, waits in sides if waits]
    tests = read_table(root / f"data/labelled/test/{target}.parquet", ["text"])["text"].to_pylist()
    whole = root / f"data/evaluation/{target}/model_card.md"
    card = (whole if whole.is_file() else student / "README.md").read_text(encoding="utf-8")
    partial = places.partial_output(out)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with recorded_flow(root, params, f"export {target}", tags={"language": target, "quantize": quantize}) as record:
            made = f"student@{target}"
            record.link(made, locked_outputs(root).get(made, {}))
            checks = export(
                student,
                partial,
                quantize=quantize,
                texts=tests or held_out,
                held_out=held_out,
                difference=params.export.difference,
                least_agreement=params.export.agreement,
                card=card,
            )
            record.metrics(checks)
            shutil.rmtree(out, ignore_errors=True)
            partial.rename(out)
            record.artifact(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return checks


def exported(root: Path, target: str) -> tuple[Path | None, str]:
    """Return the folder of a student's export where it was made of the student that is there now; else none, and why."""
    folder = places.export(root, target)
    if not (folder / SETTINGS).is_file():
        return None, f"{folder}: not there. To make it: distilingua export --target {target}"
    if read_settings(folder)["made_from"] != folder_sha256(places.student(root, target)):
        return None, f"{folder} was made of another student. To make it again: distilingua export --target {target}"
    return folder, ""
