"""Debian's descriptions become pairs and labelled texts: joined by md5, each text once, groups kept together."""

import bz2
import lzma
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from kdmodels.corpora import debian
from kdmodels.debian_index import read_descriptions
from kdmodels.debian_package import fetch_data
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.limits import Limits
from kdmodels.provenance import Found
from tests.web import Web, served

LIMITS = Limits(10**9, 200.0, 2, 5.0)
OPTIONS = {"index": "mirror", "suite": "stable", "component": "main", "architecture": "amd64"}
PACKAGES = """\
Package: foo
Source: foosource (1.2)
Section: games
Description-md5: 1

Package: foo-dev
Source: foosource
Section: libdevel
Description-md5: 1

Package: bar
Section: contrib/net
Description-md5: 2

Package: baz
Section: net
Description-md5: 3
"""
ENGLISH = """\
Package: foo
Description-md5: 1
Description-en: a game of foo
 It is played
 by two.
 .
 A second paragraph.
 .
  * a list
 * another item
 that goes on

Package: foo-dev
Description-md5: 1
Description-en: a game of foo
 It is played
 by two.

Package: bar
Description-md5: 2
Description-en: talks to the net.
 First.
 .
 Second.

Package: baz
Description-md5: 3
Description-en: lonely
"""
ITALIAN = """\
Package: foo
Description-md5: 1
Description-it: un gioco di foo
 Si gioca
 in due.
 .
 Un secondo paragrafo.

Package: bar
Description-md5: 2
Description-it: parla con la rete
 Primo.

Package: baz
Description-md5: outdated
Description-it: solo
"""


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A mirror's folder of three packages and a half."""
    base = tmp_path / "mirror/dists/stable/main"
    for name, text in (("binary-amd64/Packages", PACKAGES), ("i18n/Translation-en", ENGLISH)):
        (base / name).parent.mkdir(parents=True)
        (base / f"{name}.xz").write_bytes(lzma.compress(text.encode()))
    (base / "i18n/Translation-it").write_text(ITALIAN)
    return tmp_path


def found(folder: Path, kind: str) -> list[Found]:
    if kind == "pairs":
        wanted = debian.pair_files(folder=folder, source="en", target="it", **OPTIONS)
    else:
        wanted = debian.labelled_files(folder=folder, language=kind, **OPTIONS)
    return [Found(Path(one.where), one.where, one.name, "", 0, one.licence, None, None) for one in wanted]


def test_pairs_are_joined_by_package_and_md5_and_shared_texts_come_once(mirror: Path) -> None:
    pairs = {one.id: one for one in debian.read_pairs(found(mirror, "pairs"), source="en", target="it", **OPTIONS)}
    assert set(pairs) == {"foo", "foo:2", "bar"}, "baz is a translation of another text, foo-dev repeats foo"
    assert pairs["foo"].source == "a game of foo. It is played by two."
    assert pairs["foo"].target == "un gioco di foo. Si gioca in due."
    assert (pairs["foo:2"].source, pairs["foo:2"].target) == ("A second paragraph.", "Un secondo paragrafo.")
    assert pairs["bar"].source == "talks to the net. First.", "of unequal paragraphs only the first"
    assert {one.group for one in pairs.values()} == {"foosource", "bar"}


def test_labelled_texts_have_the_section_and_the_source_package(mirror: Path) -> None:
    texts = [one for _, one in debian.read_labelled(found(mirror, "en"), language="en", **OPTIONS)]
    assert [(one.id, one.label, one.group) for one in texts] == [
        ("bar", "net", "bar"), ("baz", "net", "baz"), ("foo", "games", "foosource"),
    ]  # fmt: skip
    assert [one.text for _, one in debian.read_test(found(mirror, "it"), language="it", **OPTIONS)] == [
        "parla con la rete. Primo.", "un gioco di foo. Si gioca in due.",
    ]  # fmt: skip


def test_a_missing_index_is_named(mirror: Path) -> None:
    with pytest.raises(BadInputError, match=r"Translation-pt_BR: no such file, nor with \.xz or \.gz"):
        debian.labelled_files(folder=mirror, language="pt-BR", **OPTIONS)


@pytest.mark.parametrize("index", ["/mirror", "../mirror"])
def test_a_folder_outside_is_refused(mirror: Path, index: str) -> None:
    with pytest.raises(BadInputError, match="apt, an address, or a folder below"):
        debian.labelled_files(folder=mirror, language="en", **{**OPTIONS, "index": index})


def test_what_is_no_index_is_named(mirror: Path) -> None:
    path = mirror / "mirror/dists/stable/main/i18n/Translation-it"
    path.write_text("no field here\n")
    with pytest.raises(BadInputError, match=r"Translation-it:1: 'Field: value' is expected, found 'no field here'"):
        list(debian.read_labelled(found(mirror, "it"), language="it", **OPTIONS))
    path.write_text(ENGLISH)
    with pytest.raises(BadInputError, match="holds no Description-it"):
        list(debian.read_labelled(found(mirror, "it"), language="it", **OPTIONS))


def test_an_address_is_that_of_the_mirrors_layout(tmp_path: Path) -> None:
    options = {**OPTIONS, "index": "https://mirror.example.org/debian/"}
    wanted = debian.pair_files(folder=tmp_path, source="en", target="zh-Hant", **options)
    assert [one.where for one in wanted] == [
        "https://mirror.example.org/debian/dists/stable/main/binary-amd64/Packages",
        "https://mirror.example.org/debian/dists/stable/main/i18n/Translation-en",
        "https://mirror.example.org/debian/dists/stable/main/i18n/Translation-zh_TW",
    ]


def test_a_line_of_text_may_begin_with_a_star(tmp_path: Path) -> None:
    path = tmp_path / "Translation-en"
    lines = ["short", " for DOS and", " *nix, with", " -x too:", " .", " Lists:", " * one", "   two", " + three"]
    path.write_text("Package: a\nDescription-md5: 1\nDescription-en: " + "\n".join(lines) + "\n")
    assert read_descriptions(path, "en")["a", "1"].paragraphs == ("for DOS and *nix, with -x too:", "Lists:")


def test_a_packing_that_is_not_read_is_named(mirror: Path) -> None:
    (mirror / "mirror/dists/stable/main/i18n/Translation-de.bz2").write_bytes(b"")
    with pytest.raises(BadInputError, match=r"Translation-de: no such file, .*; unpack Translation-de\.bz2: bunzip2"):
        debian.labelled_files(folder=mirror, language="de", **OPTIONS)


@pytest.fixture
def web() -> Iterator[Web]:
    with served() as one:
        yield one


def publish(web: Web, body: bytes, *, claimed: bytes | None = None, name: str = "Translation-it.bz2") -> str:
    """Let a mirror hold one index, with its Release file; return the index's address, without its packing."""
    digest = sha256(body if claimed is None else claimed).hexdigest()
    release = f"Suite: stable\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nSHA256:\n {digest}  {len(body)} main/i18n/{name}\n"
    web.put("/debian/dists/stable/Release", release.encode())
    return web.put(f"/debian/dists/stable/main/i18n/{name}", body).rpartition(".")[0]


def test_a_mirror_gives_an_index_in_the_packing_it_has(tmp_path: Path, web: Web) -> None:
    where = publish(web, bz2.compress(ITALIAN.encode()))
    revision = debian.fetch(where, tmp_path / "Translation-it.txt", limits=LIMITS)
    assert revision == "stable Sat, 11 Jul 2026 10:16:37 UTC"
    assert (tmp_path / "Translation-it.txt").read_text() == ITALIAN
    assert [path.name for path in tmp_path.iterdir()] == ["Translation-it.txt"]


def test_what_a_mirror_cannot_give_is_said(tmp_path: Path, web: Web) -> None:
    body = bz2.compress(ITALIAN.encode())
    where = publish(web, body, claimed=b"another")
    with pytest.raises(DamagedError, match=r"Translation-it\.bz2: expected sha256 .*, as its Release file says, found"):
        debian.fetch(where, tmp_path / "out.txt", limits=LIMITS)
    with pytest.raises(BadInputError, match=r"Translation-de: its Release file names no such index\. .* in it$"):
        debian.fetch(where.replace("-it", "-de"), tmp_path / "out.txt", limits=LIMITS)
    publish(web, bz2.compress(bytes(20_000_000)))
    with pytest.raises(BadInputError, match=r"Translation-it\.bz2: unpacks to more than 10,000,000 bytes"):
        debian.fetch(where, tmp_path / "out.txt", limits=LIMITS)
    publish(web, body[:-20])
    with pytest.raises(DamagedError, match=r"Translation-it\.bz2: truncated or damaged"):
        debian.fetch(where, tmp_path / "out.txt", limits=LIMITS)
    web.put("/debian/dists/stable/Release", b"Origin: nobody\n")
    with pytest.raises(BadInputError, match="stable/Release: holds no date or no sha256 of an index"):
        debian.fetch(where, tmp_path / "out.txt", limits=LIMITS)
    assert not list(tmp_path.iterdir())


FAKE_APT = """#!/bin/sh
for word in "$@"; do case "$word" in --config-file=*) conf="${word#--config-file=}";; esac; done
lists=$(sed -n 's/^Dir::State::Lists "\\(.*\\)";$/\\1/p' "$conf")
cp "$conf" "$lists/../seen.conf"
{
  printf 'Date: Sat, 11 Jul 2026 10:16:37 UTC\\nSHA256:\\n'
  printf ' %064d 9 main/i18n/Translation-%s.bz2\\n' 0 de 0 en 0 it
} > "$lists/mirror_dists_stable_InRelease"
cd "$lists"
printf 'Package: foo\\nSection: net\\nDescription-md5: 1\\n\\n' > mirror_dists_stable_main_binary-amd64_Packages
printf 'Package: x\\n' > mirror_dists_stable-security_main_binary-amd64_Packages
printf 'Package: y\\n' > vendor_dists_nodistro_main_binary-amd64_Packages
printf 'Package: foo\\n' > mirror_dists_stable_main_i18n_Translation-en
printf 'Package: foo\\nDescription-md5: 1\\nDescription-it: testo\\n' > mirror_dists_stable_main_i18n_Translation-it
"""
LOST = "printf 'W: Failed to fetch http://%s/dists/stable/InRelease  Could not resolve\\n' "


def fake_apt(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "bin/apt-get"
    program.parent.mkdir()
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("DISTILINGUA_CACHE", str(folder / "cache"))


def test_apt_is_run_with_a_state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_apt(tmp_path, monkeypatch, f"{FAKE_APT}{LOST} vendor >&2\n")
    revision = debian.fetch("apt:Translation-it", tmp_path / "out.txt", limits=LIMITS)
    assert revision == "stable Sat, 11 Jul 2026 10:16:37 UTC", "the vendor's source is not needed"
    assert (tmp_path / "out.txt").read_text() == "Package: foo\nDescription-md5: 1\nDescription-it: testo\n\n"
    seen = (tmp_path / "cache/apt/seen.conf").read_text()
    assert '#clear Acquire::Languages;\nAcquire::Languages { "en"; "it"; };' in seen
    assert f'Dir::State::Lists "{tmp_path / "cache/apt/lists"}";' in seen
    debian.fetch("apt:Packages", tmp_path / "packages.txt", limits=LIMITS)
    packages = (tmp_path / "packages.txt").read_text()
    assert packages.startswith("Package: foo\n"), "not the lists of security updates and of the vendor"
    assert packages.count("Package:") == 1


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n", "apt-get update failed: E: no network. Is there a network"),
        (f"#!/bin/sh\n{LOST} mirror >&2\n", "no such index .* It said: http://mirror/.*Could not resolve.* network"),
        (f"{FAKE_APT}{LOST} mirror >&2\n", "apt-get update could not get it: http://mirror/.*Could not resolve"),
        (FAKE_APT.replace("i18n_Translation-it", "i18n_Translation-de"), "no such index .*descriptions in de, en, it"),
    ],
    ids=["failed", "nothing there", "old lists left", "no such language"],
)
def test_what_apt_cannot_do_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str) -> None:
    fake_apt(tmp_path, monkeypatch, script)
    with pytest.raises(BadInputError, match=message):
        debian.fetch("apt:Translation-it", tmp_path / "out.txt", limits=LIMITS)
    assert not list(tmp_path.glob("*out*"))


def test_a_system_without_apt_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInputError, match=r"has no apt-get\. Set it to the address or the folder of a Debian mirror"):
        debian.fetch("apt:Packages", tmp_path / "out.txt", limits=LIMITS)


def deb(*members: tuple[str, bytes]) -> bytes:
    """Return a Debian package: an archive of ar, whose members stand at even bytes."""
    made = b"!<arch>\n"
    for name, content in members:
        made += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        made += content + b"\n" * (len(content) % 2)
    return made


PARTS = (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", b"the files"))
DOWNLOAD = """#!/bin/sh
for word in "$@"; do last=$word; done
case "$*" in *update*) exit 0;; esac
[ "$last" = dict-x ] || { echo "E: Unable to locate package $last" >&2; exit 100; }
cp %s "${last}_1%%3a2.0-1_all.deb"
"""


def test_the_files_of_a_package_are_fetched_with_apt_and_nothing_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.deb").write_bytes(deb(*PARTS))
    fake_apt(tmp_path, monkeypatch, DOWNLOAD % (tmp_path / "x.deb"))
    out = tmp_path / "out/dict-x.tar.xz"
    out.parent.mkdir()
    assert fetch_data("dict-x", out) == "1:2.0-1"
    assert out.read_bytes() == b"the files"
    assert sorted(path.name for path in out.parent.iterdir()) == ["dict-x.tar.xz"]
    with pytest.raises(BadInputError, match=r"apt:dict-y: apt cannot fetch such a package: .*Unable to locate package dict-y.*"
                       r"apt-cache search dict"):  # fmt: skip
        fetch_data("dict-y", out)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"<html>", DamagedError, "apt:dict-x: not a Debian package"),
        (deb(*PARTS)[:-2], DamagedError, "the package is truncated"),
        (deb(*PARTS)[:100], DamagedError, "truncated or damaged at byte 72"),
        (deb(PARTS[0], ("data.tar.zst", b"x")), BadInputError, r"with data\.tar\.xz is expected, this has debian-binary, data"),
    ],
    ids=["page", "data", "header", "packing"],
)  # fmt: skip
def test_what_is_no_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, error: type[Exception], message: str
) -> None:
    (tmp_path / "x.deb").write_bytes(content)
    fake_apt(tmp_path, monkeypatch, DOWNLOAD % (tmp_path / "x.deb"))
    with pytest.raises(error, match=message):
        fetch_data("dict-x", tmp_path / "dict-x.tar.xz")
    assert not (tmp_path / "dict-x.tar.xz").exists()


def test_a_package_without_apt_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInputError, match=r"apt:dict-x: .*no apt-get"):
        fetch_data("dict-x", tmp_path / "dict-x.tar.xz")
