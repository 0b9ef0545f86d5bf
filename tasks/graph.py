"""Which stage waits for which."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Graph:
    """The stages of dvc.yaml, in its order, with what each waits for."""

    upstream: Mapping[str, frozenset[str]]  # of each stage, those whose outputs it reads
    pool: Mapping[str, str | None]  # `meta: {pool: ...}`, the kind of machine it wants

    @property
    def stages(self) -> list[str]:
        """Return the names of all stages."""
        return list(self.upstream)

    @cached_property
    def downstream(self) -> dict[str, frozenset[str]]:
        """Return of each stage those that read its outputs."""
        return {name: frozenset(other for other in self.stages if name in self.upstream[other]) for name in self.stages}

    def behind(self, names: Iterable[str]) -> set[str]:
        """Return stages with all that depend on them, however far."""
        return _reach(names, self.downstream)

    def before(self, names: Iterable[str]) -> set[str]:
        """Return stages with all that they depend on, however far."""
        return _reach(names, self.upstream)


def _reach(names: Iterable[str], edges: Mapping[str, frozenset[str]]) -> set[str]:
    found: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(edges[name])
    return found
