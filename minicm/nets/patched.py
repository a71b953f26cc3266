"""A network over patches: F(u, c) = P⁻¹ N(P u, c), where P makes the pixels of a patch the channels of one place.

28 x 28 pixels become 16 channels of 7 x 7, sixteen times fewer places for every layer inside: what a CPU can train.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from ..checks import check_alike, check_count, check_floats


class Patched(nn.Module):
    """F over pictures (B, C, H, W) by a network over (B, side² C, H/side, W/side), as `UNet(side**2 * C, ...)` is.

    P only moves numbers, so noise stays noise and nothing is lost; conditions and tangents go through.
    side: of a patch, in pixels.  Raises ValueError unless side >= 1, and for pictures that it does not divide.
    """

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        check_count("side", side)
        self.network, self.side = network, side

    @property
    def labels(self) -> int:
        """The classes that the network knows; 0 for none."""
        return getattr(self.network, "labels", 0)

    def forward(self, u: Tensor, c: Tensor, *conditions: Tensor | None) -> Tensor:
        """F; u (B, C, H, W), the rest as the network takes it -> (B, C, H, W)."""
        self._check(u)
        return pixel_shuffle(self.network(pixel_unshuffle(u, self.side), c, *conditions), self.side)

    def with_tangent(
        self, u: Tensor, c: Tensor, du: Tensor, dc: Tensor, *conditions: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """F with its gradient graph, and its derivative along (du, dc) without one, as the network gives them.

        Raises ValueError for shapes that do not fit.
        """
        self._check(u)
        check_alike("du", du, "u", u)
        network: Any = self.network
        v, dv = (pixel_unshuffle(z, self.side) for z in (u, du))
        F, dF = network.with_tangent(v, c, dv, dc, *conditions)
        with torch.no_grad():
            dF = pixel_shuffle(dF, self.side)
        return pixel_shuffle(F, self.side), dF

    def _check(self, u: Tensor) -> None:
        check_floats("u", u)
        if u.ndim != 4 or u.shape[2] % self.side or u.shape[3] % self.side:
            got = tuple(u.shape)
            raise ValueError(f"expected pictures u (B, C, H, W), H and W multiples of {self.side}, got {got}")
