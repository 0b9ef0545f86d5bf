"""An OPUS corpus is found by its name without a network, and its sides are read the right way round."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kdmodels.corpora import opus
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.pairs import Pair
from kdmodels.provenance import Found
from tests.incoming import write, zipped


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a cache of their own: the list is unpacked into it, once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("DISTILINGUA_CACHE", str(folder))
        yield folder


def _address(source: str, target: str, corpus: str, version: str) -> str:
    (wanted,) = opus.pair_files(folder=Path(), source=source, target=target, corpus=corpus, version=version)
    return wanted.where


@pytest.mark.parametrize(
    ("source", "target", "corpus", "version", "end"),
    [
        ("en", "de", "Europarl", "v8", "OPUS-Europarl/v8/moses/de-en.txt.zip"),
        ("de", "en", "Europarl", "v7", "OPUS-Europarl/v7/moses/de-en.txt.zip"),
        ("en", "de", "Europarl", "latest", "OPUS-Europarl/v8/moses/de-en.txt.zip"),
        ("en", "sw", "Tatoeba", "v2022-03-03", "OPUS-Tatoeba/v2022-03-03/moses/en-swh.txt.zip"),
        ("en", "zh-Hant", "OpenSubtitles", "v2018", "OPUS-OpenSubtitles/v2018/moses/en-zh_tw.txt.zip"),
        ("en", "zh", "OpenSubtitles", "v2018", "OPUS-OpenSubtitles/v2018/moses/en-zh_cn.txt.zip"),
        ("en", "pt-BR", "OpenSubtitles", "v2018", "OPUS-OpenSubtitles/v2018/moses/en-pt_br.txt.zip"),
        ("en", "de", "ELRC-416-Swedish_Social_Secur", "v1", "OPUS-ELRC-416-Swedish_Social_Secur/v1/moses/de-en.txt.zip"),
    ],
)  # fmt: skip
def test_a_name_is_resolved_to_an_address(source: str, target: str, corpus: str, version: str, end: str) -> None:
    assert _address(source, target, corpus, version).endswith(end)


def test_what_is_wanted_names_corpus_version_and_pair(cache: Path) -> None:
    (wanted,) = opus.pair_files(folder=Path(), source="en", target="de", corpus="Tatoeba", version="latest")
    assert (wanted.name, wanted.licence) == ("Tatoeba-v2022-03-03.de-en.txt.zip", "CC-BY-2.0-FR")
    (wanted,) = opus.pair_files(folder=Path(), source="en", target="de", corpus="Europarl", version="v8")
    assert wanted.licence is None
    assert [path.suffix for path in (cache / "opus").iterdir()] == [".db"], "unpacked once, nothing half-written"


@pytest.mark.parametrize(
    ("pair", "corpus", "version", "message"),
    [
        (
            "en-de",
            "europarl",
            "v8",
            r"OPUS has no 'europarl' as Moses\. Is it Europarl\?.* Of en-de there are, the largest first, .*CCMatrix",
        ),
        ("en-de", "Nothing-of-the-kind", "v1", r"OPUS has no 'Nothing-of-the-kind'.* Of en-de there are, .* more"),
        ("en-sw", "Europarl", "v8", r"OPUS has no Europarl of en-sw as Moses\. Of en-sw there are, .*Tatoeba"),
        ("en-xx", "Europarl", "v8", r"OPUS has no Europarl of en-xx as Moses\. It has nothing of en-xx"),
        ("en-de", "Europarl", "v9", r"version: OPUS has no Europarl v9 of en-de as Moses; there are v3, v7, v8"),
        ("en-de", "x'; DROP TABLE opusfile; --", "v1", r"corpus: .* is no name of OPUS"),
        ("en-de", "Europarl", "../v8", r"version: '\.\./v8' is no name of OPUS"),
    ],
)
def test_what_opus_does_not_have_is_named_with_what_it_has(pair: str, corpus: str, version: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        _address(*pair.split("-"), corpus, version)


def _found(folder: Path, members: dict[str, str], name: str = "Books-v1.de-en.txt.zip") -> Found:
    path = write(folder / name, zipped(members))
    return Found(
        path, "https://host.example/OPUS-Books/v1/moses/de-en.txt.zip", name, "0" * 64, 9, None, "2026-01-01", None
    )


MEMBERS = {
    "README": "read me\n",
    "LICENSE": "public domain\n",
    "Books.de-en.de": "eins\nzwei\n",
    "Books.de-en.en": "one\ntwo\n",
    "Books.de-en.ids": "de/a.xml.gz\ten/a.xml.gz\t1\t1\n" * 2,
}


def _read(found: Found, source: str, target: str) -> list[Pair]:
    return list(opus.read_pairs([found], source=source, target=target, corpus="Books", version="latest"))


def test_sides_are_read_the_right_way_round(tmp_path: Path) -> None:
    found = _found(tmp_path, MEMBERS)
    assert _read(found, "en", "de") == [
        Pair("Books-v1.de-en:1", "one", "eins", None),
        Pair("Books-v1.de-en:2", "two", "zwei", None),
    ]
    assert [(pair.source, pair.target) for pair in _read(found, "de", "en")] == [("eins", "one"), ("zwei", "two")]


def test_codes_of_opus_are_known_when_sides_are_read(tmp_path: Path) -> None:
    members = {"X.en-zh_cn.en": "one\n", "X.en-zh_cn.zh_cn": "一\n"}
    found = _found(tmp_path, members, "X-v1.en-zh_cn.txt.zip")
    assert [(pair.source, pair.target) for pair in _read(found, "zh", "en")] == [("一", "one")]


def test_what_is_wrong_in_an_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"de-en\.txt\.zip/Books\.de-en\.en has 2 lines, .*Books\.de-en\.de has 1"):
        _read(_found(tmp_path, MEMBERS | {"Books.de-en.de": "eins\n"}), "en", "de")
    with pytest.raises(
        BadInputError, match=r"de-en\.txt\.zip: no member fits '\*\.de-en\.de'; there are Books\.de-en\.en"
    ):
        _read(_found(tmp_path, {"Books.de-en.en": "one\n"}), "en", "de")
    with pytest.raises(BadInputError, match=r"2 members end in \.de-en\.de, expected one"):
        _read(_found(tmp_path, MEMBERS | {"More.de-en.de": "drei\n"}), "en", "de")
    found = _found(tmp_path, MEMBERS)
    found.path.write_bytes(found.path.read_bytes()[:-40])
    with pytest.raises(DamagedError, match=r"de-en\.txt\.zip: truncated, damaged"):
        _read(found, "en", "de")
