"""The model card of a released sarcasm model, in Markdown: every figure in it was measured by the run that wrote it."""

from dataclasses import dataclass

import numpy as np

from attendant.analysis.classification import ClassificationEstimates
from attendant.analysis.words import WordSkew
from attendant.statistics.intervals import Estimate, proportion
from attendant.training.encoder import EncoderScores
from attendant.training.naming import WordScore, WordScores
from attendant.training.sarcasm import Candidate, FusionScores, Labels

WATTS = 15  # of a busy thread, assumed
EVALUATE = {
    Labels.ORIGINAL: "attendant evaluate sarcasm --data FILE",
    Labels.MMSD2: (
        "attendant evaluate sarcasm --version 2 --data FILE --text-field mmsd2_text --label-field mmsd2_label"
    ),
}
SOURCES = {
    Labels.ORIGINAL: "the official training split of Cai et al. (2019), whose training labels come from hashtags",
    Labels.MMSD2: (
        "the same rows with the texts and labels of MMSD2.0 (Qin et al. 2023): hashtags and emoji words that betray "
        "the label are gone, and doubtful rows were labelled anew by people"
    ),
}


@dataclass(frozen=True)
class Measured:
    """The scores, and how many tweets, words and pictures stand behind them; where and how long it trained."""

    fusion: FusionScores
    candidates: tuple[Candidate, ...]
    encoder: EncoderScores
    named: WordScores
    skew: WordSkew
    tweets: int
    words: int
    attribute_words: int
    photographs: int
    renderings: int
    meals: int
    hours: float  # of the epochs
    threads: int
    device: str
    training_positives: float  # share of the training tweets that are sarcastic
    chosen: Candidate


def card(version: str, command: str, labels: Labels, measured: Measured) -> str:
    fusion, encoder, named = measured.fusion, measured.encoder, measured.named
    return f"""# sarcasm, version {version}

Is a tweet sarcastic? HFM (Cai, Cai and Wan 2019) at the paper's widths, by the corrected equations, with a
compact convolutional region encoder. It takes any subset of text, image and attribute words, and names five
attribute words for an image that comes without.

Made by `{command}` (`make train` installs what it needs beside the service): the seeds {_seeds(measured)}, of which
validation chose {measured.chosen.seed}. Weights are safetensors: fp16, and 8-bit integers in the encoder.
{_effort(measured)}

## Data and licences

- **Text and attributes**: {measured.tweets:,} tweets, {SOURCES[labels]}. White space is normalised (double spaces
  betray the label); emoji are one token. The {measured.words:,} words and {measured.attribute_words:,} attribute words
  are counted from these rows. Half of each target is the label, half a *soft label*: what a sentence encoder
  (all-MiniLM-L6-v2, Apache-2.0) and a linear n-gram model say of the tweet, both fitted to other tweets. Beside it, the
  mean token is trained to tell the vector that the sentence encoder, as published, makes of the tweet. Word vectors
  start from GloVe's (PDDL, given to the public domain), which live on in them where training moved them little; of the
  encoder and the n-gram model nothing is part of this model.
- **Pictures**: {measured.photographs:,} different photographs of MVSA-Single and COCO, one in ten held out, and
  {measured.renderings:,} screenshots, signs, menus, charts and the like that this project draws itself. The encoder
  was distilled from an ImageNet MobileNetV2 (Apache-2.0), which is not part of this model, and rounded to 8-bit
  integers before anything was made with it.
- **Image side of the decision**: no sarcasm label exists here for raw images. MVSA tweets, which have their real
  pictures, carry *soft labels from their text alone*. What the image path has learnt is what pictures say about
  the text beside them, as that teacher reads it. Attention over regions was also taught to look where the encoder sees
  the five words that it names.
- **Attribute words from a picture**: no picture here is paired with the authors' words. Supervision is a table of our
  own from ImageNet classes to words, COCO's object names and captions, colours measured from the pixels, and the
  words that renderings are drawn with; {measured.meals:,} drawn meals, which few photographs show, were added for it.

No data are shipped. Tweets and photographs are third-party, without a stated licence.

## Measured

On the validation split ({fusion.tweets:,} tweets, labelled by people), with 95 % intervals in brackets.
Epoch, seed and calibration (temperature {fusion.calibration.temperature:.3f}, shift {fusion.calibration.shift:+.3f})
were chosen on this split: expect one or two points less elsewhere. The label is *sarcastic* from P(sarcastic) =
{fusion.calibration.threshold:.3f} on, where the model as trained is undecided: {measured.training_positives:.0%} of the
training tweets are sarcastic, {_positives(fusion)} of these. `{EVALUATE[labels]}` measures the first row with
the fp16 weights, by the code that serves.

| shown | accuracy | precision | recall | F1 | calibration error |
|---|---|---|---|---|---|
{_row("text and attributes", fusion.text_attributes)}
{_row("text alone", fusion.text)}
{_row("attributes alone", fusion.attributes)}

The seeds, text and attributes, before calibration: accuracy {_spread(measured, "accuracy")},
F1 {_spread(measured, "f1")} (mean and standard deviation).

| seed | accuracy | F1 |
|---|---|---|
{_candidates(measured)}

On held-out pictures and tweet-image pairs, by the training command; the teacher is the centred one of
`attendant evaluate encoder`, which has more figures, with intervals. The epoch of the image side was chosen on these
pairs, by its loss:

| what | value | the best constant answer |
|---|---|---|
| explained variance (R2) of the teacher's features of a region | {encoder.feature_r2:.3f} | 0 |
| pooled: the best class is among the teacher's five best | {_share(encoder.top1_in_top5, encoder.pictures)} | |
| the same a region | {encoder.region_top1_in_top5:.3f} | |
{_named("that the teacher's five best classes or people bring", named.photographs, "photographs")}
{_named("that the rendering was drawn with", named.pages, "renderings")}
{_named("that the meal was drawn with", named.meals, "drawn meals")}
| text, image and words give the soft label's class ({fusion.pairs} pairs) \
| {_interval(fusion.pair_agreement)} | {fusion.constant_agreement:.3f} |
| Pearson r of P(sarcastic) from the image alone with the soft label | {_interval(fusion.image_correlation)} | 0 |

Words named for posted pictures (most of which the encoder was trained on) against the authors' words:
Jensen-Shannon divergence {measured.skew.divergence:.3f} of at most 0.693 nats; {measured.skew.rare:.1%} are words that
the authors' predictor rarely or never named. Most overused: {_words(measured.skew, over=True)}. Most underused:
{_words(measured.skew, over=False)}. A quarter of the training tweets are shown with words of the kind that the encoder
is taught, instead of the authors'.

## What attention can and cannot tell

- Attention says what the model *read from*, not what *caused* the answer. Text attention runs over LSTM states, which
  mix positions: it is not the importance of words. Erase or permute to learn about causes.
- Attention over regions says where the model reads a picture: where the words named are seen, as it was taught. It
  is no finding about sarcasm, and as good as the encoder: see the figures above before a heat map is believed.
- The modality vector is a weight of the fusion, not a share of the decision.

## Limits

- Accuracy on tweets with their real images is unknown: no gold label exists here for raw images.
- The words that the encoder names look different from the authors' and are less reliable.
- English tweets, some years old. Hashtag labels teach what people tag as sarcasm, not what sarcasm is.
- Probabilities are calibrated for tweets like the validation split, {_positives(fusion)} of them sarcastic.
- Do not use it to judge people.
"""


def _effort(measured: Measured) -> str:
    hours = f"Epochs took {measured.hours:.1f} hours"
    aside = "soft labels, sentence vectors and the teacher's view of the pictures not counted"
    if measured.device != "cpu":
        return f"{hours} on {measured.device}, {aside}; energy was not measured."
    energy = measured.hours * measured.threads * WATTS
    threads = "1 thread" if measured.threads == 1 else f"{measured.threads} threads"
    return (
        f"{hours} on a CPU with {threads}\n({aside}); energy was not measured: at an assumed "
        f"{WATTS} W a thread, {energy:.0f} Wh."
    )


def _seeds(measured: Measured) -> str:
    return ", ".join(str(candidate.seed) for candidate in measured.candidates)


def _candidates(measured: Measured) -> str:
    return "\n".join(
        f"| {candidate.seed} | {candidate.scores.accuracy:.4f} | {candidate.scores.f1:.4f} |"
        for candidate in measured.candidates
    )


def _spread(measured: Measured, name: str) -> str:
    values = [getattr(candidate.scores, name) for candidate in measured.candidates]
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def _positives(fusion: FusionScores) -> str:
    return f"{fusion.positives:.0%}"


def _words(skew: WordSkew, *, over: bool) -> str:
    return ", ".join(share.word for share in (skew.overused if over else skew.underused)[:6])


def _named(right: str, score: WordScore, pictures: str) -> str:
    what = f"of the five words named, share {right} ({score.pictures} {pictures})"
    return f"| {what} | {score.precision:.3f} | {score.constant:.3f} |"


def _row(name: str, estimates: ClassificationEstimates) -> str:
    values = (estimates.accuracy, estimates.precision, estimates.recall, estimates.f1, estimates.ece)
    return " | ".join((f"| {name}", *(_interval(value) for value in values))) + " |"


def _interval(found: Estimate) -> str:
    return f"{found.value:.4f} ({found.low:.3f} to {found.high:.3f})"


def _share(value: float, of: int) -> str:
    return _interval(proportion(round(value * of), of))
