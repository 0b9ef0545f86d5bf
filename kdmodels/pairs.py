"""Sentence pairs: what identifies them, and on which side of a split each stands."""

from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Pair:
    """One sentence in two languages, with the id it keeps from download to batch.

    `group` is what must not be split between training and test, such as a document or a software package; none where
    the source does not say.
    """

    id: str
    source: str
    target: str
    group: str | None


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One text with its label; `split` is train or valid, or none where the source does not say; `group` as a pair's."""

    id: str
    label: str
    text: str
    split: str | None
    group: str | None


def text_hash(text: str) -> str:
    """Return the content address of a text: 128 bits of BLAKE2b over its UTF-8 bytes, in hex."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def pair_hash(source: str, target: str) -> str:
    """Return the content address of a pair; unequal to that of the swapped pair and of any other cut."""
    return blake2b(source.encode() + b"\0" + target.encode(), digest_size=16).hexdigest()


def falls_below(share: float, text: str, purpose: str) -> bool:
    """Say whether a text falls into a share of all texts, by a hash of it alone.

    So a text stays on its side when others join. `purpose` makes the draws for two purposes independent.
    """
    digest = blake2b(text.encode(), digest_size=8, person=purpose.encode()[:16]).digest()
    return int.from_bytes(digest) < share * 2**64


def plain(text: str) -> str:
    """Return a text for comparison: case folded, all white space one space."""
    return " ".join(text.casefold().split())
