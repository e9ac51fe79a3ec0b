"""Uploads an artefact to the Hugging Face hub, in the layout that Optimum and transformers.js load."""

import json
import re
import tempfile
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from build_models.artifacts.onnx_files import copy, weights_beside
from build_models.artifacts.transformers_js import for_transformers_js
from build_models.errors import BuildError
from build_models.hub import FAILURES, first_line
from build_models.progress import say
from service.artifacts.manifest import MANIFEST, ArtifactError, Manifest, read_manifest, verify
from service.runtimes.onnx import MODEL

FOLDER = "onnx"
QUANTIZED = "model_quantized.onnx"
"""What both look for where 8-bit weights are asked for."""

CONFIG = "config.json"
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
    if weights_beside(model).name in files:
        # The graph names the file of its weights.
        if name != MODEL:
            copy(model, work / name)
            model = work / name
        del files[weights_beside(folder / MODEL).name]
        files[f"{FOLDER}/{weights_beside(model).name}"] = weights_beside(model)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        config["transformers.js_config"] = {"use_external_data_format": {name: True}}
        files[CONFIG] = (json.dumps(config, indent=2) + "\n").encode()
    files[f"{FOLDER}/{name}"] = model
    tokenizer = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))
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
            if private and not api.repo_info(repository).private:
                raise BuildError(
                    f"{repository} is public, and nothing was uploaded: make it private in its settings on the hub,"
                    " push to another --repo, or leave out --private"
                )
            if revision is not None:
                api.create_branch(repository, branch=revision, exist_ok=True)
            commit = api.create_commit(
                repository,
                [CommitOperationAdd(path_in_repo=name, path_or_fileobj=file) for name, file in files.items()],
                commit_message=f"Upload {variant}",
                revision=revision,
            )
        except BuildError:
            raise
        except FAILURES as error:
            raise BuildError(f"{repository}: nothing was committed: {_reason(error)}") from error
    return commit.commit_url


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
