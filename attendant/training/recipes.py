"""What decides how the sarcasm model is trained, but for data and seed."""

from dataclasses import dataclass, field, replace

from attendant.models.encoders import CompactConfig
from attendant.models.hfm import HfmConfig
from attendant.training.encoder import EncoderRecipe
from attendant.training.examples import Modalities
from attendant.training.fusion import FusionRecipe

PAPER = HfmConfig(vocabulary_size=12_000, attribute_vocabulary_size=1_000, region_width=256)
COMPACT = CompactConfig(n_attributes=1_000, blocks=(0, 0, 1, 1))
TWEET_MODALITIES = Modalities((("TA", 0.8), ("T", 0.15), ("A", 0.05)))
PAIR_MODALITIES = Modalities(
    (("TIA", 0.4), ("TI", 0.15), ("IA", 0.15), ("I", 0.15), ("TA", 0.05), ("T", 0.05), ("A", 0.05))
)


@dataclass(frozen=True)
class SarcasmRecipe:
    """Everything that decides what the weights become, but for data and seed."""

    # vocabulary sizes are upper limits; the region width is that of the encoder
    hfm: HfmConfig = PAPER
    compact: CompactConfig = COMPACT
    tweet_modalities: Modalities = TWEET_MODALITIES
    pair_modalities: Modalities = PAIR_MODALITIES
    token_noise: float = 0.1
    attribute_noise: float = 0.1
    attribute_swap: float = 0.15  # with words that the encoder names for other pictures
    control_limit: float = 0.5  # R2 that the encoder's overfit control must reach
    teacher_share: float = 0.5  # of a tweet's target in the joint stage; the rest is its label
    pair_batch: int = 32
    encoder: EncoderRecipe = field(default_factory=EncoderRecipe)
    text: FusionRecipe = field(default_factory=FusionRecipe)
    # starts from the weights of the text stage
    joint: FusionRecipe = field(default_factory=lambda: FusionRecipe(epochs=4, patience=4))


def make_recipe(epochs: int | None, encoder_epochs: int | None) -> SarcasmRecipe:
    """The recipe with other numbers of epochs where they are given."""
    recipe = SarcasmRecipe()
    if epochs is not None:
        recipe = replace(
            recipe, text=replace(recipe.text, epochs=epochs), joint=replace(recipe.joint, epochs=epochs)
        )
    if encoder_epochs is not None:
        recipe = replace(recipe, encoder=replace(recipe.encoder, epochs=encoder_epochs))
    return recipe
