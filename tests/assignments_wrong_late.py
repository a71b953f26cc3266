"""Known wrong answers to assignments 4 to 6, as in assignments_wrong_early.py."""

from assignments_wrong_early import swap

__all__ = ["A4", "A5", "A6"]

A4 = {
    "step: Euler's": (
        {"a4-step": "def teacher_step(D, x, t, s):\n    return x + like((s - t) / t, x) * (x - D(x, t))"},
        {"a4-step-visible", "a4-step-hidden"},
    ),
    "step: away from the data": (
        swap("a4-step", "like(s - t, x)", "like(t - s, x)"),
        {"a4-step-visible", "a4-step-hidden"},
    ),
    "step: the teacher is asked at t twice": (
        swap("a4-step", "denoise(end, s)", "denoise(end, t)"),
        {"a4-step-hidden"},
    ),
    "loss: no stop-gradient": (
        swap("a4-loss", "torch.no_grad()", "torch.enable_grad()"),
        {"a4-loss-visible", "a4-loss-hidden"},
    ),
    "loss: everything detached": (
        swap("a4-loss", "model(x_t, t)", "model(x_t, t).detach()"),
        {"a4-loss-visible", "a4-loss-hidden"},
    ),
    "loss: the target at the time t": (
        swap("a4-loss", "(x_t, t, s), s)", "(x_t, t, s), t)"),
        {"a4-loss-visible", "a4-loss-hidden"},
    ),
    "loss: sums one axis only": (
        swap("a4-loss", ".flatten(1).sum(1)", ".sum(1)"),
        {"a4-loss-hidden"},
    ),
    "loss: only another network's target is detached": (
        swap(
            "a4-loss",
            "with torch.no_grad():\n        aim = target(step(x_t, t, s), s)",
            "aim = target(step(x_t, t, s).detach(), s)\n    if target is not model:\n        aim = aim.detach()",
        ),
        {"a4-loss-hidden"},
    ),
    "loss: draws its own noise": (
        swap("a4-loss", "x_t = x0", "_ = torch.randn_like(x0)\n    x_t = x0"),
        {"a4-loss-hidden"},
    ),
    "pairs: the last interval never": (
        swap("a4-pairs", "len(grid) - 1", "max(len(grid) - 2, 1)"),
        {"a4-pairs-hidden"},
    ),
    "pairs: one level too far": (
        swap(
            "a4-pairs",
            "len(grid) - 1, (n,), generator=generator)\n    return grid[index], grid[index + 1]",
            "len(grid) - 2, (n,), generator=generator)\n    return grid[index], grid[index + 2]",
        ),
        {"a4-pairs-visible", "a4-pairs-hidden"},
    ),
    "pairs: t and s swapped": (
        swap("a4-pairs", "grid[index], grid[index + 1]", "grid[index + 1], grid[index]"),
        {"a4-pairs-visible", "a4-pairs-hidden"},
    ),
    "pairs: the global generator": (
        swap("a4-pairs", ", generator=generator", ""),
        {"a4-pairs-hidden"},
    ),
}
A5 = {
    "along: time only": (
        swap("a5-along", "(v, torch", "(0 * v, torch"),
        {"a5-along-visible", "a5-along-hidden"},
    ),
    "along: not detached": (
        swap("a5-along", "torch.no_grad()", "torch.enable_grad()"),
        {"a5-along-hidden"},
    ),
    "along: a coarse difference quotient": (
        {
            "a5-along": "def along(raw, x, t, v):\n    with torch.no_grad():\n"
            "        return (raw(x + 0.01 * v, t + 0.01) - raw(x, t)) / 0.01"
        },
        {"a5-along-visible", "a5-along-hidden"},
    ),
    "tangent: the sign": (
        swap("a5-tangent", "(-(cos**2)", "((cos**2)"),
        {"a5-tangent-visible", "a5-tangent-hidden"},
    ),
    "tangent: dF without sigma_data": (
        swap("a5-tangent", "x + sigma_data * dF", "x + dF"),
        {"a5-tangent-visible", "a5-tangent-hidden"},
    ),
    "tangent: with a graph": (
        swap("a5-tangent", ".detach()", ""),
        {"a5-tangent-hidden"},
    ),
    "tangent: cos² twice": (
        swap("a5-tangent", "cos * sin *", "cos**2 *"),
        {"a5-tangent-visible", "a5-tangent-hidden"},
    ),
    "tangent: the warm-up is a switch": (
        swap("a5-tangent", "warmup *", "(warmup > 0) *"),
        {"a5-tangent-visible"},
    ),
    "normalise: the root of the mean square": (
        {"a5-normalise": "def normalise(g, c):\n    return g / like(g.flatten(1).square().mean(1).sqrt() + c, g)"},
        {"a5-normalise-visible", "a5-normalise-hidden"},
    ),
    "normalise: one axis only": (
        {"a5-normalise": "def normalise(g, c):\n    return g / (g.norm(dim=1, keepdim=True) + c)"},
        {"a5-normalise-hidden"},
    ),
    "loss: nothing detached": (
        swap("a5-loss", ".detach()", ""),
        {"a5-loss-hidden"},
    ),
    "loss: F is detached, g is not": (
        swap("a5-loss", "(F + g).detach()", "F.detach() - g"),
        {"a5-loss-hidden"},
    ),
    "loss: the opposite aim": (
        swap("a5-loss", "F + g", "F - g"),
        {"a5-loss-hidden"},
    ),
}
A6 = {
    "measure: the global generator": (
        swap("a6-measure", "torch.Generator().manual_seed(seed)", "torch.manual_seed(seed)"),
        {"a6-measure-visible"},
    ),
    "measure: the seed is not used": (
        swap("a6-measure", "manual_seed(seed)", "manual_seed(0)"),
        {"a6-measure-visible"},
    ),
    "measure: one method": (
        swap("a6-measure", '["Euler", "Heun"]', '["Euler"]'),
        {"a6-measure-visible"},
    ),
    "measure: a tensor": (
        swap("a6-measure", "return float(", "return torch.tensor("),
        {"a6-measure-visible"},
    ),
    "measure: the evaluations do nothing": (
        swap("a6-measure", "(euler_step, evaluations)", "(euler_step, 8)"),
        {"a6-measure-visible"},
    ),
    "summarise: n in the denominator": (
        swap("a6-summarise", "values.std()", "values.std(correction=0)"),
        {"a6-summarise-visible"},
    ),
    "summarise: counts first": (
        swap(
            "a6-summarise",
            "for method in methods:\n        for count in counts:",
            "for count in counts:\n        for method in methods:",
        ),
        {"a6-summarise-visible"},
    ),
    "floor: the same data twice": (
        swap(
            "a6-floor",
            "(eight_gaussians(1000, g), eight_gaussians(1000, g))",
            "(*[eight_gaussians(1000, g)] * 2)",
        ),
        {"a6-floor-visible"},
    ),
}
