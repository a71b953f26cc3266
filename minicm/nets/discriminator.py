"""A critic of samples: one number for each, larger for those that it takes for data."""

import math
from typing import Any

from torch import Tensor, nn

from ..checks import check_count, check_floats, check_positive


class Discriminator(nn.Module):
    """C(x) = MLP(x/σ_d) with `depth` hidden layers of `width` SiLU units; smooth, so that R1 can be differentiated.

    dim: elements of a sample, of any event shape.  The last layer starts at 0: at first the critic has no opinion.
    Raises ValueError unless dim, width, depth >= 1 and sigma_data > 0.
    """

    def __init__(self, dim: int = 2, width: int = 128, depth: int = 3, sigma_data: float = 0.5) -> None:
        super().__init__()
        for name, value in (("dim", dim), ("width", width), ("depth", depth)):
            check_count(name, value)
        check_positive("sigma_data", sigma_data)
        self.sigma_data = sigma_data
        sizes = [dim, *[width] * depth]
        layers = [nn.Linear(m, n) for m, n in zip(sizes[:-1], sizes[1:], strict=True)]
        self.hidden: Any = nn.ModuleList(layers)
        self.last = nn.Linear(width, 1)
        for layer in layers:
            nn.init.normal_(layer.weight, std=1.7 / math.sqrt(layer.in_features))
            nn.init.normal_(layer.bias, std=0.5)  # kinks of the hidden units spread over the data
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """C(x), logits; (B, *S) -> (B,).  Raises ValueError if a sample does not have `dim` elements."""
        check_floats("x", x)
        if x.ndim < 2 or x[0].numel() != self.hidden[0].in_features:
            wanted = self.hidden[0].in_features
            raise ValueError(f"expected samples x (B, *S) of {wanted} elements each, got shape {tuple(x.shape)}")
        h = x.flatten(1) / self.sigma_data
        for layer in self.hidden:
            h = nn.functional.silu(layer(h))
        return self.last(h).squeeze(1)
