"""Policy gradients: from REINFORCE to PPO, one step at a time."""

from etudes.pipelines.policy_gradients.pipeline import create_pipeline

__all__ = ["create_pipeline"]
