"""The checks of notebook 06: the boundary condition, a consistency function in closed form, its test, and one step."""

import torch
from torch import Tensor

from ..shapes import like
from .checking import Answer, Counted, compare, grade, two_results

T_MIN, STD = 0.1, 0.5


def check_boundary_scalings(student: object) -> None:
    """Say how my_boundary_scalings(t, t_min, sigma_data) does: times (B,) -> (c_skip, c_out), each (B,)."""
    why = "The boundary condition now holds for every network, trained or not: nothing has to learn it."
    grade("my_boundary_scalings", student, [_two, _at_boundary, _beside_boundary, _far_away], why=why)


def _scalings(student: Answer, *times: float) -> tuple[object, object]:
    c_skip, c_out = student(torch.tensor(times, dtype=torch.float64), T_MIN, STD)
    return c_skip, c_out


def _edm(t: Tensor) -> tuple[Tensor, Tensor]:
    return STD**2 / (t**2 + STD**2), t * STD / (t**2 + STD**2).sqrt()


def _two(student: Answer) -> str | None:
    times = torch.tensor([T_MIN, 1.0], dtype=torch.float64)
    got = student(times, T_MIN, STD)
    if hint := two_results(got, "c_skip, c_out"):
        return hint
    wrong = compare(got[0], times, atol=1e9) or compare(got[1], times, atol=1e9)  # shape, dtype and finite, no more
    if wrong is None and got[0][0] == 0 and got[1][0] == 1:
        return "the two come in the wrong order: c_skip first, then c_out"
    return wrong


def _at_boundary(student: Answer) -> str | None:
    c_skip, c_out = (value.item() for value in _scalings(student, T_MIN))
    skip, out = (value.item() for value in _edm(torch.tensor(T_MIN, dtype=torch.float64)))
    if abs(c_skip - skip) < 1e-9 and abs(c_out - out) < 1e-9:
        return "these are EDM's own: they give f(x, 0) = x, and the boundary is at t_min"
    if c_out != 0:
        return f"c_out(t_min) is {c_out:.3g}, so the network still has a say at the boundary: it must be exactly 0"
    off = f"{c_skip:.6g}" if abs(c_skip - 1) > 1e-5 else f"off 1 by {c_skip - 1:.1g}"
    return None if c_skip == 1 else f"c_skip(t_min) is {off}, so f(x, t_min) is not x: it must be exactly 1"


def _beside_boundary(student: Answer) -> str | None:
    c_skip, c_out = (value.item() for value in _scalings(student, T_MIN + 1e-6))
    if abs(c_out) > 1e-4 or abs(c_skip - 1) > 1e-4:
        return "they jump at t_min: trajectories are smooth, so f must come to x continuously, not by an if"
    return None


def _far_away(student: Answer) -> str | None:
    t = torch.tensor([20.0, 60.0], dtype=torch.float64)
    for name, got, right in zip(("c_skip", "c_out"), _scalings(student, *t.tolist()), _edm(t), strict=True):
        hint = compare(got, right, rtol=0.02, atol=0)
        if hint:
            return f"{name} at t ≫ t_min should be close to EDM's {name}, but {hint}"
    return None


def check_gaussian_f(student: object) -> None:
    """Say how my_gaussian_f(x, t, mean, std, t_min) does: (B, 2), (B,), (2,), two numbers -> end points, (B, 2)."""
    why = "A consistency function that you can write down: the first thing to test new code against."
    grade("my_gaussian_f", student, [_ends], why=why)


def _ends(f: Answer) -> str | None:
    x = torch.tensor([[1.5, -0.7], [0.2, 2.0]], dtype=torch.float64)
    t, mean = torch.tensor([0.6, 3.0], dtype=torch.float64), torch.tensor([0.3, -0.2], dtype=torch.float64)
    std, t_min = 0.4, 0.25

    def scaled(ratio: Tensor) -> Tensor:
        return mean + ratio[:, None] * (x - mean)

    now, end = std**2 + t**2, std**2 + t_min**2
    ratio = (end / now).sqrt()
    mistakes = {
        "this is the denoiser, the mean of all x0 that fit: f is where the one trajectory ends": scaled(std**2 / now),
        "your trajectories end at t = 0: f ends at t_min, where the std is √(std² + t_min²)": scaled(std / now.sqrt()),
        "the ratio lacks its root: stds scale the distance from the mean, not variances": scaled(end / now),
        "the ratio is upside down: going to t_min, the distance from the mean shrinks": scaled(1 / ratio),
        "the mean is never subtracted: what shrinks is x − mean": ratio[:, None] * x,
        "the mean is not added back at the end": ratio[:, None] * (x - mean),
        "the mean is added, but not subtracted before: what shrinks is x − mean": mean + ratio[:, None] * x,
        "stds are added: of independent parts the variances add": scaled((std + t_min) / (std + t)),
        "t runs along the wrong axis: it is one time per sample, so make it a column, t[:, None]": (
            mean + ratio * (x - mean)
        ),
    }
    return compare(f(x.clone(), t.clone(), mean.clone(), std, t_min), scaled(ratio), mistakes=mistakes)


def check_inconsistency(student: object) -> None:
    """Say how my_inconsistency(f, states, times) does: a function, (N + 1, B, 2), (N + 1,) -> one number."""
    why = "It needs no data and no truth beyond the ODE, so it can judge any model; but a constant gets 0 as well."
    grade("my_inconsistency", student, [_largest, _not_fooled], why=why)


def _model(x: Tensor, t: Tensor) -> Tensor:
    return like(0.3 + t, x) * x + like(t, x)


def _largest(inconsistency: Answer) -> str | None:
    states, times = torch.randn((4, 3, 2), dtype=torch.float64), torch.tensor([2.0, 0.9, 0.3, 0.1]).double()
    states[1] *= 5  # so that the largest gap is neither at the first state nor between neighbours at the end,
    states[0] = 0.4 * states[1]  # nor from the first state
    model = Counted(_model)
    got = inconsistency(model, states.clone(), times.clone())
    if not model.calls:
        return "f is never called: compare what f says along the trajectory, not the states"
    ends = torch.stack([_model(x, t.expand(3)) for x, t in zip(states, times, strict=True)])
    reverse = torch.stack([_model(x, t.expand(3)) for x, t in zip(states, times.flip(0), strict=True)])
    gaps = (ends - ends[-1]).norm(dim=-1)
    mistakes = {
        "you took the mean: the largest gap was asked for": gaps.mean(),
        "you took the mean, and over the last state as well, whose gap is 0": gaps[:-1].mean(),
        "you compare f with the last state itself: compare with f at the last state": (
            (ends - states[-1]).norm(dim=-1).max()
        ),
        "you compare coordinates: a distance in the plane is √(Δx² + Δy²)": (ends - ends[-1]).abs().max(),
        "the root is missing: this is a squared distance": gaps.max() ** 2,
        "the signs survive: without an absolute value or a square, gaps cancel": (ends - ends[-1]).max(),
        "you compare with f at the first state: compare with f at the last": (ends - ends[0]).norm(dim=-1).max(),
        "you took the sum: the largest gap was asked for": gaps.sum(),
        "you compare neighbours only: small steps hide a long drift": (ends[1:] - ends[:-1]).norm(dim=-1).max(),
        "the times are in the wrong order: states[k] is the state at times[k]": (
            (reverse - reverse[-1]).norm(dim=-1).max()
        ),
        "only the first state is compared with the last: look at all of them": gaps[0].max(),
        "you took the norm over everything at once: the distance is for each point": gaps.flatten(1).norm(dim=1).max(),
    }
    return compare(got, gaps.max().item(), mistakes=mistakes)


def _not_fooled(inconsistency: Answer) -> str | None:
    states, times = torch.randn((3, 2, 2), dtype=torch.float64), torch.tensor([2.0, 0.9, 0.1]).double()
    got = inconsistency(lambda x, t: torch.zeros_like(x), states, times)
    return None if compare(got, 0.0) is None else "f = 0 has no gap at all, yours is not 0: compare f with f alone"


def check_one_step(student: object) -> None:
    """Say how my_one_step(f, eps, t_max) does: a function, standard normal (B, 2), a number -> samples, (B, 2)."""
    why = "One evaluation, one sample: the rest of the course is about learning an f that deserves it."
    grade("my_one_step", student, [_jump], why=why)


def _jump(one_step: Answer) -> str | None:
    eps, f = (
        torch.randn((3, 2), dtype=torch.float64),
        Counted(lambda x, t: like((1 + t).rsqrt(), x) * x + 0.1),
    )  # 1/√81 at t_max
    got = one_step(f, eps.clone(), 80.0)
    if len(f.calls) != 1:
        return f"f was called {len(f.calls)} times: one step is one evaluation"
    x, t = f.calls[0]
    wrong = compare(t, torch.full((3,), 80.0, dtype=t.dtype)) if isinstance(t, Tensor) else "it is no tensor"
    if wrong:
        return f"the time that f gets must be t_max, once for each sample, shape (B,): {wrong}"
    mistakes = {
        "f gets the noise ε itself: at t_max the state is t_max ε, 80 times as large": eps,
        "the noise is scaled by √t_max: on VE its std is t, not its variance": 80**0.5 * eps,
        "f gets zeros: every sample would be the same": torch.zeros_like(eps),
    }
    wrong = compare(x, 80 * eps, mistakes=mistakes)
    if wrong:
        return wrong if wrong in mistakes else f"the state that f gets is not t_max ε: {wrong}"
    wrong = compare(got, 80 * eps / 9 + 0.1, mistakes={"you return the noise, not what f makes of it": 80 * eps})
    return wrong and f"after the call nothing is left to do, its result is the sample: {wrong}"
