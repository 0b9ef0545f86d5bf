"""How much is taken from outside, and how often it is tried."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """One policy for every download and everything compressed.

    `maximum_bytes` of a download and of what one compressed file unpacks to; `maximum_ratio` of unpacked to packed
    bytes; `attempts` of a download that broke off; `timeout` in seconds without an answer.
    """

    maximum_bytes: int
    maximum_ratio: float
    attempts: int
    timeout: float
