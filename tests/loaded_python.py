"""A `python` for the stages of scratch projects that has their libraries loaded, which takes each of them seconds."""

import atexit
import os
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from tasks.__main__ import library_variables
from tasks.libraries import LIBRARIES
from tasks.loaded_python import SHARED, loaded_python


@cache
def start(server: str) -> Path:
    """Start a server of this process, if it was not started; return the folder in which its `python` is.

    Flows of this process take it too.

    Args:
        server: which one; another has sets in another order
    """
    del server
    os.environ.pop(SHARED, None)
    open_ended = ExitStack()
    atexit.register(open_ended.close)
    return open_ended.enter_context(loaded_python(LIBRARIES, library_variables(1))).parent
