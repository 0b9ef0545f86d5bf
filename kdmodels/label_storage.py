"""How much of soft labels is kept on disk, and what is lost by keeping less."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.errors import BadInputError

Floats = NDArray[np.float32]
NOTHING = "none"


@dataclass(frozen=True)
class Storage:
    """What is kept of a text's soft labels.

    - In float16 a logit z is off by at most d = 2^-11 max|z| (half a unit in the last of eleven bits). Then by Hoeffding's
      lemma the divergence of the softened distributions, KL(kept || whole) and KL(whole || kept), is at most
      (d / T)^2 / 2 nats at temperature T: 3e-5 at logits up to 16 and T = 1.
    - Of `top_classes`, the k most probable classes keep their logits, the others share one by which their probability in
      all, m, stays the same. At T = 1, KL(whole || kept) is at most m log(classes - k) nats, what the shape of the rest
      can tell. At T > 1 the rest weighs more than it did, since softening favours what is even; the order of classes
      stays.

    Attributes:
        logits: float32 or float16
        top_classes: of each text; none: all
        hidden: float32 or float16, of hidden states; or none, where no loss compares them
    """

    logits: str
    top_classes: int | None
    hidden: str

    def pack(self, logits_NC: Floats, hidden_NH: Floats) -> dict[str, NDArray[Any]]:
        """Return arrays by name, as they are kept.

        Raises:
            BadInputError: where a number does not fit float16.
        """
        packed: dict[str, NDArray[Any]] = {}
        top = self.top_classes
        if top is None or top >= logits_NC.shape[1] - 1:  # one class alone has nobody to share with
            packed["logits"] = _rounded(logits_NC, self.logits, "logits")
        else:
            # the earlier of equal classes, also when what was unpacked is packed again
            order = np.argsort(-logits_NC, axis=1, kind="stable")
            best, others = order[:, :top], order[:, top:]
            packed["classes"] = best.astype(np.int32)
            packed["logits"] = _rounded(np.take_along_axis(logits_NC, best, axis=1), self.logits, "logits")
            shared = _shared(np.take_along_axis(logits_NC, others, axis=1))
            packed["shared"] = _rounded(shared, self.logits, "logits")
            packed["count"] = np.array([logits_NC.shape[1]], dtype=np.int32)
        if self.hidden != NOTHING:
            packed["hidden"] = _rounded(hidden_NH, self.hidden, "hidden")
        return packed

    def rounded(self, logits_NC: Floats, hidden_NH: Floats) -> tuple[Floats, Floats]:
        """Return what will be read of what is written; rounding once more changes nothing."""
        return unpack(self.pack(logits_NC, hidden_NH))


def unpack(packed: Mapping[str, NDArray[Any]]) -> tuple[Floats, Floats]:
    """Return logits [rows, classes] and hidden states [rows, width], of width 0 where none were kept."""
    logits = packed["logits"].astype(np.float32)
    if "classes" in packed:
        whole = np.repeat(packed["shared"].astype(np.float32)[:, None], int(packed["count"][0]), axis=1)
        np.put_along_axis(whole, packed["classes"].astype(np.int64), logits, axis=1)
        logits = whole
    hidden = packed.get("hidden")
    return logits, np.zeros((len(logits), 0), np.float32) if hidden is None else hidden.astype(np.float32)


def _shared(others_NR: Floats) -> Floats:
    """Return the logit [rows] of which each of some classes would have the same probability in all."""
    exact = others_NR.astype(np.float64)
    largest = exact.max(axis=1)
    mean = np.exp(exact - largest[:, None]).mean(axis=1)
    shared: Floats = (largest + np.log(mean)).astype(np.float32)
    return shared


def _rounded(values: Floats, dtype: str, what: str) -> NDArray[Any]:
    kept = np.finfo(dtype)
    largest = float(np.abs(values).max(initial=0.0))
    if np.isfinite(largest) and largest > float(kept.max):
        raise BadInputError(
            f"the teacher's {what} reach {largest:.0f}, and {dtype} ends at {float(kept.max):.0f}. "
            f"Set soft_labels.{what}: float32"
        )
    return np.ascontiguousarray(values, dtype=dtype)
