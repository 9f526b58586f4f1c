"""What can be wrong with the service itself: its models, its replicas, its release, its answers."""

from enum import Enum

from attendant.doctor.troubles.advice import Advice, Check, Status

_FAILED, _WARNING = Status.FAILED, Status.WARNING
_RUNBOOK = "docs/runbook.md#attendant"
_TOKENS = "docs/security.md#ask-for-tokens"


class Service(Enum):
    """From models to kept answers."""

    NO_LIST = Advice(
        Check.MODELS,
        _FAILED,
        "ListModels fails, or its answer cannot be read",
        "See that the address is an Attendant gateway's and of this release, then `kubectl -n attendant logs"
        " deploy/gateway`.",
        "docs/client.md#errors",
    )
    NO_MODELS = Advice(
        Check.MODELS,
        _FAILED,
        "there are no models, or not the one asked for",
        "See that ATTENDANT_MODEL_STORE at the gateway names a folder with the model, and that the token may use it.",
        _TOKENS,
    )
    MODEL_NOT_READY = Advice(
        Check.MODELS,
        _FAILED,
        "a model is listed and not ready",
        "`kubectl -n attendant logs deploy/torchserve` says why its worker does not answer: archive missing or"
        " altered, out of memory, or still starting.",
        f"{_RUNBOOK}modelnotready",
    )
    OTHER_DEVICE = Advice(
        Check.MODELS,
        _WARNING,
        "models run on different devices",
        "If all are to be on the GPU: see that every torchserve pod has one (`kubectl -n attendant describe pods`) and"
        " the cuda image; onnxruntime falls back to the CPU in silence.",
        "docs/running.md#gpu",
    )
    REPLICAS_DISAGREE = Advice(
        Check.REPLICAS,
        _FAILED,
        "one name and version, but other weights, default or classes at different addresses",
        "Bring all gateways to one model store: `kubectl -n attendant rollout status deploy/gateway`, then compare"
        " the images or volumes of the pods. Changed weights need a new version's name.",
    )
    REPLICAS_DIFFER = Advice(
        Check.REPLICAS,
        _WARNING,
        "models or versions that not every address has, or not every one is ready",
        "Wait for the roll-out: `kubectl -n attendant rollout status deploy/gateway`. If there is none, one gateway"
        " does not reach the workers.",
    )
    REPLICA_SILENT = Advice(
        Check.REPLICAS,
        _FAILED,
        "one of several addresses does not answer by itself",
        "Find the pod by its address (`kubectl -n attendant get pods -o wide`) and look at its log.",
        f"{_RUNBOOK}gatewaydown",
    )
    OTHER_RELEASE = Advice(
        Check.VERSION,
        _WARNING,
        "the gateway is of another release than this command",
        "Use the command of the gateway's release, for example inside its pod: `kubectl -n attendant exec"
        " deploy/gateway -- attendant doctor`.",
    )
    EXPLAIN_FAILED = Advice(
        Check.EXPLAIN,
        _FAILED,
        "a model that is ready does not explain a fixed question",
        "The reason stands beside it. For INTERNAL look at `kubectl -n attendant logs deploy/torchserve`, for"
        " OVERLOADED ask again when there is less to do, or add workers.",
        "docs/client.md#errors",
    )
    EXPLAIN_LATE = Advice(
        Check.EXPLAIN,
        _FAILED,
        "no explanation within --timeout",
        "If all models are late, requests queue: see AttendantOverloaded in the runbook. If it is this one alone, its"
        " worker hangs: `kubectl -n attendant logs deploy/torchserve`.",
        f"{_RUNBOOK}overloaded",
    )
    EXPLAIN_EXPIRED = Advice(
        Check.EXPLAIN,
        _FAILED,
        "the deadline is said to have passed long before it did",
        "Set the clocks of the nodes right: the gateway tells the worker by the wall clock when a request ends, so a"
        " worker whose clock is ahead finds that it has.",
        "docs/doctor.md#clocks",
    )
    EXPLAIN_SLOW = Advice(
        Check.EXPLAIN,
        _WARNING,
        "an explanation takes more than half of --timeout",
        "See whether it waited or was computed (`attendant explain --json`, `timing`): add workers in the first case,"
        " CPU or a GPU in the second.",
        "docs/profile.md",
    )
    DAMAGED = Advice(
        Check.EXPLAIN,
        _FAILED,
        "vectors are missing, are not finite, or do not sum to 1",
        "Take the answer as worthless. Compare the release of gateway and workers, then the model's files:"
        " `kubectl -n attendant rollout restart deploy/torchserve` checks them anew.",
        "docs/model.md",
    )
    OTHER_WEIGHTS = Advice(
        Check.EXPLAIN,
        _FAILED,
        "other weights answered than ListModels names",
        "Gateway and workers have different model stores: bring both to one (`kubectl -n attendant rollout status"
        " deploy/torchserve`). Such answers are not kept.",
        "docs/caching.md#what-is-never-shared",
    )
    NOT_KEPT = Advice(
        Check.KEPT,
        _WARNING,
        "the same question, asked twice, is computed twice",
        "Set ATTENDANT_REDIS_URL, where gateways share what they keep; or ATTENDANT_CACHE_BYTES is 0, or Redis"
        " does not answer.",
        "docs/caching.md",
    )
    BROKE = Advice(
        Check.EXPLAIN,
        _FAILED,
        "a check itself came to grief",
        "This is a fault in Attendant. The other checks went on; please report what stands beside it.",
    )
