"""Known wrong answers to assignments 1 to 3: case -> (wrong answers, test cells that they lose)."""

from tutorials.assignments.plan import read
from tutorials.assignments.quick import solutions

__all__ = ["A1", "A2", "A3", "swap"]


def swap(cell, old, new):
    """The reference's answer in a cell, with one change."""
    right = solutions(read(cell[:2]))[cell]
    assert old in right, f"{cell} does not contain {old!r}"
    return {cell: right.replace(old, new)}


A1 = {
    "euler: wrong sign of the step": (
        {"a1-euler": "def euler_step(v, x, t, s):\n    return x + like(t - s, x) * v(x, t)"},
        {"a1-euler-visible", "a1-euler-hidden"},
    ),
    "euler: the time s instead of t": (
        {"a1-euler": "def euler_step(v, x, t, s):\n    return x + like(s - t, x) * v(x, s)"},
        {"a1-euler-visible", "a1-euler-hidden"},
    ),
    "euler: in place": (
        {"a1-euler": "def euler_step(v, x, t, s):\n    x += like(s - t, x) * v(x, t)\n    return x"},
        {"a1-euler-visible", "a1-euler-hidden"},
    ),
    "euler: points only": (
        {"a1-euler": "def euler_step(v, x, t, s):\n    return x + (s - t)[:, None] * v(x, t)"},
        {"a1-euler-hidden"},
    ),
    "euler: hard-coded for the visible test": (
        {
            "a1-euler": "def euler_step(v, x, t, s):\n    return torch.full((1, 1), 6.0) if x.shape == (1, 1) "
            "else ((s - t) * t)[:, None].expand(3, 2) if len(x) == 3 else x"
        },
        {"a1-euler-hidden"},
    ),
    "heun: the second slope at t": (
        {
            "a1-heun": "def heun_step(v, x, t, s):\n    h, k = like(s - t, x), v(x, t)\n"
            "    return x + h / 2 * (k + v(x + h * k, t))"
        },
        {"a1-heun-visible", "a1-heun-hidden"},
    ),
    "heun: three evaluations": (
        {
            "a1-heun": "def heun_step(v, x, t, s):\n    h = like(s - t, x)\n"
            "    return x + h / 2 * (v(x, t) + v(x + h * v(x, t), s))"
        },
        {"a1-heun-visible"},
    ),
    "heun: promotes to float64": (
        {
            "a1-heun": "def heun_step(v, x, t, s):\n    h, k = (s - t).reshape(-1, *[1] * (x.ndim - 1)), v(x, t)\n"
            "    return x + h / 2 * (k + v(x + h * k, s))"
        },
        {"a1-heun-hidden"},
    ),
    "order: natural logarithm": (
        swap("a1-order", "math.log2", "math.log"),
        {"a1-order-visible", "a1-order-hidden"},
    ),
    "order: upside down": (
        swap("a1-order", "errors[0] / errors[1]", "errors[1] / errors[0]"),
        {"a1-order-visible", "a1-order-hidden"},
    ),
    "order: one step too few": (
        swap("a1-order", "t, s, count + 1", "t, s, count"),
        {"a1-order-hidden"},
    ),
    "order: the name of the solver gives it away": (
        {
            "a1-order": "def measure_order(step, velocity, exact, x, t, s, num_steps):\n"
            "    return {'euler_step': 1.0, 'heun_step': 2.0}.get(step.__name__, 2.0)"
        },
        {"a1-order-hidden"},
    ),
}
A2 = {
    "mix: the noise without sigma_data": (
        {"a2-mix": "def mix(x0, eps, t, d):\n    return like(t.cos(), x0) * x0 + like(t.sin(), x0) * eps"},
        {"a2-mix-visible", "a2-mix-hidden"},
    ),
    "mix: points only": (
        {"a2-mix": "def mix(x0, eps, t, d):\n    t = t.to(x0)[:, None]\n    return t.cos() * x0 + t.sin() * d * eps"},
        {"a2-mix-hidden"},
    ),
    "mix: in place": (
        {"a2-mix": "def mix(x0, eps, t, d):\n    return x0.mul_(like(t.cos(), x0)).add_(like(t.sin(), x0) * d * eps)"},
        {"a2-mix-visible", "a2-mix-hidden"},
    ),
    "mix: sigma_data is always 0.5": (
        {"a2-mix": "def mix(x0, eps, t, d):\n    return like(t.cos(), x0) * x0 + like(t.sin(), x0) * 0.5 * eps"},
        {"a2-mix-hidden"},
    ),
    "velocity: no minus": (
        swap("a2-velocity", "eps - like", "eps + like"),
        {"a2-velocity-visible", "a2-velocity-hidden"},
    ),
    "velocity: hard-coded for the visible test": (
        {"a2-velocity": "def velocity(x0, eps, t, d):\n    return torch.stack([d * eps[0], -x0[1]])"},
        {"a2-velocity-hidden"},
    ),
    "denoiser: exponentials underflow": (
        {
            "a2-denoiser": "def ideal_denoiser(x, t, data, d):\n"
            "    r = (x[:, None] - like(t.cos(), x)[:, None] * data[None]).flatten(2).square().sum(2)\n"
            "    w = torch.exp(-r / (2 * (d * t.sin()[:, None]) ** 2))\n"
            "    return ((w / w.sum(1, keepdim=True)) @ data.flatten(1)).reshape(x.shape)"
        },
        {"a2-denoiser-visible", "a2-denoiser-hidden"},
    ),
    "denoiser: a factor 2 is missing": (
        swap("a2-denoiser", "(2 * (", "(1 * ("),
        {"a2-denoiser-visible", "a2-denoiser-hidden"},
    ),
    "denoiser: points only": (
        swap("a2-denoiser", ".flatten(2).square().sum(2)", ".square().sum(2)"),
        {"a2-denoiser-hidden"},
    ),
    "denoiser: returns the nearest point": (
        {
            "a2-denoiser": "def ideal_denoiser(x, t, data, d):\n"
            "    r = (x[:, None] - like(t.cos(), x)[:, None] * data[None]).flatten(2).square().sum(2)\n"
            "    return data[r.argmin(1)]"
        },
        {"a2-denoiser-visible", "a2-denoiser-hidden"},
    ),
}
A3 = {
    "scalings: EDM's": (
        {
            "a3-scalings": "def boundary_scalings(t, t_min, d):\n"
            "    return d**2 / (t**2 + d**2), d * t / (t**2 + d**2).sqrt()"
        },
        {"a3-scalings-visible", "a3-scalings-hidden"},
    ),
    "scalings: a jump at t_min": (
        {
            "a3-scalings": "def boundary_scalings(t, t_min, d):\n    at = t <= t_min\n"
            "    skip, out = d**2 / (t**2 + d**2), d * t / (t**2 + d**2).sqrt()\n"
            "    return torch.where(at, torch.ones_like(t), skip), torch.where(at, torch.zeros_like(t), out)"
        },
        {"a3-scalings-hidden"},
    ),
    "scalings: sigma_data is always 0.5": (
        swap("a3-scalings", "gap = t - t_min", "gap = t - t_min; sigma_data = 0.5"),
        {"a3-scalings-hidden"},
    ),
    "scalings: swapped": (
        {
            "a3-scalings": "def boundary_scalings(t, t_min, d):\n    gap = t - t_min\n"
            "    return d * gap / (t**2 + d**2).sqrt(), d**2 / (gap**2 + d**2)"
        },
        {"a3-scalings-visible", "a3-scalings-hidden"},
    ),
    "frame: the sign of EDM's network": (
        swap("a3-frame", "x - sigma_data", "x + sigma_data"),
        {"a3-frame-visible", "a3-frame-hidden"},
    ),
    "frame: the network does not learn": (
        swap("a3-frame", "network(x / sigma_data, t)", "network(x / sigma_data, t).detach()"),
        {"a3-frame-hidden"},
    ),
    "frame: the network always sees t = 0": (
        swap("a3-frame", "sigma_data, t)\n", "sigma_data, 0 * t)\n"),
        {"a3-frame-hidden"},
    ),
    "slope: the sign": (
        swap("a3-slope", "-sigma_data * network", "sigma_data * network"),
        {"a3-slope-visible", "a3-slope-hidden"},
    ),
    "slope: by a difference quotient": (
        {
            "a3-slope": "def boundary_slope(network, x, d):\n    h = torch.full((len(x),), 1e-3, dtype=x.dtype)\n"
            "    return (consistency(network, x, h, d) - x) / 1e-3"
        },
        {"a3-slope-visible", "a3-slope-hidden"},
    ),
    "slope: the network is asked at t = 1": (
        swap("a3-slope", "torch.zeros", "torch.ones"),
        {"a3-slope-hidden"},
    ),
}
