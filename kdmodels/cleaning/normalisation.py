"""Text in one form: encoding faults mended, nothing invisible left, one space between words."""

import re
import unicodedata
from functools import cache
from typing import Any

import regex  # type: ignore[import-untyped]

# What is never shown and means nothing in running text: control characters, soft hyphen, directional marks,
# zero-width space, word joiner, byte order mark, annotation marks, tags, noncharacters. White space among
# the controls is left to the last step, variation selectors and the Mongolian separators belong to spelling.
_JUNK = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufdd0-\ufdef\ufffe\uffff\U0001d173-\U0001d17a\U000e0000-\U000e007f"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(1, 17))
    + "]"
)
_SURROGATE = re.compile("[\ud800-\udfff]+")  # two halves of one character are joined, lone ones removed
_JOINING = (
    "Arabic Syriac Nko Mongolian Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala"
)
# U+200C and U+200D spell words in Arabic and Indic scripts (Persian plurals, conjuncts) and join emoji; of a run one
# is kept there, elsewhere they are junk.
_JOINERS = regex.compile(
    r"(?<=[" + "".join(rf"\p{{scx={script}}}" for script in _JOINING.split()) + r"])([\u200c\u200d])[\u200c\u200d]*"
    r"|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])(\u200d)(?=\p{Extended_Pictographic})"
    r"|[\u200c\u200d]"
)
_MOST_PASSES = 8  # mending may lay bare what needs mending (&amp;amp;); each pass leaves less


def normalised(text: str, *, mend_encoding: bool) -> str:
    """Return a text without encoding faults and invisible characters, in NFC, stripped, with single spaces.

    Normalising the outcome changes nothing. Quotes, ligatures and wide forms stay as they are: they are proper text.

    Args:
        mend_encoding: mend mojibake, HTML entities and terminal escapes with ftfy.
    """
    if text.isascii() and text.isprintable() and "&" not in text:
        return " ".join(text.split())
    for _ in range(_MOST_PASSES):
        before = text
        if not text.isprintable():
            text = _SURROGATE.sub(_joined, text)
        if mend_encoding:
            text = _mended(text)
        if not text.isprintable():
            text = _without_junk(text)
        text = unicodedata.normalize("NFC", " ".join(text.split()))
        if text == before:
            break
    return text


def _joined(surrogates: re.Match[str]) -> str:
    return surrogates[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def _mended(text: str) -> str:
    # ftfy costs 30 times what its own check for mojibake does; all its other mendings need an ampersand or a character
    # that is not printable.
    if "&" in text or not text.isprintable() or (not text.isascii() and _is_bad()(text)):
        import ftfy

        return ftfy.fix_text(text, _configuration())
    return text


@cache
def _is_bad() -> Any:
    from ftfy.badness import is_bad

    return is_bad


@cache
def _configuration() -> Any:
    from ftfy import TextFixerConfig

    return TextFixerConfig(
        unescape_html="auto",  # not where a < stands
        remove_terminal_escapes=True,
        fix_encoding=True,
        restore_byte_a0=True,
        replace_lossy_sequences=True,
        decode_inconsistent_utf8=True,
        fix_c1_controls=True,
        fix_latin_ligatures=False,
        fix_character_width=False,  # wide punctuation is proper Chinese and Japanese
        uncurl_quotes=False,
        fix_line_breaks=False,
        fix_surrogates=False,  # lone ones would become replacement characters
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )


def _without_junk(text: str) -> str:
    text = _JUNK.sub("", text)
    if "\u200c" in text or "\u200d" in text:
        text = _JOINERS.sub(lambda match: match[1] or match[2] or "", text)
    return text
