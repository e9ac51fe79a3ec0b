"""How the bundled model is made; another seed or size gives another model."""

from dataclasses import dataclass, field
from pathlib import Path

from build_models.bases.shapes import Shape
from build_models.bundled.labelling import Agreement
from build_models.bundled.teaching import Lesson
from build_models.settings import NO_NOISE

LANGUAGES = ("amh", "hau", "ibo", "kin", "lug", "luo", "pcm", "swa", "wol", "yor")
CLOSE_LANGUAGES = ("run",)
"""Kirundi and Kinyarwanda are nearly one language, and only Kirundi has licensed news."""

OPEN_LANGUAGES = ("hau", "yor")

TEACHERS = (
    Lesson(Shape(96, 2, 4, 256), vocabulary=10_000, seed=1, passes=3, sample=1500),
    Lesson(Shape(96, 2, 8, 256), vocabulary=7_000, seed=2, passes=2, sample=1000, noise=NO_NOISE),
)
STUDENT = Lesson(Shape(96, 2, 4, 256), vocabulary=9_000, seed=7, passes=3, sample=500, real_copies=3, outside_bias=1.6)


@dataclass(frozen=True)
class BundledSettings:
    """Where the text is and what is made of it. Pieces are learnt from ``piece_lines`` of each language."""

    corpus: Path
    open: Path
    out: Path
    seed: int = 1
    piece_lines: int = 2500
    teachers: tuple[Lesson, ...] = TEACHERS
    student: Lesson = STUDENT
    agreement: Agreement = field(default_factory=Agreement)
    threads: int = 1
