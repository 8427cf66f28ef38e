"""Maps of what a network's answer hangs on, scored: do they tell it, do they need the network, do they agree?"""

from etudes.pipelines.explainability.pipeline import create_pipeline

__all__ = ["create_pipeline"]
