"""Scalings: unit variance in and out, the boundary, and the identities between the parametrisations."""

import pytest
import torch
from gauntlet import PATHS, mixture, some_t

from minicm.nets import MLP
from minicm.paths import VE, VP, Path, TrigFlow
from minicm.precond import (
    ConsistencyScaling,
    EDMScaling,
    PathScaling,
    Preconditioned,
    Recovered,
    TrigFlowScaling,
    model_on,
    transport,
)
from minicm.shapes import like


class Arc(Path):
    """The path of CONTRIBUTING.md, a newcomer: x_t = √(1 − t²) x0 + t ε."""

    t_min, t_max = 0.002, 0.99999

    def alpha(self, t):
        return (1 - t**2).sqrt()

    def sigma(self, t):
        return t

    def d_alpha(self, t):
        return -t / self.alpha(t)

    def d_sigma(self, t):
        return torch.ones_like(t)

    def time_at(self, nsr):
        return nsr / (1 + nsr**2).sqrt()


PAIRS = [(EDMScaling(), VE()), (ConsistencyScaling(), VE()), (TrigFlowScaling(), TrigFlow())]
ON_PATHS = [(PathScaling(path, d, b), path) for path in [*PATHS, Arc()] for d, b in ((0.5, 0.0), (1.3, path.t_min))]


def named(value: object) -> str:
    return f"{type(value.path).__name__}, {value.boundary}" if isinstance(value, PathScaling) else type(value).__name__


@pytest.mark.parametrize("scaling, path", [*PAIRS[::2], *ON_PATHS], ids=named)
def test_the_network_sees_and_must_return_unit_variance(scaling, path):
    """EDM's derivation: for data of std σ_d the input c_in x and the target (x0 − c_skip x)/c_out have variance 1."""
    n, d = 400_000, scaling.sigma_data
    for time in (0.2, min(1.2, 0.8 * path.t_max)):
        t = torch.full((n,), time)
        x0 = d * torch.randn(n, 1)
        x = path.mix(x0, torch.randn(n, 1), t)
        c_skip, c_out, c_in, _ = scaling(t)
        end, drawn = torch.full((n,), getattr(scaling, "boundary", 0.0)), path.noise(x, t, x0)
        aim = path.mix(x0, drawn, end)  # where f of this sample's own path ends
        target = (aim - like(c_skip, x) * x) / like(c_out, x)
        assert abs((like(c_in, x) * x).std() - 1) < 0.01 and abs(target.std() - 1) < 0.01


@pytest.mark.parametrize("sigma_data", [0.5, 1.3])
def test_edm_scalings_keep_the_variance_of_the_data(sigma_data):
    t = torch.logspace(-2, 2, 9)
    c_skip, c_out, _, _ = EDMScaling(sigma_data)(t)
    torch.testing.assert_close(
        c_skip**2 * (t**2 + sigma_data**2) + c_out**2, torch.full((9,), sigma_data**2), rtol=1e-14, atol=1e-14
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scaling, t", [(ConsistencyScaling(), 0.002), (TrigFlowScaling(), 0.0)])
def test_the_boundary_is_exact_bit_for_bit(scaling, t, dtype):
    x = torch.randn(7, 2, dtype=dtype)
    model = Preconditioned(MLP(2).to(dtype), scaling)
    assert torch.equal(model(x, torch.full((7,), t, dtype=torch.float64)), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("path", [*PATHS, Arc()], ids=lambda p: type(p).__name__)
def test_a_scaling_of_any_path_keeps_its_boundary_bit_for_bit(path, dtype):
    x = torch.randn(7, 2, dtype=dtype)
    for boundary in (0.0, path.t_min, path.t_max / 2):
        model = Preconditioned(MLP(2).to(dtype), PathScaling(path, 0.7, boundary))
        assert torch.equal(model(x, torch.full((7,), boundary, dtype=torch.float64)), x)


@pytest.mark.parametrize("d", [0.5, 1.3])
def test_one_formula_holds_for_every_path_edm_and_trigflow_among_them(d):
    t = VE().grid(40).flip(0)
    ours, edm = PathScaling(VE(), d)(t), EDMScaling(d)(t)
    for a, b in zip(ours[:3], (edm[0], -edm[1], edm[2]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    trig = TrigFlow(d)
    for a, b in zip(PathScaling(trig, d)(trig.grid(40)), TrigFlowScaling(d)(trig.grid(40)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("path", [*PATHS, Arc()], ids=lambda p: type(p).__name__)
def test_one_network_is_one_denoiser_on_every_path(path):
    """Read on TrigFlow, the model of any path is the model that `model_on` makes there of the same network."""
    network, trig, x = MLP(), TrigFlow(), torch.randn(7, 2)
    t = trig.time_at(torch.tensor([0.01, 0.1, 0.3, 1.0, 2.0, 9.0, 50.0]))
    moved = transport(model_on(path, network), path, trig)
    torch.testing.assert_close(moved(x, t), model_on(trig, network)(x, t), rtol=1e-9, atol=1e-9)


def test_model_on_knows_the_std_of_the_path_and_trigflow_keeps_its_own_scaling():
    assert model_on(TrigFlow(0.7), MLP()).scaling == TrigFlowScaling(0.7)
    assert model_on(VP(), MLP()).scaling == PathScaling(VP(), 0.5)
    assert model_on(VE(), MLP(), 0.7).scaling == PathScaling(VE(), 0.7)
    assert model_on(TrigFlow(0.7), MLP(), 0.5).scaling == PathScaling(TrigFlow(0.7), 0.5)
    assert model_on(VP(), MLP()).path == VP()


def test_consistency_scaling_is_edm_scaling_far_from_the_boundary():
    t = torch.tensor([5.0, 80.0])
    for ours, edm in zip(ConsistencyScaling()(t), EDMScaling()(t), strict=True):
        torch.testing.assert_close(ours, edm, rtol=2e-3, atol=0)
    for k in (2, 3):  # c_in and c_noise know nothing of t_min
        assert torch.equal(ConsistencyScaling()(t)[k], EDMScaling()(t)[k])


def test_time_conditioning_is_a_quarter_of_the_logarithm_or_the_angle_itself():
    t = torch.tensor([0.5, 1.0])
    torch.testing.assert_close(EDMScaling()(t)[3].exp() ** 4, t)
    torch.testing.assert_close(TrigFlowScaling()(t)[3], t)


@pytest.mark.parametrize("scaling, path", PAIRS, ids=lambda v: type(v).__name__)
def test_recovered_network_reproduces_the_denoiser(scaling, path):
    denoise = mixture().denoiser(path)
    recovered = Recovered(denoise, scaling)
    x, t = torch.randn(7, 2), some_t(path)
    stand_in = Preconditioned(lambda u, c: recovered.raw(x, t), scaling)
    torch.testing.assert_close(stand_in(x, t), denoise(x, t))
    torch.testing.assert_close(stand_in.raw(x, t), recovered.raw(x, t))


def test_f_of_trigflow_is_minus_f_of_edm_on_the_same_input():
    ve, trig = VE(), TrigFlow()
    denoise = mixture().denoiser(ve)
    x, t = torch.randn(7, 2), some_t(trig)
    sigma = ve.time_at(trig.nsr(t))
    x_ve = x / like(t.cos(), x)
    f_trig = Recovered(transport(denoise, ve, trig), TrigFlowScaling()).raw(x, t)
    f_edm = Recovered(denoise, EDMScaling()).raw(x_ve, sigma)
    torch.testing.assert_close(f_trig, -f_edm, rtol=1e-12, atol=1e-12)
    c_in_ve, c_in_trig = EDMScaling()(sigma)[2], TrigFlowScaling()(t)[2]
    torch.testing.assert_close(like(c_in_ve, x) * x_ve, like(c_in_trig, x) * x)


def test_trigflow_raw_output_is_the_velocity_in_units_of_sigma_data():
    path = TrigFlow(sigma_data=0.7)
    denoise = mixture().denoiser(path)
    x, t = torch.randn(7, 2), some_t(path)
    raw = Recovered(denoise, TrigFlowScaling(0.7)).raw(x, t)
    torch.testing.assert_close(0.7 * raw, path.velocity(x, t, denoise(x, t)))


def test_given_binds_a_label_and_keeps_the_parameters():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(2.0))

        def forward(self, u, c, label):
            return self.scale * label[:, None] * u

    model, x, t, label = (
        Preconditioned(Net(), TrigFlowScaling()),
        torch.randn(5, 2),
        some_t(TrigFlow(), 5),
        torch.rand(5),
    )
    c_skip, c_out, c_in, _ = TrigFlowScaling()(t)
    torch.testing.assert_close(model.given(label)(x, t), like(c_skip + 2 * c_out * label * c_in, x) * x)
    assert [id(p) for p in model.given(label).parameters()] == [id(p) for p in model.parameters()]


@pytest.mark.parametrize(
    "make", [lambda: EDMScaling(0.0), lambda: ConsistencyScaling(-1.0), lambda: ConsistencyScaling(0.5, 0.0),
             lambda: TrigFlowScaling(float("inf")), lambda: PathScaling(VE(), 0.0),
             lambda: PathScaling(VE(), 0.5, -1.0)],
)  # fmt: skip
def test_impossible_constants_are_refused(make):
    with pytest.raises(ValueError, match="^expected [^\n]*got[^\n]*$"):
        make()
