"""How the bundled model is made; another seed or size gives another model."""

from dataclasses import dataclass, field
from pathlib import Path

from build_models.bundled.labelling import Agreement
from build_models.bundled.noise import NO_NOISE
from build_models.bundled.teaching import Lesson
from build_models.shapes import Shape

LANGUAGES = ("amh", "hau", "ibo", "kin", "lug", "luo", "pcm", "swa", "wol", "yor")
CLOSE_LANGUAGES = ("run",)
"""Kirundi and Kinyarwanda are nearly one language, and only Kirundi has licensed news."""

OPEN_LANGUAGES = ("hau", "yor")

TEACHERS = (
    Lesson(Shape(128, 3, 4, 384), vocabulary=10_000, seed=1, passes=4, noise=NO_NOISE),
    Lesson(Shape(96, 2, 4, 256), vocabulary=14_000, seed=2, passes=4, noise=NO_NOISE),
    Lesson(Shape(128, 2, 8, 384), vocabulary=7_000, seed=3, passes=4, noise=NO_NOISE),
)
STUDENT = Lesson(Shape(128, 2, 4, 384), vocabulary=8_500, seed=7, passes=3)


@dataclass(frozen=True)
class BundledSettings:
    """Where the text is and what is made of it. ``sample_sentences`` and ``piece_lines`` are of each language."""

    corpus: Path
    open: Path
    out: Path
    seed: int = 1
    sample_sentences: int = 1500
    student_sample_sentences: int = 2500
    piece_lines: int = 6000
    teachers: tuple[Lesson, ...] = TEACHERS
    student: Lesson = STUDENT
    agreement: Agreement = field(default_factory=Agreement)
    threads: int = 1
