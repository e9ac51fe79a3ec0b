"""The encoders that Kidogo works with, and where each keeps what the recipes need."""

from typing import Any, NamedTuple

from transformers import PretrainedConfig

from build_models.errors import BuildError


class Architecture(NamedTuple):
    """``layers`` and ``embeddings`` are paths below the base model. ``places_from_padding``: positions are counted
    from the one behind the padding's, as RoBERTa does, so that a model has fewer than its configuration says.
    ``narrows``: the layers' parts have BERT's names, so that heads, neurons and width can be taken away."""

    layers: str = "encoder.layer"
    embeddings: str = "embeddings.word_embeddings"
    places_from_padding: bool = False
    narrows: bool = False


ARCHITECTURES = {
    "bert": Architecture(narrows=True),
    "camembert": Architecture(places_from_padding=True, narrows=True),
    "deberta-v2": Architecture(),
    "distilbert": Architecture(layers="transformer.layer"),
    "electra": Architecture(narrows=True),
    "modernbert": Architecture(layers="layers", embeddings="embeddings.tok_embeddings"),
    "roberta": Architecture(places_from_padding=True, narrows=True),
    "xlm-roberta": Architecture(places_from_padding=True, narrows=True),
}
"""By ``model_type`` in config.json."""


def architecture_of(config: PretrainedConfig) -> Architecture:
    return ARCHITECTURES[config.model_type]


def last_special(config: PretrainedConfig) -> int:
    """The last of the special pieces at the beginning of a vocabulary of RoBERTa's family.

    It starts with <s>, <pad>, </s> and <unk>; CamemBERT's has its own <s> and </s> behind them.
    """
    ends = (config.bos_token_id, config.eos_token_id)
    return max([3, *(int(piece) for piece in ends if piece is not None)])


def refuse_unknown_architecture(name: str, model_type: Any) -> None:
    """Raise ``BuildError`` for a model type that is not in the table."""
    if model_type not in ARCHITECTURES:
        raise BuildError(f"{name} is a {model_type} model; Kidogo works with {', '.join(ARCHITECTURES)}")


def longest_window(config: PretrainedConfig) -> int:
    """How many pieces the model reads at most."""
    positions = int(config.max_position_embeddings)
    return positions - int(config.pad_token_id) - 1 if architecture_of(config).places_from_padding else positions
