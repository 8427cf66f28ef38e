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
    train,
)
from etudes.pipelines.genre_classification.parameters import Parameters

MEMBERS = ("tfidf", "doc2vec", "bilstm", "spacy", "encoder_probe", "encoder")


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_train, raw_test ─ ingest ─ train_frame, test_frame, data_card
                                 │
                               split ─ train_split, dev_split, test_split, split_card
                                 │
        majority   tfidf   doc2vec   bilstm   spacy   encoder_probe   encoder     train_<variant>
            │        └────────┴─────────┴───────┴───────────┴────────────┤
            │                                                       combination
            └────────────────────────────┬───────────────────────────────┘
                             evaluate, compare_weights ─ metrics, predictions, tables
                                         │
                                       report ─ figures, report, predictor
    """
    pages = "etudes.benches.classifier_pages"
    return assemble(
        "genre_classification",
        Parameters,
        [
            ingest("films.ingest", "train_frame", "test_frame", "data_card"),
            preprocess("films.split", *SPLITS),
            train("majority", "etudes.benches.classifiers.train_majority"),
            train("tfidf", "linear.train_tfidf"),
            train("doc2vec", "doc2vec.Doc2VecClassifier.train"),
            train("bilstm", "model.FilmBiLSTM.train", gpu=True),
            train("spacy", "spacy_textcat.SpacyClassifier.train", gpu=True),
            train("encoder_probe", "model.FilmProbe.train", gpu=True),
            train("encoder", "model.FilmEncoder.train", gpu=True),
            train("combination", "combination.train_combination", members=each("model", *MEMBERS)),
            evaluate(
                "etudes.benches.classifiers.evaluate",
                *("metrics", "predictions", "per_class_table", "comparison_card", "inference_resources"),
                truth="genre",
                rows="texts",
            ),
            evaluate("linear.compare_weights", "weights_table"),
            draw(
                *("etudes.benches.pages.scores", "etudes.benches.pages.curves"),
                *(f"{pages}.confusion", f"{pages}.calibration", "report.terms"),
                classes=f"{pages}.by_class",
            ),
            page(f"{pages}.best_two", "report.absent", "report.mistakes"),
            predictor("predictor.GenrePredictor", genres=dataset("split_card", "classes")),
        ],
    )
