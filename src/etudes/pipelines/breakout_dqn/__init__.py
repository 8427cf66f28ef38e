"""Breakout from pixels: what double targets, a dueling head and n-step returns add to DQN, and whether its values can be believed."""

from etudes.pipelines.breakout_dqn.pipeline import create_pipeline

__all__ = ["create_pipeline"]
