"""What a report must know of a metric: its label, its unit, which way is better; and how flat metrics are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class ReferenceLike(Protocol):
    """A number to measure against; `etudes.study.Reference` is one."""

    @property
    def name(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def source(self) -> str: ...
    @property
    def like_for_like(self) -> bool: ...
    @property
    def note(self) -> str: ...
    @property
    def likeness(self) -> str: ...


@dataclass(frozen=True)
class Metric:
    """A metric as a report shows it.

    ``name`` is its key in the flat metrics, ``label`` what is printed (the name without underscores if empty),
    ``unit`` its unit, ``fraction`` for shares between 0 and 1; ``digits`` are printed after the point. Where both
    too much and too little are wrong, ``target`` is the best value there is, and ``maximise`` says nothing. ``within``
    are the least and the largest value there can be; 0 and 1 for a share if not given.
    """

    name: str
    label: str = ""
    unit: str = "fraction"
    maximise: bool = True
    digits: int = 3
    target: float | None = None
    within: tuple[float, float] | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest value there can be, infinite where there is no limit."""
        if self.within is not None:
            return self.within
        return (0.0, 1.0) if self.unit in ("fraction", "probability") else (-math.inf, math.inf)

    def merit(self, value: float) -> float:
        """A number that is the larger the better the value."""
        if self.target is not None:
            return -abs(value - self.target)
        return value if self.maximise else -value

    @property
    def text(self) -> str:
        return self.label or self.name.replace("_", " ")

    @property
    def axis(self) -> str:
        """The title of an axis: label and unit."""
        return f"{self.text} ({self.unit})"

    @property
    def direction(self) -> str:
        if self.target is not None:
            return f"nearer to {self.target:g} is better"
        return "higher is better" if self.maximise else "lower is better"

    @property
    def arrow(self) -> str:
        if self.target is not None:
            return f"→ {self.target:g}"
        return "↑" if self.maximise else "↓"

    def format(self, value: float) -> str:
        """``0.512``; a dash where there is no number."""
        if not math.isfinite(value):
            return "–"
        return f"{round(value, self.digits) + 0.0:.{self.digits}f}"  # + 0.0 takes the sign from -0.000


POSITIVE = (0.0, math.inf)

_KNOWN = (
    Metric("accuracy"),
    Metric("balanced_accuracy"),
    Metric("member_accuracy", "accuracy of one member"),
    Metric("disagreement", "disagreement of members"),
    Metric("divergence", "divergence of members", unit="nats", within=POSITIVE),
    Metric("corrupted_accuracy", "accuracy on corrupted pictures"),
    Metric(
        "corrupted_log_loss", "log-loss on corrupted pictures", unit="nats", maximise=False, within=POSITIVE
    ),
    Metric("megaflops", unit="million operations a picture", maximise=False, digits=2, within=POSITIVE),
    Metric("latency", "time of one picture", unit="ms", maximise=False, digits=2, within=POSITIVE),
    Metric("batch_latency", "time of a batch", unit="ms", maximise=False, digits=1, within=POSITIVE),
    Metric("kilobytes", "file", unit="kB", maximise=False, digits=1, within=POSITIVE),
    Metric("weights", "weights", unit="count", maximise=False, digits=0, within=POSITIVE),
    Metric("kilobytes", "size on disk", unit="kB", maximise=False, digits=1, within=POSITIVE),
    Metric("leaf_accuracy", "accuracy on leaves"),
    Metric("split_accuracy", "accuracy over splits"),
    Metric("heldout_accuracy", "accuracy, held-out coefficients"),
    Metric("ceiling_gap", "gap to the ceiling", maximise=False, within=(-1.0, 1.0)),
    Metric("starts_gap", "gap, new start tokens", maximise=False, within=(-1.0, 1.0)),
    Metric("text_accuracy", "accuracy on text"),
    Metric("starts_accuracy", "accuracy, new start tokens"),
    Metric("heldout_gap", "gap, held-out coefficients", maximise=False, within=(-1.0, 1.0)),
    Metric(
        "bits_per_character",
        "cross-entropy of text",
        unit="bits a character",
        maximise=False,
        within=POSITIVE,
    ),
    Metric("over_kneser_ney", "cross-entropy above that of n-grams", unit="bits a character", maximise=False),
    Metric("top1_accuracy", "top-1 accuracy"),
    Metric("top3_accuracy", "top-3 accuracy"),
    Metric("top5_accuracy", "top-5 accuracy"),
    Metric("unseen_accuracy", "accuracy on new words"),
    Metric("sentence_accuracy", "sentences without a mistake"),
    Metric("macro_f1", "macro F1"),
    Metric("micro_f1", "micro F1"),
    Metric("weighted_f1", "weighted F1"),
    Metric("f1", "F1"),
    Metric("precision"),
    Metric("recall"),
    Metric("ari", "adjusted Rand index", within=(-1.0, 1.0)),
    Metric("nmi", "normalised mutual information"),
    Metric("roc_auc", "area under the ROC curve"),
    Metric("average_precision"),
    Metric("image_auroc", "image AUROC"),
    Metric("pixel_auroc", "pixel AUROC"),
    Metric("pro", "per-region overlap (PRO)"),
    Metric("image_ap", "image AP"),
    Metric("pixel_ap", "pixel AP"),
    Metric("success", "attack success"),
    Metric("fitted_success", "success on fitted photos"),
    Metric("right_success", "success where it was right"),
    Metric("confident_success", "confident success"),
    Metric("fooled", "wrong answers under attack"),
    Metric("transfer_success", "success on other networks"),
    Metric("turned", "success at any distance"),
    Metric("rounded_success", "success after rounding to 8 bits"),
    Metric("photo_success", "success on photos"),
    Metric("photo_fooled", "wrong answers on photos"),
    Metric("linf", "largest change", unit="levels of 255", maximise=False, digits=1, within=(0.0, 255.0)),
    Metric("l2", "Euclidean change", unit="intensities", maximise=False, within=POSITIVE),
    Metric("ssim", "structural similarity", within=(-1.0, 1.0)),
    Metric(
        "target_log_probability",
        "log-probability of the target",
        unit="nats",
        digits=2,
        within=(-math.inf, 0.0),
    ),
    Metric("faithfulness", "insertion less deletion", unit="probability", within=(-1.0, 1.0)),
    Metric("insertion", "area under insertion", unit="probability"),
    Metric("deletion", "area under deletion", unit="probability", maximise=False),
    Metric("pointing", "highest pixels in the right quarter"),
    Metric(
        "randomised_correlation",
        "rank correlation after randomising",
        unit="Spearman",
        target=0.0,
        within=(-1.0, 1.0),
    ),
    Metric("iou", "intersection over union"),
    Metric("dice", "Dice coefficient"),
    Metric("r2", "R²"),
    Metric("pm25_rmse", "RMSE", unit="µg/m³", maximise=False, digits=2, within=POSITIVE),
    Metric(
        "pm25_rmse_untreated",
        "RMSE, untreated readings",
        unit="µg/m³",
        maximise=False,
        digits=2,
        within=POSITIVE,
    ),
    Metric("pm25_rmse_city", "RMSE, city", unit="µg/m³", maximise=False, digits=2, within=POSITIVE),
    Metric("salary_mae", "mean absolute error", unit="GBP", maximise=False, digits=0, within=POSITIVE),
    Metric("interval_coverage", "salaries within their interval", target=0.9),
    Metric("interval_width", "width of intervals", unit="GBP", maximise=False, digits=0, within=POSITIVE),
    Metric("log_loss", unit="nats", maximise=False, within=POSITIVE),
    Metric("loss", unit="nats", maximise=False, within=POSITIVE),
    Metric("perplexity", unit="effective tokens", maximise=False, digits=2, within=(1.0, math.inf)),
    Metric("bits_per_dimension", unit="bits", maximise=False, within=POSITIVE),
    Metric("ece", "expected calibration error", maximise=False),
    Metric("base_rate", "share above"),
    Metric("positive_rate", "share answered above"),
    Metric("chosen_share", "folds that chose it"),
    Metric("tpr", "hits"),
    Metric("fpr", "false alarms", maximise=False),
    Metric("fpr_identity", "false alarms where a group is named", maximise=False),
    Metric("calibration_gap", target=0.0, within=(-1.0, 1.0)),
    Metric("brier", "Brier score", unit="squared probability", maximise=False, within=(0.0, 1.0)),
    Metric(
        "multiclass_brier",
        "Brier score, all classes",
        unit="squared probability",
        maximise=False,
        within=(0.0, 2.0),
    ),
    Metric("ood_auroc", "AUROC of strangers"),
    Metric("aurc", "area under risk by coverage", maximise=False, digits=4),
    Metric("entropy", "predictive entropy", unit="nats", maximise=False, within=POSITIVE),
    Metric("error_rate", maximise=False),
    Metric("trained_weights", unit="weights", maximise=False, digits=0, within=POSITIVE),
    Metric("trained_share", maximise=False),
    Metric("training_mib", "memory of their training", unit="MiB", maximise=False, digits=1, within=POSITIVE),
    Metric("psnr", "PSNR", unit="dB", digits=2),
    Metric("elbo", "evidence bound", unit="nats", digits=1),
    Metric("iwae", "importance-weighted bound", unit="nats", digits=1),
    Metric("count", "number", digits=0, within=POSITIVE),
    Metric("active_units", unit="latent dimensions", digits=0, within=POSITIVE),
    Metric("fid", "FID", unit="squared feature distance", maximise=False, digits=2, within=POSITIVE),
    Metric(
        "floor_fid",
        "FID of real pictures",
        unit="squared feature distance",
        maximise=False,
        digits=2,
        within=POSITIVE,
    ),
    Metric("kid", "KID", unit="squared feature distance", maximise=False, digits=4),
    Metric("label_accuracy"),
    Metric("knn_accuracy", "accuracy of neighbours' codes"),
    Metric("kl", "rate", unit="nats", maximise=False, digits=1, within=POSITIVE),
    Metric("diversity", unit="ratio to real", digits=2, target=1.0, within=POSITIVE),
    Metric("novelty", unit="ratio to real", digits=2, target=1.0, within=POSITIVE),
    Metric("real_score", "D(x)", unit="probability", digits=2, target=0.5),
    Metric("fake_score", "D(G(z))", unit="probability", digits=2, target=0.5),
    Metric("mse_after_0", "MSE before any step", unit="squared units", maximise=False, within=POSITIVE),
    Metric("mse_after_1", "MSE after 1 step", unit="squared units", maximise=False, within=POSITIVE),
    Metric("mse_after_5", "MSE after 5 steps", unit="squared units", maximise=False, within=POSITIVE),
    Metric("mse_after_10", "MSE after 10 steps", unit="squared units", maximise=False, within=POSITIVE),
    Metric(
        "mse_5shot", "MSE after 10 steps, 5 points", unit="squared units", maximise=False, within=POSITIVE
    ),
    Metric("accuracy_1shot", "1-shot accuracy"),
    Metric("accuracy_5shot", "5-shot accuracy"),
    Metric("many_ways_1shot", "1-shot accuracy, more characters"),
    Metric("transductive_1shot", "1-shot accuracy, queries together"),
    Metric("iqm", "interquartile mean of the return", unit="points", digits=1),
    Metric("mean_return", "mean return", unit="points", digits=1),
    Metric("mean_return_Acrobot-v1", "mean return in Acrobot-v1", unit="points", digits=1),
    Metric("mean_return_LunarLander-v3", "mean return in LunarLander-v3", unit="points", digits=1),
    Metric("human_normalised", "share of a human's points", within=(-math.inf, math.inf)),
    Metric("q_value", "value said", unit="discounted points", digits=2),
    Metric("q_return", "return got", unit="discounted points", digits=2),
    Metric("solved_share", "solved episodes"),
    Metric("below_expert", "points below the expert", unit="points", maximise=False, digits=2),
    Metric("solved_agents", "agents that solve it"),
    Metric("stable_share", "evaluations that solve it"),
)
KNOWN: Mapping[str, Metric] = {metric.name: metric for metric in _KNOWN}


def metric_of(name: str) -> Metric | None:
    """The known metric that a name begins with (``image_auroc_bottle``, ``accuracy_mod13``), or None.

    A difference of two values of a metric is none: it may be below 0.
    """
    words = name.split("_")
    if "difference" in words:
        return None
    starts = ("_".join(words[:count]) for count in range(len(words), 0, -1))
    return next((KNOWN[start] for start in starts if start in KNOWN), None)


def as_metric(metric: str | Metric) -> Metric:
    """A `Metric` as it is, a name looked up among `KNOWN`.

    Raises:
        ValueError: a name that is not known, so that its unit and direction would be guesses.
    """
    if isinstance(metric, Metric):
        return metric
    if metric not in KNOWN:
        raise ValueError(
            f"the unit and direction of '{metric}' are not known;"
            f" give Metric('{metric}', unit=..., maximise=...) or one of {', '.join(KNOWN)}"
        )
    return KNOWN[metric]


@dataclass(frozen=True)
class Measured:
    """A value and its interval; ``low`` and ``high`` are both None where there is no interval."""

    value: float
    low: float | None = None
    high: float | None = None


def measured(metrics: Mapping[str, float], variant: str, metric: str) -> Measured | None:
    """Read ``variant.metric`` and its interval from flat metrics; None where the value is missing or not finite.

    Raises:
        ValueError: only one end of the interval is there, or the ends are the wrong way round.
    """
    key = f"{variant}.{metric}"
    value = metrics.get(key)
    if value is None or not math.isfinite(value):
        return None
    low, high = metrics.get(f"{key}.low"), metrics.get(f"{key}.high")
    if (low is None) != (high is None):
        raise ValueError(f"{key} has only one end of its interval: low = {low}, high = {high}")
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return Measured(float(value))
    if low > high:
        raise ValueError(f"{key}: the interval [{low}, {high}] is the wrong way round")
    return Measured(float(value), float(low), float(high))


def check_variants(variants: Sequence[str]) -> list[str]:
    """The variants as a list.

    Raises:
        ValueError: a name occurs twice, or one text was given in place of a list.
    """
    if isinstance(variants, str):
        raise ValueError(f"variants must be a list of names, found the text '{variants}'")
    names = list(variants)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"variants occur twice: {', '.join(twice)}")
    return names
