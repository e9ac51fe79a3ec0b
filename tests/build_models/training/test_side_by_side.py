import os
import time
from pathlib import Path

import pytest
import torch

from build_models.training.side_by_side import other_process_paused, side_by_side


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def write(path: Path) -> None:
    path.write_text(f"{os.getpid()} {torch.get_num_threads()}")


def test_both_are_done_on_a_thread_each_and_the_second_elsewhere(tmp_path: Path) -> None:
    side_by_side(lambda: write(tmp_path / "first"), lambda: write(tmp_path / "second"), 2, "second")
    (first, one), (second, other) = ((tmp_path / name).read_text().split() for name in ("first", "second"))
    assert int(first) == os.getpid() != int(second)
    assert one == other == "1"
    assert torch.get_num_threads() == 2


def test_what_the_second_fails_at_is_left_for_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise ValueError

    side_by_side(lambda: write(tmp_path / "first"), fails, 1, "second")
    assert (tmp_path / "first").exists()
    assert "second: the second process failed (1), running again" in capsys.readouterr().err


def test_who_is_timed_is_alone(tmp_path: Path) -> None:
    def counts() -> None:
        for number in range(10_000):
            (tmp_path / "new").write_text(str(number))
            (tmp_path / "new").replace(tmp_path / "number")
            time.sleep(0.001)
            if (tmp_path / "enough").exists():
                break

    def times() -> None:
        def count() -> int:
            return int((tmp_path / "number").read_text())

        while not (tmp_path / "number").exists():
            time.sleep(0.01)
        with other_process_paused():
            # What it was at when it was stopped.
            time.sleep(0.05)
            before = count()
            time.sleep(0.2)
            assert count() == before
        while count() == before:
            time.sleep(0.01)
        (tmp_path / "enough").touch()

    side_by_side(times, counts, 1, "second")
    with other_process_paused():
        pass


def test_the_second_ends_with_the_first_that_fails(tmp_path: Path) -> None:
    def fails() -> None:
        # A file is there before what is written into it.
        while not (tmp_path / "second").is_file() or not (tmp_path / "second").read_text():
            time.sleep(0.01)
        raise ValueError("on purpose")

    def waits() -> None:
        write(tmp_path / "second")
        time.sleep(60)

    started = time.monotonic()
    with pytest.raises(ValueError, match="on purpose"):
        side_by_side(fails, waits, 1, "second")
    assert time.monotonic() - started < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "second").read_text().split()[0]), 0)


def test_a_training_works_in_both(tmp_path: Path) -> None:
    """After torch has used several threads, which a new process does not have."""
    torch.set_num_threads(2)
    torch.randn(500, 500) @ torch.randn(500, 500)

    def train(path: Path) -> None:
        model = torch.nn.Linear(300, 300)
        model(torch.randn(1000, 300)).square().mean().backward()
        torch.save(model.weight.grad, path)

    side_by_side(lambda: train(tmp_path / "first"), lambda: train(tmp_path / "second"), 2, "second")
    assert (tmp_path / "first").exists()
    assert (tmp_path / "second").exists()
