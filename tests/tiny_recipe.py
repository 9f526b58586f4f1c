"""A recipe that trains the sarcasm model on tiny data (tiny_data) in seconds."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from attendant.analysis.rows import TweetRow, read_tweets
from attendant.models.encoders import CompactConfig
from attendant.models.hfm import HfmConfig
from attendant.training.data import read_mvsa, sarcasm_file
from attendant.training.encoder import EncoderRecipe
from attendant.training.fusion import FusionRecipe
from attendant.training.heads import HeadRecipe
from attendant.training.meanings import file_name as meanings_name
from attendant.training.recipes import SarcasmRecipe
from attendant.training.sarcasm import Labels
from attendant.training.sentences import Corpus
from attendant.training.vision import VisionRecipe

FUSION = FusionRecipe(epochs=2, batch=8, learning_rate=1e-2, averaging=0.5)
RECIPE = SarcasmRecipe(
    hfm=HfmConfig(
        60,
        12,
        8,
        embedding_width=8,
        attribute_width=6,
        hidden_width=5,
        image_width=7,
        fusion_width=6,
        classifier_width=4,
    ),
    vision=VisionRecipe(
        CompactConfig(
            1, n_classes=6, stem_width=4, widths=(8, 8, 8, 8), units=(0, 0, 0, 0), feature_width=12
        ),
        EncoderRecipe(views=1, side=64, apart=1, together=1, again=(), batch=4, warm_up=2),
        HeadRecipe(epochs=3, batch=8),
        renderings=6,
        held_out_renderings=4,
        rendering_views=1,
        meals=5,
        held_out_meals=3,
        control_limit=-1.0,
    ),
    text=FUSION,
    image=replace(FUSION, epochs=1),
)
SEEDS = (1, 2)


def answer_sentences(data: Path, runs: Path, labels: Labels) -> None:
    """Leaves in `runs` what the sentence encoder, which tests do not have, would have said."""

    def rows(split: str) -> list[TweetRow]:
        return read_tweets(sarcasm_file(data, split), *labels.fields)

    corpus = Corpus(rows("train"), rows("valid"), [item.tweet for item in read_mvsa(data)])
    key, folds = corpus.fingerprint(RECIPE.sentences, SEEDS[0]), corpus.folds(RECIPE.sentences, SEEDS[0])
    generator = np.random.default_rng(0)
    cache = runs / labels / "cache"
    cache.mkdir(parents=True)
    for fold in range(RECIPE.sentences.folds):
        counts = {
            "held_out": np.count_nonzero(folds == fold),
            "valid": len(corpus.valid),
            "posted": len(corpus.posted),
        }
        said = {name: generator.normal(size=(count, 2)) for name, count in counts.items()}
        np.savez(cache / f"sentences-{key}-{fold}.npz", **said)
    texts = [tweet.text for tweet in corpus.train] + list(corpus.posted)
    np.save(cache / meanings_name(texts), generator.normal(size=(len(texts), 4)).astype(np.float32))
