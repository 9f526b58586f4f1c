"""Drifts that are planted, to measure how soon they are found: replay rows, changed in one way each.

Drifts of tweets change what is asked: another language, other pictures, words that say nothing any more. A model put in
another's place answers what is asked as it is, and which requests come at all is for `drift` to plant.
"""

# ruff: noqa: RUF001 - Turkish has a dotless i

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from PIL import Image

from attendant.training.renderings import draw_kind
from attendant.types import MODALITIES, Instance, Modality, Tweet

_TEXT, _IMAGE, _ATTRIBUTE = MODALITIES

# By the project, about what tweets are about: German, Spanish and Turkish, a dozen each.
SENTENCES = (
    (
        "na toll , schon wieder montag und der zug kommt natürlich nicht",
        "das wetter ist heute wunderbar , wir gehen mit den kindern in den park",
        "ich liebe es einfach , zwei stunden in der warteschleife zu hängen",
        "mein hund hat heute morgen die ganze küche auf den kopf gestellt",
        "gestern abend gab es bei uns endlich wieder frische pilze aus dem wald",
        "wer hat eigentlich beschlossen , dass die besprechung um sieben beginnt ?",
        "schöne grüße vom see , das wasser ist kalt und der kaffee heiß !",
        "der neue drucker funktioniert hervorragend , solange niemand drucken will",
        "meine schwester hat die prüfung bestanden , wir sind alle sehr stolz",
        "wieder eine baustelle auf dem weg zur arbeit , das hat mir noch gefehlt",
        "heute backen wir brot nach dem rezept meiner großmutter",
        "danke für nichts , liebe bahn , bis morgen um die gleiche zeit",
    ),
    (
        "qué alegría , otro lunes y otra vez se ha ido la luz en la oficina",
        "hoy hace un sol precioso , nos vamos todos a comer a la playa",
        "me encanta esperar media hora para que me digan que vuelva mañana",
        "mi abuela cumple noventa años y todavía cocina mejor que nadie",
        "el autobús llega tarde , como siempre , pero el conductor canta",
        "por fin terminé el libro que empecé el verano pasado",
        "claro que sí , una reunión más para decidir cuándo nos reunimos",
        "qué partido tan bonito , el equipo jugó con el corazón hasta el final",
        "alguien ha dejado la puerta abierta y el gato está de paseo",
        "gracias por las flores , han llegado esta mañana y huelen muy bien",
        "el teléfono nuevo dura toda la tarde si no lo enciendes",
        "buenos días a todos menos al vecino que taladra a las siete",
    ),
    (
        "harika , yine pazartesi ve yine yağmur yağıyor",
        "bugün hava çok güzel , çocuklarla parka gidiyoruz",
        "telefonda bir saat beklemeyi gerçekten çok seviyorum",
        "kedim bütün sabah pencerenin önünde kuşları seyretti",
        "dün akşam annemin yaptığı yemek her zamanki gibi çok lezzetliydi",
        "toplantıyı neden sabahın yedisine koyduklarını kimse bilmiyor",
        "denizden selamlar , su soğuk ama çay sıcak",
        "yeni yazıcı kimse bir şey yazdırmadığı sürece mükemmel çalışıyor",
        "kardeşim sınavı kazandı , hepimiz onunla gurur duyuyoruz",
        "işe giderken yine yol çalışması var , tam da bunu istiyordum",
        "bugün büyükannemin tarifiyle ekmek pişiriyoruz",
        "her şey için teşekkürler , yarın aynı saatte görüşürüz",
    ),
)
SCREENS = ("chat", "post", "forecast", "lock_screen", "home_screen", "news", "dialog", "terminal")
CONSTANT_WORDS = ("man", "picture", "sign", "woman", "sitting")  # the first of the attribute vocabulary


@dataclass(frozen=True)
class Planted:
    """A way to change requests of one set of modalities; `what` says in words what was done."""

    name: str
    what: str
    modalities: tuple[Modality, ...]
    change: Callable[[Sequence[Tweet], int], Iterator[Tweet]]  # of replay rows, and a seed


def in_another_language(tweets: Sequence[Tweet], seed: int) -> Iterator[Tweet]:
    """Each text as long as it was: words of SENTENCES of one language, one sentence after the other, cut at the end."""
    for number, tweet in enumerate(tweets):
        generator = np.random.default_rng((seed, number))
        sentences = SENTENCES[generator.integers(len(SENTENCES))]
        order = generator.permutation(len(sentences))
        words = " ".join(sentences[place] for place in order).split()
        yield replace(tweet, text=" ".join(words[: max(len(tweet.text.split()), 1)]))


def on_screenshots(tweets: Sequence[Tweet], seed: int) -> Iterator[Tweet]:
    """Each image a drawn screenshot; words are predicted from it."""
    for number, tweet in enumerate(tweets):
        generator = np.random.default_rng((seed, number))
        drawn = draw_kind(SCREENS[generator.integers(len(SCREENS))], generator)
        file = BytesIO()
        Image.fromarray(drawn.pixels).save(file, "PNG")
        yield replace(tweet, image=file.getvalue(), attributes=())


def with_constant_words(tweets: Sequence[Tweet], seed: int) -> Iterator[Tweet]:  # noqa: ARG001 - one of several
    """The same five words for everybody, as if the predictor of attributes had broken."""
    return (replace(tweet, attributes=CONSTANT_WORDS) for tweet in tweets)


PLANTED = (
    Planted(
        "language",
        "texts in German, Spanish and Turkish of the same length, from three dozen sentences",
        (_TEXT,),
        in_another_language,
    ),
    Planted(
        "screenshots",
        "every image a screenshot, drawn by this project",
        MODALITIES,
        on_screenshots,
    ),
    Planted("constant words", "the same five attribute words for everybody", MODALITIES, with_constant_words),
)


def plant(planted: Planted, instances: Sequence[Instance], seed: int) -> tuple[Tweet, ...]:
    """The requests, changed."""
    tweets = [instance for instance in instances if isinstance(instance, Tweet)]
    return tuple(planted.change(tweets, seed))
