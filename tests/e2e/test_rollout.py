"""New artefacts under load: no request fails, and every answer is of the artefact that it names."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from service.artifacts.manifest import MANIFEST, Manifest, digest_of, read_manifest, record_files, replace_folder
from service.artifacts.transitions import TRANSITIONS
from tests.e2e.load import load
from tests.e2e.servers import Server, serving

VARIANTS = ["dense", "int8"]
SECONDS_FOR_A_SWAP = 60


def make_other(artifact: Path, folder: Path) -> Manifest:
    """A copy that is told apart by its digest and by its answers: its labels are in small letters."""
    shutil.copytree(artifact, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "copy": True}))
    labels = [label[:2] + label[2:].lower() for label in read_manifest(folder).labels]
    if (transitions := folder / TRANSITIONS).exists():
        content = json.loads(transitions.read_text())
        transitions.write_text(json.dumps({**content, "labels": labels}))
    manifest, files = read_manifest(folder), record_files(folder)
    other = manifest.model_copy(update={"labels": labels, "files": files, "digest": digest_of(files)})
    (folder / MANIFEST).write_text(other.model_dump_json())
    return other


def wait_for(server: Server, digests: dict[str, str]) -> None:
    deadline = time.monotonic() + SECONDS_FOR_A_SWAP
    while {name: server.variants()[name]["digest"] for name in digests} != digests:
        assert time.monotonic() < deadline, server.variants()
        time.sleep(0.02)


@pytest.mark.parametrize("swaps", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_swaps_under_load(artifacts: Path, tmp_path: Path, swaps: int) -> None:
    served = tmp_path / "artifacts"
    builds: list[dict[str, Path]] = [{}, {}]
    small: dict[str, bool] = {}
    for name in VARIANTS:
        shutil.copytree(artifacts / name, served / name)
        builds[0][name] = artifacts / name
        builds[1][name] = tmp_path / "other" / name
        small[read_manifest(artifacts / name).digest] = False
        small[make_other(artifacts / name, builds[1][name]).digest] = True

    memory = []
    with serving(served, tmp_path / "log") as server, load(server.url, [*VARIANTS, "dense"], pause=0.01) as answers:
        for number in range(1, swaps + 1):
            for name, folder in builds[number % 2].items():
                shutil.copytree(folder, tmp_path / "staging")
                replace_folder(tmp_path / "staging", served / name)
            server.process.send_signal(signal.SIGHUP)
            wait_for(server, {name: read_manifest(folder).digest for name, folder in builds[number % 2].items()})
            memory.append(server.worker().memory_info().rss)

    assert not answers.lost
    assert answers.statuses() == {200}
    seen = set()
    for response in answers.answered:
        digest = response.headers["x-artifact-digest"]
        (result,) = response.json()["results"]
        assert result["entities"]
        assert {entity["label"].islower() for entity in result["entities"]} == {small[digest]}
        seen.add(digest)
    assert seen == set(small)
    if swaps >= 100:
        print(f"{len(answers.answered)} answers; MB after swaps: {[bytes_ // 10**6 for bytes_ in memory[::10]]}")
        # The first ones warm the allocators up.
        assert max(memory[-10:]) < 1.05 * max(memory[10:20])


def test_polling_takes_a_new_artefact_and_keeps_the_old_one_when_it_is_broken(artifacts: Path, tmp_path: Path) -> None:
    served = tmp_path / "artifacts"
    shutil.copytree(artifacts / "dense", served / "dense")
    other = make_other(artifacts / "dense", tmp_path / "other")
    with serving(served, tmp_path / "log", NER_RELOAD_SECONDS="0.2") as server:
        replace_folder(tmp_path / "other", served / "dense")
        wait_for(server, {"dense": other.digest})
        model = served / "dense" / "model.onnx"
        model.write_bytes(model.read_bytes()[:1000])
        deadline = time.monotonic() + 20
        while "still serving" not in str(server.variants()["dense"]["reason"]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert server.variants()["dense"]["status"] == "ready"
        assert server.ner("dense", text="Nairobi").headers["x-artifact-digest"] == other.digest
