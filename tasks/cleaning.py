"""A parallel corpus through its cleaning: two passes over the pairs, and what is to be told of them."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.choice import choose
from kdmodels.cleaning.chain import REASONS, Chain
from kdmodels.cleaning.duplicates import repeated_rows
from kdmodels.cleaning.languages import Identifier
from kdmodels.cleaning.leaks import LEAKS, Guard
from kdmodels.cleaning.passes import Read, Scoring, Survivors, Tally, first_pass, sample_rows
from kdmodels.corpus_pictures import draw_dropped, draw_lengths, draw_translation_scores
from kdmodels.corpus_report import corpus_report, data_card
from kdmodels.errors import BadInputError
from kdmodels.ledger import pair_seal
from kdmodels.pairs import Pair, falls_below, pair_hash, plain, text_hash
from kdmodels.provenance import Found
from kdmodels.translation_score import Scorer, fit
from kdmodels.workers import cores, in_order
from tasks.sections import Params, Slot

_OWN = ("translation_score", "translation_sample", "translation_iterations", "maximum_loss")  # none of the chain's
_IDENTIFIED = 2000  # pairs whose languages are looked at for the report
_LONGEST = 400  # characters; longer texts share the last bar of a histogram


class Cleaning:
    """The cleaning of one target language's pairs."""

    def __init__(self, params: Params, target: str, begin: Callable[[], Any]) -> None:
        """Prepare it.

        Args:
            begin: called first in each process that helps, to bind it to this one's life.
        """
        self._params, self._section, self._target, self._begin = params, params.corpus, target, begin
        self._slots = list(self._section.slots.items())
        self.tally = Tally()
        self.kept: Counter[str] = Counter()
        self.held_out = 0
        self.in_labelled = 0
        self.lengths = np.zeros((2, _LONGEST + 1), dtype=np.int64)
        self.scores: list[NDArray[np.float32]] = []
        self.covered, self.judged = 0.0, 0
        self.languages: tuple[Counter[str], Counter[str]] = (Counter(), Counter())

    def first(self, found: dict[str, list[Found]], guard: Guard, folder: Path) -> Survivors:
        """Read all pairs through the filters that look at one pair alone.

        Raises:
            BadInputError: where a file or row is not as it must be, or a pair stands in a test set and leaks are to
                stop the stage.
        """
        numbers = self._section.cleaning.model_dump(exclude=set(_OWN))
        survivors = first_pass(
            [(name, self._reader(slot, found[name]), slot.cap) for name, slot in self._slots],
            make=Chain,
            arguments={"source": self._params.source, "target": self._target, "guard": guard, **numbers},
            folder=folder,
            begin=self._begin,
            workers=cores(),
            tally=self.tally,
            say=lambda line: print(line, flush=True),
        )
        leaks = {reason: self.tally.dropped[reason] for reason in LEAKS if self.tally.dropped[reason]}
        if leaks and self._section.leaks == "strict":
            shown = [
                f"  {reason}, {pair.id}: {pair.source[:80]!r}"
                for reason in leaks
                for pair in self.tally.examples[reason]
            ]
            message = (
                f"{sum(leaks.values())} pairs stand in a test set; a score on it would be dishonest. Remove them, or set "
                "corpus.leaks: remove. Among them:"
            )
            raise BadInputError("\n".join([message, *shown]))
        return survivors

    def _reader(self, slot: Slot, found: list[Found]) -> Read:
        read = choose("corpora", slot.source).read_pairs
        return lambda: read(found, source=self._params.source, target=self._target, **slot.options)

    def without_repetitions(self, survivors: Survivors) -> NDArray[np.bool_]:
        """Return which pairs repeat no earlier one, and count those that do."""
        if not len(survivors):
            return np.zeros(0, dtype=bool)
        near = self._section.cleaning.near_duplicates
        exact_N, near_N = repeated_rows(survivors.exact_N, survivors.bands_NB, threshold=1.0 if near is None else near)
        for reason, rows in (("repeated", exact_N), ("near_repeated", near_N)):
            for _, pairs in survivors.batches(rows):
                for _, pair in pairs:
                    self.tally.drop(reason, pair)
        return ~(exact_N | near_N)

    def second(
        self, survivors: Survivors, keep: NDArray[np.bool_], labelled: set[str]
    ) -> Iterator[dict[str, list[Any]]]:
        """Score the pairs, drop what is badly translated, and return the rest as columns, batch by batch.

        Args:
            labelled: plain forms of the labelled training texts; pairs with one of them are counted.
        """
        if self._section.cleaning.language is not None:
            self._identify(survivors, keep)
        threshold = self._section.cleaning.translation_score
        scorer = None if threshold is None else self._scorer(survivors, keep)
        batches = ([pair for _, pair in pairs] for _, pairs in survivors.batches(keep))
        slots = (slot for _, pairs in survivors.batches(keep) for slot, _ in pairs)
        done = 0
        for batch, (scores, covered) in in_order(
            batches, Scoring, {"scorer": scorer}, begin=self._begin, workers=cores()
        ):
            good = []
            for pair, score in zip(batch, scores.tolist(), strict=True):
                slot = next(slots)
                if threshold is not None and score < threshold:  # not so where it is no number: the pair is not judged
                    self.tally.drop("translation_score", pair)
                else:
                    good.append((slot, pair, score))
            judged = covered[~np.isnan(covered)]
            self.covered, self.judged = self.covered + float(judged.sum()), self.judged + len(judged)
            self.scores.append(scores)
            done += len(batch)
            print(f"{done:,} pairs scored, {done - self.tally.dropped['translation_score']:,} left", flush=True)
            if good:
                yield self._columns(good, labelled)

    def _identify(self, survivors: Survivors, keep: NDArray[np.bool_]) -> None:
        """Look at the languages of a sample."""
        chosen = sample_rows(survivors, keep, _IDENTIFIED)
        sample = [pair for _, pairs in survivors.batches(chosen) for _, pair in pairs]
        identifier = Identifier(self._params.source, self._target, list(self._section.cleaning.languages))
        sides = ((pair.source for pair in sample), (pair.target for pair in sample))
        for own, texts, counts in zip((self._params.source, self._target), sides, self.languages, strict=True):
            counts.update(found or "not judged" for found, _ in identifier.identified(list(texts), own=own))

    def _scorer(self, survivors: Survivors, keep: NDArray[np.bool_]) -> Scorer:
        numbers = self._section.cleaning
        chosen = sample_rows(survivors, keep, numbers.translation_sample)
        sample = [pair for _, pairs in survivors.batches(chosen) for _, pair in pairs]
        print(f"fitting the word alignment on {len(sample):,} pairs", flush=True)
        return fit(
            [pair.source for pair in sample],
            [pair.target for pair in sample],
            [pair_hash(pair.source, pair.target) for pair in sample],
            iterations=numbers.translation_iterations,
        )

    def _columns(self, good: list[tuple[int, Pair, float]], labelled: set[str]) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {}
        for number, pair, score in good:
            name, slot = self._slots[number]
            identity = pair.id if number == 0 else f"{name}:{pair.id}"
            held_out = falls_below(self._section.held_out, pair.source, "held_out")
            row = {
                "id": identity,
                "content_hash": pair_hash(pair.source, pair.target),
                "source_hash": text_hash(pair.source),
                "source": pair.source,
                "target": pair.target,
                "seal": pair_seal(identity, pair.source, pair.target, held_out, slot.weight),
                "held_out": held_out,
                "weight": slot.weight,
                "translation_score": None if np.isnan(score) else score,
            }
            for key, value in row.items():
                columns.setdefault(key, []).append(value)
            self.kept[name] += 1
            self.held_out += held_out
            self.in_labelled += plain(pair.source) in labelled
            for side, text in enumerate((pair.source, pair.target)):
                self.lengths[side, min(len(text), _LONGEST)] += 1
        return columns

    def check(self) -> None:
        """Refuse a cleaning that left too little.

        Raises:
            BadInputError: with the counts by reason.
        """
        read, kept = sum(self.tally.read.values()), sum(self.kept.values())
        counts = ", ".join(f"{self.tally.dropped[reason]} {reason}" for reason in REASONS if self.tally.dropped[reason])
        where = f"{self._params.source}-{self._target}: {kept} pairs kept of {read} read ({counts or 'none dropped'})"
        most = self._section.cleaning.maximum_loss
        if read and (read - kept) / read > most:
            raise BadInputError(
                f"{where}: more than the share of {most} that cleaning may drop (corpus.cleaning.maximum_loss). See what "
                f"was dropped:\n{self._shown()}\nThen mend the corpus, or loosen the filter, or raise the share"
            )
        if not 0 < self.held_out < kept:
            raise BadInputError(
                f"{where}, {self.held_out} of them held out: some must be held out and some left to train on. Bring more "
                "pairs, or change corpus.held_out"
            )

    def _shown(self) -> str:
        return "\n".join(
            f"  {reason}, {pairs[0].id}: {pairs[0].source[:60]!r} / {pairs[0].target[:60]!r}"
            for reason, pairs in self.tally.examples.items()
        )

    def numbers(self) -> dict[str, float]:
        """Return the counts of the report."""
        read = {f"read/{name}": self.tally.read[name] for name, slot in self._slots if slot.source != "none"}
        kept = {f"kept/{name}": self.kept[name] for name, slot in self._slots if slot.source != "none"}
        dropped = {f"dropped/{reason}": self.tally.dropped[reason] for reason in REASONS}
        every: dict[str, float] = {**read, **dropped, **kept}
        every |= {"read": sum(read.values()), "kept": sum(kept.values()), "held_out": self.held_out}
        every["in_labelled"] = self.in_labelled
        return every | ({"tokens_covered": self.covered / self.judged} if self.judged else {})

    def report(self, found: dict[str, list[Found]], numbers: dict[str, float], out: Path) -> None:
        """Write the report with its pictures, and the data card.

        Args:
            numbers: what `numbers` gives, and what there is besides
        """
        pictures = out / "pictures"
        pair = f"{self._params.source}-{self._target}"
        sides = (self._params.source, self._target)
        draw_dropped(self.tally.dropped, REASONS, f"{pair}: pairs dropped", pictures / "dropped.png")
        draw_lengths(dict(zip(sides, self.lengths, strict=True)), f"{pair}: lengths", pictures / "lengths.png")
        scores = np.concatenate(self.scores) if self.scores else np.empty(0, dtype=np.float32)
        threshold = self._section.cleaning.translation_score
        draw_translation_scores(scores, threshold, f"{pair}: translation scores", pictures / "scores.png")
        files = [(name, file) for name, every in found.items() for file in every]
        page = corpus_report(
            source=self._params.source,
            target=self._target,
            reasons=REASONS,
            dropped=self.tally.dropped,
            examples=self.tally.examples,
            numbers=numbers,
            languages=self.languages,
            files=files,
        )
        (out / "report.md").write_text(page, encoding="utf-8")
        card = data_card(
            source=self._params.source,
            target=self._target,
            numbers=numbers,
            files=files,
            held_out=self._section.held_out,
        )
        (out / "card.md").write_text(card, encoding="utf-8")
