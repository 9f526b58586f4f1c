"""The gateway's own word: health, who may ask, which models there are, and whether all replicas say the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import grpc

from attendant.doctor.findings import Finding, counted, fine, found, listed
from attendant.doctor.line import DamagedError, Gateway, why
from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.door import Door
from attendant.doctor.troubles.service import Service
from attendant.errors import Reason
from attendant.failures import ServiceError
from attendant.questions import list_models
from attendant.types import ModelDescription

Models = tuple[ModelDescription, ...]
_SERVING = "SERVING"


@dataclass(frozen=True)
class Access:
    """What ListModels said, and what it said to somebody without the token (None: not asked)."""

    answer: Models | ServiceError | DamagedError
    without: Models | ServiceError | DamagedError | None = None

    @property
    def models(self) -> Models:
        return self.answer if isinstance(self.answer, tuple) else ()


def ask_models(gateway: Gateway, *, with_token: bool = True) -> Models | ServiceError | DamagedError:
    try:
        return gateway.ask(list_models(), with_token=with_token)
    except (ServiceError, DamagedError) as error:
        return error


def ask_access(gateway: Gateway, token: str) -> Access:
    answer = ask_models(gateway)
    return Access(answer, ask_models(gateway, with_token=False) if token else None)


def check_health(gateway: Gateway) -> Iterator[Finding]:
    """Of the service as a whole; each model's is asked once the models are known."""
    try:
        status = gateway.health("")
    except ServiceError as error:
        yield found(Door.NO_HEALTH, why(error))
        return
    if status == _SERVING:
        yield fine(Check.HEALTH, "the gateway is SERVING")
    else:
        yield found(Door.NOT_READY, f"the gateway is {status}")


def check_model_health(gateway: Gateway, models: Models) -> Iterator[Finding]:
    states: dict[str, str] = {}
    for model in models:
        try:
            states[model.name] = gateway.health(model.name)
        except ServiceError as error:
            states[model.name] = error.code.name
    bad = [f"{name} {state}" for name, state in states.items() if state != _SERVING]
    if bad:
        yield found(Door.NOT_READY, listed(bad))
    elif states:
        yield fine(Check.HEALTH, f"{counted(len(states), 'model')} SERVING")


def check_access(access: Access, token: str) -> Iterator[Finding]:
    refused = _unauthenticated(access.answer)
    if refused:
        yield found(Door.TOKEN_REFUSED, "refused") if token else found(Door.TOKEN_MISSING, "refused without")
    elif not token:
        yield fine(Check.ACCESS, "no token is asked for")
    elif _unauthenticated(access.without):
        yield fine(Check.ACCESS, "a token is asked for, and this one is taken")
    else:
        yield found(Door.TOKEN_NOT_ASKED, "let in without it as well")


def check_models(access: Access, wanted: str) -> Iterator[Finding]:
    if not isinstance(access.answer, tuple):
        yield found(Service.NO_LIST, why(access.answer))
        return
    models = chosen(access.models, wanted)
    if not models:
        yield found(Service.NO_MODELS, f"no model {wanted!r}" if wanted else "the list is empty")
        return
    asleep = [model.name for model in models if not model.ready]
    if asleep:
        yield found(Service.MODEL_NOT_READY, listed(asleep))
    runtimes = {model.runtime for model in models if model.runtime is not None}
    places = sorted({f"{found.device} ({found.provider}, {found.threads} threads)" for found in runtimes})
    if len({runtime.device.partition(":")[0] for runtime in runtimes}) > 1:
        yield found(Service.OTHER_DEVICE, listed(places))
    ready = [model for model in models if model.ready]
    if ready:
        yield fine(
            Check.MODELS, f"{counted(len(ready), 'model')} ready on {listed(places)}: {_weights(ready)}"
        )


def chosen(models: Models, wanted: str) -> Models:
    """All of them, or the one of that name."""
    return tuple(model for model in models if wanted in ("", model.name))


def check_replicas(said: Mapping[str, Models | ServiceError | DamagedError]) -> Iterator[Finding]:
    """`said`: what each address lists when it is asked by itself."""
    lists: dict[str, Models] = {}
    for address, answer in said.items():
        if isinstance(answer, tuple):
            lists[address] = answer
        else:
            yield found(Service.REPLICA_SILENT, f"{address}: {why(answer)}")
    wrong = _disagreements(list(lists.values()))
    if wrong:
        yield found(Service.REPLICAS_DISAGREE, listed(wrong))
    different = _differences(lists)
    if different:
        yield found(Service.REPLICAS_DIFFER, listed(different))
    if lists and not wrong and not different:
        yield fine(Check.REPLICAS, f"{len(lists)} asked one by one have the same models and weights")


def _disagreements(lists: Sequence[Models]) -> list[str]:
    """Versions whose weights, and models whose default or classes, are not the same wherever they are."""
    facts: dict[str, set[object]] = {}
    for model in (model for models in lists for model in models):
        for version, digest in model.digests.items():
            facts.setdefault(f"weights of {model.name} {version}", set()).add(digest)
        facts.setdefault(f"default version of {model.name}", set()).add(model.default_version)
        facts.setdefault(f"classes of {model.name}", set()).add(model.classes)
    return [name for name, values in facts.items() if len(values) > 1]


def _differences(lists: Mapping[str, Models]) -> list[str]:
    states = {
        address: {
            *(f"{model.name} {version}" for model in models for version in model.versions),
            *(f"{model.name} ready" for model in models if model.ready),
        }
        for address, models in lists.items()
    }
    everything = set().union(*states.values())
    return [
        f"{address} lacks {listed(sorted(everything - has))}"
        for address, has in states.items()
        if everything - has
    ]


def _unauthenticated(answer: object) -> bool:
    return isinstance(answer, ServiceError) and (
        answer.code is grpc.StatusCode.UNAUTHENTICATED or answer.reason is Reason.UNAUTHENTICATED
    )


def _weights(models: Sequence[ModelDescription]) -> str:
    return listed(
        [
            f"{model.name} {version} [{model.digests.get(version, '')[:12]}]"
            for model in models
            for version in model.versions
        ],
        3,
    )
