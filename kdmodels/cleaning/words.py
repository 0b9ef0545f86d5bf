"""What a word, a letter and the length of a text are, in all scripts."""

import re

import regex  # type: ignore[import-untyped]

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_UNSPACED_PART = regex.compile(_UNSPACED)
_WORD = regex.compile(rf"[{_UNSPACED}&&[\p{{L}}\p{{N}}]]\p{{M}}*|[[\w\p{{N}}]--{_UNSPACED}]+", regex.VERSION1)
_PLAIN_WORD = re.compile(r"\w+")
_NO_LETTERS = regex.compile(r"[^\p{L}\p{M}]+")
_NO_ASCII_LETTERS = {code: None for code in range(128) if not chr(code).isalpha()}
_DENSE = regex.compile(r"(\p{Han})|[\p{Hiragana}\p{Katakana}\p{Hangul}]")
_FIRST_MARK = "\u0300"  # before it are no combining marks, and the standard library finds words and letters faster
_FIRST_UNSPACED = "\u0e01"  # no character before it is of a script without spaces
_FIRST_DENSE = "\u1100"  # no character before it is Han, Kana or Hangul


def is_spaced(text: str) -> bool:
    """Say whether a text holds no character of a script that puts no space between words."""
    return text.isascii() or max(text) < _FIRST_UNSPACED or _UNSPACED_PART.search(text) is None


def words(text: str) -> list[str]:
    """Return the words of a text without punctuation.

    In scripts without spaces (Han, Kana, Thai, Lao, Khmer, Myanmar) each character, with its marks, is a word.
    """
    simple = text.isascii() or max(text) < _FIRST_MARK
    return _PLAIN_WORD.findall(text) if simple else _WORD.findall(text)


def letters(text: str) -> str:
    """Return the letters of a text and their marks."""
    if text.isascii():
        return text.translate(_NO_ASCII_LETTERS)
    return "".join(filter(str.isalpha, text)) if max(text) < _FIRST_MARK else _NO_LETTERS.sub("", text)


def length(text: str) -> int:
    """Return the length of a text in characters, those of dense scripts weighted by about what they say.

    A Han character counts as 3, Kana and Hangul as 2.
    """
    if text.isascii() or max(text) < _FIRST_DENSE:
        return len(text)
    return len(text) + sum(2 if han else 1 for han in _DENSE.findall(text))
