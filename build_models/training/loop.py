"""The training loop of all phases: AdamW, linear warm-up and decay, gradient clipping, and resumable checkpoints.

Checkpoints are safetensors and JSON, never pickles.
"""

import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Generic, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from build_models.architectures import architecture_of
from build_models.progress import console, progress, say
from build_models.training.devices import faster_in_bfloat16, mixed_precision
from service.artifacts.manifest import flush

Batch = TypeVar("Batch")
SECONDS_BETWEEN_CHECKPOINTS = 30.0
AVERAGED_STEPS = 4
"""Number of steps between updates of the weight average."""


@dataclass(frozen=True)
class Optimization:
    """Optimizer settings. ``warm_up`` is the share of the steps in which the learning rate rises from 0.

    With a ``matrix_learning_rate`` above 0, Muon updates the encoder's matrices at that rate instead of AdamW.
    ``averaging`` is the decay per step of an exponential moving average of the weights, which becomes the result
    (Morales-Brotons et al. 2024); 0 turns it off. ``coarse`` uses bfloat16 on CPUs, too, where it is faster.
    """

    learning_rate: float
    matrix_learning_rate: float | None = None
    weight_decay: float = 0.01
    warm_up: float = 0.1
    clip: float = 1.0
    averaging: float = 0.0
    coarse: bool = False


class Trainer(Generic[Batch]):
    """Trains a model on a list of batches, in order."""

    def __init__(self, title: str, model: nn.Module, optimization: Optimization, folder: Path):
        """``folder`` holds the checkpoints that ``run`` resumes from; use one folder per training."""
        self.title = title
        self.model = model
        self.optimization = optimization
        self.folder = folder
        self.optimizers = make_optimizers(model, optimization)
        self._groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        self._peaks = [group["lr"] for group in self._groups]

    def run(
        self,
        batches: Sequence[Batch],
        loss_of: Callable[[Batch], Tensor],
        after_step: Callable[[], None] = lambda: None,
    ) -> None:
        """Take one step per batch, from the last checkpoint on. ``after_step`` may reapply masks to the weights."""
        done = self._resume()
        saved = time.monotonic()
        losses: list[float] = []
        self.model.train()
        with progress(self.title, len(batches), done) as advance:
            for step in range(done, len(batches)):
                for group, peak in zip(self._groups, self._peaks, strict=True):
                    group["lr"] = peak * self._rate(step, len(batches))
                with mixed_precision(self.optimization.coarse):
                    loss = loss_of(batches[step])
                self.model.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(self.model.parameters(), self.optimization.clip)
                for optimizer in self.optimizers:
                    optimizer.step()
                after_step()
                if self.optimization.averaging and step % AVERAGED_STEPS == 0:
                    self._average(step // AVERAGED_STEPS)
                losses = [*losses[-49:], float(loss.detach())]
                advance(note=f"loss {fmean(losses):.3f}")
                if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                    self._save(step + 1)
                    saved = time.monotonic()
                    if not console.is_terminal:
                        say(f"{self.title}: step {step + 1} of {len(batches)}, loss {fmean(losses):.3f}")
        self._take_average()
        self.model.eval()
        # There are no losses if the last checkpoint was complete.
        final_loss = f", loss {fmean(losses):.3f}" if losses else ""
        say(f"{self.title}: {len(batches)} steps{final_loss}")

    @torch.no_grad()
    def _average(self, averaged: int) -> None:
        """Update the moving average, which has ``averaged`` updates; the first updates weigh more than the decay."""
        share = max(1 - self.optimization.averaging**AVERAGED_STEPS, 9 / (10 + averaged))
        for optimizer, weight in self._parameters():
            # Stored in the optimizer's state, so that checkpoints include it. Weights without state are never updated.
            if state := optimizer.state[weight]:
                state.setdefault("average", weight.detach().clone()).lerp_(weight, share)

    @torch.no_grad()
    def _take_average(self) -> None:
        for optimizer, weight in self._parameters():
            if "average" in optimizer.state[weight]:
                weight.copy_(optimizer.state[weight]["average"])

    def _rate(self, step: int, total: int) -> float:
        warm_up = max(1, int(total * self.optimization.warm_up))
        return min((step + 1) / warm_up, (total - step) / max(1, total - warm_up))

    def _save(self, step: int) -> None:
        # The marker names a folder only once it is complete; being killed here loses one interval at most.
        place = self.folder / f"state-{step}"
        place.mkdir(parents=True, exist_ok=True)
        save_file(self._weights(), place / "weights.safetensors")
        optimizer_state = {
            f"{index}.{name}": value if value.ndim else value.reshape(1)
            for index, (optimizer, weight) in enumerate(self._parameters())
            for name, value in optimizer.state[weight].items()
        }
        save_file({**optimizer_state, "random": torch.get_rng_state()}, place / "optimizer.safetensors")
        earlier = self._step_saved()
        draft = self._marker.with_suffix(".new")
        draft.write_text(json.dumps({"step": step}), encoding="utf-8")
        # After a power failure, the marker must not name a checkpoint that was not written.
        flush(self.folder)
        draft.replace(self._marker)
        if earlier and earlier != step:
            shutil.rmtree(self.folder / f"state-{earlier}", ignore_errors=True)

    def _resume(self) -> int:
        step = self._step_saved()
        if not step:
            return 0
        place = self.folder / f"state-{step}"
        try:
            self._load(place)
        except (SafetensorError, OSError, LookupError, ValueError, TypeError, RuntimeError) as error:
            say(f"{self.title}: the checkpoint of step {step} is damaged ({error}), starting over")
            self._marker.unlink()
            shutil.rmtree(place, ignore_errors=True)
            return 0
        say(f"{self.title}: resuming at step {step}")
        return step

    def _load(self, place: Path) -> None:
        """Load a checkpoint. Everything is validated first, so that a failure changes nothing."""
        saved = load_file(place / "weights.safetensors")
        state = load_file(place / "optimizer.safetensors")
        weights = [(tensor, saved[name].view_as(tensor)) for name, tensor in self._weights().items()]
        parameters = self._parameters()
        moments = []
        random_state = state.pop("random")
        for key, value in state.items():
            index, _, name = key.partition(".")
            optimizer, weight = parameters[int(index)]
            moments.append((optimizer, weight, name, value.reshape(()) if name == "step" else value.view_as(weight)))
        torch.set_rng_state(random_state)
        with torch.no_grad():
            for tensor, value in weights:
                tensor.copy_(value)
        for optimizer, weight, name, value in moments:
            optimizer.state[weight][name] = value.to(weight.device)

    @property
    def _marker(self) -> Path:
        """The file that names the step of the last complete checkpoint."""
        return self.folder / "state.json"

    def _step_saved(self) -> int:
        try:
            return int(json.loads(self._marker.read_text(encoding="utf-8"))["step"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _weights(self) -> dict[str, Tensor]:
        """Every trained parameter once; tied weights are saved under one name."""
        return {name: weight.data for name, weight in self.model.named_parameters() if weight.requires_grad}

    def _parameters(self) -> list[tuple[torch.optim.Optimizer, nn.Parameter]]:
        return [
            (optimizer, weight)
            for optimizer in self.optimizers
            for group in optimizer.param_groups
            for weight in group["params"]
        ]


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalized updates (Jordan et al. 2024), scaled to AdamW's step size.

    Unlike ``torch.optim.Muon``, it updates all matrices of one shape at once: in narrow models, most time is overhead.
    """

    def __init__(self, weights: list[nn.Parameter], lr: float, weight_decay: float, momentum: float = 0.95):
        super().__init__(weights, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape.setdefault((min(weight.shape), max(weight.shape)), []).append(weight)
            for (_, longer), weights in by_shape.items():
                directions = orthogonal(torch.stack([wide(self._direction(weight, group)) for weight in weights]))
                for weight, direction in zip(weights, directions, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    wide(weight).sub_(direction, alpha=0.2 * math.sqrt(longer) * group["lr"])

    def _direction(self, weight: Tensor, group: dict[str, Any]) -> Tensor:
        """The gradient with Nesterov momentum."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        state["momentum_buffer"].lerp_(weight.grad, 1 - group["momentum"])
        return torch.lerp(weight.grad, state["momentum_buffer"], group["momentum"])


def wide(matrix: Tensor) -> Tensor:
    """The matrix, transposed if it has more rows than columns."""
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices with the same singular vectors and singular values of about 1, for matrices at least as wide as high.

    Five Newton-Schulz steps with the coefficients of Jordan et al. (2024), in bfloat16 where that is faster: a CPU
    without the instructions takes ten times as long for it as for fp32.
    """
    current = matrices.bfloat16() if matrices.is_cuda or faster_in_bfloat16() else matrices
    current = current / current.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(5):
        gram = current @ current.mT
        step = torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        current = torch.baddbmm(current, step, current, beta=3.4445)
    return current.to(matrices.dtype)


def make_optimizers(model: nn.Module, optimization: Optimization) -> list[torch.optim.Optimizer]:
    """AdamW, and with ``matrix_learning_rate`` Muon for the encoder's matrices.

    From scratch, Muon reaches the same loss in about a quarter fewer steps.
    """
    matrices, others, flat = [], [], []
    layers = architecture_of(model.config).layers if isinstance(model, PreTrainedModel) else "encoder"
    for name, weight in model.named_parameters():
        if weight.ndim < 2:
            flat.append(weight)
        elif f".{layers}." in name and optimization.matrix_learning_rate:
            matrices.append(weight)
        else:
            others.append(weight)
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            [{"params": others, "weight_decay": optimization.weight_decay}, {"params": flat, "weight_decay": 0.0}],
            lr=optimization.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
        )
    ]
    if matrices and optimization.matrix_learning_rate:
        optimizers.append(Muon(matrices, lr=optimization.matrix_learning_rate, weight_decay=optimization.weight_decay))
    return optimizers
