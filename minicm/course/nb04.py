"""The checks of notebook 04: scalings on a new path, the weight of the loss, its target, and the average of weights."""

import torch

from .checking import Answer, compare, grade, two_results

T = torch.tensor([0.2, 0.9], dtype=torch.float64)  # as many times as coordinates: a wrong axis cannot hide
X0 = torch.tensor([[0.7, -0.2], [-0.4, 0.5]], dtype=torch.float64)
EPS = torch.tensor([[-1.0, 0.4], [0.8, 1.5]], dtype=torch.float64)


def check_linear_scaling(student: object) -> None:
    """Say how my_linear_scaling(t, sigma_data) does: times (B,) -> (c_skip, c_in), each (B,), on the linear path."""
    why = "Two conditions fix the scalings on every path; EDM's table is their answer on VE."
    grade("my_linear_scaling", student, [_pair, _input_scale, _skip], why=why)


def _linear(scaling: Answer) -> tuple[object, object]:
    c_skip, c_in = scaling(T.clone(), 0.4)
    return c_skip, c_in


def _pair(scaling: Answer) -> str | None:
    got = scaling(T.clone(), 0.4)
    if hint := two_results(got, "c_skip, c_in"):
        return hint
    c_skip, c_in = _right_scalings()
    swapped = compare(got[0], c_in) is None and compare(got[1], c_skip) is None
    return "the two come in the wrong order: c_skip first, then c_in" if swapped else None


def _right_scalings() -> tuple[torch.Tensor, torch.Tensor]:
    var = (0.4 * (1 - T)) ** 2 + T**2
    return (1 - T) * 0.4**2 / var, var.rsqrt()


def _input_scale(scaling: Answer) -> str | None:
    c_in = _linear(scaling)[1]
    var = (0.4 * (1 - T)) ** 2 + T**2
    mistakes = {
        "c_in is 1/variance: to get variance 1, divide by the std, which is its root": 1 / var,
        "c_in is √variance: it must undo the size of x, not repeat it": var.sqrt(),
        "c_in adds the stds of signal and noise: of independent parts the variances add": 1 / (0.4 * (1 - T) + T),
        "c_in is EDM's: on this path the data is multiplied by 1 − t": (0.4**2 + T**2).rsqrt(),
        "c_in forgets that the data has the std sigma_data": ((1 - T) ** 2 + T**2).rsqrt(),
        "c_in takes .5 for sigma_data whatever is given: use the argument": ((0.5 * (1 - T)) ** 2 + T**2).rsqrt(),
        "c_in takes sigma_data for a variance: it is a std, so square it": (0.4 * (1 - T) ** 2 + T**2).rsqrt(),
        "c_in lacks a square: the variance of (1 − t) x0 is (1 − t)² sigma_data²": (0.4**2 * (1 - T) + T**2).rsqrt(),
    }
    hint = compare(c_in, 1 / var.sqrt(), mistakes=mistakes)
    return hint if hint is None or hint.startswith("c_in") else f"c_in: {hint}"


def _skip(scaling: Answer) -> str | None:
    c_skip, d = _linear(scaling)[0], 0.4
    var = (d * (1 - T)) ** 2 + T**2
    mistakes = {
        "c_skip is EDM's: on this path Cov(x0, x) is not just sigma_data²": d**2 / (d**2 + T**2),
        "c_skip lacks a factor: Cov(x0, x) with x = (1 − t) x0 + t ε is not just sigma_data²": d**2 / var,
        "c_skip has one factor 1 − t too many: it is Cov(x0, x), not the variance of the signal in x": (
            ((1 - T) * d) ** 2 / var
        ),
        "c_skip is 1 − t, the amount of data in x: ask instead how well x predicts x0": 1 - T,
        "c_skip takes .5 for sigma_data whatever is given: use the argument": (
            (1 - T) * 0.5**2 / ((0.5 * (1 - T)) ** 2 + T**2)
        ),
        "c_skip takes .5 for sigma_data in Cov(x0, x): use the argument": (1 - T) * 0.5**2 / var,
        "c_skip takes sigma_data for a variance: it is a std, so square it in Cov(x0, x)": (1 - T) * d / var,
        "c_skip divides by the std of x: the slope of a regression is Cov(x0, x)/Var(x)": (1 - T) * d**2 / var.sqrt(),
    }
    hint = compare(c_skip, (1 - T) * d**2 / var, mistakes=mistakes)
    return hint if hint is None or hint.startswith("c_skip") else f"c_skip: {hint}"


def check_edm_weight(student: object) -> None:
    """Say how my_edm_weight(nsr, sigma_data) does: noise-to-signal ratios (B,) -> weights (B,)."""
    why = "With it every noise level pulls on the network with the same strength when training starts."
    grade("my_edm_weight", student, [_weights], why=why)


def _weights(weight: Answer) -> str | None:
    nsr, d = torch.tensor([0.05, 0.3, 2.0], dtype=torch.float64), 0.4
    c_out = nsr * d / (nsr**2 + d**2).sqrt()
    mistakes = {
        "this is 1/c_out: the error enters squared, so its scale does too": 1 / c_out,
        "this is c_out²: the weight must undo it": c_out**2,
        "this is c_out: the weight must undo its square": c_out,
        "the denominator of c_out must be squared as well: nsr and sigma_data": (nsr**2 + d**2) / (nsr * d),
        "the root stayed: squaring c_out removes it": (nsr**2 + d**2).sqrt() / (nsr * d) ** 2,
        "sigma_data is missing in the denominator": (nsr**2 + d**2) / nsr**2,
        "this is 1/nsr², the weight for a network that predicts the noise": 1 / nsr**2,
        "your sigma_data is .5 whatever is given: use the argument": (nsr**2 + 0.25) / (nsr * 0.5) ** 2,
        "you took nsr for TrigFlow's angle: the angle is arctan(nsr/sigma_data)": (d * nsr.sin()) ** -2,
        "you took nsr for TrigFlow's angle, and .5 for sigma_data: the angle is arctan(nsr/sigma_data)": (
            (0.5 * nsr.sin()) ** -2
        ),
        "your angle is arctan(nsr): on TrigFlow nsr is sigma_data tan t": (d * nsr.atan().sin()) ** -2,
        "c_out² has a denominator too: 1/c_out² puts it on top": (nsr * d) ** -2,
        "two stds are added: it is their squares that add up": (nsr + d) ** 2 / (nsr * d) ** 2,
    }
    return compare(weight(nsr.clone(), d), c_out**-2, mistakes=mistakes)


def check_velocity_target(student: object) -> None:
    """Say how my_velocity_target(x0, eps, t) does: (B, 2), (B, 2), (B,) -> the slopes of the TrigFlow paths, (B, 2)."""
    why = "Its size is the same at every t, so this regression needs no weight at all."
    grade("my_velocity_target", student, [_target], why=why)


def _target(target: Answer) -> str | None:
    cos, sin, z = T.cos()[:, None], T.sin()[:, None], 0.5 * EPS
    mistakes = {
        "you used ε where z belongs: z = σ_d ε with σ_d = ½": cos * EPS - sin * X0,
        "a sign is wrong: what is the derivative of cos t?": cos * z + sin * X0,
        "the sign is wrong: t grows from data to noise, and so does the slope": sin * X0 - cos * z,
        "this is the state x_t: the target is its derivative in t": cos * X0 + sin * z,
        "cos and sin have changed places: x_t = cos t x0 + sin t z": sin * z - cos * X0,
        "cos and sin have changed places: each part keeps its own, differentiated": cos * X0 - sin * z,
        "t runs along the wrong axis: it is one time per sample, so make it a column, t[:, None]": (
            cos.T * z - sin.T * X0
        ),
        "this is z − x0, the slope of a straight path: here the path is an arc": z - X0,
    }
    return compare(target(X0.clone(), EPS.clone(), T.clone()), cos * z - sin * X0, mistakes=mistakes)


def check_ema_update(student: object) -> None:
    """Say how my_ema_update(average, parameter, n, decay) does: the new average after update n = 1, 2, ..."""
    why = "One line, no training cost, and the samples get better: every diffusion model you know uses it."
    grade("my_ema_update", student, [_early, _late, _without_graph], why=why)


def _early(update: Answer) -> str | None:
    old, new, decay, n = X0, EPS, 0.999, 3
    warm = (1 + n) / (10 + n)

    def mixed(b: float) -> torch.Tensor:
        return b * old + (1 - b) * new

    mistakes = {
        "early on, β is decay: the warm-up min(decay, (1 + n)/(10 + n)) is missing, or it is a max": mixed(decay),
        "β and 1 − β have changed places: β is the share of the past": mixed(1 - warm),
        "β and 1 − β have changed places, and the warm-up is missing": mixed(1 - decay),
        "decay and warm-up are multiplied: take the smaller of the two": mixed(decay * warm),
        "your warm-up is one update off: n counts from 1, this is update n": mixed(n / (9 + n)),
    }
    return compare(update(old.clone(), new.clone(), n, decay), mixed(warm), mistakes=mistakes)


def _late(update: Answer) -> str | None:
    old, new, decay, n = X0, EPS, 0.9, 500
    warm = (1 + n) / (10 + n)
    mistakes = {
        "late in training β exceeds decay: it should be the smaller of decay and the warm-up": (
            warm * old + (1 - warm) * new
        ),
        "late in training the decay is .999 whatever is given: use the argument": 0.999 * old + 0.001 * new,
    }
    got = update(old.clone(), new.clone(), n, decay)
    return compare(got, decay * old + (1 - decay) * new, mistakes=mistakes)


def _without_graph(update: Answer) -> str | None:
    got = update(X0.clone(), EPS.clone().requires_grad_(), 3, 0.9)
    if isinstance(got, torch.Tensor) and got.requires_grad:
        return (
            "the numbers are right, but the average keeps the autograd graph of the parameter: after 1000 updates it "
            "holds 1000 graphs, so detach it, or compute under torch.no_grad()"
        )
    return None
