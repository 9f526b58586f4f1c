"""How attention is distributed."""

from k8s.monitoring.boards.queries import MEAN, VERSION, M, T, V, largest, quantiles, rate
from k8s.monitoring.grafana import Dashboard, Variable, heatmap, lines

ATTENTION = Dashboard(
    "attention",
    "Attendant: attention",
    "Where models look, in explanations as they were computed; what a cache answers is not counted again.",
    (
        Variable("model", "attendant_attention_samples_total"),
        Variable("version", f"attendant_attention_samples_total{{{M}}}"),
        Variable("target", f"attendant_attention_entropy_ratio_count{{{V}}}"),
    ),
    {
        "How spread out attention is": (
            heatmap(
                "Entropy ratio over $target",
                "Entropy of the mean attention over the target, of its largest; at 100 % all elements weigh the same.",
                "percentunit",
                "attendant_attention_entropy_ratio",
                f'{V}, target="$target", source=~"mean|"',
                width=24,
                repeat="target",
            ),
            lines(
                "Entropy ratio",
                "The same as quantiles, by target.",
                "percentunit",
                quantiles("attendant_attention_entropy_ratio", "target", MEAN, 0.1, 0.5, 0.9),
            ),
            lines(
                "Entropy ratio by source, median",
                "How spread out the attention over a target is, by the modality that guides it.",
                "percentunit",
                quantiles("attendant_attention_entropy_ratio", "target, source", T, 0.5),
            ),
            lines(
                "Largest weight",
                "What the element with the most attention weighs, by target; of the mean over sources.",
                "percentunit",
                quantiles("attendant_attention_max_weight", "target", MEAN, 0.1, 0.5, 0.9),
            ),
        ),
        "Modalities": (
            lines(
                "Weights of the modalities, mean",
                "What each weighs in the fusion, over explanations that have it beside others.",
                "percentunit",
                {
                    "{{target}}": rate("attendant_modality_attention_weight_sum", "target", V)
                    + " / "
                    + rate("attendant_modality_attention_weight_count", "target", V)
                },
            ),
            lines(
                "Weights of the modalities",
                "The same as quantiles.",
                "percentunit",
                quantiles("attendant_modality_attention_weight", "target", V, 0.1, 0.5, 0.9),
            ),
            lines(
                "Permutation impact",
                "How far the answer moves when a target's weights are permuted; of a share of the explanations.",
                "none",
                quantiles("attendant_permutation_impact", "target", V, 0.5, 0.9),
            ),
            lines(
                "Weight and impact of a modality",
                "Pearson correlation of fusion weight and permutation impact over the last explanations that have both,"
                " with its 95 % interval. At 0 the weight says nothing of what the modality does to the answer.",
                "none",
                {
                    "{{target}}": largest("attendant_impact_correlation", V, "target"),
                    "{{target}} low": largest("attendant_impact_correlation_low", V, "target"),
                    "{{target}} high": largest("attendant_impact_correlation_high", V, "target"),
                },
                width=16,
            ),
            lines(
                "Pairs in the correlation",
                "Explanations that have a weight and an impact; 20 are needed.",
                "none",
                {"{{target}}": largest("attendant_impact_correlation_samples", V, "target")},
            ),
        ),
        "Focus": (
            heatmap(
                "Focus risk",
                "Probability that the focus of a mosaic is on the wrong segment.",
                "percentunit",
                "attendant_focus_risk",
                V,
                width=12,
            ),
            lines(
                "Mosaics with a focus risk above 0.5",
                "Share of the mosaics whose focus is more likely wrong than right.",
                "percentunit",
                {
                    VERSION: "1 - "
                    + rate("attendant_focus_risk_bucket", "model, version", f'{V}, le="0.5"')
                    + " / "
                    + rate("attendant_focus_risk_count", "model, version", V)
                },
                width=12,
            ),
        ),
        "Samples": (
            lines(
                "Measured",
                "Explanations whose attention was measured; of more than 50 a second some are left out, by chance.",
                "cps",
                {
                    VERSION: rate("attendant_attention_samples_total", "model, version", V),
                    f"{VERSION}, left out": rate(
                        "attendant_attention_left_out_samples_total", "model, version", V
                    ),
                },
            ),
            lines(
                "Dropped",
                "Explanations that nobody watches, of all models; queue: too many at once, sink: not taken.",
                "cps",
                {"{{reason}}": rate("attendant_attention_drift_dropped_samples_total", "reason")},
            ),
            lines(
                "Impacts measured unasked",
                "Of all models; skipped: the slow lane was busy.",
                "cps",
                {"{{outcome}}": rate("attendant_impact_samples_total", "outcome")},
            ),
        ),
    },
)
