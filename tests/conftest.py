"""The toy tokenizer, for the tests of every package."""

import os

# The hub's client reads this when it is imported: no test reaches for a network.
os.environ["HF_HUB_OFFLINE"] = "1"
# Must be set before a tokenizer runs: the machine is shared, and a fork after a parallel run warns.
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from service.ner.encoder import Encoder

TEXTS = [
    "Rais Uhuru Kenyatta alitembelea Nairobi siku ya Jumatatu.",
    "Ndị ọchịchị nọ n'Abuja kwuru na ha ga-abịa echi.",
    "Shugaba Muhammadu Buhari ya isa Kano a ranar Talata.",
    "Ààrẹ Bọ́lá Tinubu dé sí ìlú Èkó ní àná.",
    "ጠቅላይ ሚኒስትሩ ትናንት አዲስ አበባ ገቡ።",
    "Perezida Paul Kagame yageze i Kigali ejo.",
    "Njiitu réew mi dem na Ndakaaru tay ci suba.",
    "Ng'ombe wa mkulima wameuzwa sokoni kwa 2,000.",
]


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real SentencePiece tokenizer of about 300 pieces, saved as an artefact holds it."""
    from build_models.bases.base import train_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS * 4, 300, folder)
    return folder / "tokenizer.json"


@pytest.fixture(scope="session")
def toy_tokenizer(tokenizer_file: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tokenizer_file))


@pytest.fixture(scope="session")
def make_encoder(toy_tokenizer: Tokenizer) -> Callable[[int, int], Encoder]:
    """Makes an encoder of the toy tokenizer, given the length of windows and their overlap."""
    return lambda max_length, overlap: Encoder(toy_tokenizer, max_length, overlap)
