"""Parameters that all studies share: the group ``run`` of ``conf/base/parameters.yml``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """Base of all parameter models: immutable, and a key that is not declared is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RunParameters(Strict):
    """How a study runs, whatever the study.

    ``devices`` is the number of processes of one training node on this machine, ``nodes`` the number of machines
    that run the same command, ``rendezvous`` their meeting point (``host:port``).
    """

    seed: int = Field(ge=0, lt=2**32)
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["no", "bf16", "fp16"]
    devices: int = Field(ge=1, le=1024)
    nodes: int = Field(ge=1, le=1024)
    rendezvous: str | None
    resume: bool
    track: bool
    register_model: bool
    promote_new_data: bool
    wait: bool = Field(description="wait while another run uses the same outputs, instead of failing")


class FitParameters(Strict):
    """Settings of `etudes.training.fit.fit`."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1, description="examples of one optimiser step, over all devices")
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    gradient_clip: float = Field(gt=0, description="largest L2 norm of the gradient")
    warmup: float = Field(ge=0, lt=1, description="fraction of all steps with a rising learning rate")
    average: float = Field(
        ge=0, lt=1, description="decay of the running average of weights; 0 uses the last ones"
    )
    patience: int = Field(ge=1, description="epochs without a better dev score before training stops")
    checkpoint_steps: int = Field(ge=1, description="optimiser steps between two checkpoints")


class DevSplitParameters(Strict):
    """How dev is cut from train."""

    dev_fraction: float = Field(gt=0, lt=0.5, description="share of each class for dev, at least one row")
    seed: int = Field(ge=0, description="seed of the split, apart from run.seed so that seeds share a split")
