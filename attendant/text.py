"""Raw tweets, as people write them, to the tokens that the sarcasm model was trained on.

The form is that of the training data; docs/text.md has the rules with examples. Everything here takes time
linear in the length of the text, accepts any `str`, and is idempotent: tokens, joined, are their own tokens.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import emoji
import numpy as np
from numpy.typing import NDArray

USER, NUMBER, EMOJI = "<user>", "<num>", "<emoji>"
PAD_WORD, UNKNOWN_WORD = "<pad>", "<unk>"


def _ranges(codes: Iterable[int]) -> str:
    """The characters as ranges for a regular expression's brackets: `re` looks at the items one by one."""
    ranges: list[tuple[int, int]] = []
    for code in sorted(codes):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


_MARKS = _ranges(code for code in range(0x300, 0x1E950) if unicodedata.category(chr(code)).startswith("M"))
# Word characters: \w lacks the marks of Latin, Hebrew, Arabic, Indic and Thai writing.
_W = r"[\w\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff\u0e31-\u0e4e]"
_LETTER = r"[^\W\d_]"

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
# Controls, soft hyphen, zero-width and bidi characters, lone surrogates, noncharacters. The zero-width joiner
# (U+200D) stays until emoji are found.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
# Letters in costume: mathematical alphabets, full-width forms. NFKC everywhere would undo the ellipsis too.
_COSTUME = re.compile("[\uff01-\uff5e\U0001d400-\U0001d7ff]+")
# More marks than any language stacks: cut, also because normalising a run of them takes quadratic time.
_STACKED_MARKS = re.compile(rf"(?<=[{_MARKS}]{{8}})[{_MARKS}]+")
# Curly and low quotation marks, primes and the accents that stand in for an apostrophe, as the data has them.
_QUOTES = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u2032\u00b4`", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"')
)
# The data's own tokeniser tore contractions with a curly apostrophe apart (don \u2019 t); they become don 't.
_TORN_CONTRACTION = re.compile(rf"(?<={_LETTER}) [\u2019\u00b4`] (?=(?:s|t|m|d|re|ve|ll)(?!{_W}))")

_URL_CHARACTER = r"[^\s<>\"()….,!?:;']"
_URL_REST = (
    rf"(?:{_URL_CHARACTER}|[.,!?:;']++(?={_URL_CHARACTER}))*+…?"  # ends before a sentence's punctuation
)
_DOMAIN = r"(?<![\w.@-])(?:[a-z0-9-]++\.)+"
_LINK = re.compile(
    rf"https?://{_URL_REST}"
    rf"|{_DOMAIN}[a-z]{{2,10}}/{_URL_REST}"  # t.co/x, pic.twitter.com/x
    rf"|{_DOMAIN}(?:com|org|net|gov|edu)\b(?![.@-])"
    r"|\bh(?:t(?:t(?:ps?:?/?)?)?)?…$"  # cut off by a retweet
    r"|<url>"
)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[a-z0-9-]++(?:\.[a-z0-9-]++)+")
_MENTION = re.compile(rf"(?<!{_W})@{_W}+")
_NUMBERED_EMOJI = re.compile(rf"(?<!{_W})emoji_\d+(?!{_W})")
_HEART_END = rf"3(?!{_W}|[.,:/-]\d)"
_SPACED_HEART = re.compile(rf"<(/?) {_HEART_END}")  # the data's own form of <3


def _emoji_pattern() -> re.Pattern[str]:
    """One match per emoji as a person counts them: a flag, keycap, skin tone or joined sequence is one."""
    names = {name.replace("\ufe0f", "") for name in emoji.EMOJI_DATA}
    # The data keeps (c), (R) and TM as signs; they are emoji only where U+FE0F asks for that.
    signs = "©®™"
    one = _ranges(ord(name) for name in names if len(name) == 1 and name not in signs)
    single = rf"(?:[{one}]|[{signs}]\ufe0f)[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\u20e3\U000e0020-\U000e007f]*+"
    flag = "[\U0001f1e6-\U0001f1ff]{1,2}"
    keycap = r"[0-9#*]\ufe0f?\u20e3"
    return re.compile(rf"{keycap}|{flag}|{single}(?:\u200d+{single})*+")


_EMOJI = _emoji_pattern()
_EMOJI_REMAINS = re.compile("[\u200d\ufe00-\ufe0f\u20e3\U000e0000-\U000e007f]")

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_TOKEN = re.compile(
    rf"{USER}|{NUMBER}|{EMOJI}"
    rf"|</?{_HEART_END}"
    rf"|>?[:;=]['\-o]?[)(\[\]dp/\\|}}{{](?![\w/])|(?<!\S)[)(][\-o]?[:;=](?!{_W})"  # emoticons
    r"|\.{2,}"  # any run of full stops is one token, as in the data
    r"|\d++(?:[.,:/-]\d++)++"  # 9.99 1,000 7:30 2-0 24/7
    rf"|{_W}++(?:(?<={_LETTER})-{_LETTER}++(?!{_W}))*+"  # words, over-the-top, 3rd, 7pm
    rf"|'{_LETTER}{_W}*+"  # the second half of don 't
    r"|\S"
)


def _compose(text: str) -> str:
    """NFC, with at most eight marks on a character."""
    if text.isascii():
        return text
    return _STACKED_MARKS.sub("", unicodedata.normalize("NFC", _STACKED_MARKS.sub("", text)))


def normalise(text: str) -> str:
    """The text on one line and in the data's alphabet: lower case, no links, names or emoji."""
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    text = _INVISIBLE.sub("", text)
    text = _EMOJI_REMAINS.sub("", _EMOJI.sub(f" {EMOJI} ", text))
    text = _COSTUME.sub(lambda letters: unicodedata.normalize("NFKC", letters[0]), text)
    text = _compose(text.lower())
    text = _TORN_CONTRACTION.sub(" '", " ".join(text.split())).translate(_QUOTES)
    text = _LINK.sub(" ", text)
    text = _MENTION.sub(f" {USER} ", _EMAIL.sub(f" {USER} ", text))
    text = _SPACED_HEART.sub(r"<\g<1>3", _NUMBERED_EMOJI.sub(EMOJI, text))
    return " ".join(text.split())


def tokenise(text: str) -> tuple[str, ...]:
    """The model's tokens for a tweet, all of them: the model's limit of 75 is the caller's business."""
    return tuple(NUMBER if _NUMBER.fullmatch(token) else token for token in _TOKEN.findall(normalise(text)))


@dataclass(frozen=True)
class Vocabulary:
    """Words by index. Index 0 is `<pad>`, index 1 is `<unk>`; no tweet's token is ever either of them."""

    words: tuple[str, ...]
    _indices: Mapping[str, int] = field(init=False, repr=False, compare=False)

    PAD = 0
    UNK = 1

    def __post_init__(self) -> None:
        if self.words[:2] != (PAD_WORD, UNKNOWN_WORD):
            raise ValueError(f"a vocabulary starts with {PAD_WORD} and {UNKNOWN_WORD}, not {self.words[:2]}")
        indices = {word: index for index, word in enumerate(self.words)}
        if len(indices) != len(self.words):
            raise ValueError(f"{len(self.words) - len(indices)} words stand in the vocabulary more than once")
        bad = next((word for word in self.words if word.split() != [word]), None)
        if bad is not None:
            raise ValueError(f"a word of the vocabulary is empty or has white space: {bad!r}")
        object.__setattr__(self, "_indices", indices)

    @classmethod
    def from_counts(cls, counts: Mapping[str, int], size: int) -> "Vocabulary":
        """The `size` - 2 most frequent words, equal counts in the order of the words."""
        ranked = sorted(counts.keys() - {PAD_WORD, UNKNOWN_WORD}, key=lambda word: (-counts[word], word))
        return cls((PAD_WORD, UNKNOWN_WORD, *ranked[: size - 2]))

    @classmethod
    def from_file(cls, path: Path) -> "Vocabulary":
        """One word a line, UTF-8. Raises ValueError, naming the file, where that is no vocabulary."""
        try:
            return cls(tuple(path.read_text(encoding="utf-8").removesuffix("\n").split("\n")))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def to_file(self, path: Path) -> None:
        path.write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8", newline="\n")

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._indices

    def index(self, word: str) -> int:
        """The word's index, or that of `<unk>`."""
        return self._indices.get(word, self.UNK)

    def encode(self, tokens: Iterable[str]) -> NDArray[np.int64]:
        """Indices of the tokens, T."""
        return np.array([self.index(token) for token in tokens], dtype=np.int64)
