"""Hashes are DVC's, and secrets are taken out of what is kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdmodels.redaction import redacted
from tasks.hashes import dvc_md5
from tests.recording_project import write


def test_folders_and_files_have_the_hashes_that_dvc_gives_them(project: Path) -> None:
    write("one.txt", "one\r\ntwo")
    for path in ("b.txt", "a/b.txt", "a.txt", "a-b/ü.txt", "A/empty.txt", "文.txt", "a/b/c/d.bin"):
        write(f"folder/{path.replace('a/b/', 'a/x/')}", "" if "empty" in path else path)
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "HOME": str(project)}
    for command in (["init", "-q", "--no-scm"], ["add", "-q", "one.txt", "folder"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], check=True, env=environment)
    for name in ("one.txt", "folder"):
        assert f"md5: {dvc_md5(Path(name))}\n" in Path(f"{name}.dvc").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://me:p@ss@127.0.0.1/x?y=1", "https://***@127.0.0.1/x?y=1"),
        ("postgresql+psycopg://u:p@127.0.0.1/d", "postgresql+psycopg://***@127.0.0.1/d"),
        (
            "http://127.0.0.1/a?token=abc&x=1&X-Amz-Signature=def",
            "http://127.0.0.1/a?token=***&x=1&X-Amz-Signature=***",
        ),
        ("the key of mail@example and s3cr3t-value", "the key of mail@example and ***"),
    ],
)
def test_secrets_are_taken_out(given: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "s3cr3t-value")
    monkeypatch.setenv("OTHER_TOKEN", "e")
    assert redacted(given) == expected
