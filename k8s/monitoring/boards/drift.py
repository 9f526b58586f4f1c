"""Whether attention drifts."""

from k8s.monitoring.boards.queries import STREAM, WINDOW, M, S, V, largest, rate, total
from k8s.monitoring.grafana import Dashboard, Variable, lines, number, table

_KS, _PSI, _JSD = (f'{S}, test="{test}"' for test in ("ks", "psi", "jsd"))
_MIX = f'{V}, modalities="mix", test="ks"'
_LENGTH = "model, version, modalities, window"
_DISTANCE, _LIMIT = "attendant_attention_drift_statistic", "attendant_attention_drift_threshold"

DRIFT = Dashboard(
    "drift",
    "Attendant: drift",
    "Whether attention is as it was at release. What an alarm means: docs/runbook.md#attendantdrift.",
    (
        Variable("model", "attendant_attention_drift_samples_total"),
        Variable("version", f"attendant_attention_drift_samples_total{{{M}}}"),
        Variable("modalities", f"attendant_attention_drift_samples_total{{{V}}}"),
        Variable("window", f"attendant_attention_drift_windows_total{{{V}}}"),
    ),
    {
        "Alarms": (
            number(
                "Alarms",
                "Times that evidence reached its threshold, in the time that is shown.",
                "none",
                total("attendant_attention_drift_alarms_total", "modalities, window", S),
                "{{modalities}} {{window}}",
            ),
            number(
                "Since the last alarm",
                "By set of modalities and window; nothing where there was none.",
                "s",
                "time() - "
                + largest("attendant_attention_drift_last_alarm_timestamp_seconds", S, "modalities, window"),
                "{{modalities}} {{window}}",
            ),
            table(
                "Alerts",
                "Those about attention that fire now.",
                'ALERTS{alertstate="firing", alertname=~"Attendant(Drift|Reference|Samples|Impact|Focus).*"}',
                width=16,
            ),
            lines(
                "Evidence over threshold",
                "Both as logarithms. At 100 % there is an alarm, and evidence begins anew.",
                "percentunit",
                {
                    WINDOW: largest("attendant_attention_drift_log_evidence", S, _LENGTH)
                    + " / "
                    + largest("attendant_attention_drift_log_evidence_threshold", S, _LENGTH)
                },
                width=12,
            ),
            lines(
                "Evidence and threshold",
                "Natural logarithms. Evidence adds up over windows; by chance it seldom gets to the threshold.",
                "none",
                {
                    WINDOW: largest("attendant_attention_drift_log_evidence", S, _LENGTH),
                    "threshold {{window}}": largest(
                        "attendant_attention_drift_log_evidence_threshold", S, "window"
                    ),
                },
                width=12,
            ),
        ),
        "Streams": (
            lines(
                "Whose drift it is",
                "Share of the evidence, the ten largest streams.",
                "percentunit",
                {STREAM: f"topk(10, attendant_attention_drift_share{{{S}}})"},
            ),
            lines(
                "Distance beyond tolerance",
                "Kolmogorov distance of the last window from the reference, less what its size excuses; ten largest.",
                "none",
                {STREAM: f"topk(10, {_DISTANCE}{{{_KS}}} - {_LIMIT}{{{_KS}}})"},
            ),
            lines(
                "p-values",
                "Of the last window being so far from the reference; ten smallest. Alarms look at the evidence.",
                "none",
                {STREAM: f"bottomk(10, attendant_attention_drift_pvalue{{{S}}})"},
            ),
            lines(
                "Evidence of the last window",
                "Natural logarithm of the e-value, the ten largest; below 0 the window speaks against drift.",
                "none",
                {STREAM: f"topk(10, attendant_attention_drift_log_e_value{{{S}}})"},
            ),
            lines(
                "Population stability index over threshold",
                "Over the reference's deciles, ten largest; above 100 % is more than chance. No alarm looks at it.",
                "percentunit",
                {STREAM: f"topk(10, {_DISTANCE}{{{_PSI}}} / {_LIMIT}{{{_PSI}}})"},
            ),
            lines(
                "Jensen-Shannon divergence over threshold",
                "The same for the divergence; the statistic map is that of the mean attention over the image.",
                "percentunit",
                {STREAM: f"topk(10, {_DISTANCE}{{{_JSD}}} / {_LIMIT}{{{_JSD}}})"},
            ),
        ),
        "What is watched": (
            lines(
                "Explanations by modalities",
                "Those that the monitor took.",
                "cps",
                {
                    "{{model}} {{version}} {{modalities}}": rate(
                        "attendant_attention_drift_samples_total",
                        "model, version, modalities",
                        f'{V}, modalities!="mix"',
                    )
                },
                stacked=True,
            ),
            lines(
                "Mix of modalities",
                "How far the share of explanations with a modality is from when watching began, and what is excused.",
                "percentunit",
                {
                    "{{target}} {{window}}": f"{_DISTANCE}{{{_MIX}}}",
                    "{{target}} {{window}} tolerance": f"{_LIMIT}{{{_MIX}}}",
                },
            ),
            lines(
                "Windows",
                "Compared since the monitor began.",
                "none",
                {WINDOW: largest("attendant_attention_drift_windows_total", S, _LENGTH)},
            ),
            lines(
                "In the window that is being filled",
                "Explanations; a fast window takes 200, a slow one 2,000.",
                "none",
                {WINDOW: largest("attendant_attention_drift_window_samples", S, _LENGTH)},
            ),
            table(
                "References",
                "Rows that each set of modalities is compared with, and the file's SHA-256.",
                largest("attendant_attention_drift_reference_info", V, "model, version, modalities, sha256"),
            ),
            table(
                "Without a reference",
                "Sets of modalities that came, and can be compared with nothing.",
                largest("attendant_attention_drift_reference_missing", V, "model, version, modalities"),
            ),
        ),
    },
)
