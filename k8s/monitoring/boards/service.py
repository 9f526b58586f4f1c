"""What callers get, and what serves them."""

from k8s.monitoring.boards.queries import (
    EXPLAIN,
    FAULTS,
    GATEWAY,
    PREDICT,
    VERSION,
    M,
    quantiles,
    rate,
    share,
)
from k8s.monitoring.grafana import Dashboard, Variable, heatmap, lines, number, states

SERVICE = Dashboard(
    "service",
    "Attendant: service",
    "What callers get, and how long they wait for it.",
    (Variable("model", "attendant_model_ready"),),
    {
        "Now": (
            number(
                "Requests",
                "Answered a second, by all gateways.",
                "reqps",
                rate("attendant_requests_total", "", M),
            ),
            number(
                "Faults",
                "Share of the requests that failed by the service's fault: INTERNAL, UNAVAILABLE, DEADLINE_EXCEEDED.",
                "percentunit",
                share("attendant_requests_total", "", FAULTS, M),
            ),
            number(
                "Predictions within 0.25 s",
                "Share of the predictions that were answered, whatever the answer, within 0.25 s; 99 % are to be.",
                "percentunit",
                rate("attendant_request_seconds_bucket", "", f'{PREDICT}, le="0.25"')
                + " / "
                + rate("attendant_request_seconds_count", "", PREDICT),
            ),
            number(
                "Least budget left",
                "Of the 0.1 % of requests that may fail in 30 days, where it is least. Prometheus has to keep 30 days.",
                "percentunit",
                f"min(1 - sum by (model, method) (increase(attendant_requests_total{{{M}, {FAULTS}}}[30d]))"
                f" / sum by (model, method) (increase(attendant_requests_total{{{M}}}[30d])) / 0.001) or vector(1)",
            ),
            number(
                "Models not ready",
                "Lanes of models for which the backend of a gateway does not answer.",
                "none",
                f"sum(attendant_model_ready{{{M}}} == bool 0)",
            ),
            number(
                "In work",
                "Requests that arrived and are not answered yet; of all models.",
                "none",
                "sum(attendant_requests_started_total) - sum(attendant_requests_total)",
            ),
        ),
        "Requests and errors": (
            lines(
                "Requests by method",
                "Items of a stream are requests of the method ExplainStream.",
                "reqps",
                {"{{model}} {{method}}": rate("attendant_requests_total", "model, method", M)},
            ),
            lines(
                "Answers other than OK",
                "INVALID_ARGUMENT, NOT_FOUND and CANCELLED are the callers' doing, RESOURCE_EXHAUSTED is overload.",
                "reqps",
                {"{{code}}": rate("attendant_requests_total", "code", f'{M}, code!="OK"')},
                stacked=True,
            ),
            lines(
                "Requests by version",
                "Where a new version answers a share of the traffic, its share.",
                "reqps",
                {VERSION: rate("attendant_version_requests_total", "model, version", M)},
                stacked=True,
                width=12,
            ),
            lines(
                "Faults by version",
                "Share of a version's requests that failed by the service's fault: a new one against the old.",
                "percentunit",
                {VERSION: share("attendant_version_requests_total", "model, version", FAULTS, M)},
                width=12,
            ),
            lines(
                "Refused at the door",
                "Before it became a request, for whatever model: no token, too many, no JSON.",
                "reqps",
                {"{{protocol}} {{reason}}": rate("attendant_refused_total", "protocol, reason")},
            ),
            lines(
                "Burn of the budget, 5 minutes",
                "How many times sooner than in 30 days the budget of failures is gone at this rate.",
                "none",
                {"{{objective}} {{model}} {{method}}": f"model_method:attendant_budget_burn:rate5m{{{M}}}"},
            ),
            lines(
                "Burn of the budget, 6 hours",
                "The same over 6 hours, in which short outages are small.",
                "none",
                {"{{objective}} {{model}} {{method}}": f"model_method:attendant_budget_burn:rate6h{{{M}}}"},
            ),
            lines(
                "Refused for overload",
                "Share of the requests that found every slot of their kind of work taken.",
                "percentunit",
                {
                    "{{model}} {{method}}": share(
                        "attendant_requests_total", "model, method", 'code="RESOURCE_EXHAUSTED"', M
                    )
                },
            ),
        ),
        "Latency": (
            lines(
                "Predictions",
                "From arrival to answer, read off buckets.",
                "s",
                quantiles("attendant_request_seconds", "", PREDICT, 0.5, 0.95, 0.99),
            ),
            lines(
                "Explanations",
                "The same for Explain and the items of ExplainStream. Methods beyond attention take their time.",
                "s",
                quantiles("attendant_request_seconds", "method", EXPLAIN, 0.5, 0.95, 0.99),
            ),
            lines(
                "By version",
                "With the backend, from handing a request over to its answer: what a new version costs beside the old.",
                "s",
                quantiles("attendant_version_seconds", "model, version", M, 0.5, 0.99),
            ),
            heatmap(
                "All predictions", "Predictions by their time.", "s", "attendant_request_seconds", PREDICT
            ),
        ),
        "Backend": (
            lines(
                "In flight",
                "Requests that the backend has now, by kind of work; each kind has slots of its own.",
                "none",
                {"{{model}} {{work}}": f"sum by (model, work) (attendant_in_flight{{{M}}})"},
                stacked=True,
            ),
            states(
                "Models ready",
                "Whether the backend of a gateway answers for the model in that lane.",
                {"{{instance}} {{model}} {{lane}}": f"attendant_model_ready{{{M}}}"},
            ),
            lines(
                "Failures",
                "Calls that the backend did not answer.",
                "reqps",
                {
                    "{{model}} {{lane}} {{reason}}": rate(
                        "attendant_backend_failures_total", "model, lane, reason", M
                    )
                },
            ),
            lines(
                "Seconds with the backend",
                "By lane, from handing a request over to its answer.",
                "s",
                quantiles("attendant_backend_seconds", "model, lane", M, 0.5, 0.99),
                width=12,
            ),
            lines(
                "Of these, in the queue",
                "What no worker accounts for: waiting for one, and the way there and back.",
                "s",
                quantiles("attendant_queue_seconds", "model, lane", M, 0.5, 0.99),
                width=12,
            ),
            lines(
                "Second calls",
                "What a second worker was asked since the first did not answer (ATTENDANT_HEDGE), by how that ended.",
                "reqps",
                {"{{outcome}}": rate("attendant_hedges_total", "outcome")},
            ),
            lines(
                "TorchServe: the last batch",
                "In the worker, by archive, and in the queue before it; nothing with the embedded backend.",
                "ms",
                {"{{ModelName}}": "PredictionTime", "queue": "max(QueueTime)"},
            ),
            states(
                "Reached by Prometheus",
                "Gateways, monitors and TorchServe.",
                {"{{job}} {{instance}}": 'up{job=~"attendant-gateway|attendant-monitor|torchserve"}'},
            ),
        ),
        "Cache": (
            lines(
                "Explanations by cache status",
                "hit: computed for another request; miss, refreshed and bypass: computed now.",
                "reqps",
                {"{{result}}": rate("attendant_cache_requests_total", "result")},
                stacked=True,
            ),
            lines(
                "Hits by source",
                "Where what was not computed came from: memory, redis, or flight (the same question at the same time).",
                "reqps",
                {"{{source}}": rate("attendant_cache_hits_total", "source")},
                stacked=True,
            ),
            lines(
                "Errors of the shared cache",
                "unavailable, refused, corrupt or dropped. Answers are complete all the same.",
                "cps",
                {"{{kind}}": rate("attendant_cache_errors_total", "kind")},
            ),
            states(
                "Breaker",
                "1 while a gateway does not ask the shared cache, since it did not answer.",
                {"{{instance}}": "attendant_cache_breaker_open"},
            ),
            lines(
                "Round trips to the shared cache",
                "By operation. A request waits no longer than ATTENDANT_REDIS_SECONDS.",
                "s",
                quantiles("attendant_cache_seconds", "operation", "", 0.5, 0.99),
            ),
            lines(
                "Age of what is found",
                "Of explanations in the shared cache.",
                "s",
                quantiles("attendant_cache_age_seconds", "", "", 0.5, 0.95),
            ),
            lines(
                "Held in memory",
                "Bytes of explanations in a gateway.",
                "bytes",
                {"{{instance}}": "attendant_cache_bytes"},
                width=12,
            ),
            lines(
                "Traffic of the shared cache",
                "Bytes a second.",
                "Bps",
                {part: rate(f"attendant_cache_{part}_bytes_total") for part in ("read", "written")},
                width=12,
            ),
        ),
        "Processes": (
            lines(
                "Memory",
                "Resident bytes of a gateway, without its workers.",
                "bytes",
                {"{{instance}}": f"process_resident_memory_bytes{{{GATEWAY}}}"},
            ),
            lines(
                "Processor",
                "Cores that a gateway uses, without its workers.",
                "none",
                {"{{instance}}": rate("process_cpu_seconds_total", "instance", GATEWAY)},
            ),
            lines(
                "Tasks and files",
                "Asyncio tasks alive and file descriptors open. Both fall back when work ends.",
                "none",
                {
                    "{{instance}} tasks": "attendant_tasks",
                    "{{instance}} files": f"process_open_fds{{{GATEWAY}}}",
                },
            ),
        ),
    },
)
