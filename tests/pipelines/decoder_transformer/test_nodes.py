"""Parsers, splits, losses, the grid's measures, and that what is scored is what was asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from etudes.datasets import RawFileDataset
from etudes.forms.raw import RawFile
from etudes.pipelines.decoder_transformer import figures, nodes
from etudes.pipelines.decoder_transformer.evaluation import GROUPS, evaluate, mean_with_interval, readers_of
from etudes.pipelines.decoder_transformer.generation import sample_grid
from etudes.pipelines.decoder_transformer.parameters import Parameters, SplitParameters, TextParameters
from etudes.pipelines.decoder_transformer.problem import next_token_scores, relabelled, sequence_loss
from etudes.pipelines.decoder_transformer.quality import distinct, repetition, true_likelihood
from etudes.pipelines.decoder_transformer.recurrences import parse_recurrences
from etudes.pipelines.decoder_transformer.texts import UNKNOWN, Alphabet, parse_text, stream, windows
from etudes.study import Skipped

from .conftest import of_group

GOOD = b"next_probability 0.1\n3;1 1;0 1;1 2 0 2\n3;2 0;1 1;2 1 2 1\n"


def raw(content: bytes) -> RawFile:
    return RawFile("mine.txt", content)


def test_parser_gives_what_was_drawn(raw_recurrences: RawFile) -> None:
    frame, probability = parse_recurrences(raw_recurrences)
    assert probability == 0.1 and sorted(frame["modulus"].unique()) == [3, 5] and len(frame) == 400
    assert all(len(tokens) == 17 for tokens in frame["tokens"])
    small, _ = parse_recurrences(raw(GOOD))
    assert small[["a", "b", "start_0", "start_1"]].iloc[0].tolist() == [1, 1, 0, 1]
    assert small["tokens"][1].tolist() == [2, 1, 2, 1]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ("line 1", "next_probability Q")),
        (b"next_probability 2\n", ("line 1", "0 < Q < 1")),
        (b"next_probability 0.1\n", ("holds no sequences",)),
        (GOOD + b"3;1 1;0 1\n", ("line 4", "modulus;a b;x x;x0")),
        (GOOD + b"3;1 1;0 1;1 2 x 2\n", ("line 4", "1 2 x 2")),
        (GOOD + b"3;1 1;0 1;1 2 0 3\n", ("line 4", "from 0 to modulus - 1")),
        (GOOD + b"3;1 1;0 1;1 2 0\n", ("line 4", "3 tokens; expected 4 as in line 2")),
        (GOOD + b"3;1 1;0 1;1 2 1 2\n", ("line 4", "token 2 is 1; expected 0")),
        (b"next_probability 0.1\n3;1 1;0 1;1 2 \xff 2\n", ("line 2", "0xff", "not UTF-8")),
    ],
)
def test_faulty_recurrences_are_named(content: bytes, parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"mine\.txt") as caught:
        parse_recurrences(raw(content))
    assert all(part in str(caught.value) for part in parts), caught.value


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "holds no text"),
        (b" \n\n", "holds no text"),
        (b"caf\xe9", "line 1: byte 0xe9 is not UTF-8"),
        (b"a\nb\0c", "line 2: holds a zero byte"),
    ],
)
def test_faulty_text_is_named(content: bytes, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        parse_text(raw(content))


def test_text_keeps_its_lines_whatever_ends_them() -> None:
    assert parse_text(raw("\ufeffOne\r\ntwo\n\nthree".encode())) == "One\ntwo\n\nthree"


def test_alphabet_goes_there_and_back() -> None:
    alphabet = Alphabet.of("hello\n")
    assert alphabet.characters == [UNKNOWN, "\n", "e", "h", "l", "o"]
    assert alphabet.decode(alphabet.encode("hello\n")) == "hello\n"
    assert alphabet.encode("hex").tolist() == [3, 2, 0]
    with pytest.raises(ValueError, match="starts with"):
        Alphabet(["a"])


def test_windows_predict_every_id_once() -> None:
    ids = np.arange(23)
    cut = windows(ids, 5)
    assert cut.shape == (4, 6)
    np.testing.assert_array_equal(cut[:, 1:].ravel(), np.arange(1, 21))
    np.testing.assert_array_equal(stream(cut), np.arange(21))


def test_held_out_vectors_are_in_no_training_sequence(splits: dict[str, Any]) -> None:
    for modulus in (3, 5):
        vectors = splits["split_card"]["vectors"][str(modulus)]
        heldout, seen = ({tuple(v) for v in vectors[name]} for name in ("heldout", "seen"))
        assert heldout and seen and not heldout & seen
        assert len(heldout) == round(0.34 * modulus**2) and len(heldout | seen) == modulus**2
        for name, allowed in (("train", seen), ("dev", seen | heldout), ("test", seen | heldout)):
            rows = splits[f"{name}_split"].rows
            found = set(rows[rows["modulus"] == modulus][["a", "b"]].itertuples(index=False, name=None))
            assert found <= allowed, name
        for name in ("dev", "test"):
            for group, of in (("seen", seen), ("starts", seen), ("heldout", heldout)):
                rows = of_group(splits[f"{name}_split"], modulus, group).rows
                assert len(rows) and set(rows[["a", "b"]].itertuples(index=False, name=None)) <= of


def test_held_out_start_tokens_are_in_no_training_sequence(splits: dict[str, Any]) -> None:
    for modulus in (3, 5):
        held = {tuple(key) for key in splits["split_card"]["heldout_starts"][str(modulus)]}
        found = {
            name: set(
                of_group(splits[f"{name}_split"], modulus, group)
                .rows[nodes.STARTS]
                .itertuples(index=False, name=None)
            )
            for name, group in (("train", "seen"), ("dev", "starts"), ("test", "starts"))
        }
        assert held and found["train"] and found["dev"] and found["test"]
        assert not found["train"] & held
        assert found["dev"] | found["test"] <= held
        assert not found["dev"] & found["test"], "dev must not show the start tokens of test"


def test_no_sequence_is_in_two_parts(splits: dict[str, Any]) -> None:
    parts = [splits[f"{name}_split"] for name in ("train", "dev", "test")]
    ids = [set(part.rows["id"]) for part in parts]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert not ids[i] & ids[j]
    sequences = [{row.tobytes() for row in np.asarray(part["tokens"])} for part in parts]
    assert not sequences[0] & (sequences[1] | sequences[2])


def test_tokens_travel_with_their_coefficients(splits: dict[str, Any]) -> None:
    for name in ("train", "dev", "test"):
        examples = splits[f"{name}_split"]
        tokens, rows = examples["tokens"], examples.rows
        first = (rows["a"] * rows["start_1"] + rows["b"] * rows["start_0"]) % rows["modulus"]
        other = (rows["start_1"] + 1) % rows["modulus"]
        assert ((tokens[:, 0] == first) | (tokens[:, 0] == other)).all()


def test_split_is_decided_by_its_seed(raw_recurrences: RawFile, parameters: Parameters) -> None:
    frame, _ = parse_recurrences(raw_recurrences)
    again = [nodes.split_recurrences(frame, parameters.split) for _ in range(2)]
    pd.testing.assert_frame_equal(again[0][0].rows, again[1][0].rows)
    other = nodes.split_recurrences(frame, SplitParameters(**{**parameters.split.model_dump(), "seed": 1}))
    assert other[3]["vectors"] != again[0][3]["vectors"]


def test_too_few_vectors_or_too_short_a_text_are_refused(parameters: Parameters) -> None:
    frame, _ = parse_recurrences(raw(GOOD.replace(b"3;2 0;1 1;2 1 2 1\n", b"")))
    with pytest.raises(ValueError, match="modulus 3 has 1 different coefficient vectors"):
        nodes.split_recurrences(frame, parameters.split)
    with pytest.raises(ValueError, match=r"expected more than text\.context = 16"):
        nodes.split_text(
            pd.DataFrame({"line": ["too short"] * 10}), TextParameters(context=16, dev=0.1, test=0.1)
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"starts": 0.5, "dev": 0.02}, "give 0 to dev and .* expected at least one for each"),
        ({"starts": 0.99}, "of which 8 would be held out; expected some for training"),
    ],
)
def test_sequences_that_leave_a_part_empty_are_refused(
    parameters: Parameters, changes: dict[str, float], message: str
) -> None:
    """Two vectors of modulus 2 with all four start tokens each, and one that is held out."""
    rows = [
        {"modulus": 2, "a": a, "b": b, "start_0": s, "start_1": u, "tokens": np.array([s, u, a, b, s])}
        for a, b in ((0, 0), (0, 1), (1, 1))
        for s in (0, 1)
        for u in (0, 1)
    ]
    settings = SplitParameters(**{**parameters.split.model_dump(), "most": 3, **changes})
    with pytest.raises(ValueError, match=message):
        nodes.split_recurrences(pd.DataFrame(rows), settings)


def test_held_out_coefficients_need_two_pairs_of_start_tokens(parameters: Parameters) -> None:
    """One vector has all start tokens, the other one pair; which is held out is the seed's choice."""
    rows = [
        {"modulus": 2, "a": 0, "b": b, "start_0": s, "start_1": u, "tokens": np.array([s, u, 0, b, s])}
        for b, starts in ((0, ((0, 0),)), (1, ((0, 0), (0, 1), (1, 0), (1, 1))))
        for s, u in starts
    ]
    base = parameters.split.model_dump() | {"heldout": 0.5, "starts": 0.2}
    messages = set()
    for seed in range(8):
        with pytest.raises(ValueError, match="modulus 2") as caught:
            nodes.split_recurrences(pd.DataFrame(rows), SplitParameters(**{**base, "seed": seed}))
        messages.add(str(caught.value))
    assert any("come with one pair of start tokens" in message for message in messages), messages
    assert any("the seen vectors have 1 different start tokens" in message for message in messages), messages


def test_text_parts_follow_each_other_and_share_no_character(
    splits: dict[str, Any], raw_text: RawFile
) -> None:
    alphabet = Alphabet(splits["text_card"]["alphabet"])
    text = raw_text.content.decode()
    parts = {
        name: alphabet.decode(stream(np.asarray(splits[f"text_{name}_split"]["tokens"])))
        for name in ("train", "dev", "test")
    }
    counts = splits["text_card"]["characters"]
    assert text.startswith(parts["train"])
    assert text[counts["train"] :].startswith(parts["dev"])
    known = "".join(c if c in alphabet.ids else UNKNOWN for c in text)
    assert known[counts["train"] + counts["dev"] :].startswith(parts["test"])
    assert set(alphabet.characters[1:]) == set(text[: counts["train"]])


def test_losses_and_scores_refuse_shapes_that_do_not_match() -> None:
    logits, targets = torch.randn(2, 5, 7), torch.zeros(2, 5, dtype=torch.long)
    expected = -logits.log_softmax(-1)[:, :, 0].mean(1)
    torch.testing.assert_close(sequence_loss(logits, targets), expected)
    for wrong in (targets[..., None], targets[:, :4], targets[0], targets.T):
        with pytest.raises(ValueError, match="expected \\(batch, time, vocabulary\\)"):
            sequence_loss(logits, wrong)
        with pytest.raises(ValueError, match="expected \\(N, T, V\\)"):
            next_token_scores(logits.numpy(), wrong.numpy())


def test_relabelling_renames_symbols_one_to_one() -> None:
    torch.manual_seed(0)
    tokens = torch.randint(0, 5, (400, 30))
    renamed = relabelled(tokens, 5, 0.5)
    same_before, same_after = (t[:, :, None] == t[:, None, :] for t in (tokens, renamed))
    assert torch.equal(same_before, same_after), "equal symbols stay equal, different ones different"
    changed = (tokens != renamed).any(1).float().mean()
    assert 0.4 < float(changed) < 0.6
    assert relabelled(tokens, 5, 0.0) is tokens


def test_distinct_and_repetition_by_hand() -> None:
    tokens = np.array([[0, 1, 0, 1, 0, 1], [0, 1, 2, 3, 4, 4]])
    assert distinct(tokens, 1) == pytest.approx((2 / 6 + 5 / 6) / 2)
    assert distinct(tokens, 2) == pytest.approx((2 / 5 + 5 / 5) / 2)
    assert repetition(tokens) == 0.5
    assert repetition(np.array([[5, 4, 1, 2, 3, 1, 2, 3, 1, 2, 3], [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 0]])) == 0.5
    with pytest.raises(ValueError, match="T >= 3"):
        distinct(tokens[:, :2], 3)


def test_likelihood_under_the_true_process_by_hand() -> None:
    tokens = np.array(
        [[1, 2, 0, 1, 0]]
    )  # a = b = 1 mod 3: 1+2=0 (recurrence and plus one), then 1 = plus one, 0 = neither
    found, impossible = true_likelihood(tokens, 2, np.array([[1, 1]]), 3, 0.1, 0.03)
    chances = np.array([1.0, 0.1, 0.0])
    # 2 + 0 = 2 is the recurrence after (2, 0); 1 is the last plus one. After (0, 1): 1, or 2.
    assert found == pytest.approx(np.log(0.97 * chances + 0.01).mean())
    assert impossible == pytest.approx(1 / 3)


def test_interval_holds_the_mean_and_shrinks() -> None:
    values = np.random.default_rng(0).random(400)
    mean, low, high = mean_with_interval(values, 500)
    assert low < mean < high and mean == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)


class Perfect:
    """Answers with the ceiling's own law."""

    def __init__(self, splits: dict[str, Any]) -> None:
        self.splits, self.tasks = splits, ["modulus_3", "modulus_5"]

    def log_probs(self, task: str, tokens: np.ndarray) -> np.ndarray:
        modulus = int(task.partition("_")[2])
        for group in GROUPS:
            examples = of_group(self.splits["test_split"], modulus, group)
            if np.array_equal(examples["tokens"][:, :-1], tokens):
                readers = readers_of(
                    examples, group, self.splits["data_card"], self.splits["split_card"], 0.01
                )
                return np.log(np.maximum(readers["bayes"], 1e-12)).astype(np.float32)
        raise AssertionError("asked for something that is no test group")


def test_the_ceiling_itself_has_no_gap(splits: dict[str, Any], parameters: Parameters) -> None:
    metrics, predictions, positions, moduli, ceilings = evaluate(
        splits["test_split"],
        splits["text_test_split"],
        splits["data_card"],
        splits["split_card"],
        parameters.evaluation,
        transformer=Perfect(splits),
    )
    assert metrics["transformer.ceiling_gap"] == pytest.approx(0, abs=1e-12)
    assert metrics["transformer.accuracy"] == pytest.approx(ceilings["modulus_3.seen"]["bayes"])
    assert metrics["transformer.heldout_accuracy_mod5"] == pytest.approx(
        ceilings["modulus_5.heldout"]["bayes"]
    )
    assert "transformer.bits_per_character" not in metrics, "it writes no text"
    assert set(positions["variant"]) == {"transformer", "bayes", "oracle", "bayes_seen"}
    assert len(predictions) == len(splits["test_split"]) and len(moduli) == 6
    assert (moduli["low"] <= moduli["accuracy"]).all() and (moduli["accuracy"] <= moduli["high"]).all()


def test_knowing_the_seen_vectors_helps_on_them_and_hurts_on_others(splits: dict[str, Any]) -> None:
    examples = of_group(splits["test_split"], 5, "heldout")
    readers = readers_of(examples, "heldout", splits["data_card"], splits["split_card"], 0.01)
    right = {name: (p.argmax(-1) == examples["tokens"][:, 1:]).mean() for name, p in readers.items()}
    assert right["bayes_seen"] < right["bayes"] <= right["oracle"] + 0.02


def test_one_who_learned_training_by_heart_is_misled_by_new_start_tokens(splits: dict[str, Any]) -> None:
    examples = of_group(splits["test_split"], 5, "starts")
    readers = readers_of(examples, "starts", splits["data_card"], splits["split_card"], 0.01)
    targets = examples["tokens"][:, 1:]
    right = {name: p.argmax(-1) == targets for name, p in readers.items()}
    assert right["bayes_seen"].mean() < right["bayes"].mean()
    late = {name: hits[:, 12:].mean() for name, hits in right.items()}
    assert late["bayes_seen"] == pytest.approx(late["bayes"], abs=0.03), "enough context overrules the belief"


def test_figures_say_so_where_the_transformer_was_left_out(
    splits: dict[str, Any], parameters: Parameters
) -> None:
    cards = (splits["data_card"], splits["text_card"])
    tests = (splits["test_split"], splits["text_test_split"])
    sampling, texts = sample_grid(*tests, *cards, Skipped("transformer"), parameters.generation)
    assert sampling.empty and texts.empty
    for figure in (
        figures.sampling_grid(sampling),
        figures.attention_maps(np.empty((0, 0, 0, 0)), np.empty(0)),
    ):
        assert "left out" in figure.layout.annotations[0].text


@pytest.mark.real_data
def test_tiny_shakespeare_is_read_and_split() -> None:
    folder = Path(os.environ.get("ETUDES_RAW", ""))
    if not (folder / "tiny_shakespeare" / "input.txt").exists():
        pytest.skip("needs the public data: set ETUDES_RAW to a folder that holds tiny_shakespeare")
    raw_text = RawFileDataset(source="tiny_shakespeare", file="input.txt", raw=str(folder)).load()
    _, text_frame, card = nodes.ingest(raw(GOOD), raw_text)
    assert card["source"] == "tiny_shakespeare" and not card["embedded_sample"]
    assert card["characters"] == 1_115_394 and len(text_frame) == 40_001
    train, _, _, text_card = nodes.split_text(text_frame, TextParameters(context=128, dev=0.05, test=0.05))
    assert 60 < len(text_card["alphabet"]) <= 66
    assert Alphabet(text_card["alphabet"]).decode(train["tokens"][0][:14]) == "First Citizen:"
