"""The check of notebook 08b: the consistency function around a raw network."""

import torch

from .checking import Answer, compare, grade

SIGMA_DATA = 0.5


def check_boundary(student: object) -> None:
    """Say how my_f(network, x, t) does: (u (B, 2), t (B,)) -> (B, 2), x (B, 2), t (B,) -> f(x, t), (B, 2)."""
    why = "At t = 0 it is x whatever the network says: this is all that ties the answers to the data."
    grade("my_f", student, [_its_values, _its_boundary], why=why)


def _network(u: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return torch.stack([u[:, 1] * t.cos() + 0.3, u[:, 0] - t], 1)


def _draw() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    return x, torch.linspace(0.2, 1.5, 5, dtype=torch.float64)


def _its_values(my_f: Answer) -> str | None:
    x, t = _draw()
    cos, sin = t.cos()[:, None], t.sin()[:, None]
    F, unscaled = _network(x / SIGMA_DATA, t), _network(x, t)
    right = cos * x - SIGMA_DATA * sin * F
    return compare(
        my_f(_network, x.clone(), t.clone()),
        right,
        mistakes={
            "the network gets x itself: it wants inputs of standard deviation 1, x/0.5": cos * x
            - SIGMA_DATA * sin * unscaled,
            "0.5 in front of the sine is missing: the network answers in units of the data's 0.5": cos * x - sin * F,
            "sine and cosine are exchanged: at t = 0 nothing of x would be left": sin * x - SIGMA_DATA * cos * F,
            "the sign of the network's part is the other one": cos * x + SIGMA_DATA * sin * F,
            "this is the network's answer alone: what of x remains?": F,
            "the part of x is missing": -SIGMA_DATA * sin * F,
        },
    )


def _its_boundary(my_f: Answer) -> str | None:
    x, _ = _draw()
    return compare(my_f(_network, x.clone(), torch.zeros(5, dtype=torch.float64)), x)
