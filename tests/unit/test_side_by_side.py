import os
import time
from pathlib import Path

import pytest
import torch

from build_models.side_by_side import side_by_side


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def write(path: Path) -> None:
    path.write_text(f"{os.getpid()} {torch.get_num_threads()}")


def test_both_are_done_on_a_thread_each_and_the_second_elsewhere(tmp_path: Path) -> None:
    side_by_side(lambda: write(tmp_path / "first"), lambda: write(tmp_path / "second"), 2)
    (first, one), (second, other) = ((tmp_path / name).read_text().split() for name in ("first", "second"))
    assert int(first) == os.getpid() != int(second)
    assert one == other == "1"
    assert torch.get_num_threads() == 2


def test_what_the_second_fails_at_is_left_for_later(tmp_path: Path) -> None:
    def fails() -> None:
        raise ValueError

    side_by_side(lambda: write(tmp_path / "first"), fails, 1)
    assert (tmp_path / "first").exists()


def test_the_second_ends_with_the_first_that_fails(tmp_path: Path) -> None:
    def fails() -> None:
        while not (tmp_path / "second").exists():
            time.sleep(0.01)
        raise ValueError("on purpose")

    def waits() -> None:
        write(tmp_path / "second")
        time.sleep(60)

    started = time.monotonic()
    with pytest.raises(ValueError, match="on purpose"):
        side_by_side(fails, waits, 1)
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

    side_by_side(lambda: train(tmp_path / "first"), lambda: train(tmp_path / "second"), 2)
    assert (tmp_path / "first").exists()
    assert (tmp_path / "second").exists()
