"""The model card of a released sarcasm model, in Markdown: every figure in it was measured by the run that wrote it."""

from dataclasses import dataclass

from attendant.analysis.classification import ClassificationScores
from attendant.training.encoder import EncoderScores
from attendant.training.sarcasm import JointScores

MODEST = 0.3  # R2 of an encoder that explains little of its teacher


@dataclass(frozen=True)
class Measured:
    """The scores, and how many tweets, words and photographs stand behind them."""

    joint: JointScores
    encoder: EncoderScores
    tweets: int
    words: int
    attribute_words: int
    photographs: int


def card(version: str, command: str, seed: int, measured: Measured) -> str:
    joint, encoder = measured.joint, measured.encoder
    return f"""# sarcasm, version {version}

Is a tweet sarcastic? HFM (Cai, Cai and Wan 2019) at the paper's widths, by the corrected equations, with a
compact convolutional region encoder. It takes any subset of text, image and attribute words, and names five
attribute words for an image that comes without.

Made by `{command}` (seed {seed}). Weights are fp16 safetensors.

## Data

- **Text and attributes**: {measured.tweets:,} tweets, the official training split of Cai et al. (2019). Training
  labels come from hashtags, validation labels from people. White space is normalised (double spaces betray the
  label); emoji are one token. The {measured.words:,} words and {measured.attribute_words:,} attribute words are
  counted from these rows.
- **Images**: {measured.photographs:,} different photographs of MVSA-Single and COCO, {encoder.photographs} of them
  held out. The encoder was distilled from an ImageNet MobileNetV2 (Apache-2.0), which is not part of this model.
- **Image side of the decision**: no sarcasm label exists here for raw images. MVSA tweets, which have their real
  pictures, were *pseudo-labelled* by a model of text and attributes that was trained first. What the image path
  has learnt is what pictures say about that model's opinion of the text beside them.
- **Attribute words from a picture**: no picture here is paired with the authors' words. A table of our own maps
  ImageNet classes to vocabulary words; for COCO, object names and caption words were added.

No data are shipped. The tweets and photographs are third-party, without a stated licence.

## Measured

On the validation split ({joint.text_attributes.n:,} tweets). Epoch and temperature ({joint.temperature:.3f}) were
chosen on this split, so expect one or two points less elsewhere. `attendant evaluate sarcasm --data FILE` measures
the first row through the served pipeline, with the fp16 weights.

| shown | accuracy | precision | recall | F1 | calibration error |
|---|---|---|---|---|---|
{_row("text and attributes", joint.text_attributes)}
{_row("text alone", joint.text)}
{_row("attributes alone", joint.attributes)}

On held-out photographs and tweet-image pairs, by the training command:

| what | value | the best constant answer |
|---|---|---|
| R2 of the teacher's region features, linear ({encoder.photographs} photographs) | {encoder.r2:.3f} | 0 |
| pooled: the student's best class is among the teacher's five best \
| {encoder.top1_in_top5:.3f} | {encoder.constant_in_top5:.3f} |
| share of the five words named that the teacher's five best classes bring \
| {encoder.attribute_precision:.3f} | {encoder.constant_precision:.3f} |
| text, image and words give the pseudo-label's class ({joint.pairs} pairs) \
| {joint.pair_agreement:.3f} | {joint.constant_agreement:.3f} |
| Pearson r of P(sarcastic) from the image alone with the pseudo-label | {joint.image_correlation:.3f} | 0 |

{_verdict(encoder)}

## Limits

- Accuracy on tweets with their real images is unknown: no gold label exists here for raw images.
- The model was trained on the authors' attribute words (a captioner's); the words that the encoder names look
  different and are less reliable.
- English tweets of 2015 to 2017. Hashtag labels teach what people tag as sarcasm, not what sarcasm is.
- Attention over LSTM states is not word importance; attention over regions follows the encoder's quality.
- Do not use it to judge people.
"""


def _row(name: str, scores: ClassificationScores) -> str:
    values = (scores.accuracy, scores.precision, scores.recall, scores.f1, scores.ece)
    return f"| {name} | " + " | ".join(f"{value:.4f}" for value in values) + " |"


def _verdict(encoder: EncoderScores) -> str:
    if encoder.r2 < MODEST:
        return "The encoder explains a small part of its teacher; the words that it names are often wrong."
    return "The encoder explains a good part of its teacher."
