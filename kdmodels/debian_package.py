"""The files of a Debian package, fetched by apt and not installed."""

import tempfile
from pathlib import Path

from kdmodels.debian_fetching import APT, HINT, PACKAGES, apt_state, run_apt
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import whole

_MAGIC = b"!<arch>\n"
_HEADER = 60  # bytes of an archive member's header: name, 16; date, owner, group and mode, 32; size, 10; end, 2
_DATA = "data.tar.xz"
_INSTEAD = "Fetch the archive by hand, and name its path below sources.folder"


def fetch_data(package: str, to: Path) -> str:
    """Write the tar archive of a package's files, data.tar.xz, as it stands in the package.

    Returns:
        the version of the package

    Raises:
        BadInputError: where there is no apt, it fails or there is no network, there is no such package, or its files
            are packed in another way.
        DamagedError: where the package is truncated.
    """
    with apt_state(f"{APT}:{package}", _INSTEAD) as state, tempfile.TemporaryDirectory(dir=to.parent) as folder:
        failed = run_apt(state, ["update"], PACKAGES)
        try:
            run_apt(state, ["download", package], PACKAGES, folder=Path(folder))
        except BadInputError as error:
            said = f" And its update: {failed[0]}. {HINT}" if failed else ""
            raise BadInputError(
                f"{APT}:{package}: apt cannot fetch such a package: {error}.{said} To see what there is: apt-cache search "
                f"{package.rpartition('-')[0] or package}"
            ) from None
        found = sorted(Path(folder).glob("*.deb"))
        if len(found) != 1:
            raise BadInputError(f"{APT}:{package}: apt-get download left {len(found)} packages, expected one")
        content = _member(found[0].read_bytes(), f"{APT}:{package}")
        with whole(to) as temporary:
            temporary.write_bytes(content)
        return found[0].name.split("_")[1].replace("%3a", ":")


def _member(package: bytes, shown: str) -> bytes:
    """Return data.tar.xz of a package, which is an archive of ar."""
    if not package.startswith(_MAGIC):
        raise DamagedError(f"{shown}: not a Debian package. Try again later")
    names, place = [], len(_MAGIC)
    while place < len(package):
        header = package[place : place + _HEADER]
        if len(header) < _HEADER or not header[48:58].strip().isdigit():
            raise DamagedError(f"{shown}: the package is truncated or damaged at byte {place}. Try again later")
        name, size = header[:16].decode("ascii", errors="replace").rstrip().rstrip("/"), int(header[48:58])
        content = package[place + _HEADER : place + _HEADER + size]
        if name == _DATA:
            if len(content) < size:
                raise DamagedError(f"{shown}: the package is truncated. Try again later")
            return content
        names.append(name)
        place += _HEADER + size + size % 2
    raise BadInputError(f"{shown}: a package with {_DATA} is expected, this has {', '.join(names)}")
