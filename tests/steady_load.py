"""Callers that wait for their answers and ask again, as users of attendant.client; and an account of every call."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import grpc

from attendant.channels import OPTIONS
from attendant.client import AsyncClient, ServiceError
from attendant.types import Tweet

Ask = Callable[[AsyncClient, int], Awaitable[object]]


class OnceClient(AsyncClient):
    """It never tries again."""

    def _open(self, address, credentials):
        return grpc.aio.insecure_channel(address, [*OPTIONS, ("grpc.enable_retries", 0)])


async def predict(client: AsyncClient, number: int) -> None:
    await client.predict(text=f"oh great, another monday {number}", model="sarcasm")


async def explain(client: AsyncClient, number: int) -> None:
    """Another text each time, so that no cache has it."""
    await client.explain(text=f"i just love waiting in line {number}", model="sarcasm")


async def explain_stream(client: AsyncClient, number: int) -> None:
    """Some twenty items, for two seconds."""

    async def texts():
        for item in range(20):
            yield Tweet(f"stream {number} item {item}")
            await asyncio.sleep(0.1)

    answers = [item async for item in client.explain_many(texts(), model="sarcasm", timeout=10.0)]
    for item in answers:
        item.explanation()
    assert len(answers) == 20


@dataclass
class Account:
    """What became of a kind's calls: how many were answered, the others' reasons, and the longest, in seconds."""

    answered: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0

    @property
    def failed(self) -> int:
        return self.failures.total()


@dataclass
class Load:
    accounts: dict[str, Account]

    def __str__(self) -> str:
        return "; ".join(
            f"{kind}: {account.answered} answered, {account.failed} failed {dict(account.failures) or ''}, "
            f"longest {account.longest:.2f} s"
            for kind, account in self.accounts.items()
        )


@asynccontextmanager
async def load(address: str, callers: dict[str, tuple[type[AsyncClient], Ask, int]], shared: int = 1):
    """Runs `callers` (by kind: client, question, how many) until the block ends; every `shared` of them one channel."""
    result = Load({kind: Account() for kind in callers})
    ending = False
    numbers = itertools.count()

    async def call(client: AsyncClient, ask: Ask, account: Account) -> None:
        while not ending:
            began = time.monotonic()
            try:
                await ask(client, next(numbers))
                account.answered += 1
            except ServiceError as error:
                account.failures[str(error)[:120]] += 1
                await asyncio.sleep(0.05)
            account.longest = max(account.longest, time.monotonic() - began)

    async with AsyncExitStack() as stack:
        tasks = []
        for kind, (make, ask, count) in callers.items():
            for first in range(0, count, shared):
                client = await stack.enter_async_context(make(address))
                tasks += [
                    asyncio.create_task(call(client, ask, result.accounts[kind]))
                    for _ in range(min(shared, count - first))
                ]
        try:
            yield result
        finally:
            ending = True
            await asyncio.gather(*tasks)
