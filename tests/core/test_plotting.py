"""What is drawn is what was given: offsets, limits, colours, orders, in the artists themselves."""

import itertools
import math

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from minicm import plotting
from minicm.plotting import (
    LINES,
    MARKERS,
    PALETTE,
    Panel,
    consistency_arrows,
    consistency_map,
    demo_figure,
    end_colours,
    end_map,
    error_heat,
    filmstrip,
    image_grid,
    loss_curve,
    on_grid,
    quality_against_evaluations,
    save_png,
    scatter,
    style,
    trajectories,
    use_style,
    vector_field,
)
from minicm.training import Record

ANGLES = torch.arange(8, dtype=torch.float64) * math.pi / 4
MODES = 0.705 * torch.stack([ANGLES.cos(), ANGLES.sin()], 1)


@pytest.fixture(autouse=True)
def fresh_figures():
    with matplotlib.rc_context():
        yield
    plt.close("all")


def nearest_mode(x, t):
    return MODES.to(x)[torch.cdist(x, MODES.to(x)).argmin(1)]


def offsets(artist):
    return np.asarray(artist.get_offsets())


def colours_of(rgb):
    return np.unique(np.round(np.asarray(rgb).reshape(-1, rgb.shape[-1]), 6), axis=0)


def box_of(ax):
    return (*ax.get_xlim(), *ax.get_ylim())


# style


def test_style_sets_the_cycle_and_gives_everything_back():
    before = dict(matplotlib.rcParams)
    with style():
        assert matplotlib.rcParams["axes.prop_cycle"].by_key()["color"] == list(PALETTE)
        assert matplotlib.rcParams["figure.dpi"] == 100
    assert dict(matplotlib.rcParams) == before


def test_style_gives_everything_back_after_an_error():
    before = dict(matplotlib.rcParams)
    with pytest.raises(RuntimeError), style():
        raise RuntimeError
    assert dict(matplotlib.rcParams) == before


def test_use_style_stays():
    use_style()
    line = plt.figure().subplots().plot([0, 1])[0]
    assert line.get_color() == "#5790fc"


def test_plotting_leaves_the_settings_alone():
    before = dict(matplotlib.rcParams)
    scatter(MODES)
    filmstrip([MODES, MODES])
    demo_figure(MODES, [Panel(MODES, "a")], MODES.expand(3, 8, 2), on_grid(nearest_mode, 1.0, num=4))
    assert dict(matplotlib.rcParams) == before


def test_second_cues_are_as_many_as_colours_and_all_differ():
    assert len(PALETTE) == len(set(PALETTE)) == len(set(MARKERS)) == len(set(LINES)) == 6


@pytest.mark.parametrize(
    ("draw", "size"),
    [
        (lambda: scatter(MODES), (3.4, 3.4)),
        (lambda: vector_field(lambda x, t: x, 1.0, num=3), (4, 3)),
        (lambda: error_heat(lambda x, t: x, lambda x, t: 0 * x, 1.0, num=3), (4, 3)),
        (lambda: loss_curve([1.0, 0.5]), (6, 3)),
    ],
)
def test_new_figures_have_our_sizes_at_100_dpi(draw, size):
    figure = draw().figure
    assert tuple(figure.get_size_inches()) == size and figure.dpi == 100


def test_given_axes_are_drawn_on_and_returned():
    ax = plt.figure().subplots()
    assert scatter(MODES, ax) is ax
    assert trajectories(MODES.expand(2, 8, 2), ax) is ax
    assert consistency_map(nearest_mode, 1.0, ax, num=4) is ax
    assert len(plt.get_fignums()) == 1


# points


def test_scatter_draws_the_points_in_the_window():
    x = torch.randn(50, 2, dtype=torch.float32, requires_grad=True)
    ax = scatter(x, limits=1.5, colour=PALETTE[2], marker="s", label="a")
    artist = ax.collections[0]
    np.testing.assert_array_equal(offsets(artist), x.detach().double().numpy())
    assert box_of(ax) == (-1.5, 1.5, -1.5, 1.5) and ax.get_aspect() == 1
    assert artist.get_rasterized() and artist.get_label() == "a"
    np.testing.assert_allclose(artist.get_facecolors()[0, :3], matplotlib.colors.to_rgb(PALETTE[2]))


def test_without_limits_all_points_are_inside_a_centred_square():
    left, right, bottom, top = box_of(scatter(torch.tensor([[0.1, -3.0], [2.0, 0.0]])))
    assert left == bottom == -right == -top and 3 < right < 4


def test_four_limits_are_left_right_bottom_top():
    assert box_of(scatter(MODES, limits=(-1, 2, -3, 4))) == (-1, 2, -3, 4)


def test_subsample_is_2000_of_the_points_and_always_the_same():
    x = torch.randn(5000, 2)
    first, second = (offsets(scatter(x).collections[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (2000, 2)
    rows = {tuple(row) for row in x.numpy()}
    assert len({tuple(row) for row in first} & rows) == 2000
    assert np.abs(first.mean(0)).max() < 0.1 and np.ptp(np.flatnonzero(np.isin(x.numpy()[:, 0], first[:, 0]))) > 4900


def test_a_colour_for_each_point_follows_the_subsample():
    x = torch.rand(3000, 2)
    colour = torch.column_stack([x, torch.zeros(3000)])
    artist = scatter(x, colour=colour).collections[0]
    np.testing.assert_allclose(artist.get_facecolors()[:, :2], offsets(artist))


def test_three_points_may_have_an_rgb_colour():
    artist = scatter(torch.eye(3)[:, :2], colour=(1.0, 0.0, 0.0)).collections[0]
    np.testing.assert_array_equal(artist.get_facecolors()[:, :3], [[1, 0, 0]])


def test_image_grid_places_each_image():
    images = torch.rand(5, 3, 4, 6) * 2 - 1
    tiles = np.asarray(image_grid(images, columns=3).images[0].get_array())
    assert tiles.shape == (2 * 5 - 1, 3 * 7 - 1, 3)
    for k in range(5):
        top, left = k // 3 * 5, k % 3 * 7
        expected = (images[k].permute(1, 2, 0).numpy() + 1) / 2
        np.testing.assert_allclose(tiles[top : top + 4, left : left + 6], expected)
    assert (tiles[4] == 1).all() and (tiles[:, 6] == 1).all() and (tiles[5:, 14:] == 1).all()


def test_image_grid_says_what_each_row_is_at_its_middle():
    texts = image_grid(torch.zeros(5, 1, 3, 7), columns=3, labels=["data", "samples"]).texts
    assert [(text.get_text(), text.get_position()[1]) for text in texts] == [("data", 1), ("samples", 5)]
    assert all(text.get_ha() == "right" and text.get_position()[0] < -0.5 for text in texts)


def test_image_grid_maps_the_range_to_black_and_white_and_cuts_off():
    images = torch.tensor([0.0, 16.0, 8.0, -5.0]).reshape(4, 1, 1, 1)
    tiles = np.asarray(image_grid(images, value_range=(0, 16)).images[0].get_array())
    np.testing.assert_array_equal(tiles[0, ::2, 0], [0, 1, 0.5, 0])
    assert tiles.shape[-1] == 3


def test_filmstrip_shares_limits_and_keeps_the_order():
    sets = [k * MODES for k in (1, 2, 3, 4)]
    figure = filmstrip(sets, ["a", "b", "c", "d"], columns=3)
    shown = figure.axes
    assert [ax.get_title() for ax in shown[:4]] == ["a", "b", "c", "d"]
    assert len({box_of(ax) for ax in shown[:4]}) == 1 and box_of(shown[0])[1] > 4 * 0.705
    for ax, points in zip(shown, sets):
        np.testing.assert_array_equal(offsets(ax.collections[0]), points.numpy())
    assert [ax.axison for ax in shown] == [True] * 4 + [False] * 2
    assert figure.get_size_inches()[0] == 3 * 1.5


def test_filmstrip_draws_images_too():
    figure = filmstrip([MODES, torch.zeros(4, 1, 8, 8)])
    assert figure.axes[1].images[0].get_array().shape == (17, 17, 3)


# colours


def cielab(linear):
    xyz = linear @ np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T
    f = np.cbrt(xyz / np.array([0.9505, 1, 1.089]))
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


# What linear RGB looks like to each, by rows.  Source: Machado et al. 2009, table 1, severity 1.
SEEN = {
    "normal": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "deuteranopia": (0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881),
    "protanopia": (0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998),
    "tritanopia": (1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039),
}


@pytest.mark.parametrize(
    ("eyes", "least"), [("normal", 31), ("deuteranopia", 17), ("protanopia", 17), ("tritanopia", 17)]
)
def test_eight_directions_stay_apart_for_all_eyes(eyes, least):
    rgb = end_colours(MODES)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = cielab((linear @ np.reshape(SEEN[eyes], (3, 3)).T).clip(1e-6, 1))
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= least


def test_colour_is_the_angle_far_out_and_continuous_and_pale_inside():
    np.testing.assert_allclose(end_colours(3 * MODES), end_colours(MODES), atol=1e-12)
    middle = end_colours(torch.tensor([[0.0, 0.0]]))[0]
    assert np.ptp(middle) < 0.01 and middle.min() > 0.85
    around = torch.linspace(0, 2 * math.pi, 721)
    for radius in (0.1, 0.5, 1.0):
        ring = end_colours(radius * torch.stack([around.cos(), around.sin()], 1))
        assert np.abs(np.diff(ring, axis=0)).max() < 0.05 and (ring >= 0).all() and (ring <= 1).all()
        np.testing.assert_allclose(ring[0], ring[-1], atol=1e-9)


# fields


def test_on_grid_gives_places_times_and_rows_from_the_bottom():
    seen = []
    grid = on_grid(lambda x, t: seen.append((x, t)) or x, 0.3, limits=(-1, 3, 0, 2), num=4)
    np.testing.assert_allclose(grid[0, :, 0], [-0.5, 0.5, 1.5, 2.5])
    np.testing.assert_allclose(grid[:, 0, 1], [0.25, 0.75, 1.25, 1.75])
    x, t = seen[0]
    assert x.shape == (16, 2) and torch.equal(t, torch.full((16,), 0.3)) and t.dtype == torch.float64


def test_on_grid_meets_a_module_in_its_own_dtype_and_makes_no_graph():
    network = torch.nn.Linear(2, 2).float()

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x, t):
            return self.network(x)

    values = on_grid(Model(), 1.0, num=3)
    assert values.dtype == torch.float32 and not values.requires_grad


def test_vector_field_has_an_arrow_for_each_cell_with_its_direction_and_speed():
    ax = vector_field(lambda x, t: torch.stack([-x[:, 1], x[:, 0]], 1) * t[:, None], 2.0, limits=1.0, num=6)
    arrows = ax.collections[0]
    at, uv = offsets(arrows), np.stack([arrows.U, arrows.V], 1)
    assert arrows.N == 36
    np.testing.assert_allclose((at * uv).sum(1), 0, atol=1e-12)
    assert (at[:, 0] * uv[:, 1] - at[:, 1] * uv[:, 0] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(uv, axis=1), np.linalg.norm(uv[0]))
    np.testing.assert_allclose(arrows.get_array(), 2 * np.linalg.norm(at, axis=1))
    assert box_of(ax) == (-1, 1, -1, 1) and ax.figure.axes[1].get_ylabel() == "speed"


def test_a_point_at_rest_has_no_arrow_and_no_nan():
    arrows = vector_field(lambda x, t: 0 * x, 1.0, num=3).collections[0]
    np.testing.assert_array_equal(arrows.U, np.zeros(9))


def test_error_heat_is_the_distance_at_each_place():
    ax = error_heat(lambda x, t: x + x[:, :1] * torch.tensor([3.0, 4.0]), lambda x, t: x, 1.0, limits=1.0, num=4)
    image = ax.images[0]
    np.testing.assert_allclose(image.get_array(), 5 * np.abs([[-0.75, -0.25, 0.25, 0.75]] * 4))
    assert image.get_extent() == (-1, 1, -1, 1) or list(image.get_extent()) == [-1, 1, -1, 1]
    assert image.origin == "lower" and image.get_clim() == (0, 3.75)
    assert error_heat(nearest_mode, nearest_mode, 1.0, num=4, largest=0.2).images[0].get_clim() == (0, 0.2)


# maps


def test_consistency_map_of_eight_modes_has_eight_colours_in_eight_sectors():
    image = np.asarray(consistency_map(nearest_mode, 1.0, num=80).images[0].get_array())
    colours = colours_of(image)
    assert len(colours) == 8
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(colours, 2)) > 0.1
    shares = [(np.abs(image - c).max(-1) < 1e-5).mean() for c in colours]
    np.testing.assert_allclose(shares, 1 / 8, atol=0.03)


def test_consistency_map_puts_the_colour_of_the_end_at_the_place_it_comes_from():
    ax = consistency_map(lambda x, t: x.flip(1), 1.0, limits=(0, 2, 0, 1), num=8)
    image, ends = np.asarray(ax.images[0].get_array()), on_grid(lambda x, t: x.flip(1), 1.0, limits=(0, 2, 0, 1), num=8)
    place = end_colours(ends[1, 6][None])[0]  # the end of the place right of the middle, low
    np.testing.assert_allclose(image[1, 6], place + 0.3 * (1 - place))
    assert ax.images[0].origin == "lower" and list(ax.images[0].get_extent()) == [0, 2, 0, 1]


def test_dots_on_the_map_are_ends_in_their_own_colour():
    dots = end_map(on_grid(nearest_mode, 1.0, num=20)).collections[0]
    assert {tuple(p) for p in np.round(offsets(dots), 6)} == {tuple(p) for p in np.round(MODES.numpy(), 6)}
    np.testing.assert_allclose(dots.get_facecolors()[:, :3], 0.8 * end_colours(offsets(dots)))


def test_trajectories_draw_each_path_and_mark_both_ends():
    states = torch.randn(6, 10, 2)
    lines, starts, ends = trajectories(states).collections
    segments = np.array(lines.get_segments())
    np.testing.assert_array_equal(segments, states.swapaxes(0, 1).numpy())
    np.testing.assert_array_equal(offsets(starts), states[0].numpy())
    np.testing.assert_array_equal(offsets(ends), states[-1].numpy())
    np.testing.assert_array_equal(starts.get_facecolors(), [[1, 1, 1, 1]])  # hollow
    np.testing.assert_allclose(ends.get_facecolors()[:, :3], 0.8 * end_colours(states[-1]))
    np.testing.assert_allclose(lines.get_colors()[:, :3], 0.8 * end_colours(states[-1]))


def test_trajectories_from_far_away_are_cut_to_the_data_and_near_ones_are_not():
    far = torch.stack([80 * torch.randn(8, 2), MODES])
    near = torch.stack([2 * MODES, MODES])
    assert box_of(trajectories(far))[1] == pytest.approx(1.08 * 2.5 * 0.705)
    assert box_of(trajectories(near))[1] == pytest.approx(1.08 * 2 * 0.705)
    assert box_of(trajectories(far, limits=9.0))[1] == 9


def test_arrows_lead_from_the_points_to_their_ends():
    points = torch.randn(7, 2)
    ax = consistency_arrows(lambda x, t: nearest_mode(x, t) * t.to(x)[:, None], 2.0, points)
    np.testing.assert_allclose([a.xyann for a in ax.texts], points)
    np.testing.assert_allclose([a.xy for a in ax.texts], 2 * nearest_mode(points, None))
    np.testing.assert_array_equal(offsets(ax.collections[0]), points)


# curves


def test_loss_curve_draws_the_records_and_their_mean():
    records = [Record(10 + k, 2.0 ** -(k % 3), 1.0) for k in range(300)]
    ax = loss_curve(records, smooth=30, label="CD", line="--")
    raw, mean = ax.lines
    np.testing.assert_array_equal(raw.get_xdata(), 10 + np.arange(300))
    np.testing.assert_array_equal(raw.get_ydata(), [r.loss for r in records])
    assert mean.get_ydata()[0] == 1 and mean.get_ydata()[1] == pytest.approx((29 / 30 + 0.5) / (29 / 30 + 1))
    assert mean.get_ydata()[-1] == pytest.approx(7 / 12, rel=0.02)
    assert ax.get_yscale() == "log" and raw.get_linewidth() < mean.get_linewidth()
    assert mean.get_linestyle() == "--" and ax.get_legend().get_texts()[0].get_text() == "CD"


def test_running_mean_of_a_constant_is_the_constant():
    np.testing.assert_allclose(loss_curve([0.3] * 20).lines[1].get_ydata(), 0.3)


def rows():
    points = {"Euler": [(18, 2.4), (1, 132.0), (2, 88.0)], "sCD": [(1, 1.4), (2, 1.1)]}
    return [{"sampler": s, "evaluations": n, "ed_over_floor": q} for s, line in points.items() for n, q in line]


def test_quality_has_a_line_for_each_sampler_in_the_order_of_evaluations():
    ax = quality_against_evaluations(rows())
    floor, euler, scd = ax.lines
    np.testing.assert_array_equal(euler.get_xydata(), [[1, 132], [2, 88], [18, 2.4]])
    np.testing.assert_array_equal(scd.get_xydata(), [[1, 1.4], [2, 1.1]])
    assert list(floor.get_ydata()) == [1, 1]
    assert len({euler.get_marker(), scd.get_marker()}) == len({euler.get_linestyle(), scd.get_linestyle()}) == 2
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Euler", "sCD"]


def test_the_floor_is_a_band_around_one():
    band = quality_against_evaluations(rows(), floor=(0.4, 1.3)).patches[0]
    ys = band.get_extents().transformed(band.axes.transData.inverted()).intervaly
    np.testing.assert_allclose(ys, [0.4, 1.3])


def test_evaluations_are_written_as_they_are_unless_they_would_touch():
    more = [{"sampler": "a", "evaluations": n, "sw2": 2.0} for n in (1, 2, 35, 36, 80)]
    ax = quality_against_evaluations(more, metric="sw2", label="SW2")
    ax.figure.canvas.draw()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "35", "80"]
    assert ax.get_ylabel() == "SW2"


# demo


def test_demo_figure_has_data_panels_and_map_in_place():
    panels = [Panel(k * MODES, f"Euler, {k} evaluations", f"ED {k} x floor", PALETTE[2]) for k in (1, 2, 18)]
    states = torch.stack([1.2 * MODES, MODES])
    figure = demo_figure(2 * MODES, panels, states, on_grid(nearest_mode, 1.5, limits=1.4, num=40), limits=1.25)
    assert tuple(figure.get_size_inches()) == (12, 5) and figure.dpi == 100 and not plt.get_fignums()
    data, *shown, ends = figure.axes
    np.testing.assert_array_equal(offsets(data.collections[-1]), 2 * MODES)
    for ax, panel in zip(shown, panels):
        shadow, samples = ax.collections
        np.testing.assert_array_equal(offsets(shadow), 2 * MODES)
        np.testing.assert_array_equal(offsets(samples), panel.points)
        np.testing.assert_allclose(samples.get_facecolors()[0, :3], matplotlib.colors.to_rgb(panel.colour))
        assert (ax.get_title(), ax.get_xlabel(), box_of(ax)[1]) == (panel.title, panel.caption, 1.25)
    assert len(colours_of(np.asarray(ends.images[0].get_array()))) == 8
    assert len(ends.collections[1].get_segments()) == 8 and box_of(ends)[1] == 1.4


def test_demo_picture_of_spread_points_is_small_and_loses_no_colour(tmp_path):
    square = 1.74 * (torch.rand(6, 2000, 2) - 0.5)  # the worst case: dots everywhere, a map without plateaus
    panels = [Panel(x, "Euler, 2 evaluations", colour=c) for x, c in zip(square[1:], PALETTE)]
    figure = demo_figure(square[0], panels, torch.randn(9, 16, 2) / 2, on_grid(lambda x, t: x / 2, 1.5, limits=1.4))
    save_png(figure, tmp_path / "demo.png")
    assert 20_000 < (tmp_path / "demo.png").stat().st_size <= 250_000
    figure.savefig(tmp_path / "full.png")
    small, full = (plt.imread(tmp_path / name)[..., :3] for name in ("demo.png", "full.png"))
    assert small.shape == (500, 1200, 3)
    assert np.abs(small - full).mean() < 0.01 and np.quantile(np.abs(small - full), 0.999) < 0.15


def test_only_a_large_picture_is_cut_to_256_colours(tmp_path):
    figure = consistency_map(lambda x, t: x, 1.0, num=40).figure
    save_png(figure, tmp_path / "all.png")
    save_png(figure, tmp_path / "few.png", most=1000)
    counts = [len(colours_of(plt.imread(tmp_path / name)[..., :3])) for name in ("all.png", "few.png")]
    assert counts[0] > 1000 and counts[1] <= 256


def test_save_png_into_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(OSError):
        save_png(scatter(MODES).figure, tmp_path / "missing" / "a.png")


# bad input

NAN = torch.tensor([[0.0, math.nan]])
BAD = {
    "scatter, one axis": (lambda: scatter(torch.zeros(4)), r"points of shape \(n, 2\).*got \(4,\)"),
    "scatter, three columns": (lambda: scatter(torch.zeros(4, 3)), r"got \(4, 3\)"),
    "scatter, empty": (lambda: scatter(torch.zeros(0, 2)), r"got \(0, 2\)"),
    "scatter, NaN": (lambda: scatter(NAN), "finite points, got 1 of 2"),
    "scatter, negative window": (lambda: scatter(MODES, limits=-1.0), "limits"),
    "scatter, infinite window": (lambda: scatter(MODES, limits=math.inf), "limits"),
    "scatter, two limits": (lambda: scatter(MODES, limits=(0, 1)), "limits"),
    "scatter, colours of others": (lambda: scatter(MODES, colour=torch.zeros(3, 3)), r"colour of shape \(8, 3\)"),
    "trajectories, one state": (lambda: trajectories(MODES), r"states of shape \(n, n, 2\)"),
    "trajectories, NaN": (lambda: trajectories(NAN[None]), "finite states"),
    "map, not square": (lambda: end_map(torch.zeros(3, 4, 2)), r"ends of shape \(3, 3, 2\)"),
    "map, NaN": (lambda: consistency_map(lambda x, t: x * math.nan, 1.0, num=3), "finite ends"),
    "map, wrong function": (lambda: consistency_map(lambda x, t: x[:, :1], 1.0, num=3), r"expected \(9, 2\)"),
    "field, NaN": (lambda: vector_field(lambda x, t: x / 0 * 0, 1.0, num=3), "finite velocities"),
    "error, NaN": (lambda: error_heat(lambda x, t: x * math.nan, nearest_mode, 1.0, num=3), "finite values"),
    "images, points": (lambda: image_grid(MODES), "images of shape"),
    "images, two channels": (lambda: image_grid(torch.zeros(1, 2, 3, 3)), "1 or 3 channels"),
    "images, labels": (lambda: image_grid(torch.zeros(4, 1, 3, 3), columns=2, labels=["a"]), "all of 2 rows or none"),
    "images, no columns": (lambda: image_grid(torch.zeros(1, 1, 3, 3), columns=0), "columns >= 1"),
    "filmstrip, nothing": (lambda: filmstrip([]), "expected sets"),
    "filmstrip, titles": (lambda: filmstrip([MODES], ["a", "b"]), "titles"),
    "losses, none": (lambda: loss_curve([]), "losses of shape"),
    "losses, NaN": (lambda: loss_curve([1.0, math.nan]), "finite losses"),
    "losses, negative": (lambda: loss_curve([1.0, -1.0]), "losses >= 0"),
    "quality, none": (lambda: quality_against_evaluations([]), "got 0 samplers"),
    "quality, no metric": (lambda: quality_against_evaluations(rows(), metric="sw2"), "without sw2"),
    "quality, zero": (lambda: quality_against_evaluations([{**rows()[0], "ed_over_floor": 0.0}]), "> 0 for log"),
    "quality, NaN": (lambda: quality_against_evaluations([{**rows()[0], "ed_over_floor": math.nan}]), "finite numbers"),
    "demo, no panels": (lambda: demo_figure(MODES, [], MODES[None], MODES), "at least one panel"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line_and_leaves_no_figure(case):
    call, words = BAD[case]
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value) and not plt.get_fignums()


def test_every_figure_says_what_it_shows():
    drawing = [f for f in vars(plotting).values() if callable(f) and hasattr(f, "__code__")]
    shows = [f for f in drawing if "title" in f.__code__.co_varnames or f in (filmstrip, demo_figure)]
    assert len(shows) >= 11 and all("What it shows:" in f.__doc__ for f in shows)
