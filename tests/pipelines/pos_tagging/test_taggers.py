"""Every tagger learns what it can see and no more, against counting by hand and PyTorch's and scikit-learn's own pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from etudes.pipelines.pos_tagging.linear import features, make_linear, shape
from etudes.pipelines.pos_tagging.model import train_linear, train_most_frequent, train_network
from etudes.pipelines.pos_tagging.network import make_network, reverse
from etudes.pipelines.pos_tagging.parameters import LinearParameters, NetworkParameters
from etudes.text.tagging import TaggingProblem, tags_of
from etudes.training.parameters import RunParameters

Splits = tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]
CPU = torch.device("cpu")


def test_the_most_frequent_tag_is_counted(splits: Splits) -> None:
    train, _, card = splits
    model, _ = train_most_frequent(*splits)
    tags, probabilities = model.tag([["ko", "li", "xyz"], ["to"]])
    rows = train.explode(["words", "tags"])
    common = rows.groupby("words")["tags"].agg(lambda own: own.value_counts().index[0])
    assert [card["classes"][k] for k in tags[[0, 1, 3]]] == [common["ko"], common["li"], common["to"]]
    once = rows[rows.groupby("words")["words"].transform("size") == 1]["tags"].value_counts()
    shares = np.array([once.get(tag, 0) + 1 for tag in card["classes"]])
    np.testing.assert_allclose(probabilities[2], shares / shares.sum())


def test_features_are_of_the_word_and_its_neighbours() -> None:
    first, second = features(["Old", "mill"])
    assert {"=Old", "~old", "#Xxx", "$ld", "^ol", "+1mill", "-1\n", "+2\n"} <= {*first}
    assert {"~mill", "-1old", "-1=old\n\nmill", "+1\n"} <= {*second} and "=Old" not in second
    assert (shape("McDonald's"), shape("B-52"), shape("1984")) == ("XxXxx'x", "X-99", "99")


def test_emissions_of_the_linear_tagger_are_a_sparse_product(splits: Splits) -> None:
    from sklearn.feature_extraction import DictVectorizer

    model = make_linear(splits[0]["words"], 3, False, 2)
    torch.nn.init.normal_(model.network.weights.weight)
    with torch.no_grad():
        model.network.weights.weight[0] = 0
    sentences = [["ko", "bdgka", "to", "li"], ["li"]]
    rows = [dict.fromkeys(own, 1) for words in sentences for own in features(words)]
    vectorizer = DictVectorizer().fit([dict.fromkeys(model.names, 1)])
    weights = model.network.weights.weight.detach().numpy()[1:]
    place = [model.names.index(name) for name in vectorizer.get_feature_names_out()]
    expected = torch.from_numpy(vectorizer.transform(rows) @ weights[place]).softmax(-1)
    np.testing.assert_allclose(model.tag(sentences)[1], expected, atol=1e-6)


@pytest.mark.parametrize("chained", [False, True])
def test_the_linear_tagger_learns_endings_and_neighbours(
    splits: Splits, linear_parameters: LinearParameters, run: RunParameters, chained: bool
) -> None:
    _, history = train_linear(*splits, linear_parameters, run, chained=chained)
    assert history["dev"]["accuracy"] > 0.97 and history["dev"]["unseen_accuracy"] > 0.95


@pytest.mark.parametrize(
    ("variant", "knows_endings"), [("bilstm", False), ("bilstm_characters", True), ("bilstm_crf", True)]
)
def test_a_network_knows_what_its_parts_show(
    splits: Splits,
    network_parameters: NetworkParameters,
    run: RunParameters,
    variant: str,
    knows_endings: bool,
) -> None:
    """New words are told by their ending alone, ``li`` by the word before."""
    model, history = train_network(*splits, network_parameters, run, variant=variant)
    tags, _ = model.tag([["ko", "to", "li"], ["ko", "ko", "li"]])
    assert [splits[2]["classes"][k] for k in tags] == ["NOUN", "PART", "VERB", "NOUN", "NOUN", "NOUN"]
    assert (history["dev"]["unseen_accuracy"] > 0.9) is knows_endings


@pytest.fixture
def network(splits: Splits, network_parameters: NetworkParameters) -> Any:
    torch.manual_seed(0)
    return make_network(splits[0]["words"], 3, network_parameters, True, True, True)


def test_a_sentence_is_tagged_alike_alone_and_beside_a_longer_one(network: Any) -> None:
    short, long = ["ko", "to", "li"], ["ko", *["bdgko", "li"] * 20]
    alone, beside = network.tag([short])[1], network.tag([long, short])[1][len(long) :]
    np.testing.assert_allclose(alone, beside, atol=1e-5)


def test_states_of_both_directions_are_those_of_a_packed_lstm() -> None:
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    torch.manual_seed(0)
    packed, single = (
        torch.nn.LSTM(3, 2, bidirectional=True, batch_first=True),
        torch.nn.LSTM(3, 2, batch_first=True),
    )
    single.load_state_dict({name: getattr(packed, f"{name}_reverse") for name in single.state_dict()})
    values, lengths = torch.randn(3, 5, 3), torch.tensor([5, 1, 3])
    states = packed(pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False))[0]
    expected = pad_packed_sequence(states, batch_first=True)[0][..., 2:]
    found = reverse(single(reverse(values, lengths))[0], lengths)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(found[row, :length], expected[row, :length])


def test_a_word_is_looked_up_in_small_letters_and_spelt_as_it_is(network: Any) -> None:
    inputs = network.encode([["Ko", "ko"], ["KO"]])
    assert len(set(inputs.ids[1:].tolist())) == 1 and inputs.ids[1] > 1
    assert len({tuple(row) for row in inputs.letters[1:].tolist()}) == 3
    np.testing.assert_array_equal(inputs.vectors[1], inputs.vectors[2])


def test_of_a_long_word_both_ends_are_read(network: Any) -> None:
    inputs = network.encode([["abcxxxxxdef", "abcyyyydef", "abcxxxxxdeg"]])
    first, second, third = inputs.letters[inputs.places[0]]
    assert np.array_equal(first, second) and not np.array_equal(first, third)


def test_the_loss_is_that_of_pytorch_over_all_words(
    splits: Splits, network_parameters: NetworkParameters
) -> None:
    torch.manual_seed(0)
    model = make_network(splits[0]["words"], 3, network_parameters, False, True, False)
    truth = [np.array([0, 1, 2]), np.array([2])]
    inputs = model.encode([["ko", "to", "li"], ["li"]])
    problem = TaggingProblem(model.network, inputs, truth, inputs, np.concatenate(truth), 2, "")
    losses, weights = problem.loss(model.network, problem.collate(np.array([0, 1]), CPU))
    probabilities = torch.from_numpy(tags_of(model.network, inputs, CPU)[1])
    expected = torch.nn.functional.nll_loss(probabilities.log(), torch.tensor([0, 1, 2, 2]))
    found = (losses * weights).sum() / weights.sum()
    assert float(found.detach()) == pytest.approx(float(expected), rel=1e-5)


def test_tags_of_other_sentences_are_refused(network: Any) -> None:
    inputs = network.encode([["ko", "to"]])
    with pytest.raises(ValueError, match="a tag for each word"):
        TaggingProblem(network.network, inputs, [np.array([0])], inputs, np.array([0, 1]), 2, "")
