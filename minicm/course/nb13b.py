"""The checks of notebook 13b: a drift between clouds, and the mean of the references a noisy point may be from."""

import torch
from torch import Tensor

from .checking import Answer, compare, grade


def check_drift(student: object) -> None:
    """Say how my_drift(x, y, z, tau) does: Σ w y − Σ w' z with w as exp(−|x − y|/τ), rows sum to 1; (B, 2)."""
    why = "Attraction and repulsion are the same rule, so they cancel exactly where samples and data agree."
    grade("my_drift", student, [_drift, _silent], why=why)


def _clouds() -> tuple[Tensor, Tensor, Tensor]:
    """Samples, data and other samples, of different numbers, so that a wrong axis shows."""
    return tuple(torch.randn(n, 2, dtype=torch.float64) for n in (5, 7, 6))


def _drift(drift: Answer) -> str | None:
    (x, y, z), tau = _clouds(), 0.4
    to, among = torch.cdist(x, y), torch.cdist(x, z)

    def pull(to: Tensor, among: Tensor, axis: int = 1) -> Tensor:
        return to.softmax(axis) @ y - among.softmax(axis) @ z

    right = pull(-to / tau, -among / tau)
    raw = (-to / tau).exp() @ y - (-among / tau).exp() @ z
    mistakes = {
        "the samples flee from the data and gather among themselves: look at the sign": -right,
        "this is attraction alone: what do the other samples z do?": (-to / tau).softmax(1) @ y - x,
        "the weights of each sample must sum to 1 over the points: this softmax runs over the samples": pull(
            -to / tau, -among / tau, 0
        ),
        "near points must weigh more, not less: look at the sign in the exponent": pull(to / tau, among / tau),
        "the distance is squared: the kernel is exp(-|x - y|/tau)": pull(-(to**2) / tau, -(among**2) / tau),
        "this is the Gaussian window: the kernel here is exp(-|x - y|/tau)": pull(
            -(to**2) / (2 * tau**2), -(among**2) / (2 * tau**2)
        ),
        "tau multiplies the distance: a short reach must let it count more, so divide": pull(-to * tau, -among * tau),
        "the weights do not sum to 1: divide by their sum": raw,
    }
    return compare(drift(x, y, z, tau), right, mistakes=mistakes)


def _silent(drift: Answer) -> str | None:
    x, y, _ = _clouds()
    if compare(drift(x, y, y, 0.3), torch.zeros_like(x)):
        return "with the data in the place of the other samples nothing should move"
    return None


def check_stable_target(student: object) -> None:
    """Say how my_target(x_t, t, x0, others) does: the mean of x0 and the others, as probable as each is; (B, 2), VE."""
    why = "It is right on average, and much quieter than the one x0."
    grade("my_target", student, [_target, _alone], why=why)


def _target(target: Answer) -> str | None:
    x0, others = (torch.randn(n, 2, dtype=torch.float64) for n in (5, 7))
    t = torch.linspace(0.3, 1.1, 5, dtype=torch.float64)
    x_t = x0 + t[:, None] * torch.randn(5, 2, dtype=torch.float64)
    all_of_them = torch.cat([x0, others])
    var = t[:, None] ** 2

    def mean(points: Tensor, scale: Tensor, power: int = 2, axis: int = 1) -> Tensor:
        return (-(torch.cdist(x_t, points) ** power) / scale).softmax(axis) @ points

    mistakes = {
        "the points' own x0 are missing among the references: without them the target is biased": mean(others, 2 * var),
        "this is the one x0: the others may have become the same x_t": x0,
        "the 2 below the line is missing: the noise has the density exp(-|x_t - y|^2/(2 t^2))": mean(all_of_them, var),
        "divide by 2 t^2, not by 2 t": mean(all_of_them, 2 * t[:, None]),
        "the distance must be squared": mean(all_of_them, 2 * var, 1),
        "the weights of each x_t must sum to 1 over the references: this softmax runs over the x_t": mean(
            all_of_them, 2 * var, 2, 0
        ),
        "all references count alike here: the nearer ones are more probable": all_of_them.mean(0).expand(5, 2),
        "near references must weigh more, not less: look at the sign in the exponent": mean(all_of_them, -2 * var),
    }
    return compare(target(x_t, t, x0, others), mean(all_of_them, 2 * var), mistakes=mistakes)


def _alone(target: Answer) -> str | None:
    x0 = torch.randn(1, 2, dtype=torch.float64)
    far = torch.full((3, 2), 90.0, dtype=torch.float64)
    if compare(target(x0 + 0.1, torch.full((1,), 0.2, dtype=torch.float64), x0, far), x0):
        return "where all others are far away the target must be x0"
    return None
