"""`distilingua deploy`: what a Prefect server is to know of the project, once or again."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer

from flows.command_line import Debug, Root, plain_errors
from kdmodels.errors import BadInputError

AUTOMATION = "distilingua: runs without a heartbeat have crashed"
_BEATS = 3  # that may be missing
_FILE = "prefect.yaml"
_SHOWN_LINES = 12
_ENDED = ("Completed", "Failed", "Cancelled", "Crashed", "TimedOut", "Cancelling", "Paused", "Suspended", "BadInput")


def deploy(root: Root = Path(), debug: Debug = False) -> None:
    """Create or update the work pools, deployments, schedules and the automation on the Prefect server."""
    with plain_errors(debug):
        from flows.prefect_api import connected
        from flows.server import settle
        from tasks.config import load_params
        from tasks.stage import graph

        params = load_params(root)
        settle()
        pools = params.pipeline.pools
        unknown = sorted({pool for pool in graph(root.absolute()).pool.values() if pool is not None} - set(pools))
        if unknown:
            raise BadInputError(
                f"dvc.yaml has stages of the pool {unknown[0]!r}, which is not in params.yaml: pipeline.pools"
            )
        with connected() as client:
            for name, limit in pools.items():
                typer.echo(f"pool {name}: {_pool(client, name, limit)}")
            try:
                _deployments(root, str(client.api_url))
            finally:  # where prefect refuses one, those before it are there already
                _close_parameters(client)
            typer.echo(f"automation {AUTOMATION!r}: {_automation(client)}")
            for one in client.read_deployments():
                typer.echo(
                    f"deployment {one.name}: {', '.join(map(_schedule, one.schedules)) or 'when it is asked for'}"
                )
        typer.echo("\nTo run it now: prefect deployment run pipeline/scheduled")
        for name in pools:
            typer.echo(f"A worker:      distilingua worker --pool {name}")


def _pool(client: Any, name: str, limit: int | None) -> str:
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectNotFound

    try:
        found = client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process", concurrency_limit=limit))
        return "created"
    if found.concurrency_limit == limit:
        return f"there already, of type {found.type}"
    client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))
    return f"its limit is {limit if limit is not None else 'none'} now"


def _deployments(root: Path, address: str) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", _FILE]
    variables = {**os.environ, "PREFECT_API_URL": address}
    ended = subprocess.run(
        command, cwd=root, env=variables, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if ended.returncode:
        lines = [line for line in (ended.stdout + ended.stderr).split("\n") if line.strip()]
        raise BadInputError("\n".join([f"{root / _FILE}: prefect deploy refuses it:", *lines[-_SHOWN_LINES:]]))


def _close_parameters(client: Any) -> None:
    """Have the server refuse a parameter that the flow does not have, as it refuses one of another type by itself."""
    from prefect.client.schemas.actions import DeploymentUpdate

    for one in client.read_deployments():
        if not (one.entrypoint or "").startswith("flows."):
            continue  # another project's
        schema = {**one.parameter_openapi_schema, "additionalProperties": False}
        client.update_deployment(one.id, DeploymentUpdate(parameter_openapi_schema=schema))


def _automation(client: Any) -> str:
    """Have runs that stop beating marked as crashed: one whose worker and process were killed together runs for ever."""
    from prefect.automations import AutomationCore, EventTrigger, Posture, ResourceSpecification
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState

    from flows.working import HEARTBEAT

    wanted = AutomationCore(
        name=AUTOMATION,
        description="Created by distilingua deploy. Workers let their runs beat every half minute.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{name}" for name in _ENDED)},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=_BEATS * HEARTBEAT),
        ),
        actions=[
            ChangeFlowRunState(state=StateType.CRASHED, message="No heartbeat: its worker and its process are gone.")
        ],
    )
    found = client.read_automations_by_name(AUTOMATION)
    if not found:
        client.create_automation(wanted)
        return "created"
    if _told(found[0]) == _told(wanted):
        return "there already"
    client.update_automation(found[0].id, wanted)
    return "updated"


def _told(automation: Any) -> Any:
    """Return what an automation does; the server gives sets in any order, and adds what it knows besides."""
    trigger = automation.trigger
    lists = [sorted(map(str, getattr(trigger, name))) for name in ("after", "expect", "for_each")]
    match = trigger.match.model_dump(mode="json")
    actions = [
        (action.type, getattr(action, "state", None), getattr(action, "message", None)) for action in automation.actions
    ]
    return [
        automation.enabled,
        automation.description,
        *lists,
        match,
        trigger.posture,
        trigger.threshold,
        trigger.within,
        actions,
    ]


def _schedule(one: Any) -> str:
    schedule = one.schedule
    interval = getattr(schedule, "interval", None)
    when = getattr(schedule, "cron", None) or getattr(schedule, "rrule", None) or f"every {interval}"
    zone = f" {schedule.timezone}" if getattr(schedule, "timezone", None) else ""
    return f"{when}{zone} ({'active' if one.active else 'paused'})"
