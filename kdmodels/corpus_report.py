"""What a cleaning did, as pages of Markdown for readers."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdmodels.pairs import Pair
from kdmodels.provenance import Found

_WHAT = {
    "empty": "a side is empty",
    "characters": "too few or too many characters",
    "words": "too few or too many words",
    "word_characters": "a word is too long",
    "length_ratio": "one side is too long for the other",
    "similarity": "the sides are copies of each other",
    "letters": "too few letters",
    "script": "not in the script of the language",
    "numbers": "the numbers of the sides differ",
    "html": "tags are left in the text",
    "swapped": "the sides are swapped",
    "language": "a side is in another language",
    "leak_id": "a test text has the same id",
    "leak_group": "a test text has the same group",
    "leak_exact": "a side stands in a test set",
    "leak_normalised": "a side stands in a test set, but for case and punctuation",
    "leak_near": "a side is nearly a test text",
    "repeated": "an earlier pair is the same",
    "near_repeated": "an earlier pair is nearly the same",
    "translation_score": "the sides do not translate each other",
}
_LONGEST = 160  # characters of an example's side


def corpus_report(
    *,
    source: str,
    target: str,
    reasons: Sequence[str],
    dropped: Mapping[str, int],
    examples: Mapping[str, Sequence[Pair]],
    numbers: Mapping[str, float],
    languages: tuple[Mapping[str, int], Mapping[str, int]],
    files: Sequence[tuple[str, Found]],
) -> str:
    """Return the report of a cleaning.

    Args:
        reasons: to drop a pair, in the order in which they are asked
        dropped, examples: by reason
        numbers: read and kept, in all and by source, held_out, in_labelled and tokens_covered
        languages: of a sample of each side, as they were identified
        files: the use and the file of each source
    """
    read, kept = int(numbers["read"]), int(numbers["kept"])
    lines = [f"# Corpus `{source}`-`{target}`", "", f"{read:,} pairs read, {kept:,} kept ({_share(kept, read)}).", ""]
    lines += ["| dropped because | pairs | share of those read |", "|---|---|---|"]
    lines += [
        f"| {_WHAT.get(reason, reason)} (`{reason}`) | {dropped.get(reason, 0):,} | {_share(dropped.get(reason, 0), read)} |"
        for reason in reasons
    ]
    lines += ["", "The first reason that holds counts. ![dropped](pictures/dropped.png)", "", "## What is left", ""]
    lines += [f"- {int(numbers['held_out']):,} pairs are held out for choosing checkpoints."]
    if "tokens_covered" in numbers:
        lines.append(
            f"- {numbers['tokens_covered']:.1%} of the target words that the alignment knows are explained by a source word."
        )
    if numbers["in_labelled"]:
        lines.append(
            f"- {int(numbers['in_labelled']):,} pairs ({_share(numbers['in_labelled'], kept)}) have a source side that is "
            "also labelled training text: the teacher's soft labels of these are in-sample, nearly the labels themselves."
        )
    lines += ["", "![lengths](pictures/lengths.png) ![scores](pictures/scores.png)", ""]
    for side, found in zip((source, target), languages, strict=True):
        total = sum(found.values())
        shares = ", ".join(f"{code} {_share(count, total)}" for code, count in sorted(found.items(), key=_often)[:8])
        if total:
            lines.append(f"- language of the `{side}` side, of {total:,} texts looked at: {shares}")
    lines += ["", *_sources(files, numbers), ""]
    if any(examples.values()):
        lines += ["## Examples of what was dropped", ""]
    for reason in reasons:
        if examples.get(reason):
            lines += [f"### {_WHAT.get(reason, reason)}", "", f"| id | {source} | {target} |", "|---|---|---|"]
            lines += [
                f"| {_cell(pair.id)} | {_cell(pair.source)} | {_cell(pair.target)} |" for pair in examples[reason]
            ]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def data_card(
    *, source: str, target: str, numbers: Mapping[str, float], files: Sequence[tuple[str, Found]], held_out: float
) -> str:
    """Return the card of a cleaned corpus: what it is, where it comes from, under which licences."""
    kept, read = int(numbers["kept"]), int(numbers["read"])
    lines = ["---", "language:", f"- {source}", f"- {target}", "task_categories:", "- translation", "---", ""]
    lines += [f"# Parallel corpus `{source}`-`{target}`", ""]
    lines += [
        f"{kept:,} sentence pairs of {read:,} read; {int(numbers['held_out']):,} of them (a share of {held_out:g} of the "
        "source texts) are held out. It has no labels. Texts that stand in a test set are not in it.",
        "",
    ]
    return "\n".join([*lines, *_sources(files, numbers)]) + "\n"


def _sources(files: Sequence[tuple[str, Found]], numbers: Mapping[str, float]) -> list[str]:
    lines = ["## Sources", "", "| slot | file | licence | sha256 | bytes | fetched | revision |"]
    lines.append("|---|---|---|---|---|---|---|")
    for slot, file in files:
        cells = [slot, file.where, file.licence or "not stated", file.sha256, f"{file.size:,}"]
        lines.append(
            "| " + " | ".join(_cell(one) for one in [*cells, file.fetched or "local", file.revision or "–"]) + " |"
        )
    lines += ["", "| slot | pairs read | pairs kept |", "|---|---|---|"]
    for name in sorted(key.removeprefix("read/") for key in numbers if key.startswith("read/")):
        lines.append(f"| {name} | {int(numbers[f'read/{name}']):,} | {int(numbers[f'kept/{name}']):,} |")
    return lines


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _often(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _cell(value: Any) -> str:
    """Return a text that stands in a table's cell as it is: cut, on one line, without marks that Markdown would read."""
    text = " ".join(str(value).split())
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return text or "(empty)"
