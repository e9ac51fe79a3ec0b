"""``kidogo annotate`` with real variants and worker processes."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.annotation import run
from service.annotation.command import main
from service.annotation.documents import Limits
from service.annotation.errors import Stopped
from service.annotation.inputs.records import Reading
from service.annotation.journal import JOURNAL
from service.annotation.plan import Plan
from service.annotation.run import annotate
from service.annotation.work import workers
from service.artifacts.manifest import read_manifest
from service.batch import Annotator
from service.schemas.ner import Wish
from service.variants import BUNDLED_VARIANT, VARIANTS
from tests import ROOT
from tests.e2e.servers import Server
from tests.service.annotation.tricky import TRICKY
from tests.tmpfs import tmpfs
from tests.waiting import eventually

TEXT = "Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi siku ya Jumatatu."
MANY = 300


@pytest.fixture
def call(artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs the command in this process; its workers are real. Gives its exit status and what it said."""

    def call(*arguments: str | Path, variant: str = "dynamic") -> tuple[int, str]:
        shared = ["--artifacts", artifacts, "--variant", variant, "--out", tmp_path / "out", "--workers", "1"]
        try:
            status = main([str(argument) for argument in [*shared, *arguments]])
        except SystemExit as ended:
            status = int(str(ended.code))
        return status, capsys.readouterr().err

    return call


def write_lines(path: Path, entries: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "many.jsonl", [{"id": number, "text": TEXT} for number in range(MANY)])


def test_without_artefacts_the_bundled_model_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "a.jsonl", [{"text": TEXT}])
    assert main(["a.jsonl", "--workers", "1"]) == 0
    (found,) = read_lines(tmp_path / "annotated" / "a.jsonl")
    assert found["variant"] == BUNDLED_VARIANT
    assert Annotator()({"text": [TEXT]})["entities"] == [found["entities"]] != [[]]
    assert main(["a.jsonl", "--workers", "1", "--variant", "pocket", "--out", "other"]) == 2
    assert "pocket/manifest.json is missing" in capsys.readouterr().err


@pytest.mark.parametrize("variant", VARIANTS)
def test_answers_are_those_of_the_server(
    server: Server, call: Callable[..., tuple[int, str]], tmp_path: Path, variant: str
) -> None:
    words = [text.split() for text in TRICKY if text.split()]
    path = write_lines(tmp_path / "a.jsonl", [{"text": content} for content in [*TRICKY, *words]])
    assert call(path, variant=variant)[0] == 0
    found = read_lines(tmp_path / "out" / "a.jsonl")
    expected: list[dict[str, Any]] = []
    for name, contents in (("texts", TRICKY), ("tokens", words)):
        for start in range(0, len(contents), 32):
            expected += server.ner(variant, **{name: contents[start : start + 32]}).json()["results"]
    assert sum(len(result["entities"]) for result in expected) > 10, "answers without entities would prove nothing"
    for answer, result in zip(found, expected, strict=True):
        assert answer.pop("variant") == variant
        assert answer == {"text": answer["text"], **result}


def test_every_kind_of_input_in_one_run(call: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    for name in ("b", "a"):
        (tmp_path / "letters" / f"{name}.txt").write_text(TEXT)
    (tmp_path / "table.csv").write_text(f'id,body\n7,"{TEXT}"\n')
    (tmp_path / "words.conll").write_text("".join(f"{word} O\n" for word in TEXT.split()))
    inputs = [tmp_path / "letters", tmp_path / "table.csv", tmp_path / "words.conll"]
    status, said = call(*inputs, "--column", "body", "--min-score", "0.0")
    assert (status, said.split(" in ")[0]) == (0, "4 documents annotated by dynamic")
    out = tmp_path / "out"
    assert [answer["file"] for answer in read_lines(out / "letters.jsonl")] == ["a.txt", "b.txt"]
    assert read_lines(out / "table.jsonl")[0]["id"] == "7"
    assert len(read_lines(out / "words.jsonl")[0]["labels"]) == len(TEXT.split())
    assert sorted(path.name for path in out.iterdir()) == [JOURNAL, "letters.jsonl", "table.jsonl", "words.jsonl"]


def test_what_cannot_be_read_is_named_and_the_others_go_on(
    call: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b'{"text": "Kano"}\n{"text": \n{"text": "Caf\xe9"}\n{"text": "Jos"}\n')
    (tmp_path / "image.txt").write_bytes(b"\x89PNG\r\n")
    long = write_lines(tmp_path / "long.jsonl", [{"text": TEXT * 2000}])
    status, said = call(broken, tmp_path / "image.txt", tmp_path / "gone.csv", long)
    assert status == 1
    assert f"{broken}, line 2: not JSON: " in said
    assert f"{broken}, line 3: not UTF-8 at byte 14 (0xe9); it looks like ISO-8859-1" in said
    assert f"{tmp_path}/image.txt: not text: it is an image" in said
    assert f"{tmp_path}/gone.csv: there is no such file" in said
    assert "line 1: 160,000 characters are more than the 100,000 of one document: pass --too-long split" in said
    assert "2 documents annotated by dynamic" in said
    assert "3 documents failed, 2 inputs could not be read" in said
    assert [answer["text"] for answer in read_lines(tmp_path / "out" / "broken.jsonl")] == ["Kano", "Jos"]
    status, said = call(long, "--too-long", "split", "--overwrite")
    assert status == 0
    [answer] = read_lines(tmp_path / "out" / "long.jsonl")
    text = answer["text"]
    assert all(text[entity["start"] : entity["end"]] == entity["text"] for entity in answer["entities"])
    assert max(entity["end"] for entity in answer["entities"]) > len(text) - len(TEXT)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--variant", "tiny"], "there is no variant 'tiny': choose from dense, pruned"),
        (["--min-f1", "0.5"], "--max-latency-ms and --min-f1 choose a variant: give them with --variant auto"),
        (["--min-score", "2"], "argument --min-score: 2 is not between 0 and 1"),
        (["--workers", "0"], "argument --workers: 0 is not between 1 and 1024"),
        (["--lines", "--conll"], "not allowed with argument"),
        (["--format", "xml"], "invalid choice: 'xml'"),
        (["--artifacts", "nowhere"], "nowhere/dynamic/manifest.json is missing: build this variant"),
        (["--out", "/proc/nowhere"], "cannot write to /proc/nowhere: No such file"),
        (["--out", __file__], "cannot write to"),
    ],
)
def test_a_wrong_call_begins_nothing(
    call: Callable[..., tuple[int, str]], many: Path, arguments: list[str], said: str
) -> None:
    status, message = call(many, *arguments)
    assert status == 2
    assert said in message


@pytest.fixture
def slow_run(artifacts: Path, many: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the command so that it notes its progress with every document; it and its workers are gone afterwards."""
    started: list[subprocess.Popen[bytes]] = []
    script = (
        "import sys; from service.annotation import run; run.CHECKPOINT_SECONDS = 0; run.CHUNK_DOCUMENTS = 1\n"
        "from service.annotation.command import main; sys.exit(main())"
    )

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        shared = ["--artifacts", str(artifacts), "--variant", "dynamic", "--out", str(tmp_path / "out")]
        process = subprocess.Popen([sys.executable, "-c", script, str(many), *shared, *arguments], cwd=ROOT)
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in [*psutil.Process(process.pid).children(), psutil.Process(process.pid)]:
                one.kill()
        process.wait()


def noted(journal: Path) -> int:
    """The number of lines, of which the first has the settings."""
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_where_it_was(
    call: Callable[..., tuple[int, str]],
    slow_run: Callable[..., subprocess.Popen[bytes]],
    many: Path,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    form = "label-studio"
    process = slow_run("--format", form)
    journal, output = tmp_path / "out" / JOURNAL, tmp_path / "out" / "many.json"
    assert eventually(lambda: noted(journal) > 5, 60)
    workers = psutil.Process(process.pid).children()
    process.send_signal(number)
    assert process.wait(30) == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert not psutil.wait_procs(workers, 10)[1], "workers end with the command"
    assert not output.exists()
    with journal.open("ab") as file:
        file.write(b'{"output": "many.json", "progr')

    status, said = call(many, "--format", form, variant="dense")
    assert (status, "begun with another variant (dynamic, not dense)" in said) == (2, True)
    status, said = call(many)
    assert (status, "begun with another format (label-studio, not jsonl)" in said) == (2, True)
    whole = many.read_text()
    many.write_text(whole.replace('"id": 0', '"id": 9'))
    status, said = call(many, "--format", form)
    assert (status, "many.json has changed since it was annotated, or is read with other" in said) == (2, True)
    many.write_text(whole)

    status, said = call(many, "--format", form)
    assert (status, "read by an earlier run" in said) == (0, True)
    tasks = json.loads(output.read_text())
    assert [task["data"]["id"] for task in tasks] == list(range(MANY))
    assert len({json.dumps(task["predictions"][0]["result"]) for task in tasks}) == 1
    assert sorted(path.name for path in output.parent.iterdir()) == [JOURNAL, "many.json"]

    before = output.read_bytes()
    status, said = call(many, "--format", form)
    assert (status, "0 documents annotated" in said, f"{MANY} read by an earlier run" in said) == (0, True, True)
    assert output.read_bytes() == before
    with many.open("a") as file:
        file.write('{"text": "Kano"}\n')
    status, said = call(many, "--format", form)
    assert (status, "many.json has changed since it was annotated, or is read with other" in said) == (2, True)


def test_only_one_run_writes_to_a_folder(
    call: Callable[..., tuple[int, str]],
    slow_run: Callable[..., subprocess.Popen[bytes]],
    many: Path,
    tmp_path: Path,
) -> None:
    slow_run()
    assert eventually(lambda: noted(tmp_path / "out" / JOURNAL), 60)
    status, said = call(many)
    assert (status, "another kidogo annotate is writing to" in said) == (2, True)


def test_outputs_of_others_are_not_written_over(call: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": TEXT}])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jsonl").write_text("precious")
    status, said = call(path)
    assert (status, "a.jsonl exists, and is not of this run" in said) == (2, True)
    assert (tmp_path / "out" / "a.jsonl").read_text() == "precious"
    assert call(path, "--overwrite")[0] == 0
    status, said = call(path, "--field", "body")
    assert (status, "or is read with other options: give another --out" in said) == (2, True)
    assert len(read_lines(tmp_path / "out" / "a.jsonl")) == 1


def test_an_output_that_a_power_failure_emptied_is_written_again(
    call: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": TEXT}])
    assert call(path)[0] == 0
    written = (tmp_path / "out" / "a.jsonl").read_bytes()
    (tmp_path / "out" / "a.jsonl").write_bytes(b"")
    assert call(path)[0] == 0
    assert (tmp_path / "out" / "a.jsonl").read_bytes() == written
    (tmp_path / "out" / "a.jsonl").write_bytes(b"corrected by hand")
    assert call(path)[0] == 0
    assert (tmp_path / "out" / "a.jsonl").read_bytes() == b"corrected by hand"


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"output": "a", "progress": {"records": -1}}\n', b"[]\n"])
def test_a_damaged_journal_is_named(
    call: Callable[..., tuple[int, str]], many: Path, tmp_path: Path, line: bytes
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / JOURNAL).write_bytes(b'{"format": 1, "settings": {}}\n' + line)
    status, said = call(many)
    assert (status, f"{JOURNAL} cannot be read (line 2: " in said) == (2, True)


def test_a_full_disk_is_said_and_the_run_goes_on_once_there_is_room(
    call: Callable[..., tuple[int, str]], many: Path, tmp_path: Path
) -> None:
    with tmpfs(tmp_path / "out", "16k") as out:
        status, said = call(many)
        assert (status, "No space left on device; run the same command again to go on" in said) == (2, True)
        subprocess.run(["mount", "-o", "remount,size=4m", str(out)], check=True)
        assert call(many)[0] == 0
        assert [answer["id"] for answer in read_lines(out / "many.jsonl")] == list(range(MANY))


def test_a_disk_that_is_full_from_the_start_is_said(
    call: Callable[..., tuple[int, str]], many: Path, tmp_path: Path
) -> None:
    with tmpfs(tmp_path / "out", "16k") as out:
        with contextlib.suppress(OSError):
            (out / "full").write_bytes(bytes(2**16))
        status, said = call(many)
        assert (status, "No space left on device; run the same command again to go on" in said) == (2, True)


@pytest.fixture
def plan(artifacts: Path, many: Path, tmp_path: Path) -> Plan:
    return Plan(
        inputs=(many,),
        out=tmp_path / "out",
        artifacts=artifacts,
        variant="dynamic",
        wish=Wish(),
        variants=("dense", "dynamic"),
        form="jsonl",
        reading=Reading(),
        limits=Limits(),
        workers=2,
    )


def workers_of_this_process() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "service.annotation.work.worker" in child.cmdline()]


def test_a_killed_worker_is_started_again_and_nothing_is_lost(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CHUNK_DOCUMENTS", 5)
    killed: list[int] = []
    over = threading.Event()

    def kill_one() -> None:
        while not killed and not over.is_set():
            if plan.out.joinpath("many.jsonl.part").exists():
                victim = workers_of_this_process()[-1]
                victim.kill()
                killed.append(victim.pid)
            time.sleep(0.002)

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        summary = annotate(plan)
    finally:
        over.set()
        killer.join()
    assert (len(killed), summary.documents, summary.failed) == (1, MANY, 0)
    assert [answer["id"] for answer in read_lines(plan.out / "many.jsonl")] == list(range(MANY))
    assert not workers_of_this_process()


def test_inputs_are_read_only_as_far_ahead_as_the_workers_need(plan: Plan, many: Path) -> None:
    many.write_text(f'{{"text": "{TEXT}"}}\n' * 200_000)
    stop = threading.Event()
    said: list[BaseException] = []

    def work() -> None:
        try:
            annotate(plan, stop)
        except Stopped as error:
            said.append(error)

    def position() -> int:
        """How far the input was read."""
        return next((file.position for file in psutil.Process().open_files() if file.path == str(many)), 0)

    working = threading.Thread(target=work)
    working.start()
    assert eventually(lambda: len(workers_of_this_process()) == 2 and position(), 60)
    stopped = workers_of_this_process()
    for worker in stopped:
        worker.suspend()
    time.sleep(0.5)
    before = position()
    time.sleep(0.2)
    assert 0 < position() == before < many.stat().st_size / 4
    stop.set()
    for worker in stopped:
        worker.resume()
    working.join(60)
    assert len(said) == 1


def test_a_document_that_ends_its_worker_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is a process that dies of some documents, as from lack of memory."""
    python = tmp_path / "python"
    script = (
        "import os, sys; from service.annotation.work.frames import receive, send\n"
        "receive(sys.stdin.buffer); send(sys.stdout.buffer, {})\n"
        "while message := receive(sys.stdin.buffer):\n"
        "    parts = message[1].split(b'\\n')\n"
        "    if b'deadly' in parts: os.kill(os.getpid(), 9)\n"
        "    send(sys.stdout.buffer, {'lengths': list(map(len, parts)), 'problems': {}}, b''.join(parts))\n"
    )
    (tmp_path / "script.py").write_text(script)
    python.write_text(f"#!/bin/sh\nexec {sys.executable} {tmp_path}/script.py\n")
    python.chmod(0o755)
    monkeypatch.setattr(workers.sys, "executable", str(python))
    pool = workers.Workers({})
    reply = pool.run(["text"] * 4, [b"one", b"deadly", b"two", b"deadly"])
    assert reply.parts == [b"one", b"", b"two", b""]
    problem = "the worker process was killed by signal 9 on this document: is there enough memory?"
    assert reply.problems == {1: problem, 3: problem}
    assert pool.run(["text"], [b"three"]) == ([b"three"], {})
    pool.close()


def test_auto_takes_the_variant_that_fits_the_wish(
    call: Callable[..., tuple[int, str]], many: Path, tmp_path: Path
) -> None:
    status, said = call(many, "--variant", "auto", "--max-latency-ms", "0.000001")
    assert (status, "No variant gives an answer within 1e-06 ms for 80 characters. The nearest is" in said) == (2, True)
    status, said = call(many, "--variant", "auto", "--max-latency-ms", "60000")
    assert status == 0
    assert "ready variants that give an answer within 60000 ms" in said
    taken = said.partition(" has the highest F1")[0].rpartition("\n")[2]
    assert {answer["variant"] for answer in read_lines(tmp_path / "out" / "many.jsonl")} == {taken}
    status, said = call(many, "--variant", "auto", "--max-latency-ms", "60000")
    assert (status, f"0 documents annotated by {taken}" in said) == (0, True), "the same variant, without a new choice"


def test_an_artefact_that_was_replaced_is_not_mixed_in(
    call: Callable[..., tuple[int, str]], many: Path, tmp_path: Path, artifacts: Path
) -> None:
    assert call(many)[0] == 0
    journal = tmp_path / "out" / JOURNAL
    digest = read_manifest(artifacts / "dynamic").digest
    journal.write_text(journal.read_text().replace(digest, "0" * 64))
    status, said = call(many)
    assert (status, "begun with another artefact (000000" in said) == (2, True)


def test_the_command_line() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "service", "annotate", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "usage: kidogo annotate" in answer.stdout
    assert "run the same command again" in answer.stdout
