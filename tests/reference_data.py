"""A data folder like `tiny_data`'s of which something is held back: its tweets are all different."""

from pathlib import Path

from tiny_data import _write_pictures, _write_rows, build_tiny_data

from attendant.types import Tweet


def name(number: int) -> str:
    """A word of letters, for every number another one."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def build_reference_data(root: Path, tweets: int = 24, pictures: int = 100) -> Path:
    """One validation tweet stands in the training split too; one in ten pictures, or so, is held out."""
    build_tiny_data(root, tweets=4, pictures=1)
    valid = [
        {
            "text": f"so much {name(i)} fun",
            "label": i % 2,
            "attributes": ["man", "sign", "dog", "screen", "food"],
        }
        for i in range(tweets)
    ]
    _write_rows(root / "sarcasm" / "sarcasm_valid.jsonl.gz", valid)
    _write_rows(
        root / "sarcasm" / "sarcasm_train.jsonl.gz", [valid[0], {"text": "i love mondays", "label": 1}]
    )
    mvsa = [{"id": str(i), "text": f"i love {name(i)} !"} for i in range(pictures)]
    _write_rows(root / "mvsa" / "mvsa_single.jsonl.gz", mvsa)
    _write_pictures(root / "mvsa" / "images.zip", [f"{i}.jpg" for i in range(pictures)], 1)
    return root


def texts(tweets: tuple[Tweet, ...]) -> set[str]:
    return {tweet.text for tweet in tweets}
