"""What is asked of a Prefect server before anything is started: does it answer, is it of this version, what has it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kdmodels.errors import BadInputError

_START = "prefect server start --host 127.0.0.1, then PREFECT_API_URL=http://127.0.0.1:4200/api"


@contextmanager
def connected() -> Iterator[Any]:
    """Give a client of the server that PREFECT_API_URL or the profile names.

    Raises:
        BadInputError: where none is named, it does not answer, or it is of another version.
    """
    import httpx
    import prefect
    from prefect.client.orchestration import get_client
    from prefect.settings import get_current_settings

    address = get_current_settings().api.url
    if not address:
        raise BadInputError(f"no Prefect server is named, and pools belong to one. To have one: {_START}")
    with get_client(sync_client=True) as client:
        try:
            version = client.api_version()
        except (httpx.HTTPError, RuntimeError) as error:
            raise BadInputError(
                f"{address}: the Prefect server does not answer ({error}). To have one: {_START}"
            ) from None
        _check_version(address, version, prefect.__version__)
        yield client


def _check_version(address: str, version: str, ours: str) -> None:
    if version != ours:
        raise BadInputError(
            f"{address}: the Prefect server is of version {version}, this environment of {ours}. Give both the "
            "same: the lock file of the project has it"
        )


def check_pool(name: str) -> None:
    """Refuse a pool that the server does not know.

    Raises:
        BadInputError: with those it knows.
    """
    with connected() as client:
        known = [pool.name for pool in client.read_work_pools()]
    if name not in known:
        raise BadInputError(
            f"--pool {name!r}: the Prefect server has no such pool; it has {', '.join(sorted(known)) or 'none'}. To create "
            "those of this project: distilingua deploy"
        )
