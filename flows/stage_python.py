"""The `python` that a flow's stages run under: one whose libraries are loaded, shared with the flows inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks import tracking_settings
from tasks.__main__ import library_variables
from tasks.libraries import LIBRARIES
from tasks.loaded_python import loaded_python
from tasks.sections import Params


@contextmanager
def stage_python(project: Path, params: Params) -> Iterator[Path]:
    """Give a `python` for `Processes.python` in the block; it loads meanwhile."""
    variables = {**library_variables(params.threads), **tracking_settings.settings(project)}
    with loaded_python(LIBRARIES, variables) as python:
        yield python
