"""What decides how the sarcasm model is trained, but for data and seed."""

from dataclasses import dataclass, field, replace

from attendant.models.encoders import CompactConfig
from attendant.models.hfm import HfmConfig
from attendant.training.examples import Modalities
from attendant.training.fusion import FusionRecipe
from attendant.training.sentences import SentenceRecipe
from attendant.training.vision import VisionRecipe

PAPER = HfmConfig(vocabulary_size=12_000, attribute_vocabulary_size=1_000, region_width=320)
COMPACT = CompactConfig(n_attributes=1_000)
TWEET_MODALITIES = Modalities((("TA", 0.8), ("T", 0.15), ("A", 0.05)))
PAIR_MODALITIES = Modalities((("TIA", 0.4), ("TI", 0.2), ("IA", 0.2), ("I", 0.2)))


@dataclass(frozen=True)
class SarcasmRecipe:
    """Everything that decides what the weights become, but for data and seed."""

    # vocabulary sizes are upper limits; the region width is that of the encoder
    hfm: HfmConfig = PAPER
    vision: VisionRecipe = field(default_factory=lambda: VisionRecipe(COMPACT))
    sentences: SentenceRecipe = field(default_factory=SentenceRecipe)
    text: FusionRecipe = field(default_factory=FusionRecipe)
    image: FusionRecipe = field(
        default_factory=lambda: FusionRecipe(
            epochs=6, batch=32, decay=0.8, meaning_weight=0.0, focus_weight=1.0
        )
    )
    tweet_modalities: Modalities = TWEET_MODALITIES
    pair_modalities: Modalities = PAIR_MODALITIES
    embedding_scale: float = 0.4  # standard deviation of word vectors before training
    token_noise: float = 0.1
    attribute_noise: float = 0.1
    restyled: float = 0.25  # share of tweets whose words are exchanged for those that the encoder names
    soft_share: float = 0.5  # of a tweet's target that is its soft label; the rest is its label
    pair_regions: int = 49  # of 196, one of every 2 x 2 at random: a quarter of the work


def make_recipe(epochs: int | None, encoder_epochs: int | None) -> SarcasmRecipe:
    """The recipe with other numbers of epochs where they are given."""
    recipe = SarcasmRecipe()
    if epochs is not None:
        recipe = replace(
            recipe, text=replace(recipe.text, epochs=epochs), image=replace(recipe.image, epochs=epochs)
        )
    if encoder_epochs is not None:
        encoder = replace(recipe.vision.encoder, together=encoder_epochs, again=())
        recipe = replace(recipe, vision=replace(recipe.vision, encoder=encoder))
    return recipe
