"""Lunar Lander with deep Q-learning, and what of "bigger, better, faster" carries over to it."""

from etudes.pipelines.lunar_lander_bbf.pipeline import create_pipeline

__all__ = ["create_pipeline"]
