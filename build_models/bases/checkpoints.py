"""The files of a checkpoint in a folder or on the hub: which are used, which are not, and which are invalid."""

import fnmatch
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import metadata_load

from build_models.errors import BuildError
from build_models.hub import download
from build_models.progress import say
from service.artifacts.manifest import POINTER_PROBLEM, is_pointer
from service.artifacts.transitions import TRANSITIONS

BESIDE_WEIGHTS = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
    TRANSITIONS,
)
WEIGHTS = (
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*-of-*.safetensors"),
    ("pytorch_model.bin",),
    ("pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"),
)
"""The forms of weights, the one that is read first."""

DOCUMENTS = ("README*", "LICEN[CS]E*", ".git*", ".cache*", "manifest.json", "source.json", "stage.json")
"""Files that hold nothing of the model."""

SOURCE = "source.json"
"""What is known of an imported checkpoint: the name and revision that were asked for, its commit on the hub, its
licence, and of a classifier its labels."""

CARD = "README.md"

MOST_NAMED = 12


class Checkpoint(NamedTuple):
    """A checkpoint on this machine, by the name that it was given. ``commit`` is the hub's."""

    name: str
    folder: Path
    commit: str | None

    def read_json(self, file: str) -> dict[str, Any]:
        """The contents of a JSON file; empty if it does not exist. Raises ``BuildError`` if it is invalid."""
        try:
            content = json.loads((self.folder / file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise BuildError(f"{self.name}: {file} cannot be read: {error}") from error
        return content if isinstance(content, dict) else {}

    @property
    def licence(self) -> str | None:
        """What its model card says, as the hub names it."""
        try:
            licence = (metadata_load(self.folder / CARD) or {}).get("license")
        except Exception:  # the YAML parser raises its own types
            return None
        return licence if isinstance(licence, str) else None

    @property
    def files(self) -> list[str]:
        """Relative paths."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())


def matching(files: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [file for file in files if any(fnmatch.fnmatchcase(file, pattern) for pattern in patterns)]


def weights_of(files: Sequence[str]) -> list[str]:
    """The files of the form of weights that is read."""
    return next((found for form in WEIGHTS if (found := matching(files, form))), [])


def used_files(files: Sequence[str]) -> list[str]:
    """The files that are used: weights, tokenizer and configuration."""
    return [*weights_of(files), *(file for file in matching(files, BESIDE_WEIGHTS) if "/" not in file)]


def say_what_is_not_used(name: str, files: Sequence[str]) -> None:
    """Log the files that are not used."""
    used = set(used_files(files))
    rest = [file for file in files if file not in used and not matching([file.rpartition("/")[2]], DOCUMENTS)]
    if rest:
        more = f" and {len(rest) - MOST_NAMED} more" if len(rest) > MOST_NAMED else ""
        say(f"{name}: files that are not used: {', '.join(rest[:MOST_NAMED])}{more}")


def is_hub_id(name: str) -> bool:
    """Whether a name that is no file or folder can be one of the hub."""
    return not (Path(name).exists() or name.startswith((".", "/", "~")) or name.count("/") > 1)


def open_checkpoint(name: str, revision: str | None, option: str) -> Checkpoint:
    """Open a folder, or download the used files of a hub id.

    Raises ``BuildError`` if it is not a checkpoint or the hub is unreachable; ``option`` is the option that named it.
    """
    path = Path(name)
    if path.is_file():
        refuse_no_checkpoint(name, [path.name])
        raise BuildError(f"{name} is a file; give the folder of a checkpoint, with config.json and the tokenizer")
    if path.is_dir():
        checkpoint = Checkpoint(name, path, None)
        files = checkpoint.files
    elif not is_hub_id(name):
        raise BuildError(f"{name} is not a folder")
    else:
        checkpoint, files = _download(name, revision, option)
    refuse_no_checkpoint(name, files)
    _refuse_pointers(checkpoint, files)
    _refuse_own_code(checkpoint)
    say_what_is_not_used(name, files)
    return checkpoint


def _refuse_pointers(checkpoint: Checkpoint, files: Sequence[str]) -> None:
    """Raise ``BuildError`` if a file is only a Git LFS pointer."""
    for file in used_files(files):
        if is_pointer(checkpoint.folder / file):
            raise BuildError(f"{checkpoint.folder / file} {POINTER_PROBLEM}")


def _refuse_own_code(checkpoint: Checkpoint) -> None:
    if any(checkpoint.read_json(file).get("auto_map") for file in ("config.json", "tokenizer_config.json")):
        raise BuildError(
            f"{checkpoint.name} requires custom code (auto_map); Kidogo runs no code that comes with a model"
        )


def _download(name: str, revision: str | None, option: str) -> tuple[Checkpoint, list[str]]:
    def choose(files: Sequence[str]) -> list[str]:
        refuse_no_checkpoint(name, files)
        return [*used_files(files), *matching(files, (CARD,))]

    instead = (
        f"If this machine is offline, download it elsewhere and pass the folder: {option} ./{name.rpartition('/')[2]}"
    )
    found = download(name, "model", revision, choose, instead)
    return Checkpoint(name, found.folder, found.commit), found.files


def refuse_no_checkpoint(name: str, files: Sequence[str]) -> None:
    """Raise ``BuildError`` if the files are not a transformers checkpoint."""
    if "config.json" in files and weights_of(files):
        return
    if "adapter_config.json" in files:
        raise BuildError(
            f"{name} is a PEFT adapter without its base: merge the two (merge_and_unload() and save_pretrained() of"
            " peft) and give that folder"
        )
    if matching(files, ("*.gguf",)):
        raise BuildError(
            f"{name} is a GGUF file, which holds weights for llama.cpp: give the checkpoint that it was made from,"
            " a folder or hub id with config.json and safetensors"
        )
    missing = "config.json" if "config.json" not in files else "weights (model.safetensors or pytorch_model.bin)"
    raise BuildError(f"{name} is not a checkpoint that transformers can load: it has no {missing}")


def write_source(checkpoint: Checkpoint, asked: str | None, folder: Path, **head: object) -> None:
    """Write down where the checkpoint in ``folder`` is from; ``asked`` is the revision that was asked for."""
    # Results do not depend on the path of a folder.
    name = None if checkpoint.commit is None else checkpoint.name
    record = {"name": name, "asked": asked, "commit": checkpoint.commit, "licence": checkpoint.licence, **head}
    (folder / SOURCE).write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")


def read_source(folder: Path) -> dict[str, Any]:
    """What ``write_source`` wrote."""
    record: dict[str, Any] = json.loads((folder / SOURCE).read_text(encoding="utf-8"))
    return record


def imported_commit(folder: Path, name: str, asked: str | None) -> str | None:
    """The commit of the checkpoint in ``folder``, if it was imported under this name and revision."""
    try:
        record = read_source(folder)
        commit: str | None = record["commit"] if (record["name"], record["asked"]) == (name, asked) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return commit
