"""Corpora in files of your own: tables, Moses sides and translation memories, here or at an address, packed or not."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kdmodels.errors import BadInputError
from kdmodels.formats.labelled import LabelColumns, read_texts
from kdmodels.formats.parallel import Columns, read_one, read_sides
from kdmodels.formats.parts import parts_of
from kdmodels.formats.paths import begin_of_second, check_side_by_side, fill, wanted, wanted_if_there
from kdmodels.pairs import LabelledText, Pair
from kdmodels.provenance import Found, Wanted
from kdmodels.redaction import redacted


def pair_files(
    *,
    folder: Path,
    source: str,
    target: str,
    paths: list[str],
    members: list[str],
    id_column: str | None,
    source_column: str,
    target_column: str,
    group_column: str | None,
    codes: dict[str, str],
    header: list[str],
    licence: str | None,
) -> list[Wanted]:
    """Return the files of a parallel corpus: those of the first path, then those of the second.

    Args:
        paths: one file with both sides (a table or TMX), or two, one a language (Moses sides or tables); each a
            path or glob below the folder, or an address; {source} and {target} stand for the languages

    Raises:
        BadInputError: where a path fits no file, or two globs do not fit the same files.
    """
    del id_column, source_column, target_column, group_column, header
    names = _languages(source, target, codes)
    patterns = [fill(path, names) for path in paths]
    _check_counts(patterns, members)
    sides = [wanted(folder, pattern, licence) for pattern in patterns]
    if len(sides) == 2:
        check_side_by_side(patterns, sides)
    return [one for side in sides for one in side]


def read_pairs(
    found: Sequence[Found],
    *,
    source: str,
    target: str,
    paths: list[str],
    members: list[str],
    id_column: str | None,
    source_column: str,
    target_column: str,
    group_column: str | None,
    codes: dict[str, str],
    header: list[str],
    licence: str | None,
) -> Iterator[Pair]:
    """Return the sentence pairs of a corpus in the order of its files and lines.

    Args:
        members: of a .zip, names or patterns in the order of the sides; empty: it holds just what is needed
        id_column: none: the file's path and the number of the line are the id, as they always are for Moses; of two
            tables both must have it, and the same id in each row
        source_column, target_column: of a table; several with commas between them give a pair each
        group_column: what belongs together, such as a document, and is not split between training and test; or none
        codes: the corpus's own language codes, where they are not those of params.yaml
        header: the names of the columns, where a TSV or CSV has no header line

    Raises:
        BadInputError: where a file or a row is not as it must be; with file and line.
        DamagedError: where a file is damaged.
    """
    del licence
    names = _languages(source, target, codes)
    columns = _columns(names, id_column, source_column, target_column, group_column, header)
    patterns, inside = ([fill(pattern, names) for pattern in given] for given in (paths, members))
    _check_counts(patterns, inside)
    per_side = len(found) // len(patterns)
    sides = [
        parts_of(found[side * per_side : (side + 1) * per_side], pattern, inside[side] if inside else None)
        for side, pattern in enumerate(patterns)
    ]
    if len(patterns) == 1 and len(inside) == 2:  # both sides are in one archive
        sides.append(parts_of(found, patterns[0], inside[1]))
    if len(sides) == 1:
        for part in sides[0]:
            yield from read_one(part, columns, names["source"], names["target"])
        return
    if len(sides[0]) != len(sides[1]):
        raise BadInputError(
            f"{found[0].where}: {len(sides[0])} members fit {inside[0]!r}, {len(sides[1])} fit {inside[1]!r}; "
            "each needs its other side"
        )
    for left, right in zip(*sides, strict=True):
        yield from read_sides(left, right, columns)


def labelled_files(
    *,
    folder: Path,
    language: str,
    labelled: str,
    valid: str | None,
    test: str,
    id_column: str | None,
    label_column: str,
    text_column: str,
    split_column: str | None,
    group_column: str | None,
    codes: dict[str, str],
    header: list[str],
    licence: str | None,
) -> list[Wanted]:
    """Return the files of labelled text: those for training, then those for validation.

    Args:
        labelled, valid: a path or glob below the folder, or an address; {language} stands for the language

    Raises:
        BadInputError: where one fits no file, or both the same.
    """
    del test, id_column, label_column, text_column, group_column, header
    names = {"language": codes.get(language, language)}
    train = wanted(folder, fill(labelled, names), licence)
    if valid is None:
        return train
    if split_column is not None:
        raise BadInputError(
            f"valid is {redacted(valid)!r} and split_column {split_column!r}: a split has files of its own or a column; "
            "set one to none"
        )
    held = wanted(folder, fill(valid, names), licence)
    both = sorted({one.where for one in train} & {one.where for one in held})
    if both:
        raise BadInputError(
            f"{redacted(both[0])}: fits labelled ({redacted(labelled)!r}) and valid ({redacted(valid)!r}); a text has one split"
        )
    return [*train, *held]


def read_labelled(
    found: Sequence[Found],
    *,
    language: str,
    labelled: str,
    valid: str | None,
    test: str,
    id_column: str | None,
    label_column: str,
    text_column: str,
    split_column: str | None,
    group_column: str | None,
    codes: dict[str, str],
    header: list[str],
    licence: str | None,
) -> Iterator[tuple[str, LabelledText]]:
    """Return the labelled texts of a language, each with its place (file and line).

    Args:
        id_column: none: the file's path and the number of the line are the id
        label_column: {file}: each line of a file is a text, and the name of the file, without ending, its label
        split_column: holds train or valid; none: the split is that of the files, or else the texts come without one
        group_column, codes, header: as for pairs

    Raises:
        BadInputError: where a file or a row is not as it must be, or a split is neither train nor valid.
        DamagedError: where a file is damaged.
    """
    del test, licence
    names = {"language": codes.get(language, language)}
    columns = LabelColumns(id_column, label_column, text_column, split_column, group_column, header)
    pattern = fill(labelled, names)
    held = len(found) if valid is None else begin_of_second(found, pattern, fill(valid, names))
    for part in parts_of(found[:held], pattern, None):
        yield from read_texts(part, columns, None if valid is None else "train")
    if valid is not None:
        for part in parts_of(found[held:], fill(valid, names), None):
            yield from read_texts(part, columns, "valid")


def test_files(
    *,
    folder: Path,
    language: str,
    labelled: str,
    valid: str | None,
    test: str,
    id_column: str | None,
    label_column: str,
    text_column: str,
    split_column: str | None,
    group_column: str | None,
    codes: dict[str, str],
    header: list[str],
    licence: str | None,
) -> list[Wanted]:
    """Return the files of a language's labelled test texts; none where no local file is there."""
    del labelled, valid, id_column, label_column, text_column, split_column, group_column, header
    return wanted_if_there(folder, fill(test, {"language": codes.get(language, language)}), licence)


def read_test(
    found: Sequence[Found],
    *,
    language: str,
    labelled: str,
    valid: str | None,
    test: str,
    id_column: str | None,
    label_column: str,
    text_column: str,
    split_column: str | None,
    group_column: str | None,
    codes: dict[str, str],
    header: list[str],
    licence: str | None,
) -> Iterator[tuple[str, LabelledText]]:
    """Return the labelled test texts of a language with their places; arguments and errors as `read_labelled`."""
    del labelled, valid, split_column, licence
    names = {"language": codes.get(language, language)}
    columns = LabelColumns(id_column, label_column, text_column, None, group_column, header)
    for part in parts_of(found, fill(test, names), None):
        yield from read_texts(part, columns, None)


def _languages(source: str, target: str, codes: Mapping[str, str]) -> dict[str, str]:
    return {"source": codes.get(source, source), "target": codes.get(target, target)}


def _columns(
    names: Mapping[str, str],
    id_column: str | None,
    source_column: str,
    target_column: str,
    group_column: str | None,
    header: Sequence[str],
) -> Columns:
    sides = [[fill(name.strip(), names) for name in given.split(",")] for given in (source_column, target_column)]
    if len(sides[0]) != len(sides[1]):
        raise BadInputError(
            f"source_column {source_column!r} names {len(sides[0])} columns, target_column {target_column!r} names "
            f"{len(sides[1])}: each needs its other side"
        )
    own, group = (None if name is None else fill(name, names) for name in (id_column, group_column))
    return Columns(id=own, source=sides[0], target=sides[1], group=group, header=header)


def _check_counts(paths: Sequence[str], members: Sequence[str]) -> None:
    if len(paths) not in {1, 2}:
        raise BadInputError(
            f"paths: {len(paths)} are given; one path is a file with both sides, two are a side each. "
            "For several files write a glob, for several corpora use another slot"
        )
    if members and len(members) != len(paths) and (len(paths), len(members)) != (1, 2):
        raise BadInputError(f"members: {len(members)} are given for {len(paths)} paths; one for each side, or []")
