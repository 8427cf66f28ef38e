"""Made-up studies for the gallery: records, READMEs, reports, pictures and graphs of every kind it must show."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from etudes.gallery import Entry, ReportFile, read_recorded
from etudes.study import FIELDS, STAGES, Headline, Reference, Study

EVIL = "<script>window.hacked = 1</script>"

README = """# Title

A study of made-up things, *briefly*.

| variant | method |
|---|---|
| `guess` | the mean |
| `line` | a line |

## Run it

```bash
kedro run --pipelines=alpha  # about a minute
```

## Results

<!-- results:alpha -->
| variant | accuracy |
|---|--:|
| `line` | 0.812 [0.804, 0.820] |
<!-- /results -->

See [details](#details-that-matter), [another study](../beta/README.md), [the house](../../../../docs/house.md),
[a paper](https://example.org/paper) and [nothing](javascript:alert(1)).

## Details that matter

- **Labels travel.** They are sorted once.

## Your own data

```yaml
# conf/mine/catalog/alpha.yml
alpha.raw: {type: etudes.datasets.RawFileDataset}
```

## Sources

A book.
"""


def study(name: str, **changes: Any) -> Study:
    """A study with three variants that is measured by accuracy."""
    made = Study(
        name=name,
        title=name.replace("_", " ").capitalize(),
        field="vision",
        summary=f"Predict made-up things with {name}: two methods against the mean.",
        data=("made_up",),
        takes="a thing",
        answers="another",
        gpu="nothing",
        metric="accuracy",
        metrics=("accuracy", "log_loss"),
        maximise=True,
        dev_metric="accuracy",
        baseline="guess",
        variants=("guess", "line", "curve"),
        references=(Reference("A paper", "accuracy", 0.8, "Journal of Things", True),),
    )
    made = replace(made, **changes)
    named = next((r.name for r in made.references if r.metric == made.metric), "")
    return made if made.headlines else replace(made, headlines=(Headline(made.metric, reference=named),))


def record(
    scores: dict[str, float], metric: str = "accuracy", device: str = "CPU, 2 cores (x86_64)", **changes: Any
) -> dict[str, Any]:
    """What `kedro record` would have written."""
    metrics = {
        f"{variant}.{metric}": {
            "mean": mean,
            "n": 3.0,
            "std": 0.01,
            "low": mean - 0.02,
            "high": mean + 0.02,
        }
        for variant, mean in scores.items()
    }
    return {
        "metrics": metrics,
        "seeds": [0, 1, 2],
        "device": device,
        "wall_seconds": [50.0, 60.0, 70.0],
        "recorded": "2026-01-31",
        "environment": "full",
        "command": "kedro record alpha --env=full --seeds=3",
        "data": {"embedded_sample": False, "source": "made_up"},
        "split": {"train_rows": 1200, "dev_rows": 200, "test_rows": 600},
        "test_rows": {metric: 600},
        **changes,
    }


def entry(name: str, scores: dict[str, float] | None = None, **changes: Any) -> Entry:
    """An entry of a made-up study; further arguments change the study or, where it has the field, the entry."""
    device = changes.pop("device", "CPU, 2 cores (x86_64)")
    told = {key: changes.pop(key) for key in ("chosen", "wall_seconds") if key in changes}
    own = {key: changes.pop(key) for key in ("readme", "report", "picture", "graph") if key in changes}
    made = study(name, **changes)
    recorded = None if scores is None else read_recorded(record(scores, made.metric, device, **told), made)
    return Entry(study=made, record=recorded, **own)


def picture(path: Path, size: tuple[int, int] = (900, 400)) -> Path:
    """A PNG of coloured tiles."""
    from PIL import Image, ImageDraw

    image = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for x in range(0, size[0], 100):
        for y in range(0, size[1], 100):
            draw.rectangle((x, y, x + 90, y + 90), fill=((x * 5) % 256, (y * 7) % 256, 140, 255))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    path.write_bytes(stream.getvalue())
    return path


def graph(made: Study, pretrained: bool = False) -> Pipeline:
    """A graph of the five stages; the last variant reads the models of all others."""

    def work(*_: Any) -> Any:
        return None

    def node(stage: str, name: str, inputs: list[str], outputs: list[str], *tags: str) -> Node:
        return Node(work, inputs, outputs, name=name, tags=[stage, *tags])

    splits = ["train_split", "dev_split", "split_card"]
    models = [f"{variant}_model" for variant in made.variants]
    nodes = [
        node(STAGES[0], "ingest", ["raw_train", "raw_test"], ["train_frame", "test_frame", "data_card"]),
        node(STAGES[1], "split", ["train_frame", "test_frame", "params:split"], [*splits, "test_split"]),
        *(
            node(
                STAGES[2],
                f"train_{variant}",
                [
                    *splits,
                    f"params:{variant}",
                    *(models[:-1] if number == len(models) - 1 else []),
                    *(["network"] if pretrained and number == 1 else []),
                ],
                [f"{variant}_model", f"{variant}_history", f"{variant}_resources"],
                *(["gpu"] if number % 2 else []),
            )
            for number, variant in enumerate(made.variants)
        ),
        node(STAGES[3], "evaluate", ["test_split", *models], ["metrics", "predictions"]),
        node(STAGES[4], "draw", ["metrics", "predictions"], ["scores_figure"]),
        node(STAGES[4], "write_report", ["metrics", "scores_figure"], ["report"]),
        node(STAGES[4], "choose_predictor", ["data_card", *models], ["predictor"]),
    ]
    return Pipeline(nodes, namespace=made.name)


def entries(folder: Path) -> list[Entry]:
    """One of each kind: full, with a picture, behind its reference, minimised, on a GPU, without a record."""
    report = folder / "report.html"
    report.write_text(
        "<!doctype html><html lang='en'><title>Report</title><p id='told'>The report itself.</p></html>"
    )
    alpha = study("alpha")
    return [
        entry(
            "alpha",
            {"guess": 0.5, "line": 0.81, "curve": 0.78},
            readme=README,
            report=ReportFile(report, "base", "2026-02-01"),
            graph=graph(alpha),
        ),
        entry(
            "beta",
            {"guess": 0.4, "line": 0.6, "curve": 0.7},
            field="language",
            title="Café reviews",
            picture=picture(folder / "gallery.png"),
            references=(
                Reference("A blog", "accuracy", 0.9, "a page", False, "a random one", "other split", "line"),
            ),
        ),
        entry(
            "gamma",
            {"guess": 2.0, "line": 1.5, "curve": 1.1},
            field="generative",
            metric="log_loss",
            maximise=False,
            device="NVIDIA H200",
            wall_seconds=[8000.0],
            references=(Reference("A paper", "log_loss", 1.0, "Journal", True),),
        ),
        entry("delta", None, field="reinforcement", references=()),
        entry(
            "epsilon",
            {"guess": 0.1, "line": 0.2, "curve": 0.3},
            references=(Reference("A paper", "log_loss", 1.0, "Journal", True),),
        ),
    ]


def fifty(folder: Path) -> list[Entry]:
    """As many studies as the gallery is built for, with nine variants each, all of them drawn."""
    variants = ("guess", *(f"variant_number_{i}" for i in range(1, 9)))
    return [
        entry(
            f"study_{number:02d}",
            {variant: 0.3 + 0.05 * i + 0.001 * number for i, variant in enumerate(variants)},
            field=FIELDS[number % len(FIELDS)],
            variants=variants,
            title=f"A study of something with a long name, number {number}",
            summary="Words " * 33,
            readme=README,
            graph=graph(study(f"study_{number:02d}", variants=variants), pretrained=True),
        )
        for number in range(50)
    ]
