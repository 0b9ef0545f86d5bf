"""params.yaml as typed, frozen values (their models: tasks/sections.py). The only file that reads YAML."""

import ast
import builtins
import inspect
import io
import typing
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import ValidationError, create_model
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kdmodels import losses
from kdmodels.choice import arguments, check, choices, choose
from kdmodels.errors import BadInputError
from tasks.sections import CHANGING, FIXED, Or, Params, Section, Student

PARAMS_FILE = "params.yaml"
GRAPH_FILE = "dvc.yaml"
_FREE = {"options", "label_map"}  # mappings whose keys depend on a choice: others replace them as a whole
_GIVEN = {"folder", "source", "target", "language"}  # by the stage, not by params.yaml
_LOSSES = {
    "output_loss": "teacher_BC",
    "hidden_loss": "teacher_BH",
    "label_loss": "labels_B",
}  # what each compares with
_BUILT_FROM = {"teacher", "teacher_tokenizer", "tokenizer", "align", "dropout", "seed"}  # likewise, a student


def load_params(root: Path) -> Params:
    """Read and check params.yaml of a project.

    Raises:
        BadInputError: one line for each wrong key: what was given and what is allowed.
    """
    path = root / PARAMS_FILE
    values = read_yaml(path)
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        raise BadInputError("\n".join(_explain(path, item) for item in error.errors())) from None
    learner = checked_student(path, "student", params.student)
    corpus = {
        name: slot.model_copy(
            update={"options": _options(path, f"corpus.{name}", slot.source, "read_pairs", slot.options)}
        )
        for name, slot in params.corpus.sources.items()
    }
    chosen = params.labelled
    options = _options(path, "labelled", chosen.source, "read_labelled", chosen.options)
    return params.model_copy(
        update={
            "corpus": params.corpus.model_copy(update=corpus),
            "labelled": chosen.model_copy(update={"options": options}),
            "student": learner,
        }
    )


def checked_student(path: Path, key: str, learner: Student) -> Student:
    """Return a student's numbers, with the losses, the architecture and its options checked, without importing them.

    Args:
        key: under which they stand in the file, for messages

    Raises:
        BadInputError: where one is none, or stands in a place of another kind.
    """
    check("students", learner.architecture, f"{path}: {key}.architecture")
    for name, kind in _LOSSES.items():
        _check_loss(path, f"{key}.{name}", getattr(learner, name), kind)
    _check_loss(path, f"{key}.hidden_phase.loss", learner.hidden_phase.loss, _LOSSES["hidden_loss"])
    _check_loss(path, f"{key}.glosses.loss", learner.glosses.loss, _LOSSES["label_loss"])
    return learner.model_copy(update={"options": _student_options(path, f"{key}.options", learner)})


def _options(path: Path, section: str, source: str, function: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a corpus source, checked against what its function takes: its file is their one place."""
    check("corpora", source, f"{path}: {section}.source")
    module = choose("corpora", source)
    if not hasattr(module, function):
        able = [name for name in choices("corpora") if hasattr(choose("corpora", name), function)]
        what = "labelled text" if function == "read_labelled" else "sentence pairs"
        raise BadInputError(f"{path}: {section}.source: {source!r} offers no {what}; those that do: {', '.join(able)}")
    hints = get_type_hints(getattr(module, function))
    fields: dict[str, Any] = {
        name: (Annotated[hints[name], Or] if type(None) in get_args(hints[name]) else hints[name], ...)
        for name, parameter in inspect.signature(getattr(module, function)).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in _GIVEN
    }
    return _checked(path, f"{section}.options", source, fields, given)


def _check_loss(path: Path, key: str, name: str, compared: str) -> None:
    """Refuse a loss that is none, or that compares something else than its slot has; without importing it."""
    check("losses", name, f"{path}: {key}")
    if name != "none" and _compared(name) != compared:
        fit = [other for other in choices("losses") if other != "none" and _compared(other) == compared]
        raise BadInputError(
            f"{path}: {key}: the loss {name!r} cannot stand there; those that can: {', '.join(fit)}, none"
        )


def _compared(name: str) -> str:
    """Return what a loss compares the student's values with: its second argument."""
    tree = ast.parse((Path(losses.__path__[0]) / f"{name}.py").read_text(encoding="utf-8"))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    return function.args.args[1].arg


def _student_options(path: Path, section: str, learner: Student) -> dict[str, Any]:
    """Return the options of an architecture, checked against what its `build` takes."""
    kinds = {**vars(typing), "Sequence": list}  # what annotations of options are made of; YAML has lists
    fields: dict[str, Any] = {}
    for name, annotation in arguments("students", learner.architecture, "build").items():
        if name not in _BUILT_FROM:
            hint = eval(annotation, {"__builtins__": builtins}, kinds)
            fields[name] = (Annotated[hint, Or] if type(None) in get_args(hint) else hint, ...)
    return _checked(path, section, learner.architecture, fields, learner.options)


def _checked(path: Path, section: str, owner: str, fields: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(create_model(f"{owner}_options", __base__=Section, **fields).model_validate(given))
    except ValidationError as error:
        errors = [{**item, "loc": (*section.split("."), *item["loc"])} for item in error.errors()]
        hint = f"; {owner} takes: {', '.join(fields) or 'none'}"
        lines = (_explain(path, item).partition("; see the comments")[0] for item in errors)
        raise BadInputError("\n".join(line + hint for line in lines)) from None


def overlaid(text: str, overlays: Mapping[str, dict[str, Any]]) -> str:
    """Return the text of params.yaml with the values of overlays (by their names) in it, in their order; its comments stay.

    Raises:
        BadInputError: where an overlay has a key that is none of params.yaml, or the text is no YAML.
    """
    yaml = YAML()
    yaml.width = 4096  # lines are not broken anew
    yaml.preserve_quotes = True
    try:
        values = yaml.load(text)
    except YAMLError as error:
        raise BadInputError(f"{PARAMS_FILE}: not readable as YAML: {error}") from None
    for name, changes in overlays.items():
        _lay_over(values, changes, name, ())
    written = io.StringIO()
    yaml.dump(values, written)
    return written.getvalue()


def _lay_over(values: Any, changes: dict[str, Any], overlay: str, above: tuple[str, ...]) -> None:
    for key, change in changes.items():
        place = (*above, key)
        if not isinstance(values, dict) or key not in values:
            raise BadInputError(f"{overlay}: {'.'.join(place)}: no such key in {PARAMS_FILE}")
        if isinstance(change, dict) and (key not in _FREE or _alike(values[key], change)):
            _lay_over(values[key], change, overlay, place)
        elif isinstance(change, list) and isinstance(values[key], list):
            _replace_items(values[key], change)
        elif values[key] != change:
            values[key] = change


def _alike(values: Any, change: dict[str, Any]) -> bool:
    """Say whether a mapping can be changed in its place, so that its comments stay: same keys, and no mappings inside."""
    flat = not any(isinstance(value, dict) for mapping in (values, change) for value in mapping.values())
    return flat and bool(change) and set(values) == set(change)


def _replace_items(values: Any, items: list[Any]) -> None:
    """Replace the items of a list in its place, so that its style and what is written behind it stay."""
    if values == items:
        return
    behind = values.ca.items.pop(len(values) - 1, None)
    del values[:]
    values.extend(items)
    if behind is not None:
        values.ca.items[len(items) - 1] = behind


def _explain(path: Path, item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"] if part not in {FIXED, CHANGING}) or "the whole file"
    kind, given, message = item["type"], item["input"], item["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return f"{path}: {place}: no such key; see the comments in {PARAMS_FILE} for those there are"
    if kind == "missing":
        return f"{path}: {place}: the key is missing; every value is written in {PARAMS_FILE}"
    if kind == "string_pattern_mismatch" and place.split(".")[0] in {"source", "targets"}:
        message = "a language code such as de, zh-Hant or pt-BR is expected (BCP-47)"
    shown = "" if isinstance(given, dict) else f", given {given!r}"
    return f"{path}: {place}: {message[:1].lower()}{message[1:]}{shown}"


def stage_names(root: Path) -> list[str]:
    """Return the stages that dvc.yaml declares, in its order."""
    return list(read_yaml(root / GRAPH_FILE)["stages"])


def read_yaml(path: Path) -> Any:
    """Read a YAML 1.2 file as DVC does; tags and doubled keys are refused.

    Raises:
        BadInputError: where it is missing, no YAML, no UTF-8 or no mapping.
    """
    try:
        values = deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BadInputError(f"{path}: no such file. Run this in the project's root folder") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(values, dict):
        raise BadInputError(f"{path}: a mapping of keys to values is expected, found {type(values).__name__}")
    return values


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """Parse what several parts of a stage ask for, dvc.yaml above all, but once: it takes tens of milliseconds."""
    return YAML(typ="safe", pure=True).load(text)
