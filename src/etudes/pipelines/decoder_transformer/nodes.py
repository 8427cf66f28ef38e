"""The stages ingest, preprocess and train. Pure functions: what goes in decides what comes out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.pipelines.decoder_transformer.parameters import (
    RelabelledParameters,
    SplitParameters,
    TaskParameters,
    TextParameters,
    TransformerParameters,
)
from etudes.pipelines.decoder_transformer.recurrences import parse_recurrences
from etudes.pipelines.decoder_transformer.texts import Alphabet, parse_text, stream, windows
from etudes.training.parameters import RunParameters

if TYPE_CHECKING:
    from etudes.pipelines.decoder_transformer.transformer import TaskData

Card = dict[str, Any]
Trained = tuple[Any, dict[str, Any]]
TEXT = "text"
STARTS = ["a", "b", "start_0", "start_1"]
IDENTITY = ["modulus", *STARTS]


def task_of(modulus: int) -> str:
    return f"modulus_{modulus}"


def ingest(raw_recurrences: RawFile, raw_text: RawFile) -> tuple[pd.DataFrame, pd.DataFrame, Card]:
    """Check both files and say where they come from.

    Raises:
        ValueError: what `parse_recurrences` and `parse_text` refuse.
    """
    recurrences, probability = parse_recurrences(raw_recurrences)
    text = parse_text(raw_text)
    digest = hashlib.sha256(raw_recurrences.content + b"\0" + raw_text.content).hexdigest()
    card = {
        "source": raw_text.facts.get("source", "own data"),
        "embedded_sample": raw_text.embedded_sample,
        "files": [raw_recurrences.short_name, raw_text.short_name],
        "fingerprint": digest[:32],
        "next_probability": probability,
        "moduli": sorted(int(modulus) for modulus in recurrences["modulus"].unique()),
        "sequences": len(recurrences),
        "characters": len(text),
    }
    return recurrences, pd.DataFrame({"line": text.split("\n")}), card


def split_recurrences(
    recurrences_frame: pd.DataFrame, parameters: SplitParameters
) -> tuple[Examples, Examples, Examples, Card]:
    """Hold out whole coefficient vectors, of the others some start tokens, and of the rest some sequences.

    Of every modulus a share of the vectors (a, b) is held out: their sequences are in dev and test only, as the group
    ``heldout``. Of the other vectors a share of the start tokens is held out in the same way, as the group ``starts``:
    training has the vector, but never behind these two tokens. Of what remains, dev and test get sequences drawn at
    random, the group ``seen``. Training sequences that stand in dev or test token by token are dropped.
    """
    frame = recurrences_frame.reset_index(drop=True)
    tokens = np.stack(list(frame["tokens"])).astype(np.int64)
    part = np.full(len(frame), "train", dtype=object)
    group = np.full(len(frame), "seen", dtype=object)
    vectors: dict[str, Any] = {}
    starts: dict[str, Any] = {}
    for modulus, rows in frame.groupby("modulus", sort=True):
        generator = np.random.default_rng([parameters.seed, int(str(modulus))])
        heldout, seen = _held_out(rows, parameters.heldout, generator)
        vectors[str(modulus)] = {"seen": seen, "heldout": heldout}
        held = pd.MultiIndex.from_frame(rows[["a", "b"]]).isin([tuple(pair) for pair in heldout])
        starts[str(modulus)] = _held_out_starts(rows[~held], parameters.starts, generator)
        new = pd.MultiIndex.from_frame(rows[STARTS]).isin([tuple(key) for key in starts[str(modulus)]])
        for name, members in (("heldout", rows[held]), ("starts", rows[new & ~held])):
            group[members.index] = name
            part[members.index] = _halves(members, parameters.most, generator)
        rest = rows.index[~held & ~new].to_numpy()
        drawn = generator.permutation(rest)
        dev_rows, test_rows = (
            min(parameters.most, round(share * len(rest))) for share in (parameters.dev, parameters.test)
        )
        if min(dev_rows, test_rows) < 1 or dev_rows + test_rows >= len(rest):
            raise ValueError(
                f"modulus {modulus}: {len(rest)} sequences of seen coefficients and start tokens give {dev_rows} to dev and "
                f"{test_rows} to test; expected at least one for each and one for train. Add sequences, or change "
                "split.dev and split.test."
            )
        part[drawn[:dev_rows]] = "dev"
        part[drawn[dev_rows : dev_rows + test_rows]] = "test"
    train, dev, test = (np.flatnonzero(part == name) for name in ("train", "dev", "test"))
    elsewhere = {tokens[i].tobytes() for i in (*dev, *test)}
    repeated = np.array([tokens[i].tobytes() in elsewhere for i in train], dtype=bool)
    train = train[~repeated]
    rows = frame[IDENTITY].assign(id=[f"r{i:06d}" for i in range(len(frame))], group=group.astype(str))
    everything = Examples(rows, {"tokens": tokens})
    card = {
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        "unit": "sequences",
        "length": tokens.shape[1],
        "dropped_because_repeated": int(repeated.sum()),
        "left_out": int((part == "left out").sum()),
        "vectors": vectors,
        "heldout_starts": starts,
    }
    return everything.take(train), everything.take(dev), everything.take(test), card


def _held_out(
    rows: pd.DataFrame, share: float, generator: np.random.Generator
) -> tuple[list[list[int]], list[list[int]]]:
    """The coefficient vectors of a modulus that are held out, and those that are seen."""
    vectors = rows[["a", "b"]].drop_duplicates().sort_values(["a", "b"]).to_numpy()
    count = max(1, round(share * len(vectors)))
    if len(vectors) < 2 or count == len(vectors):
        raise ValueError(
            f"modulus {rows['modulus'].iloc[0]} has {len(vectors)} different coefficient vectors, of which {count} would "
            "be held out; expected at least one for training. Add sequences with other coefficients."
        )
    order = generator.permutation(len(vectors))
    return sorted(vectors[order[:count]].tolist()), sorted(vectors[order[count:]].tolist())


def _held_out_starts(rows: pd.DataFrame, share: float, generator: np.random.Generator) -> list[list[int]]:
    """The (a, b, start_0, start_1) of seen vectors that are held out, two at least: one for dev, one for test."""
    found = rows[STARTS].drop_duplicates().sort_values(STARTS).to_numpy()
    count = max(2, round(share * len(found)))
    if len(found) <= count:
        raise ValueError(
            f"modulus {rows['modulus'].iloc[0]}: the seen vectors have {len(found)} different start tokens, of which "
            f"{count} would be held out; expected some for training. Add sequences, or lower split.starts."
        )
    return sorted(found[generator.permutation(len(found))[:count]].tolist())


def _halves(rows: pd.DataFrame, most: int, generator: np.random.Generator) -> np.ndarray:
    """``dev``, ``test`` or ``left out`` for each row; rows with the same coefficients and start tokens stay together.

    Beyond ``most`` rows of each the rest is left out.
    """
    number = rows.groupby(STARTS, sort=True).ngroup().to_numpy()
    count = int(number.max()) + 1
    if count < 2:
        raise ValueError(
            f"modulus {rows['modulus'].iloc[0]}: the held-out coefficients come with one pair of start tokens; expected "
            "two at least, one for dev and one for test. Add sequences."
        )
    place = generator.permutation(count)[number] / count
    part = np.where(place < 0.5, "dev", "test").astype(object)
    for name in ("dev", "test"):
        members = np.flatnonzero(part == name)
        part[generator.permutation(members)[most:]] = "left out"
    return part


def split_text(
    text_frame: pd.DataFrame, parameters: TextParameters
) -> tuple[Examples, Examples, Examples, Card]:
    """Cut the text into train, dev and test, one after the other, and each into windows of ids.

    The alphabet is that of the training part; another character is the unknown one.

    Raises:
        ValueError: a part is shorter than one window.
    """
    text = "\n".join(text_frame["line"])
    first, second = (
        round((1 - parameters.dev - parameters.test) * len(text)),
        round((1 - parameters.test) * len(text)),
    )
    parts = {"train": text[:first], "dev": text[first:second], "test": text[second:]}
    short = [f"{name} {len(part):,}" for name, part in parts.items() if len(part) <= parameters.context]
    if short:
        raise ValueError(
            f"the text has {len(text):,} characters, of which {', '.join(short)}; expected more than text.context = "
            f"{parameters.context} in each part. Give a longer text, or a smaller context."
        )
    alphabet = Alphabet.of(parts["train"])
    ids = {name: alphabet.encode(part) for name, part in parts.items()}
    card = {
        "alphabet": alphabet.characters,
        "context": parameters.context,
        "characters": {name: len(part) for name, part in parts.items()},
        "unknown_in_test": int((ids["test"] == 0).sum()),
        "dev_fingerprint": hashlib.sha256(parts["dev"].encode()).hexdigest()[:32],
    }
    examples = {}
    for name, part in ids.items():
        cut = windows(part, parameters.context)
        examples[name] = Examples(
            pd.DataFrame({"id": [f"{name}_{i:05d}" for i in range(len(cut))]}), {"tokens": cut}
        )
    return examples["train"], examples["dev"], examples["test"], card


def task_data(
    train: Examples, dev: Examples, text_train: Examples, text_dev: Examples, text_card: Mapping[str, Any]
) -> dict[str, TaskData]:
    """What every task learns from: the recurrences of each modulus, and the text."""
    from etudes.pipelines.decoder_transformer.transformer import TaskData

    data = {}
    for modulus in sorted(int(m) for m in train.rows["modulus"].unique()):
        of_train = train["tokens"][train.rows["modulus"].to_numpy() == modulus]
        of_dev = {
            group: dev["tokens"][((dev.rows["modulus"] == modulus) & (dev.rows["group"] == group)).to_numpy()]
            for group in ("seen", "heldout")
        }
        data[task_of(modulus)] = TaskData(modulus, of_train, of_dev["seen"], of_dev["heldout"], crops=False)
    none = np.empty((0, text_dev["tokens"].shape[1]), dtype=np.int64)
    size = len(text_card["alphabet"])
    data[TEXT] = TaskData(
        size, stream(np.asarray(text_train["tokens"])), text_dev["tokens"], none, crops=True
    )
    return data


def dev_scores(model: Any, data: Mapping[str, TaskData]) -> dict[str, float]:
    """Accuracy on dev: of the first modulus, seen and held-out vectors, and of the text; ``text_bits`` a character."""
    from etudes.pipelines.decoder_transformer.problem import next_token_scores

    first = next(iter(data))
    parts = {"accuracy": (first, data[first].dev), "heldout_accuracy": (first, data[first].heldout)}
    if TEXT in model.tasks:
        parts["text_accuracy"] = (TEXT, data[TEXT].dev)
    scores = {}
    for name, (task, rows) in parts.items():
        right, surprise = next_token_scores(
            model.log_probs(task, np.asarray(rows[:, :-1])), np.asarray(rows[:, 1:])
        )
        scores[name] = float(right.mean())
        if task == TEXT:
            scores["bits_per_character"] = float(surprise.mean() / np.log(2))
    return scores


def _counted(order: int, data: Mapping[str, TaskData]) -> Trained:
    from etudes.pipelines.decoder_transformer.ngrams import NGrams

    sequences = {
        task: (rows.train[None] if rows.crops else np.asarray(rows.train), rows.vocabulary)
        for task, rows in data.items()
    }
    model = NGrams.fit(order, sequences)
    return model, {"dev": dev_scores(model, data), "epochs": {}}


def train_unigram(
    train_split: Examples,
    dev_split: Examples,
    text_train_split: Examples,
    text_dev_split: Examples,
    text_card: Card,
) -> Trained:
    """The trivial baseline: how often each token occurs."""
    return _counted(1, task_data(train_split, dev_split, text_train_split, text_dev_split, text_card))


def train_bigram(
    train_split: Examples,
    dev_split: Examples,
    text_train_split: Examples,
    text_dev_split: Examples,
    text_card: Card,
) -> Trained:
    """What follows the last token in the training data."""
    return _counted(2, task_data(train_split, dev_split, text_train_split, text_dev_split, text_card))


def train_trigram(
    train_split: Examples,
    dev_split: Examples,
    text_train_split: Examples,
    text_dev_split: Examples,
    text_card: Card,
) -> Trained:
    """What follows the last two tokens in the training data."""
    return _counted(3, task_data(train_split, dev_split, text_train_split, text_dev_split, text_card))


def train_lookup(
    train_split: Examples,
    dev_split: Examples,
    text_train_split: Examples,
    text_dev_split: Examples,
    text_card: Card,
) -> Trained:
    """What followed the last two tokens earlier in the same sequence; nothing is learned."""
    from etudes.pipelines.decoder_transformer.ngrams import ContextLookup

    data = task_data(train_split, dev_split, text_train_split, text_dev_split, text_card)
    model = ContextLookup({task: rows.vocabulary for task, rows in data.items()})
    return model, {"dev": dev_scores(model, data), "epochs": {}}


def train_transformer(
    train_split: Examples,
    dev_split: Examples,
    text_train_split: Examples,
    text_dev_split: Examples,
    text_card: Card,
    parameters: TransformerParameters,
    run: RunParameters,
) -> Trained:
    """A network for each modulus and one for the text."""
    data = task_data(train_split, dev_split, text_train_split, text_dev_split, text_card)
    settings = {task: parameters.text if task == TEXT else parameters.recurrences for task in data}
    return _trained(data, settings, 0.0, run)


def train_relabelled(
    train_split: Examples,
    dev_split: Examples,
    text_train_split: Examples,
    text_dev_split: Examples,
    text_card: Card,
    parameters: RelabelledParameters,
    run: RunParameters,
) -> Trained:
    """The same networks of the recurrences, with the symbols of a share of the training sequences renamed."""
    data = task_data(train_split, dev_split, text_train_split, text_dev_split, text_card)
    recurrences = {task: rows for task, rows in data.items() if task != TEXT}
    return _trained(recurrences, dict.fromkeys(recurrences, parameters.recurrences), parameters.share, run)


def _trained(
    data: Mapping[str, TaskData], settings: Mapping[str, TaskParameters], share: float, run: RunParameters
) -> Trained:
    from etudes.pipelines.decoder_transformer.transformer import train_networks

    model, epochs = train_networks(data, settings, share, run)
    return model, {"dev": dev_scores(model, data), "epochs": epochs}
