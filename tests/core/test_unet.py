"""The U-Net: derivatives in every mode it is used in, conditions that do what they say, and sizes as published."""

from itertools import islice

import pytest
import torch
from copies import python
from torch.func import jvp

from minicm.data import digit_halves, of_points
from minicm.losses import SCMLoss, VelocityLoss, by_differences
from minicm.losses.continuous import by_jvp
from minicm.nets import Additive, DoubleNorm, TimeFeatures, UNet, cifar10_unet, digits_unet, edm_unet
from minicm.nets.blocks import Attention
from minicm.nets.layers import Dropout, GroupNorm, halved, pixel_norm, upsampled
from minicm.paths import TrigFlow
from minicm.precond import Preconditioned, Recovered, TrigFlowScaling
from minicm.times import log_normal
from minicm.training import fit

CONDITIONINGS = [Additive, DoubleNorm]
each_conditioning = pytest.mark.parametrize("conditioning", CONDITIONINGS)


def small(conditioning=Additive, **options):
    """Two levels, attention on both, every kind of block; its branches are opened, for new ones hardly count."""
    net = UNet(2, width=8, multipliers=(1, 2), blocks=1, attention=(0,), conditioning=conditioning, **options).to(
        torch.get_default_dtype()
    )
    for p in net.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return net


def state(n=3, size=8):
    return torch.randn(n, 2, size, size), torch.rand(n), torch.randn(n, 2, size, size), torch.rand(n)


def size_of(net):
    return sum(p.numel() for p in net.parameters())


def wide_conv(x):
    return x.to(memory_format=torch.channels_last)


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


# ---- derivatives


@each_conditioning
@pytest.mark.parametrize("layout", [torch.Tensor.contiguous, wide_conv])
def test_forward_mode_is_the_finite_difference(conditioning, layout):
    net = small(conditioning).to(memory_format=torch.channels_last if layout is wide_conv else torch.contiguous_format)
    u, c, du, dc = state()
    u, du, h = layout(u), layout(du), 1e-5
    difference = (net(u + h * du, c + h * dc) - net(u - h * du, c - h * dc)) / (2 * h)
    value, tangent = jvp(net, (u, c), (du, dc))
    torch.testing.assert_close(value, net(u, c), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(tangent, difference, rtol=1e-7, atol=1e-7)


def test_forward_mode_is_the_transpose_of_reverse_mode():
    net, (u, c, du, dc) = small(DoubleNorm), state()
    u.requires_grad_(), c.requires_grad_()
    w = torch.randn_like(du)
    gu, gc = torch.autograd.grad(net(u, c), (u, c), w)
    tangent = jvp(net, (u.detach(), c.detach()), (du, dc))[1]
    torch.testing.assert_close((tangent * w).sum(), (gu * du).sum() + (gc * dc).sum())


@each_conditioning
def test_forward_mode_under_autocast_is_right_within_five_percent(conditioning):
    torch.set_default_dtype(torch.float32)
    net, (u, c, du, dc) = small(conditioning), state()
    exact = jvp(net.double(), (u.double(), c.double()), (du.double(), dc.double()))
    net.float().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        value, tangent = jvp(net, (wide_conv(u), c), (wide_conv(du), dc))
        assert relative(net(u, c).double(), exact[0]) < 0.05
    assert relative(value.double(), exact[0]) < 0.05 and relative(tangent.double(), exact[1]) < 0.05


def test_what_the_blocks_are_told_is_float32_under_autocast():
    torch.set_default_dtype(torch.float32)
    net, c, label = small(labels=3), torch.rand(5), torch.tensor([0, 1, 2, -1, 0])
    with torch.autocast("cpu", torch.bfloat16):
        told = net._embedding(c, label, None)
    assert told.dtype == torch.float32 and torch.equal(told, net._embedding(c, label, None))


@each_conditioning
def test_the_sCM_loss_has_the_same_gradient_by_forward_mode_and_by_differences(conditioning):
    torch.manual_seed(1)
    net, x0 = small(conditioning), 0.5 * torch.randn(4, 2, 8, 8)
    gradients = []
    for derivative in (by_jvp, by_differences(1e-4)):
        model = Preconditioned(net, TrigFlowScaling())
        loss = SCMLoss(TrigFlow(), log_normal(-1.0, 1.4), derivative=derivative)
        value = loss(model, x0, 0, torch.Generator().manual_seed(2)).mean()
        gradients.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, list(net.parameters()))]))
    assert gradients[0].isfinite().all() and gradients[0].norm() > 0
    assert relative(*gradients) < 1e-3


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_value_and_tangent_see_the_same_dropout(layout):
    """The central difference with the mask of the value's pass is the tangent only if all three masks agree."""
    net, (u, c, du, dc) = small(DoubleNorm, dropout=0.3), state()
    net.train().to(memory_format=layout)
    model, u, du = Preconditioned(net, TrigFlowScaling()), u.to(memory_format=layout), du.to(memory_format=layout)
    torch.manual_seed(5)
    value, tangent = by_jvp(model, u, c, du, dc)
    torch.manual_seed(5)
    again, difference = by_differences(1e-5)(model, u, c, du, dc)
    assert torch.equal(value, again)
    torch.testing.assert_close(tangent, difference, rtol=1e-6, atol=1e-6)
    assert relative(model.raw(u, c), value) > 0.01  # there is a mask, another one each time
    assert torch.equal(model.eval().raw(u, c), model.raw(u, c))


def test_dropout_keeps_the_mean_and_knows_only_the_shape():
    part, x = Dropout(0.2), torch.randn(2, 8, 5, 7)
    masks = []
    for y in (torch.ones_like(x), wide_conv(torch.ones_like(x)), torch.ones_like(x).float()):
        torch.manual_seed(1)
        masks.append(part(y).double())
    assert torch.equal(masks[0], masks[1]) and torch.allclose(masks[0], masks[2])
    many = part(torch.ones(100_000))
    assert torch.allclose(many.unique(), torch.tensor([0, 1.25])) and abs(many.mean() - 1) < 4 * 0.5 / 100_000**0.5


@pytest.mark.parametrize("width", [32, 64, 128])
def test_the_embedding_changes_slowly(width):
    features, t = TimeFeatures(width // 2), torch.linspace(0, 1.57, 200)
    assert jvp(features, (t,), (torch.ones_like(t),))[1].abs().max() < 10
    told = digits_unet().double()
    assert jvp(lambda t: told._embedding(t, None, None), (t,), (torch.ones_like(t),))[1].abs().max() < 10


COMPILED = """
import torch
from torch.func import jvp
from minicm.nets import DoubleNorm, UNet
torch.manual_seed(0)
net = UNet(1, width=4, multipliers=(1,), blocks=1, conditioning=DoubleNorm).double().to(DEVICE)
for p in net.parameters():
    p.data += 0.1 * torch.randn_like(p)
u, c, du, dc = (torch.randn(shape).double().to(DEVICE) for shape in ((2, 1, 4, 4), (2,), (2, 1, 4, 4), (2,)))
both = lambda *a: jvp(net, a[:2], a[2:])
with torch.no_grad():
    torch.testing.assert_close(torch.compile(both, backend=BACKEND, fullgraph=True)(u, c, du, dc), both(u, c, du, dc))
print("equal")
"""


def compiled_equals_eager(backend, device):
    """In a process of its own: a compilation that fails leaves others of the same process failing."""
    code = COMPILED.replace("BACKEND", repr(backend)).replace("DEVICE", repr(device))
    done = python(["-c", code])
    assert done.stdout == "equal\n", done.stderr[-2000:]


@pytest.mark.slow
def test_value_and_tangent_are_traced_without_a_break():
    """What torch.compile reads; a GPU sees the code it makes, and the tangent by hand is taken as far as that code."""
    compiled_equals_eager("eager", "cpu")


@pytest.mark.gpu
def test_value_and_tangent_compile_on_the_gpu():
    compiled_equals_eager("inductor", "cuda")


# ---- the parts


@pytest.mark.parametrize("channels, groups", [(3, 1), (4, 1), (12, 3), (32, 8), (256, 32), (144, 24)])
def test_both_ways_of_group_normalisation_are_the_definition(channels, groups):
    norm, x = GroupNorm(channels).double(), 3 + 2 * torch.randn(3, channels, 4, 6)
    norm.weight.data, norm.bias.data = torch.randn(channels), torch.randn(channels)
    assert norm.groups == groups
    torch.testing.assert_close(norm(x), norm.elementary(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(norm(wide_conv(x)), norm(x), rtol=1e-12, atol=1e-12)
    assert norm.elementary(wide_conv(x)).is_contiguous(memory_format=torch.channels_last)
    plain = (norm(x) - norm.bias[:, None, None]) / norm.weight[:, None, None]
    group = plain.reshape(3, norm.groups, -1)
    torch.testing.assert_close(group.mean(2), torch.zeros(3, norm.groups), atol=1e-12, rtol=0)
    torch.testing.assert_close(group.var(2, correction=0), torch.ones(3, norm.groups), atol=1e-5, rtol=0)


def test_group_normalisation_counts_in_float32_and_answers_in_the_callers_dtype():
    torch.set_default_dtype(torch.float32)
    norm, x = GroupNorm(8), (100 + torch.randn(2, 8, 16, 16)).bfloat16()
    for result in (norm(x), norm.elementary(x)):
        assert result.dtype == torch.bfloat16
        assert relative(result.double(), norm.double()(x.double())) < 0.01
        norm.float()


def test_attention_is_that_of_torch():
    torch.manual_seed(3)
    block, x = Attention(8).double(), torch.randn(2, 8, 3, 5)
    for p in block.parameters():
        p.data += 0.5 * torch.randn_like(p)
    q, k, v = (block.qkv(block.norm(x))[:, i::3].flatten(2).transpose(1, 2) for i in range(3))
    looked_up = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(block(x) * 2**0.5, x + block.proj(looked_up))


def test_attention_does_not_know_where_a_pixel_is():
    block, x, order = Attention(8).double(), torch.randn(2, 8, 4, 4), torch.randperm(16)
    block.proj.weight.data.normal_()
    shuffle = lambda y: y.flatten(2)[..., order].unflatten(2, (4, 4))  # noqa: E731
    torch.testing.assert_close(block(shuffle(x)), shuffle(block(x)))


def test_the_two_halves_of_double_normalisation_have_mean_square_one_and_no_scale():
    part, x, told = DoubleNorm(8, 5).double(), torch.randn(4, 8, 6, 6), torch.randn(4, 5)
    part.affine.bias.data = torch.randn(16)
    y = part(x, told)
    shift = y.mean((2, 3)) - (part.norm(x).mean((2, 3)) * _slope(part, x, told))
    torch.testing.assert_close(shift.square().mean(1), torch.ones(4), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(_slope(part, x, told).square().mean(1), torch.ones(4), rtol=1e-6, atol=1e-6)
    for half, factor in ((slice(0, 8), 7.0), (slice(8, 16), 0.2)):  # s and b, each on its own scale
        part.affine.weight.data[half] *= factor
        part.affine.bias.data[half] *= factor
        torch.testing.assert_close(part(x, told), y, rtol=1e-5, atol=1e-5)
    part.affine.weight.data[:8] *= -1
    part.affine.bias.data[:8] *= -1
    torch.testing.assert_close(part(x, told).mean((2, 3)) + y.mean((2, 3)), 2 * shift, rtol=1e-5, atol=1e-5)


def _slope(part, x, told):
    """What multiplies the normalised x in each channel: the ratio of the spreads over pixels, with its sign."""
    y, h = part(x, told), part.norm(x)
    y, h = y - y.mean((2, 3), keepdim=True), h - h.mean((2, 3), keepdim=True)
    return (y * h).sum((2, 3)) / h.square().sum((2, 3))


def test_pixel_norm_has_a_bounded_derivative_at_zero():
    v, dv = torch.zeros(1, 4), torch.randn(1, 4)
    torch.testing.assert_close(jvp(pixel_norm, (v,), (dv,))[1], dv * 1e4)


def test_additive_conditioning_moves_the_channels_before_they_are_normalised():
    part, x, told = Additive(8, 5).double(), torch.randn(4, 8, 6, 6), torch.randn(4, 5)
    part.affine.weight.data.zero_()
    part.affine.bias.data = torch.randn(8)
    torch.testing.assert_close(part(x, told), part.norm(x + part.affine.bias[:, None, None]))


def test_halving_undoes_upsampling():
    x = torch.randn(2, 3, 4, 6)
    assert torch.equal(halved(upsampled(x)), x)
    assert torch.equal(upsampled(x)[..., 1::2, ::2], x)


# ---- the whole


@pytest.mark.parametrize(
    ("make", "millions", "within"),
    [(edm_unet, 55.73, 0.01), (lambda: cifar10_unet(conditioning=Additive), 8.8, 0.01), (digits_unet, 0.34, 0.02)],
    ids=["edm", "cifar10", "digits"],
)
def test_sizes(make, millions, within):
    with torch.device("meta"):
        assert size_of(make()) == pytest.approx(1e6 * millions, rel=within)


def test_a_new_network_answers_almost_nothing_and_learns_at_once():
    """The last layer is 1e-5 of the usual: F starts near 0, but its gradient does not."""
    net, u = digits_unet().double(), torch.randn(4, 1, 8, 8)
    assert net(u, torch.rand(4)).abs().max() < 1e-3
    (gradient,) = torch.autograd.grad((net(u, torch.rand(4)) - u).square().mean(), net.last.weight)
    assert gradient.abs().max() > 1e-3


def test_every_parameter_counts():
    net, (u, c, _, _) = small(labels=3, guidance=TimeFeatures(2)), state()
    value = net(u, c, torch.tensor([0, 1, 2]), torch.rand(3)).square().sum()
    names, values = zip(*net.named_parameters(), strict=True)
    silent = [n for n, g in zip(names, torch.autograd.grad(value, values), strict=True) if not g.abs().sum() > 1e-9]
    assert silent == []


def test_samples_do_not_see_each_other():
    net, (u, c, _, _), label = small(DoubleNorm, labels=3), state(), torch.tensor([2, -1, 0])
    for k in range(3):
        torch.testing.assert_close(net(u, c, label)[k : k + 1], net(u[k : k + 1], c[k : k + 1], label[k : k + 1]))


@each_conditioning
def test_a_label_matters_and_none_is_no_label(conditioning):
    net, (u, c, _, _) = small(conditioning, labels=4), state()
    none = net(u, c)
    assert torch.equal(net(u, c, torch.full((3,), -1)), none)
    answers = torch.stack([net(u, c, torch.full((3,), k)) for k in range(4)] + [none])
    gaps = torch.cdist(answers.flatten(1), answers.flatten(1)) + torch.eye(5)
    assert gaps.min() > 1e-3
    mixed = net(u, c, torch.tensor([3, -1, 1]))
    torch.testing.assert_close(mixed, torch.stack([answers[3, 0], answers[4, 1], answers[1, 2]]))


def test_gradient_reaches_only_the_labels_that_were_given():
    net, (u, c, _, _) = small(labels=4), state()
    (g,) = torch.autograd.grad(net(u, c, torch.tensor([1, -1, 1])).square().sum(), net.label_map.weight)
    assert [bool(g[:, k].abs().sum() > 0) for k in range(4)] == [False, True, False, False]


def test_a_label_is_bound_by_given():
    net, (x, t, _, _), label = small(labels=4), state(), torch.tensor([1, -1, 3])
    model = Preconditioned(net, TrigFlowScaling())
    torch.testing.assert_close(model.given(label).raw(x, t), net(2 * x, t, label))
    torch.testing.assert_close(model.given(torch.full((3,), -1))(x, t), model(x, t))


def test_the_guidance_scale_starts_without_effect_and_can_have_one():
    """A student built with the input starts as its teacher, which was built without."""
    net, (u, c, _, _), scale = small(DoubleNorm, guidance=TimeFeatures(4)), state(), 3 * torch.rand(3)
    assert relative(net(u, c, None, scale), net(u, c)) > 1e-3
    net.scale_map.weight.data = UNet(2, width=8, multipliers=(1,), blocks=1, guidance=TimeFeatures(4)).scale_map.weight
    assert relative(net(u, c, None, scale), net(u, c)) < 1e-4
    net.scale_map.weight.data.normal_()
    one, other = net(u, c, None, scale), net(u, c, None, scale + torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(one[[0, 2]], other[[0, 2]])
    assert relative(one[1], other[1]) > 1e-3


def test_initialisation_does_not_depend_on_options_that_are_off():
    torch.manual_seed(0)
    plain = digits_unet()
    torch.manual_seed(0)
    assert all(map(torch.equal, plain.parameters(), digits_unet(dropout=0.5).parameters()))


def best_gaussian(x0):
    """The denoiser of N(mean, covariance) of x0: what a network must beat to know more than two moments."""
    mean, (variance, axes) = x0.flatten(1).mean(0), torch.linalg.eigh(torch.cov(x0.flatten(1).T))

    def denoise(x, t):
        alpha, sigma = t.cos()[:, None].to(x.dtype), 0.5 * t.sin()[:, None].to(x.dtype)
        gain = alpha * variance / (alpha**2 * variance + sigma**2)
        return (mean + (gain * ((x.flatten(1) - alpha * mean) @ axes)) @ axes.T).view_as(x)

    return Recovered(denoise, TrigFlowScaling())


@pytest.mark.slow
def test_after_80_updates_on_digits_it_beats_every_gaussian():
    torch.set_default_dtype(torch.float32)
    digits, loss = digit_halves(), VelocityLoss(TrigFlow(), log_normal(-1.2, 1.2))
    model = Preconditioned(digits_unet(), TrigFlowScaling())
    data = islice(of_points(digits.train, 32), 80)
    for _ in fit(model, loss, data, torch.optim.Adam(model.parameters(), 3e-3), seed=0):
        pass
    with torch.no_grad():
        judged = [
            loss(m, digits.test, 0, torch.Generator().manual_seed(9)).mean()
            for m in (model, best_gaussian(digits.train))
        ]
    assert judged[0] < judged[1], f"U-Net {judged[0]:.4f}, best Gaussian {judged[1]:.4f}"


@pytest.mark.parametrize(
    "call",
    [
        lambda: small()(torch.randn(3, 1, 8, 8), torch.rand(3)),
        lambda: small()(torch.randn(3, 2, 8, 7), torch.rand(3)),
        lambda: small()(torch.randn(3, 2, 8), torch.rand(3)),
        lambda: small()(torch.randn(3, 2, 8, 8), torch.rand(3), torch.zeros(3).long()),
        lambda: small(labels=2)(torch.randn(3, 2, 8, 8), torch.rand(3), torch.zeros(3)),
        lambda: small(labels=2)(torch.randn(3, 2, 8, 8), torch.rand(3), torch.zeros(1).long()),
        lambda: small()(torch.randn(3, 2, 8, 8), torch.rand(3), None, torch.rand(3)),
        lambda: small(guidance=TimeFeatures())(torch.randn(3, 2, 8, 8), torch.rand(3), None, torch.rand(1)),
        lambda: UNet(1, width=0, multipliers=(1,), blocks=1),
        lambda: UNet(1, width=8, multipliers=(), blocks=1),
        lambda: UNet(1, width=8, multipliers=(1,), blocks=1, labels=-1),
        lambda: UNet(1, width=8, multipliers=(1,), blocks=1, attention=(1,)),
        lambda: UNet(1, width=8, multipliers=(1,), blocks=1, dropout=1.0),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ValueError, match="^expected [^\n]*got[^\n]*$"):
        call()


@pytest.mark.gpu
@each_conditioning
def test_on_the_gpu_forward_mode_is_right_in_float32_and_within_five_percent_in_bfloat16(conditioning):
    torch.set_default_dtype(torch.float32)
    net, (u, c, du, dc) = small(conditioning), state()
    _, exact = jvp(net.double(), (u.double(), c.double()), (du.double(), dc.double()))
    net.float().cuda().to(memory_format=torch.channels_last)
    at = tuple(v.cuda() for v in (u, c)), tuple(v.cuda() for v in (du, dc))
    assert relative(jvp(net, *at)[1].double().cpu(), exact) < 0.01  # TF32 in the convolutions
    with torch.autocast("cuda", torch.bfloat16):
        assert relative(jvp(net, *at)[1].double().cpu(), exact) < 0.05


@pytest.mark.gpu
def test_on_the_gpu_value_and_tangent_see_the_same_dropout():
    torch.set_default_dtype(torch.float32)
    net, at = small(dropout=0.3).double().cuda(), tuple(v.double().cuda() for v in state())
    model = Preconditioned(net.to(memory_format=torch.channels_last), TrigFlowScaling())
    torch.manual_seed(5)
    tangent = by_jvp(model, *at[:2], *at[2:])[1]
    torch.manual_seed(5)
    torch.testing.assert_close(tangent, by_differences(1e-5)(model, *at)[1], rtol=1e-5, atol=1e-5)
