"""Validate the labelled source text and the test sets."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from kdmodels.choice import choose
from kdmodels.cleaning.leaks import overlap
from kdmodels.errors import BadInputError
from kdmodels.files import write_json
from kdmodels.manifests import as_found, read_manifest
from kdmodels.pairs import LabelledText, falls_below, plain, text_hash
from kdmodels.tables import write_table
from tasks.config import PARAMS_FILE
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder

_SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "label", "text", "group")])
_DROP = "drop"
_SHOWN = 20  # leaks an error lists


@dataclass
class _Texts:
    """The texts of one file, checked as they come."""

    rows: list[LabelledText] = field(default_factory=list)
    repeated: int = 0
    contradicted: set[str] | None = (
        None  # plain forms of texts with two labels, which then are left out; none: an error
    )
    _ids: dict[str, str] = field(default_factory=dict)
    _texts: dict[str, tuple[str, LabelledText]] = field(default_factory=dict)

    def add(self, place: str, row: LabelledText) -> None:
        """Take a row in, or count it as a repetition.

        Raises:
            BadInputError: where a field is empty, an id is used twice, or a text has two labels or two splits.
        """
        for name in ("id", "label", "text"):
            if not getattr(row, name):
                raise BadInputError(f"{place}: the {name} is empty; remove the line or fill it")
        if row.id in self._ids:
            raise BadInputError(f"{place}: the id {row.id!r} was used in {self._ids[row.id]} already; ids are unique")
        self._ids[row.id] = place
        earlier = self._texts.get(plain(row.text))
        if self.contradicted is not None and plain(row.text) in self.contradicted:
            return
        if self.contradicted is not None and earlier is not None and earlier[1].label != row.label:
            self.contradicted.add(plain(row.text))
            self.rows.remove(earlier[1])
            return
        if earlier is None:
            self._texts[plain(row.text)] = (place, row)
            self.rows.append(row)
            return
        for name in ("label", "split"):
            ours, theirs = getattr(row, name), getattr(earlier[1], name)
            if ours != theirs:
                raise BadInputError(
                    f"{place}: the same text stands in {earlier[0]} with the {name} {theirs!r}, here with {ours!r}; "
                    "keep one of the two"
                )
        self.repeated += 1

    def place(self, row: LabelledText) -> str:
        """Return file and line of a text, if it is among these."""
        found = self._texts.get(plain(row.text))
        return found[0] if found else ""


def labelled(sources: Path, out: Path, params: Params, record: "Recorder") -> None:
    """Write train.parquet, valid.parquet, test/<language>.parquet, target/<language>.parquet, the labels and a report.

    A target without a test set gets an empty one: its student is evaluated without labels. A text that is repeated
    with the same label is dropped and counted; so is one that stands in a test set, unless leaks are to stop the stage,
    and one of a test set that stands there with two labels: no answer to it would be right.
    The labelled text of a target is empty too where there is none, or `labelled.target_labels` does not let it in.

    Raises:
        BadInputError: where a file or row is not as it must be, with file and line.
    """
    section = params.labelled
    module, options = choose("corpora", section.source), section.options
    manifest = read_manifest(sources)
    found = [as_found(one) for one in manifest["labelled"]]
    tested = {language: [as_found(one) for one in files] for language, files in manifest["test"].items()}
    own = {language: [as_found(one) for one in files] for language, files in manifest["target"].items()}
    record.sources(
        [("labelled", one) for one in found]
        + [(f"test.{language}", one) for language, files in tested.items() for one in files]
        + [(f"target.{language}", one) for language, files in own.items() for one in files]
    )
    mapped = _Mapping(section.label_map)
    every = _read(mapped(module.read_labelled(found, language=params.source, **options)))
    texts, drawn = _draw(every, section.test_share)
    tests: dict[str, _Texts] = {}
    for language in (params.source, *params.targets):
        files = tested[language]
        rows = module.read_test(files, language=language, **options) if files else ()
        test = _read((row for row in mapped(rows) if _is_test(row[1], section.test_share)), _Texts(contradicted=set()))
        tests[language] = drawn if language == params.source and drawn.rows else test
    mapped.check(f"{PARAMS_FILE}: labelled.label_map")
    leaks = _leaks(texts, [tests[params.source]], list(tests.values()), params)
    left = [row for row in texts.rows if row.id not in leaks]
    if section.cap is not None:
        drawn_first = sorted(left, key=lambda row: text_hash(row.text))[: section.cap]
        chosen = {row.id for row in drawn_first}
        left = [row for row in left if row.id in chosen]
    train, valid = _split(left, section.valid_share)
    labels = sorted({row.label for row in train})
    where = f"the labelled text of {params.source!r} ({', '.join(one.where for one in found)})"
    _check_split(train, valid, labels, where, texts)
    report: dict[str, float] = {"train": len(train), "valid": len(valid), "labels": len(labels)}
    report |= {"repeated": every.repeated, "in_test_set": len(leaks), "dropped_by_label": mapped.dropped}
    (out / "test").mkdir()
    for language, test in tests.items():
        _check_test(test, labels)
        report[f"test/{language}"] = len(test.rows)
        report[f"contradicted/{language}"] = len(test.contradicted or ())
        _write(out / "test" / f"{language}.parquet", test.rows)
    (out / "target").mkdir()
    for language in params.targets:
        files = own.get(language, [])
        rows = module.read_labelled(files, language=language, **options) if files else ()
        learned = _learned(mapped(rows), tests[language], labels, params)
        report[f"target/{language}"] = len(learned)
        _write(out / "target" / f"{language}.parquet", learned)
    _write(out / "train.parquet", train)
    _write(out / "valid.parquet", valid)
    write_json(out / "labels.json", labels)
    write_json(out / "report.json", report)
    record.metrics(report)


class _Mapping:
    """Renames, merges and drops labels."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._met: set[str] = set()
        self.dropped = 0

    def __call__(self, rows: Iterable[tuple[str, LabelledText]]) -> Iterator[tuple[str, LabelledText]]:
        for place, row in rows:
            if row.label not in self._names:
                yield place, row
                continue
            self._met.add(row.label)
            if self._names[row.label] == _DROP:
                self.dropped += 1
            else:
                yield place, replace(row, label=self._names[row.label])

    def check(self, key: str) -> None:
        """Refuse a label that no text has: a slip there would leave its texts under their old label."""
        unknown = sorted(set(self._names) - self._met)
        if unknown:
            raise BadInputError(f"{key}: no text has the label {', '.join(map(repr, unknown))}")


def _is_test(row: LabelledText, share: float) -> bool:
    """Say whether a text of a test set counts: all do where the source has test sets, else a share by their group."""
    return row.group is None or share == 0 or falls_below(share, row.group, "test")


def _draw(every: _Texts, share: float) -> tuple[_Texts, _Texts]:
    """Return the texts to learn from and those drawn as a test set, by a hash of each one's group or text."""
    texts, drawn = _Texts(repeated=every.repeated), _Texts()
    for row in every.rows:
        taken = share > 0 and falls_below(share, row.group or row.text, "test")
        (drawn if taken else texts).add(every.place(row), row)
    return texts, drawn


def _learned(
    rows: Iterable[tuple[str, LabelledText]], test: _Texts, labels: list[str], params: Params
) -> list[LabelledText]:
    """Return the texts of a target to learn from: not those for validation, nor those that stand in its test set."""
    texts = _read((place, row) for place, row in rows if row.split != "valid")
    share = params.labelled.test_share
    leaks = _leaks(texts, [test], [test], params)
    _check_test(texts, labels)
    return [row for row in texts.rows if row.id not in leaks and not (share > 0 and _is_test(row, share))]


def _leaks(texts: _Texts, alike: Iterable[_Texts], others: Iterable[_Texts], params: Params) -> set[str]:
    """Return the ids of labelled texts that stand in a test set: the same text or nearly, the same id or group.

    Args:
        alike: test sets in the language of the texts
        others: test sets whose ids and groups are compared, whatever their language
    """
    rows = {row.text: row for row in reversed(texts.rows)}
    leaks: dict[str, tuple[str, str, str]] = {}
    for test in alike:
        found = overlap(list(rows), [row.text for row in test.rows], near=params.corpus.cleaning.leak_near)
        places = {row.text: test.place(row) for row in test.rows}
        leaks |= {rows[ours].id: (texts.place(rows[ours]), places[theirs], kind) for ours, theirs, kind in found}
    if params.sources.compare_ids:
        for other in others:
            for kind in ("id", "group"):
                marks = {getattr(row, kind): other.place(row) for row in other.rows if getattr(row, kind) is not None}
                for row in texts.rows:
                    if getattr(row, kind) in marks:
                        leaks.setdefault(row.id, (texts.place(row), marks[getattr(row, kind)], f"same {kind}"))
    if leaks and params.labelled.leaks == "strict":
        lines = [f"  {ours} and {theirs} ({kind})" for ours, theirs, kind in leaks.values()]
        more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        message = (
            f"{len(leaks)} labelled texts stand in the test set; a score on it would be dishonest. Remove them from one of "
            "the two, or set labelled.leaks: remove"
        )
        raise BadInputError("\n".join([message, *lines[:_SHOWN], *more]))
    return set(leaks)


def _read(rows: Iterable[tuple[str, LabelledText]], into: _Texts | None = None) -> _Texts:
    texts = into or _Texts()
    for place, row in rows:
        texts.add(place, row)
    return texts


def _split(rows: list[LabelledText], share: float) -> tuple[list[LabelledText], list[LabelledText]]:
    """Return training and validation texts: as the source says, or else by a hash of each one's group or text."""
    train: list[LabelledText] = []
    valid: list[LabelledText] = []
    for row in rows:
        drawn = row.split is None and falls_below(share, row.group or row.text, "valid")
        (valid if drawn or row.split == "valid" else train).append(row)
    return train, valid


def _check_split(
    train: list[LabelledText], valid: list[LabelledText], labels: list[str], where: str, texts: _Texts
) -> None:
    for name, rows in (("train", train), ("valid", valid)):
        if not rows:
            raise BadInputError(
                f"{where}: no text falls into the split {name!r}. Fill the split column with train and valid, or set "
                "its option to none and labelled.valid_share above 0"
            )
    if len(labels) == 1:
        raise BadInputError(
            f"{where}: all training texts have the label {labels[0]!r}; at least two classes are needed"
        )
    for row in valid:
        if row.label not in labels:
            raise BadInputError(
                f"{texts.place(row)}: the label {row.label!r} stands in no training text; those are: {', '.join(labels)}"
            )


def _check_test(test: _Texts, labels: list[str]) -> None:
    for row in test.rows:
        if row.label not in labels:
            raise BadInputError(
                f"{test.place(row)}: the label {row.label!r} stands in no training text; those are: {', '.join(labels)}"
            )


def _write(path: Path, rows: list[LabelledText]) -> None:
    write_table(path, {name: [getattr(row, name) for row in rows] for name in _SCHEMA.names}, _SCHEMA)
