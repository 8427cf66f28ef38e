"""A step of a student: the teacher's kept answers, beside a teacher that is asked in every step."""

from __future__ import annotations

from benchmarks.table import Row, at_most
from benchmarks.timing import interleaved

SIDE, BATCH, VIEWS, STEPS, REPEATS = 32, 128, 4, 4, 5


def kept_answers_against_asking() -> list[Row]:
    """Milliseconds of a training step of the recorded student, random weights: kept answers; ResNet-20 asked without gradients; and with
    them, as where ``no_grad`` is forgotten."""
    import numpy as np
    import torch

    from etudes.vision.cifar_networks import CifarResNet, resnet20_cifar10
    from etudes.vision.parameters import KeptViewsParameters
    from etudes.vision.teaching import TeachingProblem, views_of
    from etudes.vision.teaching_losses import soft_loss

    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (STEPS * BATCH, SIDE, SIDE, 3), dtype=np.uint8)
    labels = np.arange(len(pixels)) % 10
    answers = generator.normal(size=(len(pixels), VIEWS, 10)).astype(np.float32)
    student, teacher = CifarResNet(blocks=1, width=8, stride=2).train(), resnet20_cifar10().eval()
    problem = TeachingProblem(
        *(student, pixels, labels, pixels[:10], labels[:10], BATCH),
        views=views_of(pixels, KeptViewsParameters(count=VIEWS, shift=3, mirror=True), 0),
        answers=answers,
        temperature=4.0,
        share=0.9,
    )
    optimizer, device = torch.optim.AdamW(student.parameters()), torch.device("cpu")
    batches = np.arange(len(pixels)).reshape(STEPS, BATCH)

    def steps(asking: bool, gradients: bool = False) -> None:
        for rows in batches:
            pictures, truth, kept, _ = problem.collate(rows, device)
            with torch.set_grad_enabled(gradients):
                told = teacher(pictures) if asking else kept
            logits = student(pictures)
            hard = torch.nn.functional.cross_entropy(logits, truth, reduction="none")
            loss = (0.1 * hard + 0.9 * soft_loss(logits, told, 4.0)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    contestants = {
        "kept": lambda: steps(asking=False),
        "asked": lambda: steps(asking=True),
        "with gradients": lambda: steps(asking=True, gradients=True),
    }
    for contestant in contestants.values():
        contestant()  # warm-up
    best = {name: 1e3 * times.cpu / STEPS for name, times in interleaved(contestants, REPEATS).items()}
    return [
        at_most(
            f"a step of {BATCH} pictures, kept answers against ResNet-20 {name}",
            best["kept"],
            best[name],
            0.5,
            "ms",
        )
        for name in ("asked", "with gradients")
    ]
