"""Training pictures are altered as bytes, dev is not, and the checkpoint's key knows how."""

from __future__ import annotations

import numpy as np
import torch

from attack_toys import photos
from etudes.vision.augmentation import shifted_and_mirrored
from etudes.vision.cifar_networks import CifarResNet, resnet20_cifar10
from etudes.vision.classifying import PictureProblem
from etudes.vision.imagenet import normalised

TRAIN, DEV = photos(30), photos(12, seed=1)
CPU = torch.device("cpu")


def problem(**how) -> PictureProblem:
    torch.manual_seed(0)
    data = [(part["pixels"], part.rows["label"].to_numpy()) for part in (TRAIN, DEV)]
    network = CifarResNet(blocks=1, classes=4, width=4, stride=2).eval()
    return PictureProblem(network, *(array for pair in data for array in pair), 8, **how)


def test_training_pictures_are_altered_and_keep_their_labels() -> None:
    altered, indices = problem(shift=2, mirror=True), np.array([3, 7, 4])
    torch.manual_seed(5)
    pictures, labels = altered.collate(indices, CPU)
    torch.manual_seed(5)
    moved = shifted_and_mirrored(torch.from_numpy(TRAIN["pixels"][indices]), 2, True).numpy()
    torch.testing.assert_close(pictures, normalised(moved))
    assert labels.tolist() == TRAIN.rows["label"].to_numpy()[indices].tolist()
    assert pictures.is_contiguous(memory_format=torch.channels_last)
    plain = problem()
    assert altered.evaluate(altered.model, CPU) == plain.evaluate(plain.model, CPU)


def test_what_alters_pictures_is_part_of_the_key() -> None:
    assert len({problem(**how).fingerprint for how in ({}, {"shift": 1}, {"mirror": True})}) == 3


def test_a_small_relative_has_the_numbers_it_is_given() -> None:
    small = CifarResNet(blocks=1, classes=6, width=5, channels=9, stride=2, rate=0.2)
    assert small(torch.zeros(2, 9, 32, 32)).shape == (2, 6)
    assert small.conv1.weight.shape == (5, 9, 3, 3) and small.linear.in_features == 20
    assert sum(p.numel() for p in resnet20_cifar10().parameters()) == 269_722
    assert not any("drop" in name for name in resnet20_cifar10().state_dict())
