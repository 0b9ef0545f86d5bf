"""Tables with one JSON object a line."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from kdmodels.archives import Entry
from kdmodels.errors import BadInputError
from kdmodels.text_files import read_lines

_KINDS = {
    str: "text",
    bool: "a truth value",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def read_json_lines(entry: Entry, texts: Sequence[str], keys: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the objects of a JSON Lines file with their line numbers; null counts as empty text.

    Args:
        texts: fields that must hold text
        keys: fields that may hold whole numbers as well

    Raises:
        BadInputError: where a line is no JSON object, a field is missing or of another type, or a text holds a NUL
            or half a surrogate pair.
    """
    for number, line in read_lines(entry):
        place = f"{entry.shown}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInputError(f"{place}: not JSON ({error}); each line holds one object") from None
        if not isinstance(value, dict):
            kind = _KINDS.get(type(value), "null")
            raise BadInputError(f"{place}: an object is expected, this is {kind}; each line holds one object")
        row = {name: _field(place, value, name, number_allowed=True) for name in keys}
        row |= {name: _field(place, value, name, number_allowed=False) for name in texts}
        # Only an escape can bring in what no UTF-8 file holds, and it is rare.
        if "\\u" in line:
            _check_characters(place, row)
        yield number, row


def _field(place: str, value: dict[str, Any], name: str, *, number_allowed: bool) -> str:
    if name not in value:
        raise BadInputError(f"{place}: the field {name!r} is missing; the object has {', '.join(value) or 'none'}")
    field = value[name]
    if isinstance(field, str):
        return field
    if field is None:
        return ""
    if number_allowed and type(field) is int:
        return str(field)
    wanted = "text or a whole number" if number_allowed else "text"
    raise BadInputError(f"{place}: the field {name!r} is {_KINDS[type(field)]}, expected {wanted}")


def _check_characters(place: str, row: dict[str, str]) -> None:
    for name, text in row.items():
        if "\0" in text:
            raise BadInputError(f"{place}: the field {name!r} holds a NUL character; the file is damaged or no text")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise BadInputError(f"{place}: the field {name!r} holds half a surrogate pair, which is no character")
