"""Data sets of the Hugging Face hub: their columns as pairs or labelled texts; of a nested one its path, translation.de."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from kdmodels.archives import Entry
from kdmodels.errors import BadInputError
from kdmodels.formats.json_lines import read_json_lines
from kdmodels.formats.paths import fill
from kdmodels.hub_data import fetch_split
from kdmodels.limits import Limits
from kdmodels.pairs import LabelledText, Pair
from kdmodels.provenance import Found, Wanted

_DATASET = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_SPLIT = re.compile(r"\w+([.-]\w+)*")
_REVISION = re.compile(r"[\w][\w./-]*")
_ENDING = ".jsonl"


def pair_files(
    *,
    folder: Path,
    source: str,
    target: str,
    dataset: str,
    config: str | None,
    split: str,
    revision: str | None,
    source_column: str,
    target_column: str,
    id_column: str | None,
    group_column: str | None,
    codes: dict[str, str],
    licence: str | None,
) -> list[Wanted]:
    """Return the split of a data set with the pairs of two languages.

    Args:
        dataset: owner/name
        config, split: {source} and {target} stand for the languages, {first} and {second} for them in alphabetical
            order, as many data sets name their pairs; config none: the only one there is
        revision: a commit, branch or tag; none: the newest, asked once
        codes: the data set's own language codes, where they are not those of params.yaml
        licence: as its card says; fetching prints what that is

    Raises:
        BadInputError: where a name is none of the hub.
    """
    del folder, source_column, target_column, id_column, group_column
    names = _pair_names(source, target, codes)
    return [_wanted(dataset, config, split, revision, names, licence)]


def read_pairs(
    found: Sequence[Found],
    *,
    source: str,
    target: str,
    dataset: str,
    config: str | None,
    split: str,
    revision: str | None,
    source_column: str,
    target_column: str,
    id_column: str | None,
    group_column: str | None,
    codes: dict[str, str],
    licence: str | None,
) -> Iterator[Pair]:
    """Return the pairs in the order of the data set.

    Args:
        source_column, target_column: fields with the texts; of a nested one its path, translation.{source}
        id_column: none: the name of the data set and the number of the row are the id
        group_column: what belongs together and is not split between training and test; or none

    Raises:
        BadInputError: where a field is missing or no text, with the line of the fetched file.
    """
    del dataset, config, split, revision, licence
    names = _pair_names(source, target, codes)
    left, right = fill(source_column, names), fill(target_column, names)
    keys = _filled(names, id_column, group_column)
    for one in found:
        for number, row in read_json_lines(_entry(one), [left, right], keys):
            name = row[keys[0]].strip() if id_column else _id(one, number)
            group = row[keys[-1]].strip() or None if group_column else None
            yield Pair(name, row[left].strip(), row[right].strip(), group)


def labelled_files(
    *,
    folder: Path,
    language: str,
    dataset: str,
    config: str | None,
    train_split: str,
    valid_split: str | None,
    test_split: str | None,
    revision: str | None,
    text_column: str,
    label_column: str,
    id_column: str | None,
    group_column: str | None,
    codes: dict[str, str],
    licence: str | None,
) -> list[Wanted]:
    """Return the training split and, if there is one, the validation split of a data set.

    Args:
        config, the splits: {language} stands for the language; the rest as for pairs

    Raises:
        BadInputError: where a name is none of the hub, or two splits are the same.
    """
    del folder, text_column, label_column, id_column, group_column
    names = {"language": codes.get(language, language)}
    splits = [split for split in (train_split, valid_split) if split is not None]
    if len({fill(split, names) for split in [*splits, *filter(None, [test_split])]}) < len(splits) + bool(test_split):
        raise BadInputError(
            f"train_split {train_split!r}, valid_split {valid_split!r}, test_split {test_split!r}: a text has one split; "
            "set what the data set does not have to none"
        )
    return [_wanted(dataset, config, split, revision, names, licence) for split in splits]


def read_labelled(
    found: Sequence[Found],
    *,
    language: str,
    dataset: str,
    config: str | None,
    train_split: str,
    valid_split: str | None,
    test_split: str | None,
    revision: str | None,
    text_column: str,
    label_column: str,
    id_column: str | None,
    group_column: str | None,
    codes: dict[str, str],
    licence: str | None,
) -> Iterator[tuple[str, LabelledText]]:
    """Return the labelled texts of a language with their places; without a validation split they come without one.

    Raises:
        BadInputError: as `read_pairs`.
    """
    del dataset, config, train_split, test_split, revision, licence
    splits = [None] if valid_split is None else ["train", "valid"]
    names = {"language": codes.get(language, language)}
    for one, split in zip(found, splits, strict=True):
        yield from _texts(one, split, names, text_column, label_column, id_column, group_column)


def test_files(
    *,
    folder: Path,
    language: str,
    dataset: str,
    config: str | None,
    train_split: str,
    valid_split: str | None,
    test_split: str | None,
    revision: str | None,
    text_column: str,
    label_column: str,
    id_column: str | None,
    group_column: str | None,
    codes: dict[str, str],
    licence: str | None,
) -> list[Wanted]:
    """Return the test split in a language; nothing where none is named.

    Raises:
        BadInputError: where a name is none of the hub, or the texts would be the same for every language.
    """
    del folder, train_split, valid_split, label_column, id_column, group_column
    if test_split is None:
        return []
    if not any("{language}" in pattern for pattern in (config or "", test_split, text_column)):
        raise BadInputError(
            f"test_split: {test_split!r} of {dataset} would be read as the test texts of every language; write {{language}} "
            "in config, test_split or text_column. For a data set in one language: test_split: none, and "
            "labelled.test_share above 0"
        )
    names = {"language": codes.get(language, language)}
    return [_wanted(dataset, config, test_split, revision, names, licence)]


def read_test(
    found: Sequence[Found],
    *,
    language: str,
    dataset: str,
    config: str | None,
    train_split: str,
    valid_split: str | None,
    test_split: str | None,
    revision: str | None,
    text_column: str,
    label_column: str,
    id_column: str | None,
    group_column: str | None,
    codes: dict[str, str],
    licence: str | None,
) -> Iterator[tuple[str, LabelledText]]:
    """Return the labelled test texts of a language with their places; errors as `read_pairs`."""
    del dataset, config, train_split, valid_split, test_split, revision, licence
    for one in found:
        names = {"language": codes.get(language, language)}
        yield from _texts(one, None, names, text_column, label_column, id_column, group_column)


def at_revision(where: str, revision: str) -> str:
    """Return the address of what the newest was resolved to, when it was pinned."""
    return where.replace("@main?", f"@{revision}?", 1)


def fetch(where: str, to: Path, *, limits: Limits) -> str | None:
    """Make the file of a split; errors as `kdmodels.hub_data.fetch_split`.

    Returns:
        the commit
    """
    return fetch_split(where, to, limits)


def _wanted(
    dataset: str,
    config: str | None,
    split: str,
    revision: str | None,
    names: Mapping[str, str],
    licence: str | None,
) -> Wanted:
    split = fill(split, names)
    chosen = None if config is None else fill(config, names)
    for key, value, pattern, example in (
        ("dataset", dataset, _DATASET, "owner/name"),
        ("split", split, _SPLIT, "train"),
        ("revision", revision or "main", _REVISION, "a commit"),
    ):
        if not pattern.fullmatch(value) or ".." in value:
            raise BadInputError(f"{key}: {value!r} is no name of the hub, such as {example}")
    asked = {"split": split} if chosen is None else {"config": chosen, "split": split}
    name = re.sub(r"[^\w.-]+", "-", "-".join([dataset.replace("/", "--"), *filter(None, [chosen]), split]))
    where = f"hf://datasets/{dataset}@{revision or 'main'}?{urlencode(asked)}"
    return Wanted(where, f"{name[-150:]}{_ENDING}", licence)  # ids are made of it: it must keep the split, its end


def _pair_names(source: str, target: str, codes: Mapping[str, str]) -> dict[str, str]:
    ours, theirs = codes.get(source, source), codes.get(target, target)
    first, second = sorted([ours, theirs])
    return {"source": ours, "target": theirs, "first": first, "second": second}


def _filled(names: Mapping[str, str], *columns: str | None) -> list[str]:
    return [fill(column, names) for column in columns if column is not None]


def _entry(one: Found) -> Entry:
    return Entry(one.path, one.where, one.name, None)


def _id(one: Found, number: int) -> str:
    return f"{one.name.removesuffix(_ENDING)}:{number}"


def _texts(
    one: Found,
    split: str | None,
    names: Mapping[str, str],
    text_column: str,
    label_column: str,
    id_column: str | None,
    group_column: str | None,
) -> Iterator[tuple[str, LabelledText]]:
    text, label = fill(text_column, names), fill(label_column, names)
    keys = _filled(names, id_column, group_column)
    for number, row in read_json_lines(_entry(one), [text], [label, *keys]):
        yield (
            f"{one.where}:{number}",
            LabelledText(
                id=row[keys[0]].strip() if id_column else _id(one, number),
                label=row[label].strip(),
                text=row[text].strip(),
                split=split,
                group=(row[keys[-1]].strip() or None) if group_column else None,
            ),
        )
