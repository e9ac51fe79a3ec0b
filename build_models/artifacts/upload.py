"""Uploads an artefact to the Hugging Face hub, in the layout that Optimum and transformers.js load."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RevisionNotFoundError

from build_models.artifacts.onnx_files import copy, weights_beside
from build_models.artifacts.sharing import (
    FOLDER,
    OUTSIDE,
    TRANSFORMERS_JS,
    Shared,
    breaks,
    models_left,
    with_weights_outside,
)
from build_models.artifacts.transformers_js import for_transformers_js
from build_models.errors import BuildError
from build_models.hub import FAILURES, first_line
from build_models.progress import say
from service.artifacts.manifest import MANIFEST, ArtifactError, Manifest, read_manifest, verify
from service.runtimes.onnx import MODEL

QUANTIZED = "model_quantized.onnx"
"""What both look for where 8-bit weights are asked for."""

CONFIG = "config.json"
CARD = "README.md"
LOADED = 'ORTModelForTokenClassification.from_pretrained("REPOSITORY_OR_FOLDER"'
TOKENIZER = "tokenizer.json"
NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
SIGN_IN = "sign in with `hf auth login`, or set HF_TOKEN to a token that may write"


def checked(artifacts: Path, variant: str) -> Manifest:
    """The manifest of a whole artefact. Raises ``BuildError`` for one that is not there or was changed."""
    try:
        manifest = read_manifest(artifacts / variant)
        verify(artifacts / variant, manifest)
    except ArtifactError as error:
        raise BuildError(f"Nothing was uploaded: {error}") from error
    return manifest


def hub_files(folder: Path, manifest: Manifest, work: Path) -> dict[str, Path | bytes]:
    """What goes where in the repository. Files that change on the way are written to ``work``."""
    files: dict[str, Path | bytes] = {name: folder / name for name in (*manifest.files, MANIFEST)}
    if MODEL not in files:
        return files
    quantized = manifest.recipe.name == "dynamic" or manifest.variant.endswith("-dynamic")
    name = QUANTIZED if quantized else MODEL
    model = folder / MODEL
    del files[MODEL]
    if quantized:
        # Without a name, Optimum loads model.onnx, which may be another variant in the same repository.
        text = (folder / CARD).read_text(encoding="utf-8")
        files[CARD] = text.replace(f"{LOADED})", f'{LOADED}, file_name="{QUANTIZED}")').encode()
    if weights_beside(model).name in files:
        # The graph names the file of its weights.
        if name != MODEL:
            copy(model, work / name)
            model = work / name
        del files[weights_beside(folder / MODEL).name]
        files[f"{FOLDER}/{weights_beside(model).name}"] = weights_beside(model)
        files[CONFIG] = _written(
            json.loads((folder / CONFIG).read_bytes()) | {TRANSFORMERS_JS: {OUTSIDE: {name: True}}}
        )
    files[f"{FOLDER}/{name}"] = model
    tokenizer = json.loads((folder / TOKENIZER).read_bytes())
    if (read := for_transformers_js(tokenizer)) != tokenizer:
        files[TOKENIZER] = json.dumps(read, ensure_ascii=False).encode()
    return files


def push(artifacts: Path, variant: str, repository: str, private: bool, revision: str | None) -> str:
    """Upload a variant in one commit and return the address of that commit. Raises ``BuildError``."""
    if not NAME.fullmatch(repository):
        raise BuildError(f"--repo {repository}: give owner/name, as in me/hausa-ner")
    manifest = checked(artifacts, variant)
    if get_token() is None:
        raise BuildError(f"Nothing was uploaded, because there is no token: {SIGN_IN}")
    api = HfApi()
    with tempfile.TemporaryDirectory(dir=artifacts) as work:
        files = hub_files(artifacts / variant, manifest, Path(work))
        size = sum(len(file) if isinstance(file, bytes) else file.stat().st_size for file in files.values())
        say(f"{variant}: {len(files)} files, {size / 1e6:.1f} MB, to {repository}")
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            there, is_new = _content(api, repository, private, revision)
            dropped = fit_in(api, repository, there, is_new, files, Path(work))
            if revision is not None:
                api.create_branch(repository, branch=revision, exist_ok=True)
            commit = api.create_commit(
                repository,
                [
                    *(CommitOperationDelete(name) for name in dropped),
                    *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=file) for name, file in files.items()),
                ],
                commit_message=f"Upload {variant}",
                revision=revision,
                # The hub refuses the commit if the repository has changed since it was checked.
                parent_commit=there.sha,
            )
        except BuildError:
            raise
        except FAILURES as error:
            raise BuildError(f"{repository}: nothing was committed: {_reason(error)}") from error
    return commit.commit_url


def _content(api: HfApi, repository: str, private: bool, revision: str | None) -> tuple[ModelInfo, bool]:
    """What the repository has, and whether ``revision`` is a new branch, which starts as a copy of main."""
    main = api.model_info(repository)
    if private and not main.private:
        raise BuildError(
            f"{repository} is public, and nothing was uploaded: make it private in its settings on the hub,"
            " push to another --repo, or leave out --private"
        )
    if revision is None:
        return main, False
    try:
        return api.model_info(repository, revision=revision), False
    except RevisionNotFoundError:
        return main, True


def fit_in(
    api: HfApi, repository: str, there: ModelInfo, is_new: bool, files: dict[str, Path | bytes], work: Path
) -> list[str]:
    """Let the models that are there and that the push does not replace work on. Returns the files to delete.

    A new branch loses the models of main that would break; elsewhere, one raises ``BuildError``.
    """
    names = [file.rfilename for file in there.siblings or []]
    left = models_left(names, files)
    if not left:
        return []

    def downloaded(name: str) -> bytes:
        if name not in names:
            return b"{}"
        return Path(api.hf_hub_download(repository, name, revision=there.sha, local_dir=work / "there")).read_bytes()

    shared = Shared.of(downloaded(TOKENIZER), downloaded(CONFIG))
    pushed = Shared.of(_bytes(files[TOKENIZER]), _bytes(files[CONFIG]))
    broken = {model: wrong for model in left if (wrong := breaks(model, shared, pushed))}
    if broken and not is_new:
        model, wrong = next(iter(broken.items()))
        raise BuildError(
            f"{repository} has {model}, which this push does not replace: with the {TOKENIZER} and {CONFIG} of this"
            f" push, {wrong}. Nothing was uploaded: push to another --repo, or to a new --revision"
        )
    config = with_weights_outside(pushed.config, shared.config, [model for model in left if model not in broken])
    if config != pushed.config:
        files[CONFIG] = _written(config)
    if broken:
        say(f"the new branch is without {', '.join(broken)} of main, which this push would break")
    return [name for model in broken for name in (model, f"{model}_data") if name in names]


def _bytes(file: Path | bytes) -> bytes:
    return file if isinstance(file, bytes) else file.read_bytes()


def _written(config: dict[str, Any]) -> bytes:
    return (json.dumps(config, indent=2) + "\n").encode()


def _reason(error: Exception) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else None
    if status == 401:
        return f"the hub does not take the token: {SIGN_IN}"
    if status == 403:
        return "the token may not write there: use a token with write permission and a name under your own account"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set: unset it"
    if isinstance(error, ConnectionError) or any(word in type(error).__name__ for word in ("Connect", "Timeout")):
        return "the hub cannot be reached: run the same command again with network access to resume"
    return first_line(error)
