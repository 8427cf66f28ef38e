"""Scores of a classifier and their uncertainty: metrics, bootstrap, paired comparison, calibration bins.

Needs numpy alone at import; pandas and scipy are loaded by the functions that use them.
"""

from etudes.evaluation.bootstrap import bootstrap_intervals, with_intervals
from etudes.evaluation.classification import (
    classification_metrics,
    confusion_counts,
    per_class_table,
    reliability_bins,
    without_examples,
)
from etudes.evaluation.comparison import mean_interval, paired_comparison
from etudes.evaluation.ranking import average_precision, ranking_intervals, roc_auc

__all__ = [
    "average_precision",
    "bootstrap_intervals",
    "classification_metrics",
    "confusion_counts",
    "mean_interval",
    "paired_comparison",
    "per_class_table",
    "ranking_intervals",
    "reliability_bins",
    "roc_auc",
    "with_intervals",
    "without_examples",
]
