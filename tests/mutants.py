"""Break one formula at a time and see that a test notices.

    python tests/mutants.py [WORD ...]

Each mutant replaces a text that occurs once in a module; the tests named beside it are then run on a copy of the
package and must fail.  WORDs choose the mutants whose module or text holds one of them.  When all that ran were killed,
their rows are written to tests/MUTANTS.md.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import hypothesis  # noqa: F401  # imported once here, not in every fork
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests" / "MUTANTS.md"
MUTANTS = [  # module, text, what it becomes, tests that must notice
    ("checks", "t.ndim == 1 and t.shape[0] == x.shape[0]", "t.numel() in (1, len(x))", "shapes"),
    ("nets/layers", "return value, dn * weight[:, None, None]", "return value, dn", "unet_tangents"),
    ("nets/layers", "return n, (dv - n * (n * dv)", "return n, (dv - dv * (n * dv)", "unet_tangents"),
    ("nets/blocks", "d = torch.addcmul(dn * s + db, n, ds)", "d = dn * s + db", "unet_tangents"),
    ("nets/blocks", "(dq.transpose(1, 2) @ k + q.transpose(1, 2) @ dk)", "(dq.transpose(1, 2) @ k)", "unet_tangents"),
    ("nets/unet", "h, dh = activated(*mapped(layer, h, dh))", "h, dh = activated(*mapped(layer, h, 0 * dh))", "unet_tangents"),
    ("checks", "for other, t in times.items() if times else ():", "for other, t in ():", "steps"),
    ("shapes", "return t.to(x.dtype).reshape", "return t.to(torch.bfloat16).to(x.dtype).reshape", "shapes"),
    ("paths", "like(self.d_alpha(t), x) * x0 + like(self.d_sigma(t), x)", "like(self.d_alpha(t), x) * x0 - like(self.d_sigma(t), x)", "paths"),
    ("paths", "return (ds * x - s * v) / (ds * a - s * da)", "return (ds * x - s * v) / (ds * a + s * da)", "paths"),
    ("paths", "return self.sigma_data * torch.sin(t)", "return torch.sin(t)", "paths"),
    ("paths", "return torch.atan(nsr / self.sigma_data)", "return torch.atan(nsr)", "paths"),
    ("paths", "return -self._rate(t) / 2 * self.alpha(t)", "return -self._rate(t) * self.alpha(t)", "paths"),
    ("paths", "return nsr / (1 + nsr)", "return nsr / (1 - nsr)", "paths"),
    ("precond", "like(source.alpha(u) / target.alpha(t), x) * x", "like(target.alpha(t) / source.alpha(u), x) * x", "paths"),
    ("times", "first + u * (last - first)", "last + u * (first - last)", "times"),
    ("times", "** (1 / rho), t_min ** (1 / rho)", "** (1 / rho), t_min ** (1 / 7)", "times"),
    ("times", "- 1) + 1", "- 1)", "times"),
    ("times", "math.exp(first * math.log(decay) / levels)", "math.exp(first * math.log(decay) / (levels - 1))", "times"),
    ("times", "(1 + k * torch.sigmoid(-b * t))", "(1 + k * torch.sigmoid(b * t))", "times"),
    ("times", "math.log2(last // first) + 1", "math.log2(last // first)", "times"),
    ("times", "(math.sqrt(2) * std)", "std", "times"),
    ("times", "(high * ratio - low)", "(high * ratio - 1.1 * low)", "times"),
    ("oracles/labelled", "(self._weights.log().to(x.dtype) + log_probs)", "log_probs", "labelled"),
    ("oracles/labelled", "scale * self.log_posterior(x, t, path)[:, label]", "(scale - 1) * self.log_posterior(x, t, path)[:, label]", "labelled"),
    ("oracles/labelled", "(label.clamp(min=-1) == c)", "(label.clamp(min=0) == c)", "labelled"),
    ("oracles/labelled", "return x, self.classes[k]", "return x, k", "labelled"),
    ("evaluation/folds", "torch.linalg.det(torch.stack(columns, 2))", "torch.linalg.det(torch.stack(columns, 2)).abs()", "folds"),
    ("sampling/guidance", "(path.nsr(t) <= nsr_max)", "(path.nsr(t) <= 2 * nsr_max)", "guidance"),
    ("sampling/guidance", "torch.where(inside, scale, 1.0)", "torch.where(inside, scale, 0.0)", "guidance"),
    ("nets/told_scale", "torch.stack([dc, dc], 1)", "torch.stack([dc, 0 * dc], 1)", "told_scale"),
    ("data/toys", "radius**2 / 2 + std**2).mean()", "radius**2 + std**2).mean()", "toys"),
    ("solvers/steps", "return x + h / 2 * (v + velocity(x + h * v, s))", "return x + h * (v + velocity(x + h * v, s)) / 3", "steps"),
    ("solvers/steps", "velocity(x + h * v, s))", "velocity(x + h * v, t))", "steps"),
    ("solvers/steps", "(k1 + 2 * k2 + 2 * k3 + k4)", "(k1 + 3 * k2 + k3 + k4)", "steps"),
    ("solvers/steps", "velocity(euler_step(velocity, x, t, half), half)", "velocity(euler_step(velocity, x, t, half), t)", "steps"),
    ("solvers/steps", "path.mix(x0, path.noise(x, t, x0), s)", "path.mix(x0, path.noise(x, s, x0), s)", "steps"),
    ("solvers/multistep", "(h[i] / (2 * h[i - 1]))", "(-h[i] / (2 * h[i - 1]))", "multistep"),
    ("solvers/multistep", "_WEIGHTS / 2  #", "_WEIGHTS / 3  #", "multistep"),
    ("solvers/stochastic", "(2 * path.sigma(t) * rate * (t - s)).sqrt()", "(path.sigma(t) * rate * (t - s)).sqrt()", "stochastic"),
    ("solvers/stochastic", "(lifted**2 - t**2).sqrt()", "(lifted - t)", "stochastic"),
    ("solvers/likelihood", "return prior + total", "return prior - total", "likelihood"),
    ("precond", "return d**2 / total**2, t * d / total, 1 / total, t.log() / 4", "return d**2 / total**2, t / total, 1 / total, t.log() / 4", "precond"),
    ("precond", "return d**2 / (gap**2 + d**2), gap * d / total", "return d**2 / (t**2 + d**2), gap * d / total", "precond"),
    ("precond", "return t.cos(), -d * t.sin()", "return t.cos(), d * t.sin()", "precond"),
    ("precond", "(clean * noise_b - noise * clean_b) * c_in", "(noise * clean_b - clean * noise_b) * c_in", "precond"),
    ("precond", "(clean * clean_b + noise * noise_b) / square", "clean * clean_b / square", "precond"),
    ("precond", "torch.atan2(noise, clean)", "torch.atan2(clean, noise)", "precond"),
    ("shapes", "t.ndim == 1 <= x.ndim and t.shape[0] == x.shape[0]", "t.numel() in (1, len(x))", "shapes"),
    ("shapes", "and not path.agrees(found)", "and False", "one_path"),
    ("shapes", "part.training = False", "part.training = part.training", "doors"),
    ("paths", "self.t_min - min(slack, self.t_min / 2)", "self.t_min - slack", "one_path"),
    ("paths", "high if high < math.inf else _NOISIEST", "min(high, _NOISIEST)", "one_path"),
    ("solvers/adaptive", "u.clamp(low, high)", "u", "doors"),
    ("rivals/jumps", "(x, t, s), (dx, dt, ds), h)", "(x, t, s), (dx, dt, dt), h)", "doors"),
    ("shapes", '("denoise", "function", "__self__")', '("denoise", "__self__")', "doors"),
    ("shapes", "*around.nonlocals.values(), ", "", "doors"),
    ("losses/discrete", 'check_path("pairs", self.pairs, self.path)', "pass", "one_path"),
    ("rivals/truncated", 'check_path("first", self.first, self.path)', "pass", "one_path"),
    ("training", "if half or iteration == start:", "if False:", "doors"),
    ("losses/distances", "(gap + c**2).sqrt() + c", "(gap + c**2).sqrt() + 2 * c", "discrete"),
    ("losses/denoising", "(nsr**2 + sigma_data**2) / (nsr * sigma_data) ** 2", "(nsr**2 + sigma_data**2) / nsr**2", "denoising"),
    ("losses/denoising", "path.d_alpha(t) - path.d_sigma(t)", "path.d_alpha(t) + path.d_sigma(t)", "denoising"),
    ("losses/discrete", "    with torch.no_grad():\n        x_s", "    with torch.enable_grad():\n        x_s", "discrete"),
    ("losses/discrete", "aim = target(x_s, s)", "aim = target(x_s, t)", "discrete"),
    ("losses/discrete", "return path.mix(x0, eps, s)", "return path.mix(x0, -eps, s)", "discrete"),
    ("losses/time_pairs", "return grid[index], grid[index + 1]", "return grid[index], grid[index]", "discrete"),
    ("losses/discrete", "1 / (path.nsr(t) - path.nsr(s))", "1 / (t - s)", "discrete"),
    ("losses/discrete", "with forked_rng(x0):", "if True:", "discrete"),
    ("losses/continuous", "(cos * sin * x + d * dF)", "(cos * sin * x + dF)", "continuous"),
    ("losses/continuous", "cos * sin * v, t.cos() * t.sin())", "cos * sin * v, t.cos() * t.cos())", "continuous"),
    ("losses/continuous", "-(cos**2) * (d * F.detach() - v)", "-cos * (d * F.detach() - v)", "continuous"),
    ("losses/continuous", "(d * F.detach() - v)", "(F.detach() - v)", "continuous"),
    ("losses/continuous", "F.detach() + rescale(g, t)", "F.detach() - rescale(g, t)", "continuous"),
    ("losses/continuous", "return w.exp() * error - w", "return w.exp() * error + w", "continuous"),
    ("losses/continuous", "like(g.flatten(1).norm(dim=1) + c, g)", "like(g.flatten(1).square().mean(1).sqrt() + c, g)", "continuous"),
    ("losses/continuous", "x0 if teacher is None else teacher(x, t)", "x0", "continuous"),
    ("losses/continuous", "(beside(h) - beside(-h)) / (2 * h)", "(beside(h) - beside(-h)) / h", "continuous"),
    ("nets/mlp", "silu_backward(dh @ layer.weight.T, a)", "silu_backward(dh @ layer.weight.T, h)", "nets"),
    ("nets/mlp", "torch.cat([angles.cos(), -angles.sin()]", "torch.cat([angles.cos(), angles.sin()]", "nets"),
    ("nets/mlp", "_init_normal(layer, 1.7)", "_init_normal(layer, 0.57)", "nets"),
    ("nets/mlp", "math.sqrt(self.labels) * (label", "(label", "nets"),
    ("plotting/film", "tick + round(100 * hold) * 10", "tick", "film"),
    ("plotting/frames", ".sum(2).argmin(1)", ".sum(2).argmax(1)", "film"),
    ("plotting/slider", "coded[self.start]", "coded[0]", "slider"),
    ("plotting/slider", "zip(self.values, coded)", "zip(self.values, coded[::-1])", "slider"),
    ("data/batches", "return points[places], labels[places]", "return points[places], labels[:n]", "toys"),
    ("sampling/few_steps", "(path.sigma(t) ** 2 - (keep * path.sigma(m)) ** 2)", "(path.sigma(t) ** 2 + (keep * path.sigma(m)) ** 2)", "few_steps"),
    ("sampling/few_steps", "keep = path.alpha(t) / path.alpha(m)", "keep = path.alpha(m) / path.alpha(t)", "few_steps"),
    ("sampling/few_steps", "x0 = f(renoise(x0, t, path, generator), t)", "x0 = renoise(model(x0, t), t, path, generator)", "few_steps"),
    ("averages", "1 - self.decay_at(self.updates))", "self.decay_at(self.updates))", "training"),
    ("averages", "return (1 - 1 / n) ** (self.gamma + 1)", "return (1 - 1 / n) ** self.gamma", "training"),
    ("training", "if grad_norm > clip:", "if grad_norm < clip:", "training"),
    ("checkpoints", "os.replace(", "os.link(", "checkpoints"),
    ("lab/run_folder", "< len(data):", "< 0:", "faults_disk"),
    ("data/downloads", "lock.acquire()", "pass", "faults_data"),
    ("data/downloads", "RETRIES = 3", "RETRIES = 0", "cifar10"),
    ("lab/run_folder", "lock.acquire(timeout=0)", "pass", "locks"),
    ("lab/run_folder", "done < before < total", "before < done < total", "extend"),
    ("lab/run_folder", "before.keys()) - {\"device\"}", "before.keys())", "extend"),
    ("lab/recipes/rivals", "PATH, gamma=1.0", "PATH, gamma=0.0", "arena"),
    ("lab/results", "(int, float)) else math.inf", "(int, float)) else 0.0", "results"),
    ("lab/results", "if math.isfinite(number) else math.inf", "if math.isfinite(number) else 0.0", "results"),
    ("lab/commands/push", 'if table.get("weights") != drawing.fingerprint:', "if False:", "hub"),
    ("lab/commands/push", "return bool(numbers) and all", "return all", "hub"),
    ("lab/commands/push", "_without_folder(value) for name, value in asdict", "value for name, value in asdict", "hub"),
    ("lab/commands/pull", "alone.write_bytes(content)", "alone = Path(hub.hf_hub_download(options.name, WEIGHTS))", "hub"),
    ("rivals/jumps", "a = path.d_sigma(t) * path.alpha(s) - path.d_alpha(t) * path.sigma(s)\n    b = path.alpha(t) * path.sigma(s) - path.sigma(t) * path.alpha(s)\n    return", "a = path.d_sigma(t) * path.alpha(s) + path.d_alpha(t) * path.sigma(s)\n    b = path.alpha(t) * path.sigma(s) - path.sigma(t) * path.alpha(s)\n    return", "jumps"),
    ("rivals/jumps", "return rate_a - growth * a, rate_b - growth * b", "return rate_a - growth * a, rate_b + growth * b", "jumps"),
    ("rivals/jumps", "a = path.d_sigma(t) * path.d_alpha(s) - path.d_alpha(t) * path.d_sigma(s)", "a = path.d_sigma(t) * path.d_alpha(s) - path.d_alpha(t) * path.sigma(s)", "jumps"),
    ("rivals/jumps", "scale = torch.hypot(path.d_alpha(t) * d, path.d_sigma(t))", "scale = torch.hypot(path.d_alpha(t), path.d_sigma(t))", "jumps"),
    ("rivals/jumps", "math.sqrt(1 - gamma**2) * path.nsr(s)", "(1 - gamma) * path.nsr(s)", "jumps"),
    ("rivals/jumps", "return d * F, d * dF", "return d * F, dF", "jumps"),
    ("nets/two_times", "(0, inputs, 0, outputs)", "(inputs, 0, 0, outputs)", "jumps"),
    ("nets/two_times", "self.single.tangent(t - s, dt - ds)", "self.single.tangent(t - s, dt + ds)", "jumps"),
    ("rivals/flow_maps", "change = like(da, x) * x + like(a, x) * v + like(db, x) * V.detach()", "change = like(da, x) * x + like(a, x) * v - like(db, x) * V.detach()", "flow_maps"),
    ("rivals/flow_maps", "return V, -like(db, x) * change", "return V, like(db, x) * change", "flow_maps"),
    ("rivals/flow_maps", "return V, -like(db, x) * change", "return V, change", "flow_maps"),
    ("rivals/flow_maps", "like(db, x) * (wanted - change)", "like(db, x) * (change - wanted)", "flow_maps"),
    ("rivals/flow_maps", "model.path.velocity(end, s, teacher(end, s))", "model.path.velocity(end, s, teacher(x, s))", "flow_maps"),
    ("losses/stable", "like(alpha**2 / var, x)", "like(alpha / var, x)", "stable"),
    ("losses/stable", "torch.cat([x0, *fresh])", "torch.cat([*fresh, *fresh])", "stable"),
    ("losses/denoising", "x0 if teacher is None else of_path", "x0 if teacher is not None else of_path", "denoising"),
    ("rivals/sample_matching", "mean_shift(x, y, kernel) - mean_shift(x, z, kernel)", "mean_shift(x, y, kernel) + mean_shift(x, z, kernel)", "sample_matching"),
    ("rivals/sample_matching", "v.square().mean().sqrt()", "v.abs().mean()", "sample_matching"),
    ("rivals/sample_matching", "logits + u[:, None]", "logits - u[:, None]", "sample_matching"),
    ("rivals/sample_matching", "(direction(data) - direction(others))", "direction(data)", "sample_matching"),
    ("rivals/sample_matching", "(samples.detach() + move)", "(samples.detach() - move)", "sample_matching"),
    ("rivals/flow_maps", "own * model.velocity(x, t, t)", "own * model.velocity(x, t, s)", "flow_maps"),
    ("rivals/flow_maps", "(wanted - V.detach()) / alpha", "wanted - V.detach()", "flow_maps"),
    ("rivals/flow_maps", "two = model(model(x, t, u), u, s)", "two = model(model(x, t, u), u, u)", "flow_maps"),
    ("rivals/flow_maps", "(V - (V.detach() + move))", "(V - (V.detach() - move))", "flow_maps"),
    ("rivals/flow_maps", "(value.detach() + 1e-3) ** power", "(value + 1e-3) ** power", "flow_maps"),
    ("rivals/flow_maps", "aim = still(still(x_u, u, s), s, last)", "aim = still(still(x_u, t, s), s, last)", "flow_maps"),
    ("rivals/flow_maps", "    with frozen(still):\n", "    if True:\n", "flow_maps"),
    ("losses/time_pairs", "t[: sum(fixed)] = first[: sum(fixed)]", "t[: sum(fixed)] = t[: sum(fixed)]", "flow_maps"),
    ("rivals/inductive", "mean(b, b) - 2 * mean(a, b)", "mean(b, b) - mean(a, b)", "inductive"),
    ("rivals/inductive", "(-distance / like(scale, distance)).exp()", "(-distance.square() / like(scale, distance)).exp()", "inductive"),
    ("rivals/inductive", "aim = model(path.mix(x0, eps, r), r, s)", "aim = model(path.mix(x0, eps, r), t, s)", "inductive"),
    ("rivals/inductive", "model.path.time_at((1 - self.gap) * model.path.nsr(t))", "(1 - self.gap) * t", "inductive"),
    ("rivals/truncated", "above = t > boundary", "above = t >= boundary", "inductive"),
    ("rivals/distillation", "like(path.alpha(s) - ratio * path.alpha(t), x)", "like(path.alpha(s) + ratio * path.alpha(t), x)", "distillation"),
    ("rivals/distillation", "ratio = path.sigma(s) / path.sigma(t)", "ratio = path.sigma(t) / path.sigma(s)", "distillation"),
    ("rivals/distillation", "(sigma_data / path.nsr(t)).square().clamp(min=1)", "(1 / path.nsr(t)).square().clamp(min=1)", "distillation"),
    ("rivals/distillation", "index = 2 * torch.randint(len(grid) // 2", "index = torch.randint(len(grid) // 2", "distillation"),
    ("rivals/distillation", "end = f(state, times[-1]", "end = teacher(x, times[-1]", "distillation"),
    ("rivals/distillation", "return states[level, row], times[level], ends[row]", "return states[level, row], times[level], ends[level]", "distillation"),
    ("rivals/matching", "fake(x, t) - clean, clean", "clean - fake(x, t), clean", "matching"),
    ("rivals/matching", "like(counts, g) * weighting(", "weighting(", "matching"),
    ("rivals/matching", "log_ratio(x, t).exp()", "log_ratio(x, t).neg().exp()", "matching"),
    ("rivals/matching", "log_ratio(x, t).sigmoid()", "log_ratio(x, t).neg().sigmoid()", "matching"),
    ("rivals/matching", "scale = (g - real).abs()", "scale = gap.abs()", "matching"),
    ("rivals/matching", "(g - (g.detach() - grad)) ** 2) / 2", "(g - (g.detach() - grad)) ** 2)", "matching"),
    ("rivals/matching", "like(path.sigma(t), x0) * eps, path.mix(x0, eps, t)", "like(path.sigma(t), x0) * x0, path.mix(x0, eps, t)", "matching"),
    ("rivals/alternating", "        with frozen(self.critic):\n", "        if True:\n", "matching"),
    ("rivals/alternating", "        for _ in range(self.updates):\n            self._update(model, x0, iteration, generator)\n", "        self._update(model, x0, iteration, generator)\n", "matching"),
    ("rivals/alternating", 'self.optimizer.load_state_dict(state["optimizer"])', "pass", "matching"),
    ("rivals/adversarial", "return softplus(-real) + softplus(fake)", "return softplus(real) + softplus(fake)", "adversarial"),
    ("rivals/adversarial", "return softplus(-fake)", "return -softplus(fake)", "adversarial"),
    ("rivals/adversarial", "value + r1 / 2 * gradient_penalty", "value + r1 * gradient_penalty", "adversarial"),
    ("rivals/adversarial", "create_graph=True", "create_graph=False", "adversarial"),
    ("rivals/adversarial", "(1 - real).relu() + (1 + fake).relu()", "(1 - real).relu() + (1 - fake).relu()", "adversarial"),
]  # fmt: skip


def in_a_fork(folder: Path, tests: str) -> tuple[int, str]:
    """pytest's exit code and output on the copy, in a child that has torch already and minicm not yet."""
    log = folder / "output.txt"
    child = os.fork()
    if child == 0:
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = 3  # pytest's own, of an error inside it
        try:
            os.chdir(folder)
            sys.path.insert(0, str(folder))
            code = int(pytest.main([tests, "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]))
        finally:  # whatever happens, two processes must not go on
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), log.read_text("utf-8")


def survives(module: str, text: str, becomes: str, tests: str, folder: Path) -> bool:
    """Whether the tests pass although the formula is broken."""
    file = folder / "minicm" / f"{module}.py"
    source = file.read_text("utf-8")
    if source.count(text) != 1:
        raise ValueError(
            f"expected {text!r} once in {module}.py, got {source.count(text)} times: mend tests/mutants.py"
        )
    file.write_text(source.replace(text, becomes), "utf-8")
    (page,) = folder.glob(f"tests/*/test_{tests}.py")
    code, output = in_a_fork(folder, str(page.relative_to(folder)))
    file.write_text(source, "utf-8")
    failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if code == 1 and failed:
        print(f"killed    {module}: {becomes!r} by {failed[0].split(' - ')[0].split('::')[-1][:60]}", flush=True)
        KILLERS[module, text, becomes] = failed[0].split(" - ")[0].split("::")[-1].split("[")[0]
        return False
    print(f"SURVIVED  {module}: {becomes!r} (pytest's exit code {code})", flush=True)
    return True


KILLERS: dict[tuple[str, str, str], str] = {}


def known() -> dict[str, str]:
    """The rows that stand in the table, by mutant."""
    lines = TABLE.read_text("utf-8").splitlines() if TABLE.exists() else []
    return {line.rpartition(" | ")[0]: line for line in lines if line.startswith("| ")}


def mutant_cells(module: str, text: str, becomes: str) -> str:
    """The first three cells of a mutant's row."""
    cells = ["`" + " ".join(code.split()).replace("|", "\\|") + "`" for code in (text, becomes)]
    return " | ".join([f"| {module}", *cells])


def table() -> str:
    """The mutants and the tests that killed them, in Markdown: now, or when they ran last."""
    rows = known()
    for module, text, becomes, tests in MUTANTS:
        if (module, text, becomes) in KILLERS:
            cells = mutant_cells(module, text, becomes)
            rows[cells] = f"{cells} | `test_{tests}.py`: {KILLERS[module, text, becomes].removeprefix('test_')} |"
    ours = [rows[cells] for mutant in MUTANTS if (cells := mutant_cells(*mutant[:3])) in rows]
    head = ["# Mutants, and the tests that kill them", "", "Made by `python tests/mutants.py`.", ""]
    return "\n".join([*head, "| module | formula | broken | killed by |", "|---|---|---|---|", *ours, ""])


def main(words: list[str]) -> int:
    torch.set_num_threads(1)
    chosen = [m for m in MUTANTS if not words or any(word in m[0] or word in m[1] for word in words)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("minicm", "tests", "benchmarks", "tutorials", "data"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.ipynb"))
        for part in ("pyproject.toml", "conftest.py"):
            shutil.copy(ROOT / part, folder / part)
        alive = sum(survives(*mutant, folder) for mutant in chosen)
    print(f"{len(chosen) - alive} killed, {alive} survived")
    if alive == 0:
        TABLE.write_text(table(), "utf-8")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
