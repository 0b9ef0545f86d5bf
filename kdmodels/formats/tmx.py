"""Translation memories (TMX 1.4b, LISA/OSCAR), read unit by unit."""

from collections.abc import Iterator
from typing import Any

from kdmodels.archives import Entry
from kdmodels.errors import BadInputError

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CODES = {"bpt", "ept", "it", "ph", "ut"}  # hold codes of the document's own format, not text


def read_tmx(entry: Entry, source: str, target: str) -> Iterator[tuple[int, str, str, dict[str, str]]]:
    """Return the translation units that have both sides: number of the unit, source, target, attributes and props.

    A side is the first variant in just that language, or else the first whose primary language it is: `de` takes
    `de-AT`, whatever the case, with hyphen or underscore. Units that lack a side are passed over, and counted in the
    numbers. Of markup inside a segment the text stays, the codes of the document's format (bpt, ept, it, ph, ut) go.

    Raises:
        BadInputError: where it is no TMX, declares entities or refers to external ones, or no unit has both sides.
        DamagedError: where it is packed and damaged.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException

    number = found = 0
    languages: set[str] = set()
    try:
        for number, unit in _units(entry):
            variants = [(_language(variant), _text(variant)) for variant in unit if _tag(variant) == "tuv"]
            languages.update(language for language, _ in variants)
            sides = [_side(variants, wanted) for wanted in (source, target)]
            if sides[0] is not None and sides[1] is not None:
                found += 1
                yield number, sides[0], sides[1], _fields(unit)
    except DefusedXmlException as error:
        raise BadInputError(f"{entry.shown}: refused, for it declares or refers to entities ({error})") from None
    except RecursionError:
        raise BadInputError(f"{entry.shown}: unit {number + 1} is nested too deeply to be a translation unit") from None
    except ParseError as error:
        raise BadInputError(
            f"{entry.shown}:{error.position[0]}: not XML ({error}), behind {number} whole translation units"
        ) from None
    if not found:
        there = ", ".join(sorted(languages)) or "none"
        raise BadInputError(
            f"{entry.shown}: none of {number} translation units has both {source!r} and {target!r}; its languages are {there}"
        )


def _units(entry: Entry) -> Iterator[tuple[int, Any]]:
    from defusedxml.ElementTree import iterparse

    number = 0
    above: list[Any] = []
    with entry.open(None) as stream:
        # Real files have a DOCTYPE. What is dangerous in one, entities and external references, stays forbidden.
        for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=False):
            if event == "start":
                if not above and _tag(element) != "tmx":
                    raise BadInputError(f"{entry.shown}: its outermost element is {_tag(element)!r}, expected 'tmx'")
                above.append(element)
                continue
            above.pop()
            if _tag(element) == "tu":
                number += 1
                yield number, element
                above[-1].clear()  # of this unit and the text around it, so that memory stays flat


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _language(variant: Any) -> str:
    return _normal(variant.get(_LANGUAGE) or variant.get("lang") or "")


def _normal(code: str) -> str:
    return code.strip().replace("_", "-").lower()


def _side(variants: list[tuple[str, str]], wanted: str) -> str | None:
    exact = _normal(wanted)
    primary = exact.split("-")[0]
    for language, text in variants:
        if language == exact:
            return text
    return next((text for language, text in variants if language.split("-")[0] == primary), None)


def _text(variant: Any) -> str:
    segment = next((part for part in variant if _tag(part) == "seg"), None)
    return "" if segment is None else "".join(_pieces(segment))


def _pieces(element: Any) -> Iterator[str]:
    if _tag(element) not in _CODES:
        yield element.text or ""
        for part in element:
            yield from _pieces(part)
            yield part.tail or ""


def _fields(unit: Any) -> dict[str, str]:
    props = {part.get("type", ""): part.text or "" for part in unit if _tag(part) == "prop"}
    return props | dict(unit.attrib)
