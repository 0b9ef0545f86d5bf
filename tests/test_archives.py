"""Packed files are read as they are: whole and safe, or refused by name; a bomb is stopped while it unpacks."""

import stat
import zipfile
from pathlib import Path

import pytest

from kdmodels import archives
from kdmodels.archives import check, entries
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.limits import Limits
from kdmodels.text_files import read_lines
from tests.incoming import packed, write, zipped

LINES = "".join(f"line {number}: {number * number * 7919}\n" for number in range(20_000)).encode()
LIMITS = Limits(maximum_bytes=10**9, maximum_ratio=100.0, attempts=1, timeout=1.0)


def _read(path: Path, limits: Limits | None = None) -> bytes:
    (one,) = entries(path, path.name, None)
    with one.open(limits) as stream:
        return stream.read()


@pytest.mark.parametrize("ending", ["", "gz", "xz", "zst", "zip"])
def test_every_packing_gives_the_same_bytes(tmp_path: Path, ending: str) -> None:
    content = zipped({"text.txt": LINES}) if ending == "zip" else packed(ending, LINES)
    path = write(tmp_path / f"text.txt{'.' + ending if ending else ''}", content)
    assert _read(path, LIMITS) == LINES
    assert [one.name for one in entries(path, path.name, None)] == ["text.txt"]
    assert sum(1 for _ in read_lines(entries(path, path.name, None)[0])) == 20_000
    check(path, path.name, LIMITS)
    assert [found.name for found in tmp_path.iterdir()] == [path.name], "nothing is unpacked to disk"


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_parts_packed_one_by_one_are_one_file(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"text.{ending}", packed(ending, b"one\n") + packed(ending, b"two\n"))
    assert _read(path) == b"one\ntwo\n"


@pytest.mark.parametrize("ending", ["gz", "xz", "zst", "zip"])
@pytest.mark.parametrize("fault", ["truncated", "a flipped byte", "something else", "no bytes of it"])
def test_what_is_damaged_is_named(tmp_path: Path, ending: str, fault: str) -> None:
    content = zipped({"text.txt": LINES}) if ending == "zip" else packed(ending, LINES)
    middle = len(content) // 2
    broken = {
        "truncated": content[:middle],
        "a flipped byte": content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :],
        "something else": b"<html>not found</html>" * 100,
        "no bytes of it": content[: len(content) - 3],
    }[fault]
    path = write(tmp_path / f"text.txt.{ending}", broken)
    for reading in (lambda: _read(path), lambda: check(path, path.name, LIMITS)):
        with pytest.raises(DamagedError, match=rf"text\.txt\.{ending}.*: truncated, damaged or not of the kind"):
            reading()


@pytest.mark.parametrize("ending", ["gz", "xz", "zst", "zip"])
def test_a_bomb_is_stopped_while_it_unpacks(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = bytes(20_000_000)
    path = write(tmp_path / f"bomb.{ending}", zipped({"bomb": zeros}) if ending == "zip" else packed(ending, zeros))
    seen: list[int] = []
    measure = archives._check_size
    monkeypatch.setattr(archives, "_check_size", lambda *all_: (seen.append(all_[1]), measure(*all_)))
    with pytest.raises(BadInputError, match=rf"bomb\.{ending}.*over 100 times as many.*sources\.maximum_ratio"):
        check(path, path.name, LIMITS)
    assert 10_000_000 < max(seen) < 13_000_000, "stopped, not measured afterwards"
    with pytest.raises(BadInputError, match=r"unpacks to more than 3,000,000 bytes.*sources\.maximum_gigabytes"):
        check(path, path.name, Limits(3_000_000, 1e9, 1, 1.0))
    check(path, path.name, Limits(20_000_000, 1e9, 1, 1.0))


def test_many_members_are_a_bomb_together(tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.zip", zipped({f"{number}": bytes(6_000_000) for number in range(3)}))
    with pytest.raises(BadInputError, match=r"bomb\.zip: .* over 100 times as many"):
        check(path, path.name, LIMITS)


def test_a_short_file_may_pack_very_well(tmp_path: Path) -> None:
    path = write(tmp_path / "text.gz", packed("gz", b"the same\n" * 500_000))
    check(path, path.name, LIMITS)


def _link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def _pipe(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFIFO | 0o644) << 16
    return info


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("../evil.txt", r"'\.\.' leads out"),
        ("a/../../evil.txt", r"'\.\.' leads out"),
        ("a\\..\\evil.txt", r"'\.\.' leads out"),
        ("/etc/evil", "its path is absolute"),
        ("C:/evil", "its path is absolute"),
        ("c:evil", "its path is absolute"),
        ("a\\evil", "a backslash or NUL"),
        (_link("evil"), "it is a link"),
        (_pipe("evil"), "it is no plain file"),
    ],
)
def test_an_unsafe_member_taints_the_whole_archive(tmp_path: Path, member: str | zipfile.ZipInfo, reason: str) -> None:
    path = write(tmp_path / "corpus.zip", zipped([("good.txt", "good\n"), (member, "/etc/passwd")]))
    for reading in (
        lambda: entries(path, path.name, "good.txt"),
        lambda: check(path, path.name, LIMITS),
    ):
        with pytest.raises(BadInputError, match=rf"corpus\.zip: refused, for its member '.*': {reason}"):
            reading()


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped([("text.txt", "one\n"), ("text.txt", "two\n")])
    path = write(tmp_path / "corpus.zip", content)
    with pytest.raises(BadInputError, match=r"member 'text\.txt': its name stands twice"):
        entries(path, path.name, None)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped({"text.txt": "one\n"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the directory
    path = write(tmp_path / "corpus.zip", bytes(content))
    with pytest.raises(BadInputError, match="it is encrypted"):
        entries(path, path.name, None)


def test_members_are_chosen_by_name_or_pattern(tmp_path: Path) -> None:
    path = write(tmp_path / "corpus.zip", zipped({"b/2.en": "2\n", "b/1.en": "1\n", "b/1.de": "1\n", "README": "x\n"}))
    assert [one.member for one in entries(path, "there", "*.en")] == ["b/1.en", "b/2.en"]
    assert [one.shown for one in entries(path, "there", "b/1.de")] == ["there/b/1.de"]
    with pytest.raises(BadInputError, match=r"there: no member fits '\*\.fr'; there are README, b/1\.de, b/1\.en"):
        entries(path, "there", "*.fr")
    with pytest.raises(BadInputError, match=r"there: holds 4 members, README, .* name the one to read"):
        entries(path, "there", None)
    plain = write(tmp_path / "a.en", "1\n")
    with pytest.raises(BadInputError, match=r"there: members are named \(\*\.en\), and this is no \.zip"):
        entries(plain, "there", "*.en")


@pytest.mark.parametrize("name", ["text.bz2", "text.7z", "text.tar", "text.tar.gz"])
def test_a_packing_that_is_not_read_is_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, b"anything")
    with pytest.raises(BadInputError, match=rf"{name}: \.\w+ is not read; pack it as \.gz, \.xz, \.zst or \.zip"):
        entries(path, name, None)
