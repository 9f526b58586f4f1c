"""What can be wrong around the service: its pages, Redis, the monitor, clocks."""

from enum import Enum

from attendant.doctor.troubles.advice import Advice, Check, Status

_FAILED, _WARNING = Status.FAILED, Status.WARNING
_RUNBOOK = "docs/runbook.md#attendant"


class Behind(Enum):
    """From operations to clock."""

    NO_PAGES = Advice(
        Check.OPERATIONS,
        _FAILED,
        "/healthz does not answer where it was said to",
        "Correct --operations or --http, or set ATTENDANT_OPERATIONS_PORT=8001 and, for other machines,"
        " ATTENDANT_HTTP_HOST=0.0.0.0 at the gateway.",
        "docs/security.md#encrypt",
    )
    PAGE_NOT_READY = Advice(
        Check.OPERATIONS,
        _FAILED,
        "/readyz says not ready",
        "The workers do not answer this gateway: `kubectl -n attendant logs deploy/torchserve`. If gRPC's health"
        " says otherwise, --http leads to another gateway than --address.",
        f"{_RUNBOOK}modelnotready",
    )
    NO_METRICS = Advice(
        Check.METRICS,
        _FAILED,
        "/metrics is not what Prometheus can read",
        "See that --operations (or --http) leads to the gateway itself and to no proxy's error page; what Prometheus"
        " scrapes is the operations port, 8001.",
        f"{_RUNBOOK}gatewaydown",
    )
    OTHER_METRICS = Advice(
        Check.METRICS,
        _WARNING,
        "known metrics are missing",
        "Bring the gateway and this command to one release; rules and dashboards ask for these names.",
        "docs/metrics.md",
    )
    LANE_DOWN = Advice(
        Check.LANES,
        _FAILED,
        "a lane of a model has no worker",
        "`kubectl -n attendant logs deploy/torchserve`: without its fast lane a model is not ready; without the slow"
        " one, long explanations fail.",
        f"{_RUNBOOK}modelnotready",
    )
    FAULTS = Advice(
        Check.REQUESTS,
        _WARNING,
        "at least 1 % of the requests since the start failed by the service's fault",
        "See in the runbook which code it is, and whether it goes on; the figure is since the gateway's start.",
        f"{_RUNBOOK}errorbudgetburns",
    )
    OVERLOAD = Advice(
        Check.REQUESTS,
        _WARNING,
        "at least 1 % of the requests since the start were refused for overload",
        "Add workers: raise minReplicas and maxReplicas of the HorizontalPodAutoscaler torchserve (without one, the"
        " replicas of deploy/torchserve), or see what asks so much.",
        f"{_RUNBOOK}overloaded",
    )
    BREAKER_OPEN = Advice(
        Check.CACHE,
        _FAILED,
        "the gateway leaves Redis alone, because it did not answer",
        "Answers go on without it. See that it runs (`kubectl -n attendant get pods -l"
        " app.kubernetes.io/name=redis`) and that the gateway's ATTENDANT_REDIS_URL and password are right.",
        f"{_RUNBOOK}cachebreakeropen",
    )
    NO_REDIS = Advice(
        Check.REDIS,
        _FAILED,
        "Redis does not answer, or not as Redis does",
        "`kubectl -n attendant get pods -l app.kubernetes.io/name=redis`, its log, and the network policies; the"
        " gateway answers without it, but shares and watches nothing.",
        f"{_RUNBOOK}cachebreakeropen",
    )
    REDIS_REFUSES = Advice(
        Check.REDIS,
        _FAILED,
        "Redis asks for another password, or its user may not",
        "Compare the URL in the Secret redis-auth with Redis' own password. Its user needs PING, INFO, TIME, SMEMBERS,"
        " EXISTS and XINFO for this command.",
        "docs/caching.md",
    )
    REDIS_SLOW = Advice(
        Check.REDIS,
        _WARNING,
        "the median of 20 PINGs is above 10 ms",
        "A gateway waits ATTENDANT_REDIS_SECONDS (50 ms) in all: put Redis on the same network as the gateways, and"
        " see whether it swaps or saves to a slow disk.",
        "docs/caching.md#when-redis-is-slow-full-or-gone",
    )
    REDIS_OLD = Advice(
        Check.REDIS,
        _FAILED,
        "it is older than Redis 7 and no Valkey",
        "Take the image that k8s/base/redis names, or another Valkey, or a Redis 7 or newer: the monitor needs it.",
        "docs/monitoring.md#running-it",
    )
    EVICTS_ALL = Advice(
        Check.MEMORY,
        _FAILED,
        "maxmemory-policy evicts keys without a time to live",
        "Set maxmemory-policy to volatile-lfu: else the stream, the leases and the monitor's state go when memory is"
        " full.",
        "docs/caching.md#when-redis-is-slow-full-or-gone",
    )
    OTHER_POLICY = Advice(
        Check.MEMORY,
        _WARNING,
        "maxmemory-policy is not volatile-lfu",
        "Set it to volatile-lfu. With noeviction nothing new is kept once memory is full; the other volatile policies"
        " throw away what is asked for often.",
        "docs/caching.md#when-redis-is-slow-full-or-gone",
    )
    NO_LIMIT = Advice(
        Check.MEMORY,
        _WARNING,
        "there is no maxmemory",
        "Set maxmemory to some three quarters of the container's limit: else the kernel ends Redis, with all it has.",
        "docs/caching.md#when-redis-is-slow-full-or-gone",
    )
    SAMPLES_UNREAD = Advice(
        Check.SAMPLES,
        _FAILED,
        "gateways tell what attention looks like, and no monitor reads it",
        "See that a monitor runs and names this Redis: `kubectl -n attendant logs deploy/monitor`. Without one, set"
        " ATTENDANT_WATCH=false at the gateways.",
        f"{_RUNBOOK}samplesunread",
    )
    SAMPLES_LATE = Advice(
        Check.SAMPLES,
        _WARNING,
        "more than 1,000 entries of a stream are unread",
        "Half of what the stream keeps: the monitor is too slow or hangs. `kubectl -n attendant logs deploy/monitor`,"
        " and give it a core.",
        f"{_RUNBOOK}monitorlate",
    )
    NO_MONITOR = Advice(
        Check.MONITOR,
        _FAILED,
        "no monitor answers there",
        "`kubectl -n attendant get pods -l app.kubernetes.io/name=monitor` and its log; ATTENDANT_MONITOR_HOST has to"
        " be 0.0.0.0 for others to reach it.",
        f"{_RUNBOOK}monitordown",
    )
    MONITOR_WAITS = Advice(
        Check.MONITOR,
        _FAILED,
        "the monitor waits for Redis",
        "Compare its ATTENDANT_MONITOR_REDIS_URL (or ATTENDANT_REDIS_URL) with the gateways'; see network policies.",
        f"{_RUNBOOK}monitorredisunreachable",
    )
    NO_REFERENCE = Advice(
        Check.REFERENCES,
        _WARNING,
        "explanations come that there is no reference for",
        "Make one with `attendant reference`, and give the monitor the model store that has it; until then this drift"
        " raises no alarm.",
        f"{_RUNBOOK}referencemissing",
    )
    CLOCK_DIFFERS = Advice(
        Check.CLOCK,
        _WARNING,
        "a clock differs from this one by more than 1 s",
        "See that time is kept (chrony, or what the cloud offers) on the nodes and here.",
        "docs/doctor.md#clocks",
    )
    CLOCK_WRONG = Advice(
        Check.CLOCK,
        _FAILED,
        "a clock differs from this one by more than 30 s",
        "Set it right before anything else: certificates and tokens are judged by it, and between nodes deadlines are.",
        "docs/doctor.md#clocks",
    )
