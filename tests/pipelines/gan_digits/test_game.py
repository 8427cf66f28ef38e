"""The two players: losses, one step of each, what is shown to whom, and the epoch that is kept."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

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


def test_pictures_are_shown_with_the_labels_they_have() -> None:
    """Real pictures with their own, generated ones with those that the generator was asked for."""
    played, train = game(), splits()[0]
    drawn: list[tuple[torch.Tensor, torch.Tensor]] = []
    shown: list[tuple[torch.Tensor, torch.Tensor]] = []
    played.generator.register_forward_hook(lambda _, asked, pictures: drawn.append((pictures, asked[1])))
    played.discriminator.register_forward_hook(lambda _, given, answers: shown.append(given))
    rows = np.arange(5, 21)
    played._step(rows)
    (both, labels), (answered, wanted) = shown
    real = torch.from_numpy(train["pixels"][rows]).float() / 127.5 - 1
    torch.testing.assert_close(both[:16, 0], real)
    assert labels[:16].tolist() == train.rows["label"].iloc[rows].tolist()
    for (pictures, asked), (seen, told) in zip(
        drawn, [(both[16:], labels[16:]), (answered, wanted)], strict=True
    ):
        assert torch.equal(pictures, seen) and torch.equal(asked, told)
    assert len({tuple(labels[:16].tolist()), tuple(labels[16:].tolist()), tuple(wanted.tolist())}) == 3


def test_a_step_follows_the_gradients_of_both_losses() -> None:
    """The same step with the losses written out and separate batches; Adam's first step is the sign of the gradient."""
    torch.manual_seed(0)
    played = game()
    before = [copy.deepcopy(network) for network in (played.discriminator, played.generator)]
    drawn: list[torch.Tensor] = []
    asked: list[torch.Tensor] = []

    def note(_: object, given: tuple[torch.Tensor, torch.Tensor], pictures: torch.Tensor) -> None:
        drawn.append(pictures.detach())
        asked.append(given[1])

    played.generator.register_forward_hook(note)
    played._step(np.arange(16))
    discriminator = before[0].train()
    real, labels = (
        torch.from_numpy(splits()[0]["pixels"][:16]).float()[:, None] / 127.5 - 1,
        played.labels[:16],
    )
    chances = discriminator(torch.cat([real, drawn[0]]), torch.cat([labels, asked[0]])).sigmoid()
    (-chances[:16].log().mean() - (1 - chances[16:]).log().mean()).backward()
    for (name, old), new in zip(
        discriminator.named_parameters(), played.discriminator.parameters(), strict=True
    ):
        clear = old.grad.abs() > 1e-6
        moved = (new - old).detach()[clear].sign()
        assert torch.equal(moved, -old.grad[clear].sign()), name


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
