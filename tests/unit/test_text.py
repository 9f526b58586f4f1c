"""attendant.text: raw tweets to the data's tokens; the rules' examples are those of docs/text.md."""

import gzip
import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attendant.text import Vocabulary, normalise, tokenise

DOCUMENT = Path(__file__).parents[2] / "docs" / "text.md"
ESCAPES = {r"\u200b": "\u200b", r"\n": "\n"}


def documented() -> list[tuple[str, str]]:
    """(example, tokens) of each row of the tables."""
    row = r"^\|[^|]*\|[^|]*\| `([^|]*)` \| `([^|]*)` \|$"
    return re.findall(row, DOCUMENT.read_text("utf-8"), re.MULTILINE)


def test_the_document_has_its_examples():
    assert len(documented()) == 21


@pytest.mark.parametrize(("example", "tokens"), documented())
def test_documented_example(example: str, tokens: str):
    for escape, character in ESCAPES.items():
        example = example.replace(escape, character)
    assert " ".join(tokenise(example)) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", ""),
        (" \n\t\u3000 ", ""),
        ("https://t.co/abc http://t.co/def", ""),
        ("(see http://t.co/a).Next", "( see ) . next"),
        ("www.example.org/a?b=c#d.", "."),
        ("pic.twitter.com/abc", ""),
        ("read it ht…", "read it"),
        ("oh…", "oh …"),
        ("node.js and Mr.Smith", "node . js and mr . smith"),
        (".@Bob_Smith's @", ". <user> 's @"),
        ("5 < 6 > 4", "<num> < <num> > <num>"),
        ("I &lt;3 you </3 < 33", "i <3 you </3 < <num>"),
        ("no. 3. End", "no . <num> . end"),
        ("covid-19 -5 +3", "covid - <num> - <num> + <num>"),
        ("p.m. U.S.", "p . m . u . s ."),
        ("rock'n'roll 'quoted'", "rock 'n 'roll 'quoted '"),
        ("it \u2019 s don \u2019 t", "it 's don 't"),
        ("cafe\u0301 caf\u00e9", "caf\u00e9 caf\u00e9"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f\u0928\u094d\u0926\u0940"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "<emoji>"),
        ("\u2764\ufe0f\u200d\U0001f525\u2764", "<emoji> <emoji>"),
        ("\U0001f1fa\U0001f1f8\U0001f1ec\U0001f1e7", "<emoji> <emoji>"),
        ("\u2122\ufe0f \u2122", "<emoji> \u2122"),
        ("a\ud83db\x00c", "abc"),
        ("<user> <num> <emoji> <url>", "<user> <num> <emoji>"),
        ("<pad> <unk>", "< pad > < unk >"),
        ("foo:(bar) (really):", "foo : ( bar ) ( really ) :"),
    ],
)
def test_tokens(text: str, tokens: str):
    assert " ".join(tokenise(text)) == tokens


def test_normalise_is_one_clean_line():
    assert normalise(" Hi  @Bob,\nlook:\u00a0https://t.co/x \U0001f602!") == "hi <user> , look: <emoji> !"


def test_white_space_never_tells():
    """Double, leading and trailing spaces and line breaks give the label away in the data."""
    assert tokenise("  so  much\n.\n. fun ") == tokenise("so much . . fun")


# Pieces whose seams are where a tokeniser goes wrong.
WRITTEN = """
    @ # a B don ' t s 1 2 . , : / - .. http https:// t.co/x www. h < 3 > <user> <num> <emoji> <url> emoji_12 &amp; &
    amp; lt; &lt; ; ) ( D p _ a@b.com .com = * ! ? ` | [ 8 \u00a9 \u2122 \u2026 \u2019 \u201c \u0130 \u03a3
    \u03c2 \ufb01 \u24c2 \U0001d4c8 \uff11 \u2661 \u00e9 \u0939\u093f \u00bd \U0001f602 \U0001f44d\U0001f3fd \U0001f1ec
"""
INVISIBLE = "\\ \u200d \ufe0f \u20e3 \u0300 \u0344 \ud800 \x00 \u2060 \U000e0067 \n \u3000 \x1c \x85 \u2028"
PIECES = st.sampled_from([*WRITTEN.split(), *INVISIBLE.split(" "), " ", "  "])
TEXTS = st.text(max_size=60) | st.lists(PIECES, max_size=14).map("".join)


@settings(max_examples=600, deadline=None)
@given(TEXTS)
def test_tokens_are_their_own_tokens(text: str):
    tokens = tokenise(text)
    assert tokenise(" ".join(tokens)) == tokens


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_tokens_are_words_that_a_vocabulary_can_hold(text: str):
    for token in tokenise(text):
        assert token.split() == [token]
        assert token not in ("<pad>", "<unk>")
        token.encode("utf-8")


@pytest.mark.parametrize(
    "piece",
    [*"a1'#<& ", "a-", "1,", "a.", "@a", "a@b.", "&a", ":(", "..", "http://", "https://.", "www.", "a.bc/", "t.co/.",
     "emoji_", "emoji_1", "h\u2026", "a \u2019 s", "\u0130", "\u0300\u0316", "\u1dc0\u0316", "\U0001d4c8", "\ud800",
     "\u200d", "1\ufe0f\u20e3", "\U0001f602", "\U0001f602\u200d", "\U0001f1ec", "\U0001f3f4\U000e0067"],
)  # fmt: skip
def test_time_is_linear_in_the_length(piece: str):
    """A hundred thousand characters of anything take a second at most; under a quadratic rule, minutes."""
    text = (piece * 100_000)[:100_000]
    start = time.perf_counter()
    tokenise("x" + text + "!")
    assert time.perf_counter() - start < 3


def test_the_data_is_nearly_a_fixed_point(shared_data: Path):
    """The data's tokens are ours, but for numbered emoji, numbers (both on purpose) and slips of its tokeniser."""
    unchanged = 0
    with gzip.open(shared_data / "sarcasm" / "sarcasm_valid.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    for text in texts:
        words = [re.sub(r"^emoji_\d+$", "<emoji>", word) for word in text.split()]
        words = [re.sub(r"^\d+([.,]\d+)*$", "<num>", word) for word in words]
        unchanged += tuple(words) == tokenise(text)
    assert unchanged / len(texts) > 0.975


def test_imports_neither_torch_nor_onnxruntime():
    code = "import sys, attendant.text, attendant.images; sys.exit(bool({'torch', 'onnxruntime'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestVocabulary:
    vocabulary = Vocabulary(("<pad>", "<unk>", "the", "cat"))

    def test_encodes_what_it_knows_and_what_it_does_not(self):
        indices = self.vocabulary.encode(("the", "dog", "cat"))
        assert indices.dtype == np.int64
        assert indices.tolist() == [2, Vocabulary.UNK, 3]
        assert self.vocabulary.encode(()).shape == (0,)
        assert self.vocabulary.index("<pad>") == Vocabulary.PAD

    def test_knows_its_words(self):
        assert "cat" in self.vocabulary
        assert "dog" not in self.vocabulary
        assert len(self.vocabulary) == 4

    def test_counts_decide_and_words_break_ties(self):
        counts = Counter({"b": 2, "a": 2, "c": 9, "d": 1, "<unk>": 99})
        assert Vocabulary.from_counts(counts, 5).words == ("<pad>", "<unk>", "c", "a", "b")
        assert Vocabulary.from_counts(dict(reversed(counts.items())), 5) == Vocabulary.from_counts(counts, 5)
        assert len(Vocabulary.from_counts(counts, 100)) == 6

    @given(texts=st.lists(TEXTS, max_size=5))
    def test_survives_its_file(self, tmp_path_factory: pytest.TempPathFactory, texts: list[str]):
        words = {token for text in texts for token in tokenise(text)}
        vocabulary = Vocabulary.from_counts(dict.fromkeys(words, 1), 1000)
        path = tmp_path_factory.getbasetemp() / "words.txt"
        vocabulary.to_file(path)
        assert Vocabulary.from_file(path) == vocabulary

    @pytest.mark.parametrize(
        ("lines", "complaint"),
        [
            ("", "starts with <pad> and <unk>"),
            ("the\ncat\n", "starts with <pad> and <unk>"),
            ("<pad>\n<unk>\nthe\nthe\n", "1 words stand in the vocabulary more than once"),
            ("<pad>\n<unk>\n\nthe\n", "empty or has white space: ''"),
            ("<pad>\n<unk>\nthe cat\n", "empty or has white space: 'the cat'"),
        ],
    )
    def test_says_what_is_wrong_with_a_file(self, tmp_path: Path, lines: str, complaint: str):
        path = tmp_path / "words.txt"
        path.write_bytes(lines.encode())
        with pytest.raises(ValueError, match=f"words.txt: .*{complaint}"):
            Vocabulary.from_file(path)
