"""Where something broke, without what it broke on: an exception's message may hold the words of a caller."""

import traceback


def describe_failure(error: BaseException) -> str:
    """Types and places of an exception and of those that led to it, the first of them first."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    trace = "".join(traceback.format_tb(error.__traceback__))
    own = f"{trace}{type(error).__module__}.{type(error).__qualname__}"
    return own if before is None else f"{describe_failure(before)}\n{own}"
