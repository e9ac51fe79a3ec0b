"""Reads the label transitions of an artefact."""

from collections.abc import Sequence
from pathlib import Path

from service.artifacts.manifest import ArtifactError, read_checked
from service.ner.transitions import Transitions

TRANSITIONS = "transitions.json"


def read_transitions(folder: Path, labels: Sequence[str]) -> Transitions | None:
    """The transitions of an artefact, or None. Raises ``ArtifactError`` naming the file if they are invalid."""
    path = folder / TRANSITIONS
    try:
        transitions = read_checked(path, Transitions)
    except FileNotFoundError:
        return None
    if transitions.labels != list(labels):
        raise ArtifactError(f"{path} is for the labels {', '.join(transitions.labels)}, not {', '.join(labels)}")
    return transitions
