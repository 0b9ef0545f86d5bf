"""No character inside a text ends a line: what is written as a pair is read as that pair."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdmodels.corpora.files import read_pairs
from kdmodels.pairs import Pair
from kdmodels.text_files import read_lines
from tests.incoming import table, write

# Everything that some reader or other takes for the end of a line, among other odd characters.
ODD = st.text(
    st.one_of(
        st.sampled_from("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ufeff\u200b\"',;\\ aä中"),
        st.characters(codec="utf-8", exclude_characters="\t\n\0"),
    ),
    max_size=12,
)
SIDES = st.lists(st.tuples(ODD, ODD), min_size=1, max_size=8)


def _expected(sides: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(source.strip(), target.strip()) for source, target in sides]


def _read(folder: Path, paths: list[str], id_column: str | None) -> list[Pair]:
    columns = {"id_column": id_column, "source_column": "{source}", "target_column": "{target}"}
    return list(read_pairs(folder=folder, source="en", target="de", paths=paths, **columns))  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sides=SIDES)
def test_no_character_shifts_a_pair_of_a_table(tmp_path: Path, sides: list[tuple[str, str]]) -> None:
    rows = [(str(number), *side) for number, side in enumerate(sides)]
    write(tmp_path / "pairs.tsv", table(("id", "en", "de"), *rows))
    found = _read(tmp_path, ["pairs.tsv"], "id")
    assert [pair.id for pair in found] == [name for name, *_ in rows]
    assert [(pair.source, pair.target) for pair in found] == _expected(sides)


@settings(max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sides=SIDES)
def test_no_character_shifts_a_pair_of_two_files(tmp_path: Path, sides: list[tuple[str, str]]) -> None:
    # With a mark before it, a mark at the start of the first text is the text's own.
    for number, name in enumerate(("en.txt", "de.txt")):
        write(tmp_path / name, "\ufeff" + "".join(side[number] + "\n" for side in sides))
    found = _read(tmp_path, ["{source}.txt", "{target}.txt"], None)
    assert [(pair.source, pair.target) for pair in found] == _expected(sides)
    assert [pair.id for pair in found] == [str(number) for number in range(1, len(sides) + 1)]


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    write(tmp_path / "text", "\ufeffone\r\ntw\ro\nth\u2028ree\x0c\n\n five \x85")
    assert list(read_lines(tmp_path / "text")) == [
        (1, "one"),
        (2, "tw\ro"),
        (3, "th\u2028ree\x0c"),
        (4, ""),
        (5, " five \x85"),
    ]
