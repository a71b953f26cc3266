"""Where a map of points turns space over: the sign of det ∂f/∂x.

A flow never does, for its determinant is exp ∫ div v > 0; a learnt map may, and then has no inverse there.
"""

import torch
from torch import Tensor
from torch.func import jvp

from ..checks import answered, check_batch
from ..shapes import Denoiser


def jacobian_determinant(f: Denoiser, x: Tensor, t: Tensor) -> Tensor:
    """How much f stretches volume at each point, negative where it turns space over: det ∂f(x, t)/∂x, no unit; (B,).

    f: a consistency function, a denoiser, or any map that keeps the shape of x and the samples apart.
    x: (B, *S), t: (B,).  One forward derivative for each element of a sample: for points, not for pictures.
    Raises ValueError for shapes that do not fit, and for an f that answers in another.
    Source: the change of variables of a map that has an inverse, p(f(x)) = p(x)/|det|.
    """
    check_batch("x", x, times={"t": t})
    columns = []
    with torch.no_grad():
        for k in range(x[0].numel()):
            along = torch.zeros_like(x)
            along.flatten(1)[:, k] = 1
            columns.append(jvp(lambda x: answered("f", f, x, t), (x,), (along,))[1].flatten(1))
    return torch.linalg.det(torch.stack(columns, 2))
