"""The loop and its learning rates: θ ← θ − lr · opt(∇ mean_b loss_b), once per iteration.

The loop knows modules, optimisers and numbers; which loss, data or path it trains, it never learns.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from .averages import Average
from .checks import check_count, check_positive, shown
from .seeds import fold
from .shapes import Loss, conditioned

Batch = Tensor | tuple[Tensor, ...] | list[Tensor]  # x0 (B, *S), or (x0, *conditions), each (B, ...)

_NOISE, _DROPOUT = 1, 2  # two streams: one seed for both would make the dropout mask a function of the noise


@dataclass(frozen=True)
class Record:
    """What one update leaves behind: its iteration (from 0), the mean loss and the gradient norm before clipping."""

    iteration: int
    loss: float
    grad_norm: float


def fit(
    model: nn.Module,
    loss: Loss,
    batches: Iterable[Batch],
    optimizer: torch.optim.Optimizer,
    *,
    ema: Average | None = None,
    clip: float = math.inf,
    lr: Callable[[int], float] | None = None,
    seed: int = 0,
    start: int = 0,
    parts: range = range(1),
) -> Iterator[Record]:
    """A generator that makes one update with each batch and then yields its Record; stop by leaving the loop.

    loss(model, x0, iteration, generator) -> (B,); its mean is minimised.  batches: tensors x0 (B, *S); the first one
    given belongs to iteration `start`.  For tuples (x0, *conditions), or lists as a DataLoader makes them, the loss is
    called with model.given(*conditions), and what else the loss holds of models, such as a teacher, is `conditioned`
    on them too.
    clip bounds the gradient norm over all parameters the optimizer holds, a loss's own included.  lr: the learning
    rate of iteration k, for every parameter group; None leaves the optimizer's.
    Iteration k draws from fold(seed, k) alone, dropout included, so a run cut in two equals the run in one piece,
    and the global generators are as they were.  The model is put into train mode, also after the caller's eval().
    parts: an update averages the gradients of len(parts) batches, taken in order; part j draws from part_seed(seed, j),
    whichever process makes it.
    For a second average, call its update(model) in the loop's body: the weights are those of the record.

    Raises ValueError for a batch that is no tensor or tuple of tensors, a loss that is not (B,) or that no held
    parameter enters, and FloatingPointError, with the iteration and before the update, for a loss or gradient that is
    not finite.  The weights are looked at after the first update, and those in half precision after each: where they
    are not finite it is raised before the average takes them.
    """
    if not (isinstance(clip, Real) and clip > 0):
        raise ValueError(f"expected clip > 0, the largest gradient norm (inf for no clipping), got {clip!r}")
    check_count("seed", seed, -math.inf)
    check_count("start", start, 0)
    model.train()
    if not len(parts):
        raise ValueError(f"expected at least one part in parts, such as range(1), got {parts}")
    return _updates(model, loss, batches, optimizer, ema, clip, lr, seed, start, parts)


def progress(records: Iterable[Record], total: int, name: str = "training") -> Iterator[Record]:
    """The first `total` records of `fit`, with a bar on stderr: how far it is, the smoothed loss, the time left.

    name: what stands before the bar.  What is done stays done if the loop over it is left, by `break` or by Ctrl-C.
    Raises ValueError unless total >= 1, when called.
    """
    check_count("total", total)
    return _shown(records, total, name)


def _shown(records: Iterable[Record], total: int, name: str) -> Iterator[Record]:
    """The same, apart so that its argument is checked when it is called."""
    from tqdm import tqdm

    smooth = 0.0
    with tqdm(total=total, desc=f"{name:>12}", unit=" it", dynamic_ncols=True) as bar:
        for k, record in enumerate(islice(records, total)):
            smooth = record.loss if k == 0 else 0.98 * smooth + 0.02 * record.loss
            bar.set_postfix_str(f"loss {smooth:.4f}", refresh=False)
            bar.update()
            yield record


def part_seed(seed: int, part: int) -> int:
    """The seed of part 0, 1, ... of every batch of a run; that of part 0 is the run's own.

    Raises ValueError unless part >= 0.
    """
    check_count("seed", seed, -math.inf)
    check_count("part", part, 0)
    return fold(seed, part) if part else seed


def _updates(model, loss, batches, optimizer, ema, clip, lr, seed, start, parts) -> Iterator[Record]:  # noqa: ANN001, PLR0913
    """The loop of `fit`, apart so that `fit` checks its arguments when called, not at the first record."""
    seeds = [part_seed(seed, part) for part in parts]
    for iteration, batch in enumerate(_groups(batches, len(parts)), start):
        if not model.training:  # the caller drew samples in eval mode
            model.train()
        if lr is not None:
            for group in optimizer.param_groups:
                group["lr"] = float(lr(iteration))  # a NumPy number would make the checkpoint unreadable
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        for p in weights:  # optimizer.zero_grad() takes several times as long
            p.grad = None
        terms = [_backward(model, loss, x0, iteration, own, len(parts)) for own, x0 in zip(seeds, batch, strict=True)]
        value = (terms[0] if len(terms) == 1 else torch.stack(terms).sum()).item()
        grad_norm = _clip(weights, clip, iteration, value)
        optimizer.step()
        half = any(p.element_size() < 4 and p.is_floating_point() for p in weights)
        if half or iteration == start:
            _check_weights(weights, iteration)
        if ema is not None:
            ema.update(model)
        yield Record(iteration, value, grad_norm)


def _groups(batches: Iterable[Batch], size: int) -> Iterator[tuple[Batch, ...]]:
    """`size` batches at a time, the parts of one update; a rest that is smaller makes no update."""
    iterator = iter(batches)
    while len(group := tuple(islice(iterator, size))) == size:
        yield group


def _backward(model: nn.Module, loss: Loss, batch: Batch, iteration: int, seed: int, parts: int) -> Tensor:
    """The mean loss over the batch, divided by the number of parts, after its gradients are added to the others."""
    parts_of_batch: Any = batch if isinstance(batch, (tuple, list)) and batch else (batch,)
    x0, *conditions = parts_of_batch
    _check_batch(x0, conditions)
    if conditions:
        bound: Any = model
        if not hasattr(model, "given"):
            raise ValueError(f"expected a model with `given` for batches (x0, *conditions), got {type(model).__name__}")
        model, loss = bound.given(*conditions), conditioned(loss, *conditions)
    generator = torch.Generator(x0.device).manual_seed(fold(seed, iteration, _NOISE))
    with _seeded(fold(seed, iteration, _DROPOUT), x0.device):
        values = loss(model, x0, iteration, generator)
        _check_values(values, len(x0))
        value = values.mean() if parts == 1 else values.mean() / parts
        value.backward()
    return value.detach()


def _check_batch(x0: Tensor, conditions: list[Tensor]) -> None:
    if not isinstance(x0, Tensor):
        raise ValueError(f"expected batches of x0 (B, *S) or (x0, *conditions), tensors, got {type(x0).__name__} as x0")
    for condition in conditions:
        if not isinstance(condition, Tensor) or condition.shape[:1] != x0.shape[:1]:
            got = tuple(condition.shape) if isinstance(condition, Tensor) else type(condition).__name__
            raise ValueError(f"expected conditions of shape ({len(x0)}, ...), one for each sample of x0, got {got}")
    if x0.ndim < 2 or x0.numel() == 0 or not x0.is_floating_point():
        hint = ": numbers are x0[:, None]" if x0.ndim == 1 else ""
        raise ValueError(f"expected batches of x0 (B, *S), floats, with B >= 1, got {shown(x0)}{hint}")


def _check_values(values: Tensor, batch_size: int) -> None:
    if not isinstance(values, Tensor) or values.shape != (batch_size,):
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"expected a loss of shape ({batch_size},), one number per sample, got {got}")
    if not values.requires_grad:
        raise ValueError("expected a loss that depends on trainable parameters, got one without a gradient")


def _clip(weights: list[Tensor], clip: float, iteration: int, value: float) -> float:
    """|∇| before clipping, over all weights that have one; the gradients are scaled down to norm clip."""
    grads = [p.grad for p in weights if p.grad is not None]
    if not grads:
        raise ValueError("expected a loss that reaches the optimizer's parameters, got a gradient for none of them")
    norms = torch._foreach_norm(grads)
    grad_norm = torch.linalg.vector_norm(torch.stack(norms)).item()
    if not (math.isfinite(grad_norm) and math.isfinite(value)):
        raise FloatingPointError(
            f"loss is {value} and its gradient norm {grad_norm} at iteration {iteration}; the weights are "
            "those before it: try a smaller learning rate, or look for bad values in the data"
        )
    if grad_norm > clip:
        torch._foreach_mul_(grads, clip / grad_norm)
    return grad_norm


def _check_weights(weights: list[Tensor], iteration: int) -> None:
    """Raise FloatingPointError unless all weights are finite."""
    sizes = torch._foreach_norm(weights, math.inf)  # the largest magnitude: a sum of squares would overflow in float16
    if not torch.stack([size.float() for size in sizes]).isfinite().all():
        kinds = sorted({str(w.dtype).removeprefix("torch.") for w in weights})
        raise FloatingPointError(
            f"weights are not finite after the update of iteration {iteration}, in {' and '.join(kinds)}: keep weights "
            "in float32, where autocast can compute in half precision, or try a smaller learning rate"
        )


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """The global generators that dropout draws from, seeded inside and put back at the end.

    torch.manual_seed and torch.random.fork_rng do the same for all devices, and cost more than a small step.
    """
    generators = [torch.default_generator]
    if device.type == "cuda":
        generators.append(torch.cuda.default_generators[device.index])
    elif device.type == "mps":
        generators.append(torch.mps._get_default_mps_generator())
    states = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(seed)
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def warmup_linear_decay(peak: float, *, total: int, decay_from: int, warmup: int = 0) -> Callable[[int], float]:
    """Learning rate of iteration k: rises linearly to peak, stays there, falls linearly from decay_from to 0 at total.

    Raises ValueError unless 0 <= warmup <= decay_from < total.
    """
    check_positive("peak", peak)
    for name, value in (("warmup", warmup), ("decay_from", decay_from), ("total", total)):
        check_count(name, value, -math.inf)
    if not 0 <= warmup <= decay_from < total:
        got = f"warmup {warmup}, decay_from {decay_from}, total {total}"
        raise ValueError(f"expected 0 <= warmup <= decay_from < total, got {got}")

    def rate(iteration: int) -> float:
        left = (total - iteration) / (total - decay_from)
        return peak * min((iteration + 1) / (warmup + 1), 1.0) * min(max(left, 0.0), 1.0)

    return rate
