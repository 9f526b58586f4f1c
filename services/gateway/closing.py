"""How the servers end: what the handlers must know of it."""

import asyncio


class Closing:
    """Three moments of a drain. `answering` is set but for a short pause in it; `ending` cuts streams short."""

    def __init__(self) -> None:
        self.begun = False
        self.answering = asyncio.Event()
        self.answering.set()
        self.ending = asyncio.Event()
