"""How pieces and labels are numbered in training."""

UNKNOWN = LAST_SPECIAL = 3
"""XLM-R's vocabulary: <s> <pad> </s> <unk>, then the pieces."""

IGNORED = -100
"""In place of a label where none is learnt."""
