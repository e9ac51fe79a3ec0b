"""The start at which heads look at their neighbours."""

import torch
from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

from build_models.bases.neighbours import OFFSETS, start_from_neighbours


def test_each_head_attends_to_its_place() -> None:
    torch.manual_seed(1)
    config = XLMRobertaConfig(
        vocab_size=200,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        type_vocab_size=1,
        attn_implementation="eager",
    )
    model = XLMRobertaForMaskedLM(config).eval()
    deviation = 0.06
    with torch.no_grad():
        model.roberta.embeddings.word_embeddings.weight.normal_(std=deviation)
    start_from_neighbours(model, deviation)
    pieces = torch.randint(4, 200, (1, 60))
    attention = model.roberta(pieces, output_attentions=True).attentions[0][0]
    for head, offset in enumerate(OFFSETS):
        places = torch.arange(4, 56)
        assert attention[head, places, places + offset].mean() > 0.8
