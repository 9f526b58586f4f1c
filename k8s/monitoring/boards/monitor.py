"""Whether the monitor works."""

from k8s.monitoring.boards.queries import VERSION, WATCHER, M, V, largest, rate, total
from k8s.monitoring.grafana import Dashboard, Variable, lines, number, states

MONITOR = Dashboard(
    "monitor",
    "Attendant: monitor",
    "Whether those who watch attention work themselves.",
    (Variable("model", "attendant_monitor_leader"), Variable("version", f"attendant_monitor_leader{{{M}}}")),
    {
        "Who watches": (
            states(
                "Leader",
                "The monitor that holds the lease of a version: one at a time.",
                {"{{model}} {{version}} {{instance}}": f"attendant_monitor_leader{{{V}}}"},
            ),
            states(
                "Redis", "Whether it answers the monitor.", {"{{instance}}": "attendant_monitor_redis_up"}
            ),
            states("Reached by Prometheus", "The monitors.", {"{{instance}}": f"up{{{WATCHER}}}"}),
        ),
        "Reading": (
            lines(
                "Lag",
                "From the last entry counted to the newest one.",
                "s",
                {VERSION: largest("attendant_monitor_lag_seconds", V, "model, version")},
            ),
            lines(
                "Not saved yet",
                "Entries that no saved state includes: read and not saved, or not read.",
                "none",
                {VERSION: largest("attendant_monitor_pending_entries", V, "model, version")},
            ),
            lines(
                "Measured and read",
                "Explanations that gateways measured, and that monitors took: one line on the other.",
                "cps",
                {
                    f"{VERSION} measured": rate("attendant_attention_samples_total", "model, version", V),
                    f"{VERSION} read": rate(
                        "attendant_attention_drift_samples_total", "model, version", f'{V}, modalities!="mix"'
                    ),
                },
            ),
            lines(
                "Entries",
                "Of the stream in Redis, a second; each holds an explanation or several.",
                "cps",
                {VERSION: rate("attendant_monitor_entries_total", "model, version", V)},
                width=12,
            ),
            number(
                "Lost",
                "Entries that were cut from the stream before they were read, in the time that is shown.",
                "none",
                total("attendant_monitor_lost_entries_total", "model, version", V),
                VERSION,
            ),
            number(
                "Since the last loss",
                "Nothing where there was none.",
                "s",
                "time() - " + largest("attendant_monitor_last_loss_timestamp_seconds", V, "model, version"),
                VERSION,
            ),
            number(
                "Bad",
                "Entries that could not be read as explanations, in the time that is shown.",
                "none",
                total("attendant_monitor_bad_entries_total", "model, version", V),
                VERSION,
            ),
        ),
        "Before and beside": (
            lines(
                "Dropped by the gateways",
                "queue: more than could be passed on; sink: Redis did not take them.",
                "cps",
                {"{{reason}}": rate("attendant_attention_drift_dropped_samples_total", "reason")},
            ),
            lines(
                "By other weights",
                "Explanations left out: while two sets of weights answer for a version, one of them is watched.",
                "cps",
                {VERSION: rate("attendant_attention_drift_foreign_samples_total", "model, version", V)},
            ),
            lines(
                "Memory",
                "Resident bytes of a monitor.",
                "bytes",
                {"{{instance}}": f"process_resident_memory_bytes{{{WATCHER}}}"},
            ),
        ),
    },
)
