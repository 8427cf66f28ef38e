"""All studies, found by folder. Kedro imports only the one that a run asks for."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline


def register_pipelines() -> dict[str, Pipeline]:
    """Every study under its name, and all of them together as ``__default__``."""
    pipelines = find_pipelines(raise_errors=True)
    # A sum would sort all nodes anew for each study.
    pipelines["__default__"] = Pipeline(list(pipelines.values()))
    return pipelines
