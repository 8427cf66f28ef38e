"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.assembly import (
    SPLITS,
    assemble,
    draw,
    evaluate,
    ingest,
    page,
    predictor,
    preprocess,
    set_to,
    show,
    train,
)
from etudes.benches import characters as bench
from etudes.pipelines.meta_learning import characters, report
from etudes.pipelines.meta_learning.parameters import Parameters


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_characters ─ ingest ─ drawings_images, data_card
                            │
                          split (by alphabet) ─ train_split, dev_split, test_split, split_card
                            │
        random   pretrained   reptile   maml_first_order   anil   maml   train_<variant>
           └─────────┴───────────┼───────────┴────────────┴──────┘    (sinusoids: drawn where they are needed)
                       choose_rates (dev) ─ many_ways_history
                                 │
                              evaluate ─ metrics, predictions, tables, episode_samples
                                 │
                               report ─ figures, pictures, report, predictor
    """
    return assemble(
        "meta_learning",
        Parameters,
        [
            ingest(bench.ingest, "drawings_images", "data_card"),
            preprocess(characters.split, *SPLITS),
            train("random", "learning.learn", gpu=True),
            train("pretrained", "learning.learn", gpu=True, rule="pretrained"),
            train("reptile", "learning.learn", gpu=True, rule="reptile"),
            train("maml_first_order", "learning.learn", gpu=True, rule="maml", first_order=True),
            train("anil", "learning.learn", gpu=True, rule="maml", first_order=False, adapts="output."),
            train("maml", "learning.learn", gpu=True, rule="maml", first_order=False),
            evaluate("evaluation.choose_rates", "many_ways_history"),
            evaluate(
                "evaluation.evaluate",
                *("metrics", "predictions", "steps_table", "alphabets_table", "differences_table"),
                *("curves_table", "episode_samples"),
            ),
            draw(
                errors=set_to(report.steps, task="sinusoids", shots=10),
                errors_5shot=set_to(report.steps, task="sinusoids", shots=5),
                accuracies=set_to(report.steps, task="characters", shots=1),
                sinusoids=report.sinusoids,
                training=set_to(report.training, family="sinusoids", metric="mse_after_10"),
                training_characters=set_to(report.training, family="characters", metric="accuracy_1shot"),
            ),
            show(report.episodes),
            page(report.tasks, report.verdict, report.among, report.rates),
            predictor("model.SinusoidPredictor"),
        ],
    )
