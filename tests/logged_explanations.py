"""Explanations as lines of a log."""

import json

from attendant.cli.documents import explain_document
from attendant.methods import Explanations
from attendant.results import ExplainResult
from attendant.types import ModelRef, Outcome, Timing

REF = ModelRef("sarcasm", "1", "a" * 64)


def line_of_command(outcome: Outcome, computed: Explanations | None = None) -> str:
    """As `attendant explain --json` prints it."""
    result = ExplainResult(
        outcome.prediction,
        outcome.attention,
        REF,
        Timing(),
        (),
        "request",
        None,
        computed or Explanations(),
        outcome.focus,
    )
    return json.dumps(explain_document(result), allow_nan=False)
