"""Things chosen by name: a loss, a student and a corpus source is one file, and its name is the choice."""

import ast
import importlib
from pathlib import Path
from types import ModuleType

from kdmodels.errors import BadInputError


def choices(room: str) -> list[str]:
    """Return the names that may be chosen in a room (`losses`, `students`, `corpora`): its files."""
    folder = Path(__file__).parent / room
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def check(room: str, name: str, key: str) -> None:
    """Refuse a name that is no file of the room.

    Raises:
        BadInputError: with the params key, the name and the choices.
    """
    if name not in choices(room):
        allowed = ", ".join(choices(room))
        raise BadInputError(
            f"{key}: {name!r} is not one of: {allowed}. To add one, write kdmodels/{room}/{name}.py."
            if name.isidentifier()
            else f"{key}: {name!r} is not one of: {allowed}."
        )


def choose(room: str, name: str) -> ModuleType:
    """Import the chosen file of a room.

    Raises:
        BadInputError: where there is no such file.
    """
    check(room, name, key=room)
    return importlib.import_module(f"kdmodels.{room}.{name}")


def arguments(room: str, name: str, function: str) -> dict[str, str]:
    """Return the keyword-only arguments of a function of the chosen file, with their annotations as they are written.

    The file is read and not imported: a student imports torch, which takes seconds.

    Raises:
        BadInputError: where there is no such file.
    """
    check(room, name, key=room)
    tree = ast.parse((Path(__file__).parent / room / f"{name}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return {one.arg: ast.unparse(one.annotation) for one in node.args.kwonlyargs if one.annotation is not None}
    raise BadInputError(f"{room}: {name!r} has no function {function!r}")
