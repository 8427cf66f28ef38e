"""Runs in MLflow: one run per study and command, and the model registry behind it."""
