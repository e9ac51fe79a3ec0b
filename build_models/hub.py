"""Downloads from the Hugging Face hub: of one commit, resumed when they break, and found again without a network."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils.tqdm import disable_progress_bars

from build_models.errors import BuildError
from build_models.progress import console, say

Kind = Literal["model", "dataset"]

FAILURES = Exception
"""What the client raises if the hub is unreachable, refuses or disconnects; the HTTP library depends on its version."""

ATTEMPTS = 3
"""Number of download attempts; each resumes where the previous one failed."""


class Download(NamedTuple):
    """The ``folder`` in the client's cache; ``files`` are all that the repository has."""

    folder: Path
    commit: str
    files: list[str]


def download(
    name: str, kind: Kind, revision: str | None, choose: Callable[[list[str]], Sequence[str]], instead: str
) -> Download:
    """The files of a repository that ``choose`` takes. What it raises goes to the caller.

    Raises ``BuildError``, which ends in what to do ``instead``, if they cannot be had.
    """
    if not console.is_terminal:
        disable_progress_bars()
    try:
        information = HfApi().repo_info(name, revision=revision, repo_type=kind)
        files = sorted(sibling.rfilename for sibling in information.siblings or [])
    except FAILURES as error:
        refuse_by_name(name, kind, revision, error)
        return _downloaded_before(name, kind, revision, error, instead)
    chosen = list(choose(files))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            folder = Path(snapshot_download(name, revision=revision, repo_type=kind, allow_patterns=chosen))
            # Where the hub is out of reach, the client returns what an earlier attempt has left.
            if missing := [file for file in chosen if not (folder / file).exists()]:
                raise OSError(f"{len(missing)} of {len(chosen)} files are missing, such as {missing[0]}")
            return Download(folder, folder.name, files)
        except FAILURES as error:
            refuse_by_name(name, kind, revision, error)
            if attempt == ATTEMPTS:
                raise not_downloaded(name, error, instead) from error
            say(f"{name}: the download broke off ({first_line(error)}): going on with it")
    raise AssertionError


def commit_of(name: str, kind: Kind, revision: str | None, known: str | None) -> str | None:
    """The commit that a branch or tag stands for now; without a network, the one that is ``known``, or that of the last
    download, or None."""
    try:
        return HfApi().repo_info(name, revision=revision, repo_type=kind).sha
    except FAILURES as error:
        refuse_by_name(name, kind, revision, error)
    folder = None if known else _cached(name, kind, revision)
    return folder.name if folder else known


def _cached(name: str, kind: Kind, revision: str | None) -> Path | None:
    """The folder of an earlier download in the client's cache, if there is one."""
    try:
        return Path(snapshot_download(name, revision=revision, repo_type=kind, local_files_only=True))
    except FAILURES:
        return None


def not_downloaded(name: str, error: Exception, instead: str) -> BuildError:
    return BuildError(f"{name} could not be downloaded from the hub: {first_line(error)} {instead}")


def _downloaded_before(name: str, kind: Kind, revision: str | None, reason: Exception, instead: str) -> Download:
    """The files that an earlier build has downloaded, for builds without network access."""
    folder = _cached(name, kind, revision)
    if folder is None:
        raise not_downloaded(name, reason, instead) from reason
    say(f"{name}: the hub is out of reach; taking what was downloaded before, of the commit {folder.name}")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return Download(folder, folder.name, files)


def refuse_by_name(name: str, kind: Kind, revision: str | None, error: Exception) -> None:
    """Raise ``BuildError`` for errors that a retry would not fix."""
    what = "model" if kind == "model" else "data set"
    sign_in = "sign in with `hf auth login`, or set HF_TOKEN"
    if isinstance(error, GatedRepoError):
        page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{name}"
        raise BuildError(f"{name} is gated: accept its terms on {page}, then {sign_in}") from error
    if isinstance(error, RepositoryNotFoundError):
        raise BuildError(
            f"the hub has no {what} {name} that you may read: check the name (owner/name, or the path of a folder that"
            f" exists); for a private one {sign_in}"
        ) from error
    if isinstance(error, RevisionNotFoundError):
        raise BuildError(f"{name} has no revision {revision} on the hub: give a branch, a tag or a commit") from error


def first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
