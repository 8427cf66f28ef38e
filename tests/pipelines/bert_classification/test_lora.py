"""Adapters of low rank: they begin at nothing, they alone are trained, and they can be added to the weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from etudes.pipelines.bert_classification.lora import LoraLinear, adapt, merged, trained_weights
from etudes.text.bert import BertConfig, BertEncoder
from etudes.text.classifiers import EncoderNetwork
from etudes.text.encoders import EncoderError

CONFIG = BertConfig(16, 2, 2, 32, 40, 2, 12, 0, 1e-12, 0.1, 0.1)
IDS, LENGTHS = (
    torch.randint(1, 40, (3, 8), generator=torch.Generator().manual_seed(1)),
    torch.tensor([8, 5, 3]),
)


def encoder() -> BertEncoder:
    """A small one, with weights drawn."""
    torch.manual_seed(0)
    found = BertEncoder(CONFIG)
    for parameter in found.parameters():
        nn.init.normal_(parameter, std=0.2)
    return found.eval()


def adapted(rank: int = 2, targets: tuple[str, ...] = ()) -> EncoderNetwork:
    """The encoder with adapters, before training."""
    own = encoder()
    adapt(own, rank, 4.0, targets)
    return EncoderNetwork(own, 2, 0.1).eval()


def states(network: nn.Module) -> Tensor:
    """Last states of the network's encoder."""
    mask = torch.arange(8)[None] < LENGTHS[:, None]
    return network(input_ids=IDS, attention_mask=mask).last_hidden_state


def moved(network: nn.Module) -> nn.Module:
    """The network after its adapters were moved away from zero."""
    for name, parameter in network.named_parameters():
        if name.endswith(".b"):
            nn.init.normal_(parameter, std=0.3)
    return network


def test_a_new_adapter_changes_nothing() -> None:
    assert torch.equal(states(adapted().encoder), states(encoder()))


def test_the_layer_is_the_equation_of_the_paper() -> None:
    layer = LoraLinear(nn.Linear(5, 3), rank=2, alpha=6.0)
    nn.init.normal_(layer.b)
    x = torch.randn(4, 7, 5)
    expected = x @ (layer.layer.weight + 3.0 * layer.b @ layer.a).T + layer.layer.bias
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-6)


def test_merged_weights_answer_the_same_and_leave_no_adapter() -> None:
    network = moved(adapted())
    plain = merged(network)
    assert (network(IDS, LENGTHS) - plain(IDS, LENGTHS)).abs().max() <= 1e-6
    assert not any(isinstance(module, LoraLinear) for module in plain.modules())
    assert (states(network.encoder) - states(encoder())).abs().max() > 0.01  # type: ignore[arg-type]


def test_training_changes_adapters_and_output_alone() -> None:
    network = adapted().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.01)
    for _ in range(2):  # A has no gradient while B is zero
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(IDS, LENGTHS), torch.tensor([0, 1, 0])).backward()
        optimiser.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    adapters = {name for name in before if name.endswith((".a", ".b"))}
    assert changed == adapters | {"output.weight", "output.bias"}
    assert len(adapters) == 2 * 6 * CONFIG.num_hidden_layers


@pytest.mark.parametrize("targets", [(), ("query", "value")])
def test_a_rank_has_so_many_weights(targets: tuple[str, ...]) -> None:
    network = adapted(rank=3, targets=targets)
    attention, wide = 16 + 16, 16 + 32
    each = 2 * attention if targets else 4 * attention + 2 * wide
    assert trained_weights(network) == 3 * each * CONFIG.num_hidden_layers + (16 * 2 + 2)


def test_layers_that_there_are_not_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        EncoderError, match=r"lora\.targets = \['q_lin'\].*expected ends of attention\.output\.dense"
    ):
        adapt(encoder(), 2, 4.0, ["q_lin"])
