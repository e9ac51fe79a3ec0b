from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoModelForTokenClassification,
    DebertaV2Config,
    DistilBertConfig,
    ModernBertConfig,
    PretrainedConfig,
    XLMRobertaConfig,
)

from build_models.training import devices
from build_models.training import loop as training
from build_models.training.loop import Muon, Optimization, Trainer, make_optimizers

BATCHES = list(range(12))


class Stopped(Exception):
    """Stands for a kill in the middle."""


class TiedModel(nn.Module):
    """Two layers, the second tied to the first, and dropout, so that the random state matters."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.dropout(torch.relu(self.first(x))))


def new_model() -> TiedModel:
    torch.manual_seed(5)
    return TiedModel()


def train(
    folder: Path,
    model: nn.Module,
    after_step: Callable[[], None] = lambda: None,
    matrix_rate: float | None = None,
    averaging: float = 0.0,
) -> list[int]:
    """Train on BATCHES and return those that a step was taken for."""
    taken: list[int] = []

    def loss_of(batch: int) -> Tensor:
        taken.append(batch)
        generator = torch.Generator().manual_seed(batch)
        x, y = torch.randn(2, 8, 6, generator=generator)
        return nn.functional.mse_loss(model(x), y)

    Trainer[int]("toy", model, Optimization(0.05, matrix_rate, averaging=averaging), folder).run(
        BATCHES, loss_of, after_step
    )
    return taken


def stop_at(step: int) -> Callable[[], None]:
    steps = iter(range(1, step + 1))

    def after_step() -> None:
        if next(steps) == step:
            raise Stopped

    return after_step


@pytest.fixture(autouse=True)
def checkpoint_after_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)


def same(one: nn.Module, two: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> TiedModel:
    model = new_model()
    train(tmp_path_factory.mktemp("uninterrupted"), model)
    return model


@pytest.mark.parametrize("stops", [[2], [7], [12], [3, 4, 2]], ids=str)
def test_a_resumed_training_ends_with_exactly_the_same_weights(
    tmp_path: Path, uninterrupted: TiedModel, stops: list[int]
) -> None:
    for stop in stops:
        with pytest.raises(Stopped):
            train(tmp_path, new_model(), stop_at(stop))
    model = new_model()
    torch.manual_seed(99)  # the random state must come from the checkpoint
    # The step in which it was stopped is taken again: its checkpoint was not written.
    assert train(tmp_path, model) == BATCHES[sum(stop - 1 for stop in stops) :]
    assert same(model, uninterrupted)


class Encoder(nn.Module):
    """Named like a transformer's encoder, so that its matrix is Muon's."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"encoder": nn.Sequential(nn.Linear(6, 6))})
        self.head = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.model["encoder"](x)))


def test_a_resumed_training_with_muon_ends_with_exactly_the_same_weights(tmp_path: Path) -> None:
    def new() -> Encoder:
        torch.manual_seed(3)
        return Encoder()

    whole, resumed = new(), new()
    start = whole.model["encoder"][0].weight.clone()
    train(tmp_path / "whole", whole, matrix_rate=0.02)
    assert not torch.equal(whole.model["encoder"][0].weight, start)
    with pytest.raises(Stopped):
        train(tmp_path / "stopped", new(), stop_at(5), matrix_rate=0.02)
    train(tmp_path / "stopped", resumed, matrix_rate=0.02)
    assert same(whole, resumed)


def test_muon_takes_the_steps_of_torch_s() -> None:
    torch.manual_seed(1)
    shapes = [(6, 6), (9, 4), (4, 9), (6, 6)]
    ours, theirs = ([nn.Parameter(torch.randn(shape)) for shape in shapes] for _ in range(2))
    for one, other in zip(ours, theirs, strict=True):
        other.data.copy_(one.data)
    muon = Muon(ours, lr=0.02, weight_decay=0.01)
    reference = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        muon.step()
        reference.step()
    for one, other in zip(ours, theirs, strict=True):
        # The iteration runs in bfloat16, and products of several matrices at once may be summed in another order.
        torch.testing.assert_close(one, other, atol=2e-3, rtol=0)


def test_a_resumed_training_with_averaging_ends_with_exactly_the_same_weights(
    tmp_path: Path, uninterrupted: TiedModel
) -> None:
    whole, resumed = new_model(), new_model()
    train(tmp_path / "whole", whole, averaging=0.9)
    assert not same(whole, uninterrupted)
    for stop in (6, 3):
        with pytest.raises(Stopped):
            train(tmp_path / "stopped", new_model(), stop_at(stop), averaging=0.9)
    train(tmp_path / "stopped", resumed, averaging=0.9)
    assert same(whole, resumed)


def test_an_average_lies_between_the_weights_that_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "AVERAGED_STEPS", 1)
    model, seen = new_model(), []
    train(tmp_path, model, lambda: seen.append(model.first.weight.detach().clone()), averaging=0.5)
    assert (model.first.weight >= torch.stack(seen).amin(dim=0)).all()
    assert (model.first.weight <= torch.stack(seen).amax(dim=0)).all()
    assert not torch.equal(model.first.weight, seen[-1])


@pytest.mark.parametrize(
    ("coarse", "features", "intel", "bfloat16"),
    [
        (True, {"avx512_bf16": True}, False, True),
        (True, {"avx512_bf16": True}, True, False),
        (True, {"avx512_bf16": True, "amx_bf16": True}, True, True),
        (True, {"bf16": True}, False, True),
        (True, {"avx512_f": True, "avx512_bf16": False}, False, False),
        (False, {"avx512_bf16": True}, False, False),
    ],
)
def test_products_are_coarse_where_wanted_and_the_cpu_is_faster_with_them(
    monkeypatch: pytest.MonkeyPatch, coarse: bool, features: dict[str, bool], intel: bool, bfloat16: bool
) -> None:
    monkeypatch.setattr(devices, "made_by_intel", lambda: intel)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    layer = torch.nn.Linear(4, 4)
    with devices.mixed_precision(coarse):
        assert layer(torch.ones(1, 4)).dtype == (torch.bfloat16 if bfloat16 else torch.float32)
    assert layer(torch.ones(1, 4)).dtype == torch.float32


def test_muon_moves_the_matrices_of_the_encoder_only() -> None:
    model = Encoder()
    adamw, muon = make_optimizers(model, Optimization(0.1, matrix_learning_rate=0.02))
    assert [id(weight) for group in muon.param_groups for weight in group["params"]] == [
        id(model.model["encoder"][0].weight)
    ]
    assert sum(len(group["params"]) for group in adamw.param_groups) == 3


def test_a_rate_of_0_turns_muon_off() -> None:
    (adamw,) = make_optimizers(Encoder(), Optimization(0.1, matrix_learning_rate=0.0))
    assert sum(len(group["params"]) for group in adamw.param_groups) == 4


@pytest.mark.parametrize(
    ("config", "beside"),
    [
        (XLMRobertaConfig(32, 8, 2, 2, 16), {"word_embeddings", "position_embeddings", "token_type_embeddings"}),
        (
            DistilBertConfig(32, 8, dim=8, n_layers=2, n_heads=2, hidden_dim=16),
            {"word_embeddings", "position_embeddings"},
        ),
        (ModernBertConfig(32, 8, 16, 2, 2, pad_token_id=0), {"tok_embeddings", "dense"}),
        (
            DebertaV2Config(32, 8, 2, 2, 16, relative_attention=True, position_biased_input=False, type_vocab_size=0),
            {"word_embeddings", "rel_embeddings"},
        ),
    ],
    ids=lambda value: getattr(value, "model_type", ""),
)
def test_muon_moves_the_matrices_of_every_layer(config: PretrainedConfig, beside: set[str]) -> None:
    model = AutoModelForTokenClassification.from_config(config)
    adamw, muon = make_optimizers(model, Optimization(0.1, matrix_learning_rate=0.02))
    names = {id(weight): name.removesuffix(".weight").split(".")[-1] for name, weight in model.named_parameters()}
    matrices = [name for name, weight in model.named_parameters() if weight.ndim > 1]
    moved = [weight for group in muon.param_groups for weight in group["params"]]
    assert {names[id(weight)] for weight in adamw.param_groups[0]["params"]} == {*beside, "classifier"}
    assert len(moved) == len(matrices) - len(beside) - 1


def test_a_training_stopped_before_its_first_checkpoint_begins_again(tmp_path: Path, uninterrupted: TiedModel) -> None:
    with pytest.raises(Stopped):
        train(tmp_path, new_model(), stop_at(1))
    model = new_model()
    assert train(tmp_path, model) == BATCHES
    assert same(model, uninterrupted)


def test_training_changes_the_weights_and_ends_in_evaluation_mode(uninterrupted: TiedModel) -> None:
    assert not same(uninterrupted, new_model())
    assert not uninterrupted.training


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(tmp_path, new_model(), stop_at(5))
    model = new_model()
    train(tmp_path, model)
    assert model.first.weight is model.second.weight


def test_the_state_is_safetensors_and_json_only(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(tmp_path, new_model(), stop_at(6))
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"state.json", "state-5/weights.safetensors", "state-5/optimizer.safetensors"}
    assert set(load_file(tmp_path / "state-5" / "weights.safetensors")) == {
        "first.weight",
        "first.bias",
        "second.bias",
    }


@pytest.mark.parametrize("text", ["", "{", '{"other": 1}', '{"step": "x"}'])
def test_a_broken_marker_begins_again(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    assert train(tmp_path, new_model()) == BATCHES


@pytest.mark.parametrize("file", ["weights.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("size", [None, 0, 100, -1], ids=["missing", "empty", "cut header", "cut end"])
def test_a_damaged_state_is_said_and_begins_again(
    tmp_path: Path, uninterrupted: TiedModel, capsys: pytest.CaptureFixture[str], file: str, size: int | None
) -> None:
    with pytest.raises(Stopped):
        train(tmp_path, new_model(), stop_at(6))
    path = tmp_path / "state-5" / file
    contents = path.read_bytes()
    path.unlink()
    if size is not None:
        path.write_bytes(contents[:size])
    model = new_model()
    # Stopped again: what is kept from now on can be gone on from.
    with pytest.raises(Stopped):
        train(tmp_path, model, stop_at(3))
    assert "toy: the checkpoint of step 5 is damaged" in capsys.readouterr().err
    model = new_model()
    assert train(tmp_path, model) == BATCHES[2:]
    assert same(model, uninterrupted)


def test_a_state_of_another_model_changes_nothing(tmp_path: Path, uninterrupted: TiedModel) -> None:
    with pytest.raises(Stopped):
        train(tmp_path, new_model(), stop_at(6))
    weights = load_file(tmp_path / "state-5" / "weights.safetensors")
    save_file({**weights, "second.bias": torch.zeros(7)}, tmp_path / "state-5" / "weights.safetensors")
    model = new_model()
    assert train(tmp_path, model) == BATCHES
    assert same(model, uninterrupted)


def test_the_state_is_on_the_disk_before_its_marker_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[bool] = []

    def look(folder: Path) -> None:
        assert sorted(folder.glob("state-*/*.safetensors"))
        named.append((folder / "state.json").exists())

    monkeypatch.setattr(training, "flush", look)
    with pytest.raises(Stopped):
        train(tmp_path, new_model(), stop_at(2))
    assert named == [False]


def test_the_loss_said_is_the_average_of_the_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weight = nn.Linear(1, 1)
    trainer = Trainer[int]("toy", weight, Optimization(0.0), tmp_path)
    trainer.run([0, 1, 2], lambda _: 0 * weight.weight.sum() + 2.0)
    assert "toy: 3 steps, loss 2.000" in capsys.readouterr().err


def test_a_mask_applied_after_each_step_holds_to_the_end(tmp_path: Path) -> None:
    model = new_model()

    def mask() -> None:
        with torch.no_grad():
            model.first.weight[:3] = 0

    train(tmp_path, model, mask)
    assert torch.count_nonzero(model.first.weight[:3]) == 0
    assert torch.count_nonzero(model.first.weight[3:]) == 18


def test_the_learning_rate_rises_and_falls(tmp_path: Path) -> None:
    trainer = Trainer[int]("toy", new_model(), Optimization(1.0, warm_up=0.2), tmp_path)
    rates = [trainer._rate(step, 20) for step in range(20)]
    # Four steps up to 1, then sixteen down; the last step still moves.
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4:] == [(20 - step) / 16 for step in range(4, 20)]


def test_no_checkpoint_is_written_before_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 1e6)
    train(tmp_path, new_model())
    assert list(tmp_path.iterdir()) == []


def test_weight_decay_is_for_matrices_only(tmp_path: Path) -> None:
    model = new_model()
    (optimizer,) = Trainer[int]("toy", model, Optimization(1.0, weight_decay=0.3), tmp_path).optimizers
    groups = optimizer.param_groups
    decays = {id(weight): group["weight_decay"] for group in groups for weight in group["params"]}
    assert decays == {id(model.first.weight): 0.3, id(model.first.bias): 0.0, id(model.second.bias): 0.0}
