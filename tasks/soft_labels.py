"""The teacher's soft labels of every distinct source text: its parts, joined."""

from pathlib import Path
from typing import TYPE_CHECKING

from kdmodels.files import write_json
from kdmodels.label_parts import join_parts
from kdmodels.label_store import write_labels
from tasks import places
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder


def soft_labels(labelling: Path, out: Path, params: Params, record: "Recorder") -> None:
    """Join the parts of `labelling.parts`: the same bytes, however many there are.

    What parts of another split have left there is removed first: DVC would count it among what this stage reads, on this
    machine alone.

    Raises:
        BadInputError: where a part is missing, or does not fit the others.
    """
    parts = params.labelling.parts
    for name in places.remove_others(labelling, parts):
        print(f"removed {labelling / name}, which is of another split", flush=True)
    whole = join_parts(labelling, parts)
    write_labels(out, whole.identity, whole.labels, params.soft_labels.shard_rows)
    write_json(out / "folds.json", whole.counts)
    record.metrics({name: float(value) for name, value in whole.counts.items()})
