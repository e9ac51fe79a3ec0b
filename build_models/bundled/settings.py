"""How the bundled model is made; another seed or size gives another model."""

from dataclasses import dataclass, field
from pathlib import Path

from build_models.bases.shapes import Shape
from build_models.bundled.labelling import Agreement
from build_models.bundled.teaching import Lesson
from build_models.settings import NoiseShares

LANGUAGES = ("amh", "hau", "ibo", "kin", "lug", "luo", "pcm", "swa", "wol", "yor")
CLOSE_LANGUAGES = ("run",)
"""Kirundi and Kinyarwanda are nearly one language, and only Kirundi has licensed news."""

OPEN_LANGUAGES = ("hau", "yor")

SHAPE = Shape(128, 3, 4, 384)
TEACHERS = (
    Lesson(SHAPE, vocabulary=10_000, seed=11, passes=7, sample=1500),
    Lesson(
        Shape(192, 3, 6, 512),
        vocabulary=8_000,
        seed=12,
        passes=4,
        sample=1500,
        noise=NoiseShares(0.08, 0.05, 0.02, 0.03, 0.03),
    ),
)
STUDENTS = (
    Lesson(SHAPE, 10_000, seed=22, passes=3, sample=500, dropout=0.05, learning_rate=4e-3),
    Lesson(SHAPE, 10_000, seed=23, passes=2, sample=400, real_copies=5, learning_rate=4e-3),
)
"""They start as the first teacher, and their weights are averaged."""


@dataclass(frozen=True)
class BundledSettings:
    """Where the text is and what is made of it. Pieces are learnt from ``piece_lines`` of each language."""

    corpus: Path
    open: Path
    out: Path
    seed: int = 1
    piece_lines: int = 2500
    teachers: tuple[Lesson, ...] = TEACHERS
    students: tuple[Lesson, ...] = STUDENTS
    outside_bias: float = 1.1
    agreement: Agreement = field(default_factory=Agreement)
    threads: int = 1
