"""The two players: losses, one step of each, labels that count, and a game that resumes where it was cut."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from digit_toys import run_settings, settings, splits
from etudes.pipelines.gan_digits.game import FIXED, Game, as_bytes
from etudes.pipelines.gan_digits.networks import (
    Discriminator,
    Generator,
    discriminator_loss,
    generator_loss,
)
from etudes.training.checkpoint import CheckpointError
from etudes.training.session import training_session

PARAMETERS = settings("gan_digits", "gan", latent=4, width=4, epochs=3, batch_size=16, checkpoint_steps=2)


def game(score: Callable[[Generator], dict[str, float]] | None = None, **run: object) -> Game:
    train = splits()[0]
    brightness = score or (lambda generator: {"fid": float(abs(generator.body[0].weight).sum())})
    return Game(train, PARAMETERS, run_settings(**run), brightness, "judge")


def test_losses_equal_their_definition() -> None:
    real, fake = torch.randn(50), torch.randn(40)
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    expected = -d_real.log().mean() - (1 - d_fake).log().mean()
    assert torch.allclose(discriminator_loss(real, fake), expected, atol=1e-5)
    assert torch.allclose(generator_loss(fake), -d_fake.log().mean(), atol=1e-5)
    even = torch.zeros(3)
    assert float(discriminator_loss(even, even)) == pytest.approx(2 * math.log(2))
    assert float(generator_loss(even)) == pytest.approx(math.log(2))


def test_losses_of_other_shapes_are_refused() -> None:
    for call in (
        lambda: discriminator_loss(torch.zeros(4, 1), torch.zeros(4)),
        lambda: discriminator_loss(torch.zeros(4), torch.zeros(4, 1)),
        lambda: generator_loss(torch.zeros(4, 1)),
    ):
        with pytest.raises(ValueError, match=r"expected \(n,\)"):
            call()


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one each"):
        Discriminator(8, 4, 8)(torch.zeros(4, 1, 8, 8), torch.zeros(4, 1, dtype=torch.long))
    with pytest.raises(ValueError, match=r"expected \(n, 4\)"):
        Generator(8, 4, 4)(torch.zeros(3, 4), torch.zeros(2, dtype=torch.long))


def test_a_step_of_the_discriminator_tells_the_sets_further_apart() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(8, 4, 16)
    labels = torch.arange(64) % 10
    real, fake = torch.rand(64, 1, 8, 8), -torch.rand(64, 1, 8, 8)
    optimizer = torch.optim.SGD(discriminator.parameters(), lr=0.1)

    def gap() -> torch.Tensor:
        return discriminator(real, labels).mean() - discriminator(fake, labels).mean()

    before = float(gap().detach())
    for _ in range(5):
        optimizer.zero_grad()
        discriminator_loss(discriminator(real, labels), discriminator(fake, labels)).backward()
        optimizer.step()
    assert float(gap().detach()) > before


def test_a_step_of_the_generator_is_believed_more() -> None:
    torch.manual_seed(0)
    generator, discriminator = Generator(8, 4, 4), Discriminator(8, 4, 16).eval()
    z, labels = torch.randn(64, 4), torch.arange(64) % 10
    optimizer = torch.optim.SGD(generator.parameters(), lr=0.05)
    before = float(discriminator(generator(z, labels), labels).mean().detach())
    for _ in range(5):
        optimizer.zero_grad()
        generator_loss(discriminator(generator(z, labels), labels)).backward()
        optimizer.step()
    assert float(discriminator(generator(z, labels), labels).mean().detach()) > before


def test_the_label_counts_on_both_sides() -> None:
    torch.manual_seed(0)
    generator, discriminator = Generator(8, 4, 4).eval(), Discriminator(8, 4, 16).eval()
    z, labels = torch.randn(20, 4), torch.arange(20) % 10
    pictures = generator(z, labels)
    assert not torch.allclose(pictures, generator(z, (labels + 1) % 10))
    assert not torch.allclose(discriminator(pictures, labels), discriminator(pictures, (labels + 1) % 10))


def test_no_layer_of_the_discriminator_stretches() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(8, 4, 16)
    for _ in range(30):  # each call is one step of the power iteration
        discriminator(torch.randn(4, 1, 8, 8), torch.arange(4))
    discriminator.eval()
    for layer in (discriminator.output, discriminator.embedding, discriminator.body[5]):
        assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(1.0, abs=0.05)


def test_pictures_become_bytes() -> None:
    pictures = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1)
    assert as_bytes(pictures).flatten().tolist() == [0, 128, 255]


def test_the_game_resumes_to_the_same_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, rows, snapshots = game().play()
    step, calls = Game._step, iter(range(1000))

    def breaking(self: Game, indices: np.ndarray) -> dict[str, float]:
        if next(calls) == 8:
            raise KeyboardInterrupt
        return step(self, indices)

    recorded: list[int] = []
    with training_session("gan", tmp_path, lambda step, metrics: recorded.append(step)):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Game, "_step", breaking)
            game().play()
        torch.manual_seed(99)
        resumed, again, pictures = game(resume=True).play()
    assert rows == again and np.array_equal(snapshots, pictures)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert recorded == [1, 1, 2, 3]  # the first again: a resumed run shows the whole curve


def test_another_judge_is_another_game(tmp_path: Path) -> None:
    with training_session("gan", tmp_path, lambda step, metrics: None):
        first = game()
        first.play()
        assert (
            Game(
                splits()[0], PARAMETERS, run_settings(resume=True), lambda g: {"fid": 0.0}, "other"
            ).checkpoint.load()
            is None
        )
        assert game(resume=True).checkpoint.load() is not None
        (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
        with pytest.raises(CheckpointError, match="cannot be read"):
            game(resume=True).play()


def test_the_best_epoch_is_kept_and_pictures_of_all() -> None:
    scores, seen = iter([3.0, 1.0, 2.0]), []

    def score(generator: Generator) -> dict[str, float]:
        seen.append({name: value.clone() for name, value in generator.state_dict().items()})
        return {"fid": next(scores)}

    generator, rows, snapshots = game(score).play()
    assert [row["dev_fid"] for row in rows] == [3.0, 1.0, 2.0]
    assert all(torch.equal(value, seen[1][name]) for name, value in generator.state_dict().items())
    assert snapshots.shape == (4, 10, FIXED, 8, 8) and snapshots.dtype == np.uint8
    assert {"discriminator_loss", "generator_loss", "real_score", "fake_score"} <= set(rows[0])
    assert 0 < rows[0]["real_score"] < 1


def test_a_game_that_explodes_is_named() -> None:
    broken = game()
    broken.generator.body[0].weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"lower gan\.generator_rate"):
        broken.play()
