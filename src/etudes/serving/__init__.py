"""From a trained model to an MLflow model that takes a user's raw input."""
