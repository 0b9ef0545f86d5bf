"""Which language a text is in, and which script a language is written in."""

from collections.abc import Sequence
from typing import Any

from kdmodels.cleaning.words import length, letters
from kdmodels.errors import BadInputError

# Languages that are not, or not only, written in Latin letters (ISO 15924 codes, CLDR's likely subtags and the
# scripts in official use). Every other two-letter code is Latin; of other three-letter codes the script is not known.
_SCRIPTS = {
    "Arab": "ar fa ur ps ug arz ary ckb sdh",
    "Arab Deva": "ks sd",
    "Arab Latn": "ku ms ha",
    "Armn": "hy",
    "Beng": "bn as mni",
    "Cans": "cr iu oj",
    "Cyrl": "ru uk be bg mk kv cv ba ce os ab av ky tg tt cu sah",
    "Cyrl Latn": "sr bs uz tk kk az crh",
    "Cyrl Mong": "mn",
    "Deva": "hi mr ne sa bh mai bho gom kok",
    "Ethi": "am ti",
    "Geor": "ka",
    "Grek": "el grc",
    "Gujr": "gu",
    "Guru Arab": "pa",
    "Hani": "zh yue wuu",
    "Hani Hira Kana": "ja",
    "Hang Hani": "ko",
    "Hebr": "he yi iw hbo",
    "Khmr": "km",
    "Knda": "kn",
    "Laoo": "lo",
    "Latn": "fil tl ceb ast fur nds hsb dsb pcm szl ltg vec lij gsw kab luo nso tum kea pap",
    "Mlym": "ml",
    "Mymr": "my shn",
    "Olck": "sat",
    "Orya": "or",
    "Sinh": "si",
    "Taml": "ta",
    "Telu": "te",
    "Thaa": "dv",
    "Thai": "th",
    "Tibt": "bo dz",
    "Yiii": "ii",
}
_OF_LANGUAGE = {
    language: tuple(codes.split()) for codes, languages in _SCRIPTS.items() for language in languages.split()
}
_OF_SUBTAG = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Hrkt": ("Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
    "Aran": ("Arab",),
}
_OTHER_CODES = {"fil": "tl", "iw": "he", "in": "id", "no": "nb", "cmn": "zh", "ji": "yi", "swh": "sw", "swa": "sw"}

_FEWEST_LETTERS = 20  # a Han, Kana, Hangul or Thai character counts as 3; shorter texts are not judged
_ACQUITTED = 0.9  # py3langid's confidence that a text is in its own language, from which lingua is not asked
_DECIMALS = 6  # lingua sums in no fixed order, its last bits differ from run to run


def scripts(language: str) -> tuple[str, ...] | None:
    """Return the scripts of a language (ISO 15924) by its BCP-47 code, or none where they are not known."""
    primary, *rest = language.split("-")
    for subtag in rest:
        if len(subtag) == 4 and subtag.isalpha():
            return _OF_SUBTAG.get(subtag.title(), (subtag.title(),))
    return _OF_LANGUAGE.get(primary.lower(), ("Latn",) if len(primary) == 2 else None)


class Identifier:
    """Tells apart the two languages of a corpus and a few others that stray into it.

    py3langid (naive Bayes over byte n-grams, 140 languages) is asked first, and a text that it finds in its own
    language is believed. Only what is left goes to lingua (n-gram models of 75 languages, models in the wheel), four
    times as dear and better at short texts; where lingua does not know the text's own language, py3langid decides.
    So a text is found in another language only by the better judge. A language that neither knows is not judged.
    Both compare the named languages only and take a text in any other for the nearest of them: name those that are
    to be expected.
    """

    def __init__(self, source: str, target: str, candidates: list[str]) -> None:
        """Load py3langid; lingua loads its models, about 30 MB a language, when it is first asked.

        Args:
            source, target, candidates: language codes (BCP-47); regions and scripts are not told apart.

        Raises:
            BadInputError: where a candidate is known to neither judge.
        """
        from lingua import Language
        from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

        self._first: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        codes = {language.iso_code_639_1.name.lower(): language for language in Language.all()}
        for candidate in candidates:
            if _code(candidate) not in codes and _in_langid(_code(candidate)) not in self._first.labels:
                raise BadInputError(
                    f"languages: {candidate!r} is known to no language identifier. lingua knows {', '.join(sorted(codes))}, "
                    f"py3langid {', '.join(sorted(self._first.labels))}. Leave it out"
                )
        self._source, self._target = _code(source), _code(target)
        named = sorted({self._source, self._target, *map(_code, candidates)})
        self._known_to_first = {_in_langid(code): code for code in named if _in_langid(code) in self._first.labels}
        self._known_to_second = {code: codes[code] for code in named if code in codes}
        self._first.set_languages(list(self._known_to_first))
        self._second: Any = None

    def identified(self, texts: Sequence[str], *, own: str) -> list[tuple[str | None, float]]:
        """Return for each text its likeliest language and a confidence, 0 to 1; none where it is not judged.

        Where that language is not `own`, the confidence is that the text is in some other than `own`: a Spanish text
        that might be Portuguese is surely no German one.

        Args:
            own: the language that the texts should be in; source or target.
        """
        return [self._identified(text, _code(own)) for text in texts]

    def reasons(self, pairs: Sequence[tuple[str, str]], *, confidence: float) -> list[str | None]:
        """Return why each pair is to be dropped, or none.

        `language`: with at least this confidence one side is in some other language than its own; `swapped`: both
        are, and most likely in that of the other side.
        """
        sources = self.identified([source for source, _ in pairs], own=self._source)
        targets = self.identified([target for _, target in pairs], own=self._target)
        return [
            self._reason(*of_source, *of_target, confidence)
            for of_source, of_target in zip(sources, targets, strict=True)
        ]

    def _reason(
        self, source: str | None, of_source: float, target: str | None, of_target: float, confidence: float
    ) -> str | None:
        source_strays = source not in (None, self._source) and of_source >= confidence
        target_strays = target not in (None, self._target) and of_target >= confidence
        if source_strays and target_strays and (source, target) == (self._target, self._source):
            return "swapped"
        return "language" if source_strays or target_strays else None

    def _identified(self, text: str, own: str) -> tuple[str | None, float]:
        known_to_first = _in_langid(own) in self._known_to_first
        known_to_second = own in self._known_to_second and len(self._known_to_second) > 1
        if not (known_to_first or known_to_second) or length(letters(text)) < _FEWEST_LETTERS:
            return None, 0.0
        if known_to_first:
            name, share = self._first.classify(text)
            if name == _in_langid(own) and (share >= _ACQUITTED or not known_to_second):
                return own, round(share, _DECIMALS)
            if not known_to_second:
                return _best([(self._known_to_first[name], share) for name, share in self._first.rank(text)], own)
        values = self._lingua().compute_language_confidence_values(text)
        return _best([(value.language.iso_code_639_1.name.lower(), value.value) for value in values], own)

    def _lingua(self) -> Any:
        if self._second is None:
            from lingua import LanguageDetectorBuilder

            self._second = LanguageDetectorBuilder.from_languages(*self._known_to_second.values()).build()
        return self._second


def _best(shares: list[tuple[str, float]], own: str) -> tuple[str | None, float]:
    best, share = shares[0]
    if not share:  # lingua, of a script that none of the languages has
        return None, 0.0
    return best, round(share if best == own else 1 - dict(shares)[own], _DECIMALS)


def _code(language: str) -> str:
    primary = language.split("-")[0].lower()
    return _OTHER_CODES.get(primary, primary)


def _in_langid(code: str) -> str:
    return "no" if code == "nb" else code
