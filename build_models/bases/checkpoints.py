"""The files of a checkpoint, from a folder or the hub: which are used, which are not, and what is no checkpoint."""

import fnmatch
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import HfApi, snapshot_download

from build_models.errors import BuildError
from build_models.progress import say
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
"""What is known of an imported checkpoint: the commit on the hub, and of a classifier its labels."""

MOST_NAMED = 12


class Checkpoint(NamedTuple):
    """A checkpoint on this machine, by the name that it was given. ``commit`` is the hub's."""

    name: str
    folder: Path
    commit: str | None

    def read_json(self, file: str) -> dict[str, Any]:
        """A JSON file of it; empty if it is not there. Raises ``BuildError`` if it is not JSON."""
        try:
            content = json.loads((self.folder / file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise BuildError(f"{self.name}: {file} cannot be read: {error}") from error
        return content if isinstance(content, dict) else {}

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
    """Those that are read: the weights, and what stands beside them."""
    return [*weights_of(files), *(file for file in matching(files, BESIDE_WEIGHTS) if "/" not in file)]


def say_what_is_not_used(name: str, files: Sequence[str]) -> None:
    """Name the files that hold something and are not read."""
    used = set(used_files(files))
    rest = [file for file in files if file not in used and not matching([file.rpartition("/")[2]], DOCUMENTS)]
    if rest:
        more = f" and {len(rest) - MOST_NAMED} more" if len(rest) > MOST_NAMED else ""
        say(f"{name}: files that are not used: {', '.join(rest[:MOST_NAMED])}{more}")


def open_checkpoint(name: str, revision: str | None, option: str) -> Checkpoint:
    """A folder, or what the hub has under an id, downloaded without the files that are not used.

    Raises ``BuildError`` if it is no checkpoint, or the hub is out of reach; ``option`` is the one that named it.
    """
    path = Path(name)
    if path.is_file():
        refuse_no_checkpoint(name, [path.name])
        raise BuildError(f"{name} is a file; give the folder of a checkpoint, with config.json and the tokenizer")
    if path.is_dir():
        checkpoint = Checkpoint(name, path, None)
        files = checkpoint.files
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise BuildError(f"{name} is not a folder")
    else:
        checkpoint, files = _download(name, revision, option)
    refuse_no_checkpoint(name, files)
    say_what_is_not_used(name, files)
    return checkpoint


def _download(name: str, revision: str | None, option: str) -> tuple[Checkpoint, list[str]]:
    try:
        try:
            information = HfApi().model_info(name, revision=revision)
            files, commit = [sibling.rfilename for sibling in information.siblings or []], information.sha
        except OSError:
            # Without a network, what an earlier build has downloaded will do.
            folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
            return Checkpoint(name, folder, folder.name), Checkpoint(name, folder, None).files
        refuse_no_checkpoint(name, files)
        folder = Path(snapshot_download(name, revision=commit, allow_patterns=used_files(files)))
    except (OSError, ValueError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise BuildError(
            f"{name} could not be downloaded from the hub: {first}"
            f" Without a network, download it elsewhere and give its folder: {option} ./{name.rpartition('/')[2]}"
        ) from error
    return Checkpoint(name, folder, commit), files


def refuse_no_checkpoint(name: str, files: Sequence[str]) -> None:
    """Raise ``BuildError`` for files that are something else than a checkpoint of transformers."""
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
