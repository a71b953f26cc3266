"""The checks of notebook 03: Heun's step, the order from two errors, a grid for Euler, DDIM on the straight path."""

import math

import torch
from torch import Tensor

from ..data.toys import product_mixture_oracle
from ..evaluation import map_error
from ..paths import VE
from ..solvers.steps import euler_step, heun_step, integrate, midpoint_step, probability_flow
from ..times import log_grid, uniform_grid
from .checking import Answer, Counted, compare, grade

T = torch.tensor([1.2, 0.7], dtype=torch.float64)  # as many times as coordinates: a wrong axis cannot hide
S = torch.tensor([0.9, 0.2], dtype=torch.float64)
X = torch.tensor([[1.0, -2.0], [0.5, 1.5]], dtype=torch.float64)
GAIN = 2 / 3  # by which the learner's grid must beat the logarithmic one


def check_heun_step(student: object) -> None:
    """Say how my_heun_step(velocity, x, t, s) does: x (B, 2) at t (B,) -> x at s (B,), (B, 2)."""
    why = "One more evaluation per step turns an error like 1/N into one like 1/N²."
    grade("my_heun_step", student, [_heun_numbers, _heun_calls, _heun_float32], why=why)


def _field(x: Tensor, t: Tensor) -> Tensor:
    return torch.sin(x) * t[:, None] ** 2 + x.flip(1) / (1 + t[:, None])


def _heun_numbers(step: Answer) -> str | None:
    h, v = (S - T)[:, None], _field(X, T)
    end = X + h * v
    mistakes = {
        "that is Euler's step: the slope at the end of the step is not used": end,
        "the second slope belongs to the time s: you gave the velocity the time t again": (
            X + h / 2 * (v + _field(end, T))
        ),
        "the second slope belongs to Euler's guess of the end: you took it at the old x": (
            X + h / 2 * (v + _field(X, S))
        ),
        "both slopes were taken at the same place and time": X + h / 2 * (v + v),
        "the second slope belongs to the end of a whole Euler step: yours is at half of it": (
            X + h / 2 * (v + _field(X + h / 2 * v, S))
        ),
        "the step goes the wrong way in time: it is s − t, which is negative here": (
            X - h / 2 * (v + _field(X - h * v, S))
        ),
        "those are two Euler steps of half the length: Heun's two slopes belong to one whole step": (
            X + h / 2 * v + h / 2 * _field(X + h / 2 * v, (T + S) / 2)
        ),
        "every sample has its own step s − t: yours has that of the first": (
            X + h[0] / 2 * (v + _field(X + h[0] * v, S))
        ),
        "the mean of two slopes is half their sum": X + h * (v + _field(end, S)),
        "only the second slope is used: take the mean of both": X + h * _field(end, S),
        "the step starts from Euler's guess: start from x again": end + h / 2 * (v + _field(end, S)),
        "that is the midpoint step: a good one of order 2, but Heun's slope is the mean of start and end": (
            midpoint_step(_field, X, T, S)
        ),
        "the step sizes went along the wrong axis: like(s - t, x) gives one number per row": (
            X + h.T / 2 * (v + _field(X + h.T * v, S))
        ),
    }  # fmt: skip
    return compare(step(_field, X.clone(), T.clone(), S.clone()), heun_step(_field, X, T, S), mistakes=mistakes)


def _heun_calls(step: Answer) -> str | None:
    counted = Counted(_field)
    step(counted, X.clone(), T.clone(), S.clone())
    if len(counted.calls) != 2:
        return (
            f"the numbers are right, but it calls the velocity {len(counted.calls)} times: keep the first slope, 2 do"
        )
    return None


def _heun_float32(step: Answer) -> str | None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=torch.float32)
    t, s = torch.full((3,), 2.0, dtype=torch.float64), torch.full((3,), 1.0, dtype=torch.float64)
    wrong = compare(step(_constant, x.clone(), t, s), x - 1)
    return wrong and f"with a float32 x and float64 times, 3 rows: {wrong}; like(s − t, x) has the dtype of x"


def _constant(x: Tensor, t: Tensor) -> Tensor:
    return torch.ones_like(x)


def check_order(student: object) -> None:
    """Say how my_order(error_coarse, error_fine, ratio) does: three numbers > 0 -> the order, a number."""
    why = "A solver with a wrong time argument still converges; only its measured order gives it away."
    grade("my_order", student, [_order], why=why)


def _order(order: Answer) -> str | None:
    for coarse, fine, ratio in ((0.8, 0.1, 2.0), (0.09, 0.01, 3.0), (3.2e-3, 2.0e-4, 4.0), (0.8, 0.8 / 2**1.5, 2.0)):
        right = math.log(coarse / fine) / math.log(ratio)
        mistakes = {
            "the order of a method that converges is positive: which error is the larger one?": -right,
            "that is rounded: a measured order need not be a whole number": float(round(right)),
            "the base of the logarithm is the ratio, yours is 10": math.log10(coarse / fine),
            "the fraction is upside down: how many doublings make how much?": 1 / right,
            "that is right for ratio = 2 only: the base of the logarithm is the ratio": math.log2(coarse / fine),
            "that is the logarithm of the errors' ratio: measure it against the logarithm of `ratio`": (
                math.log(coarse / fine)
            ),
            "you divided the logarithm by `ratio` itself: it is an exponent, so divide by its logarithm": (
                math.log(coarse / fine) / ratio
            ),
            "you divided the errors' ratio by `ratio`: the order is an exponent, so take logarithms": (
                coarse / fine / ratio
            ),
            "that is the ratio of the errors: which power of `ratio` is it?": coarse / fine,
        }
        wrong = compare(order(coarse, fine, ratio), right, mistakes=mistakes)
        if wrong:
            return f"for errors {coarse:g} and {fine:g}, ratio {ratio:g}: {wrong}"
    return None


def check_grid(student: object) -> None:
    """Say how my_grid(num_steps) does: -> (num_steps + 1,) decreasing times of VE, on which Euler does well."""
    why = "The same solver, the same evaluations: only the places of the steps have changed."
    grade("my_grid", student, [_is_grid, _serves_euler], why=why)


def _is_grid(grid: Answer) -> str | None:
    for num_steps in (1, 5, 16):
        times = grid(num_steps)
        wrong = _wrong_shape(times, num_steps) or _wrong_values(times)
        if wrong:
            return f"my_grid({num_steps}): {wrong}"
    return None


def _wrong_shape(times: object, num_steps: int) -> str | None:
    if not isinstance(times, Tensor) or times.ndim != 1:
        return f"expected a tensor of shape ({num_steps + 1},)"
    if len(times) == num_steps:
        return "num_steps counts intervals, and N intervals have N + 1 ends"
    return None if len(times) == num_steps + 1 else f"expected {num_steps + 1} times, got {len(times)}"


def _wrong_values(times: Tensor) -> str | None:
    path = VE()
    if not times.isfinite().all() or (times <= 0).any():
        return (
            "the times must be finite and positive: is an end at 0, or an angle of π/2 and beyond? "
            "The angle of σ is arctan(σ/σ_d): divide inside of it"
        )
    if (times.diff() > 0).all():
        return "the times increase: sampling goes from noise to data"
    if (times.diff() >= 0).any():
        return "the times must decrease at every step"
    for got, wanted, name in ((times[0], path.t_max, "start"), (times[-1], path.t_min, "end")):
        if abs(got.item() / wanted - 1) > 1e-4:
            return f"it should {name} at {wanted:g}, and does at {got.item():.4g}"
    return None


def _serves_euler(grid: Answer) -> str | None:
    path, oracle = VE(), product_mixture_oracle().to(torch.float64)
    generator = torch.Generator().manual_seed(3)
    noise = path.prior((250, 2), generator, dtype=torch.float64)
    first, last = (torch.full((250,), t, dtype=torch.float64) for t in (path.t_max, path.t_min))
    exact, velocity = oracle.flow(path)(noise, first, last), probability_flow(oracle.denoiser(path), path)

    def error(times: Tensor) -> float:
        return map_error(integrate(velocity, noise, times, euler_step), exact).rmse

    mine, plain = error(grid(16)), error(log_grid(16))
    if mine <= GAIN * plain:
        return None
    if mine > 0.8 * error(uniform_grid(16, path.t_min, path.t_max)):
        return (
            f"a grid, but the error is {mine / plain:.1f} times that of the logarithmic one: "
            "nearly all steps are spent where trajectories are straight"
        )
    return (
        f"a grid, but its error is {mine / plain:.2f} that of the logarithmic one, not below {GAIN:.2f}: "
        "count its levels between 0.05 and 2, where trajectories bend"
    )


def check_ddim_linear(student: object) -> None:
    """Say how my_ddim_linear(x, x0_hat, t, s) does: a state (B, 2) of the path (1 − t, t) at t -> the state at s."""
    why = "It equals x + (s − t) v: on the straight path DDIM is Euler in t, and flow matching just says Euler."
    grade("my_ddim_linear", student, [_ddim_numbers], why=why)


def _ddim_numbers(step: Answer) -> str | None:
    x0 = torch.tensor([[0.3, -0.6], [0.9, 0.2]], dtype=torch.float64)
    time, destination = T / 2, S / 2
    t, s = time[:, None], destination[:, None]
    eps = (X - (1 - t) * x0) / t
    row_t, row_s = t.T, s.T
    mistakes = {
        "the noise kept its old level: at s it has the coefficient s": (1 - s) * x0 + t * eps,
        "the signal kept its old level: at s it has the coefficient 1 − s": (1 - t) * x0 + s * eps,
        "nothing has moved: use the coefficients of s": X,
        "the two coefficients are swapped: α = 1 − t belongs to the data, σ = t to the noise": s * x0 + (1 - s) * eps,
        "x itself is not the noise: take the part of x0_hat out of it first": (1 - s) * x0 + s * X,
        "the noise is (x − α x0_hat)/σ: the division by σ is missing": (1 - s) * x0 + s * (X - (1 - t) * x0),
        "the noise is (x − α x0_hat)/σ: the α before x0_hat is missing": (1 - s) * x0 + s * (X - x0) / t,
        "that is the VE path, where α = 1: here the signal has the coefficient 1 − s": x0 + s * eps,
        "the noise term has the wrong sign": (1 - s) * x0 - s * eps,
        "the velocity has the wrong sign: it points from the data guess to x, and s − t is negative": (
            X - (s - t) * (X - x0) / t
        ),
        "the velocity is not yet divided: x and the data guess are t apart in time": X + (s - t) * (X - x0),
        "that is the data guess, at time 0: go to time s only": x0,
        "the times went along the wrong axis: like(t, x) gives one number per row": (
            (1 - row_s) * x0 + row_s * (X - (1 - row_t) * x0) / row_t
        ),
    }
    right = (1 - s) * x0 + s * eps
    return compare(step(X.clone(), x0.clone(), time.clone(), destination.clone()), right, mistakes=mistakes)
