"""The `python` that a flow's stages run under: one whose libraries are loaded, shared with the flows inside."""

from contextlib import AbstractContextManager
from pathlib import Path

from tasks import tracking_settings
from tasks.__main__ import library_variables
from tasks.libraries import LIBRARIES
from tasks.loaded_python import loaded_python
from tasks.sections import Params


def stage_python(project: Path, params: Params) -> AbstractContextManager[Path]:
    """Give a `python` for `Processes.python` in a block; it loads meanwhile."""
    return loaded_python(LIBRARIES, {**library_variables(params.threads), **tracking_settings.settings(project)})
