"""Pieces in every letter case, with shared embeddings.

With pieces learnt from ordinary text, a tokenizer splits text in capitals into single letters, and likewise common
words that it has not seen capitalised. Here, each piece also gets its forms in lower case, in capitals and, at the
start of a word, capitalised. The embedding of an added form is that of the learnt piece plus a shift shared by all such
forms, so that what is learnt in one case holds in the others.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from sentencepiece import sentencepiece_model_pb2 as sentencepiece_model
from torch import Tensor, nn
from torch.nn.functional import embedding
from torch.nn.utils import parametrize
from transformers import PreTrainedModel, PreTrainedTokenizerFast, XLMRobertaTokenizerFast

from build_models.bases.base import SENTENCEPIECE, train_tokenizer
from build_models.bases.spelling import WORD_START
from build_models.bundled.homophones import write_rules

RULES = "normalization.tsv"
FORMS = "forms.json"
"""File next to the tokenizer: for each added piece, the learnt piece and the kind of form."""

PENALTY = 0.5
"""By which the log-probability of a form lies below that of the piece that was learnt."""

KINDS = ("none", "lower", "capitalised", "capitals")


def learn_pieces(texts: Sequence[str], vocabulary: int, folder: Path, sentences: int) -> PreTrainedTokenizerFast:
    """Learn pieces from the texts, add their forms in other cases, and save the tokenizer with ``forms.json``."""
    rules = folder / RULES
    write_rules(rules)
    train_tokenizer(texts, vocabulary, folder, sentences, rules)
    rules.unlink()
    path = folder / SENTENCEPIECE
    model = sentencepiece_model.ModelProto()
    model.ParseFromString(path.read_bytes())
    learnt = [piece for piece in model.pieces if piece.type == piece.NORMAL]
    known = {piece.piece for piece in model.pieces}
    owners: dict[str, tuple[str, str]] = {}
    # The most probable ones first: a form belongs to whichever was learnt better.
    for piece in sorted(learnt, key=lambda piece: -piece.score):
        for kind, form in forms(piece.piece):
            if form not in known:
                known.add(form)
                owners[form] = (piece.piece, kind)
                model.pieces.add(piece=form, score=piece.score - PENALTY, type=piece.NORMAL)
    model.trainer_spec.vocab_size = len(model.pieces)
    # Paths of the machine that trained.
    model.trainer_spec.ClearField("model_prefix")
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    path.write_bytes(model.SerializeToString())
    tokenizer = XLMRobertaTokenizerFast(vocab_file=str(path), model_max_length=512)
    tokenizer.save_pretrained(folder)
    (folder / FORMS).write_text(json.dumps(owners, ensure_ascii=False), encoding="utf-8")
    return tokenizer


def forms(piece: str) -> Iterator[tuple[str, str]]:
    """The other forms of a piece with their kinds; none for scripts without case, or if a form is longer."""
    start = WORD_START if piece.startswith(WORD_START) else ""
    text = piece.removeprefix(WORD_START)
    if not text or text.lower() == text.upper():
        return
    made = {"lower": text.lower(), "capitals": text.upper()}
    if start and len(text) > 1:
        made["capitalised"] = text[0].upper() + text[1:].lower()
    for kind, form in made.items():
        if form != text and len(form) == len(text):
            yield kind, start + form


class SharedForms(nn.Module):
    """Embeddings of which some are other rows plus a shift by their kind."""

    rows: Tensor
    kinds: Tensor

    def __init__(self, rows: Tensor, kinds: Tensor, shifts: Tensor):
        """``rows`` names for each embedding the row that it is made of, ``kinds`` which of ``shifts`` is added; the
        first kind is none.
        """
        super().__init__()
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("kinds", kinds, persistent=False)
        self.shifts = nn.Parameter(shifts)

    def forward(self, weight: Tensor) -> Tensor:
        # The gradient of an embedding is several times faster than that of indexing.
        return embedding(self.rows, weight) + embedding(self.kinds, self.shifts, padding_idx=0)


def share_forms(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Tie the embeddings of the added forms to the learnt ones; they start apart by the mean of where they stood."""
    owners = json.loads((folder / FORMS).read_text(encoding="utf-8"))
    if not owners:
        return
    rows, kinds = torch.arange(len(tokenizer)), torch.zeros(len(tokenizer), dtype=torch.long)
    numbers = torch.tensor(tokenizer.convert_tokens_to_ids(list(owners)))
    rows[numbers] = torch.tensor(tokenizer.convert_tokens_to_ids([owner for owner, _ in owners.values()]))
    kinds[numbers] = torch.tensor([KINDS.index(kind) for _, kind in owners.values()])
    embeddings = model.get_input_embeddings()
    weight = embeddings.weight.detach()
    apart = weight - weight[rows]
    shifts = torch.stack([apart[kinds == kind].mean(dim=0) for kind in range(len(KINDS))]).nan_to_num()
    parametrize.register_parametrization(embeddings, "weight", SharedForms(rows, kinds, shifts), unsafe=True)


def part_forms(model: PreTrainedModel) -> None:
    """Untie the embeddings: each piece keeps its current one."""
    if not parametrize.is_parametrized(model.get_input_embeddings()):
        return
    parametrize.remove_parametrizations(model.get_input_embeddings(), "weight", leave_parametrized=True)
