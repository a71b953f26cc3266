"""The checks of notebook 15: FLOPs of a convolution, gradients of several GPUs, and an unbiased distance."""

import torch
from torch import Tensor

from .checking import Answer, compare, grade


def check_conv_flops(student: object) -> None:
    """Say how my_conv_flops(inputs, outputs, kernel, height, width) does: FLOPs of one picture, stride 1, no bias."""
    why = "Nearly all work of a U-Net is in this product, so it predicts what a run costs before you start it."
    grade("my_conv_flops", student, [_convolution], why=why)


def _convolution(flops: Answer) -> str | None:
    inputs, outputs, kernel, height, width = 3, 5, 7, 11, 13
    right = 2.0 * inputs * outputs * kernel**2 * height * width
    mistakes = {
        "a multiplication and an addition are two operations: a factor of 2 is missing": right / 2,
        "the kernel is kernel x kernel: its side enters twice": right / kernel,
        "every pixel has its own products: height and width are missing": right / (height * width),
        "only the outputs are counted: each is a sum over all input channels": right / inputs,
        "only the inputs are counted: each output channel has its own weights": right / outputs,
    }
    return compare(flops(inputs, outputs, kernel, height, width), right, mistakes=mistakes)


def check_joined_gradient(student: object) -> None:
    """Say how my_joined_gradient(grads, counts) does: (P, D), (P,) -> that of the mean over all samples, (D,)."""
    why = "With equal counts it is a plain mean, and that is all that DistributedDataParallel does."
    grade("my_joined_gradient", student, [_equal, _unequal], why=why)


GRADS = torch.tensor([[1.0, -2.0], [4.0, 0.5], [-3.0, 6.0]], dtype=torch.float64)


def _equal(joined: Answer) -> str | None:
    counts = torch.full((3,), 4.0, dtype=torch.float64)
    mistakes = {"you add the gradients: each belongs to a mean already, so take their mean": GRADS.sum(0)}
    wrong = compare(joined(GRADS.clone(), counts), GRADS.mean(0), mistakes=mistakes)
    return wrong and f"when all processes have as many samples, {wrong}"


def _unequal(joined: Answer) -> str | None:
    counts = torch.tensor([2.0, 6.0, 8.0], dtype=torch.float64)
    right = (counts[:, None] * GRADS).sum(0) / counts.sum()
    mistakes = {
        "all processes count the same: one with more samples counts more": GRADS.mean(0),
        "you weigh by the counts and do not divide by their sum": (counts[:, None] * GRADS).sum(0),
        "you divide by the number of processes: divide by the number of samples": (counts[:, None] * GRADS).mean(0),
        "the weights are upside down": ((1 / counts)[:, None] * GRADS).sum(0) / (1 / counts).sum(),
    }
    wrong = compare(joined(GRADS.clone(), counts), right, mistakes=mistakes)
    return wrong and f"when they have 2, 6 and 8 samples, {wrong}"


def check_kid(student: object) -> None:
    """Say how my_kid(a, b) does: features (n, D), (m, D) -> unbiased MMD² of the kernel (a·b/D + 1)³, a number."""
    why = "Its mean is 0 for equal laws at every n, so it can be believed where a Fréchet distance would need 50,000."
    grade("my_kid", student, [_unbiased], why=why)


def _kernels(a: Tensor, b: Tensor, power: int = 3) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** power


def _mmd(kaa: Tensor, kbb: Tensor, kab: Tensor) -> Tensor:
    n, m = len(kaa), len(kbb)
    within = (kaa.sum() - kaa.trace()) / (n * (n - 1)) + (kbb.sum() - kbb.trace()) / (m * (m - 1))
    return within - 2 * kab.mean()


def _unbiased(kid: Answer) -> str | None:
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    b = 0.5 + torch.randn(7, 4, generator=generator, dtype=torch.float64)
    k = [_kernels(a, a), _kernels(b, b), _kernels(a, b)]
    right, dim = _mmd(*k), a.shape[1]
    no_scale = [(x @ y.T + 1) ** 3 for x, y in ((a, a), (b, b), (a, b))]
    left_in = [kk.sum() - kk.trace() for kk in k[:2]]
    mistakes = {
        "pairs of a sample with itself are counted: that is the biased version": (
            k[0].mean() + k[1].mean() - 2 * k[2].mean()
        ),
        "you leave out the pairs with itself but still divide by n²: there are n (n − 1) others": (
            left_in[0] / 81 + left_in[1] / 49 - 2 * k[2].mean()
        ),
        "the cross term counts twice": right + k[2].mean(),
        f"the product is not divided by the number of features, {dim} here": _mmd(*no_scale),
        "the kernel has the power 3": _mmd(*[_kernels(x, y, 2) for x, y in ((a, a), (b, b), (a, b))]),
        "you take the root: the distance is squared, and may be negative": right.clamp_min(0).sqrt(),
    }
    return compare(kid(a.clone(), b.clone()), right.item(), mistakes=mistakes)
