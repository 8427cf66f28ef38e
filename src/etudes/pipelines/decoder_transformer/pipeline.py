"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.assembly import (
    SPLITS,
    assemble,
    dataset,
    draw,
    each,
    evaluate,
    ingest,
    page,
    predictor,
    preprocess,
    set_to,
    show,
    train,
)
from etudes.pipelines.decoder_transformer import data, report
from etudes.pipelines.decoder_transformer.parameters import Parameters

RECURRENCES = each("split", "train", "dev")
LEARNED = each("split", "train", "dev", "text_train", "text_dev")
TEXTS = ("text_train_split", "text_dev_split", "text_test_split")


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_recurrences, raw_text ─ ingest ─ recurrences_frame, text_frame, data_card
                                      │
                                     cut ─ train, dev and test of the recurrences and of the text, split_card
                                      │
        unigram   kneser_ney   lookup   transformer   relabelled            train_<variant>
           └───────────┴──────────┼───────────┴────────────┘
                              evaluate        sample_grid        measure_speed
                                  └────────────────┼──────────────────┘
                                                 report ─ figures, report, predictor
    """
    return assemble(
        "decoder_transformer",
        Parameters,
        [
            ingest(data.ingest, "recurrences_frame", "text_frame", "data_card"),
            preprocess(data.cut, *SPLITS[:3], *TEXTS, "split_card"),
            train("unigram", "model.train_counted", splits=LEARNED, most=1),
            train("kneser_ney", "model.train_counted", splits=LEARNED, most=10),
            train("lookup", "model.train_lookup", splits=LEARNED),
            train("transformer", "model.train_networks", splits=LEARNED, gpu=True),
            train("relabelled", "model.train_networks", splits=RECURRENCES, gpu=True),
            evaluate(
                "evaluation.evaluate",
                "metrics",
                "predictions",
                "positions_table",
                "moduli_table",
                "ceiling_card",
            ),
            evaluate("generation.sample_grid", "sampling_table", "texts_table"),
            evaluate("generation.measure_speed", "speed_resources"),
            draw(
                report.scores,
                report.curves,
                **{f"positions_{group}": set_to(report.positions, group=group) for group in report.GROUPS},
                entropy=set_to(report.grid, measure="entropy", unit="entropy (bits)"),
                likelihood=set_to(report.grid, measure="log_likelihood", unit="true process (nats a token)"),
                distinct=set_to(
                    report.grid, of_text=True, measure="distinct_2", unit="distinct-2 (fraction)"
                ),
                loops=set_to(
                    report.grid, of_text=True, measure="repetition", unit="ends in a loop (fraction)"
                ),
            ),
            show(report.attention),
            page(report.by_modulus, report.of_data),
            predictor(
                "etudes.text.continuation.TextPredictor",
                characters=dataset("split_card", "alphabet"),
                context=dataset("split_card", "context"),
                defaults=dataset("params:predictor"),
            ),
        ],
    )
