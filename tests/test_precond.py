"""Scalings: unit variance in and out, the boundary, and the identities between the parametrisations."""

import pytest
import torch
from gauntlet import mixture, some_t

from minicm.nets import MLP
from minicm.paths import VE, TrigFlow, transport
from minicm.precond import ConsistencyScaling, EDMScaling, Preconditioned, Recovered, TrigFlowScaling
from minicm.shapes import like

PAIRS = [(EDMScaling(), VE()), (ConsistencyScaling(), VE()), (TrigFlowScaling(), TrigFlow())]


@pytest.mark.parametrize("scaling, path", PAIRS[::2], ids=["EDM", "TrigFlow"])
def test_the_network_sees_and_must_return_unit_variance(scaling, path):
    """EDM's derivation: for data of std σ_d the input c_in x and the target (x0 − c_skip x)/c_out have variance 1."""
    n, d = 400_000, scaling.sigma_data
    for time in (0.2, 1.2):
        t = torch.full((n,), time)
        x0 = d * torch.randn(n, 1)
        x = path.mix(x0, torch.randn(n, 1), t)
        c_skip, c_out, c_in, _ = scaling(t)
        target = (x0 - like(c_skip, x) * x) / like(c_out, x)
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
             lambda: TrigFlowScaling(float("inf"))],
)  # fmt: skip
def test_impossible_constants_are_refused(make):
    with pytest.raises(ValueError, match="^expected [^\n]*got[^\n]*$"):
        make()
