"""Filters over one sentence pair, each with a threshold of its own.

They measure what the filters of opusfilter 3.3.1 measure (LengthFilter, LongWordFilter, LengthRatioFilter,
SimilarityFilter, AlphabetRatioFilter, CharacterScoreFilter, NonZeroNumeralsFilter, HtmlTagFilter) but are written
anew: those count words by spaces only, know no digits but ASCII, take `<name@example.org>` for a tag, and together
cost 157 µs for a short pair where these cost 27 (the tags go through an HTML parser); importing them takes 0.5 s.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import regex  # type: ignore[import-untyped]

from kdmodels.cleaning.languages import scripts
from kdmodels.cleaning.words import is_spaced, length, letters, words
from kdmodels.errors import BadInputError
from kdmodels.pairs import plain

# In this order, from cheap to dear; `Filters.reason` gives the first that drops a pair.
FILTERS = (
    "empty",
    "characters",
    "words",
    "word_characters",
    "length_ratio",
    "html",
    "similarity",
    "letters",
    "script",
    "swapped",
    "numbers",
)

_ELEMENTS = (
    "a abbr address article aside audio b blockquote body br button canvas center cite code col dd del div dl dt em "
    "embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html i iframe "
    "img input ins kbd label legend li link main map mark meta nav noscript object ol option p param pre q s samp script "
    "section select small source span strike strong style sub summary sup svg table tbody td textarea tfoot th thead "
    "title tr track tt u ul var video"
)
_HTML = re.compile(
    rf"</?(?:{'|'.join(_ELEMENTS.split())})(?=[\s/>])[^<>]*>|<!--|<!doctype|&(?:amp|lt|gt|quot|apos|nbsp|#\d+|#x[\da-f]+);",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+")
_LIKELY_TRANSLATED = 20  # letters; shorter sides (names, titles) may be alike in both languages, unless quite equal
_MUCH_TEXT = 20  # characters of the longer side; shorter ones ("Yes", "Natürlich doch") may differ by any ratio
_WRITTEN_OUT = 12  # numbers up to it may be words on one side beside digits for others
_MOST_WRITTEN_OUT = 4  # digits but zeros; no more are words on a side that has no digits at all


@dataclass(frozen=True, slots=True)
class _Side:
    own: Any  # a pattern for letters of the scripts of the language; none: not known
    latin: bool


class Filters:
    """The filters for one pair of languages, built once and asked for each pair."""

    def __init__(
        self,
        *,
        source: str,
        target: str,
        characters: tuple[int, int] | None,
        words: tuple[int, int] | None,
        word_characters: int | None,
        length_ratio: float | None,
        similarity: float | None,
        letters: float | None,
        script: float | None,
        numbers: float | None,
        html: bool,
    ) -> None:
        """Set the thresholds; none switches a filter off.

        Args:
            source, target: language codes (BCP-47).
            characters: fewest and most of each side.
            words: fewest and most of each side; in scripts without spaces each character is one.
            word_characters: most of the longest word; a run of a script without spaces is no word.
            length_ratio: most of the longer side to the shorter, in characters, of which a Han character counts as 3,
                Kana and Hangul as 2 (about what they are worth in letters). Where both sides are short (below 20),
                pairs are not judged.
            similarity: of the sides to each other, 0 to 1 (indel similarity of the case-folded text), from which
                they count as copies. Sides of fewer than 20 letters only where they are equal: short names may be
                nearly alike in two languages.
            letters: least share of letters and their marks among the characters that are no spaces, of each side.
            script: least share of the letters in a script of the language, with the weights of length_ratio. Not
                judged where the script is unknown. Sides in each other's script are `swapped`.
            numbers: least agreement of the digits of both sides, 0 to 1 (indel similarity, zeros left out, numbers in
                any order). Where it is too low, numbers up to 12 that one side lacks are forgiven, and up to four
                digits where one side has none: they may be written out ("fourteen days").
            html: drop pairs with HTML tags, comments or entities.

        Raises:
            BadInputError: where the script that a language code names does not exist.
        """
        self._characters, self._words, self._word_characters = characters, words, word_characters
        self._length_ratio, self._similarity, self._letters = length_ratio, similarity, letters
        self._script, self._numbers, self._html = script, numbers, html
        self._sides = (_side(source), _side(target))

    def reason(self, source: str, target: str) -> str | None:
        """Return the name of the first filter that drops a normalised pair, or none."""
        if not source or not target:
            return "empty"
        if self._characters is not None and _outside(self._characters, len(source), len(target)):
            return "characters"
        if self._words is not None and _outside(self._words, _count_words(source), _count_words(target)):
            return "words"
        if self._word_characters is not None:
            most = self._word_characters
            if _longest_word(source) > most or _longest_word(target) > most:
                return "word_characters"
        if self._length_ratio is not None:
            short, long = sorted((length(source), length(target)))
            if long > self._length_ratio * short and long >= _MUCH_TEXT:
                return "length_ratio"
        if self._html and (_holds_html(source) or _holds_html(target)):
            return "html"
        if self._similarity is not None and _alike(source, target, self._similarity):
            return "similarity"
        return self._letters_reason(source, target)

    def _letters_reason(self, source: str, target: str) -> str | None:
        if self._letters is not None or self._script is not None:
            of_source, of_target = letters(source), letters(target)
            if self._letters is not None and (
                len(of_source) < self._letters * _visible(source) or len(of_target) < self._letters * _visible(target)
            ):
                return "letters"
            if self._script is not None:
                left, right = self._sides
                if _foreign(of_source, left, self._script) or _foreign(of_target, right, self._script):
                    swapped = (
                        _foreign(of_source, left, self._script)
                        and _foreign(of_target, right, self._script)
                        and not _foreign(of_source, right, self._script)
                        and not _foreign(of_target, left, self._script)
                    )
                    return "swapped" if swapped else "script"
        if self._numbers is not None and _numbers_differ(source, target, self._numbers):
            return "numbers"
        return None


def _side(language: str) -> _Side:
    names = scripts(language)
    if names is None:
        return _Side(None, latin=False)
    try:
        own = regex.compile("[" + "".join(rf"\p{{scx={name}}}" for name in names) + "]+")
    except regex.error:
        raise BadInputError(
            f"{language}: the script {names[0]!r} is not one of Unicode. A language code such as zh-Hant is expected "
            "(BCP-47)"
        ) from None
    return _Side(own, latin="Latn" in names)


def _outside(limits: tuple[int, int], *lengths: int) -> bool:
    return min(lengths) < limits[0] or max(lengths) > limits[1]


def _count_words(text: str) -> int:
    return len(text.split()) if is_spaced(text) else len(words(text))


def _longest_word(text: str) -> int:
    pieces = text.split() if is_spaced(text) else words(text)
    return max(map(len, pieces), default=0)


def _holds_html(text: str) -> bool:
    return ("<" in text or "&" in text) and _HTML.search(text) is not None


def _alike(source: str, target: str, threshold: float) -> bool:
    from rapidfuzz import fuzz

    left, right = plain(source), plain(target)
    if left == right:
        return True
    if fuzz.ratio(left, right, score_cutoff=100 * threshold) == 0:
        return False
    return min(len(letters(left)), len(letters(right))) >= _LIKELY_TRANSLATED


def _visible(text: str) -> int:
    return len(text) - text.count(" ")


def _foreign(own: str, side: _Side, threshold: float) -> bool:
    if side.own is None or not own or (side.latin and own.isascii()):
        return False
    foreign = side.own.sub("", own)
    return bool(foreign) and length(foreign) > (1 - threshold) * length(own)


def _numbers_differ(source: str, target: str, threshold: float) -> bool:
    left, right = _numbers(source), _numbers(target)
    if left == right or _agreement(left, right) >= threshold:
        return False
    if not left or not right:
        return len("".join(left or right).replace("0", "")) > _MOST_WRITTEN_OUT
    return _agreement(_expected(left, right), _expected(right, left)) < threshold


def _numbers(text: str) -> list[str]:
    found = _DIGITS.findall(text)
    if not text.isascii():
        found = ["".join(str(unicodedata.decimal(digit)) for digit in number) for number in found]
    return found


def _expected(numbers: list[str], other: list[str]) -> list[str]:
    return [number for number in numbers if number in other or len(number) > 2 or int(number) > _WRITTEN_OUT]


def _agreement(left: list[str], right: list[str]) -> float:
    from rapidfuzz import fuzz

    # Zeros are left out because of thousands, millions and leading zeros, as in opusfilter. The order of numbers may
    # differ from language to language.
    orders = ((left, right), (sorted(left), sorted(right)))
    return max(fuzz.ratio("".join(one).replace("0", ""), "".join(two).replace("0", "")) for one, two in orders) / 100
