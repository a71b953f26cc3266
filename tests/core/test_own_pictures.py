"""Pictures of one's own: each kind of file is drawn here and read as a person sees it, or refused in one line."""

import numpy as np
import pytest
import torch
from PIL import Image

from minicm.data import own_picture, own_pictures

RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def save(folder, name, image, **options):
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / name, **options)
    return folder / name


def read_one(tmp_path, image, name="a.png", **options):
    save(tmp_path, name, image, **options)
    pictures, labels = own_pictures(tmp_path)
    assert pictures.dtype == torch.uint8 and len(pictures) == 1 and labels is None
    return pictures[0]


def refused(words, source, **options):
    with pytest.raises((ValueError, OSError)) as error:
        own_pictures(source, **options)
    assert "\n" not in str(error.value) and all(word in str(error.value) for word in words), str(error.value)


def test_grey_and_coloured(tmp_path):
    assert torch.equal(read_one(tmp_path / "grey", Image.fromarray(RAMP))[0], torch.from_numpy(RAMP))
    rgb = np.stack([RAMP, RAMP[::-1], RAMP.T], 2)
    assert torch.equal(read_one(tmp_path / "rgb", Image.fromarray(rgb)), torch.from_numpy(rgb).permute(2, 0, 1))
    same = np.stack([RAMP] * 3, 2)
    assert read_one(tmp_path / "same", Image.fromarray(same)).shape == (1, 8, 8)  # coloured in name alone


def test_one_coloured_picture_makes_all_coloured(tmp_path):
    save(tmp_path, "a.png", Image.fromarray(RAMP))
    save(tmp_path, "b.png", Image.new("RGB", (8, 8), (255, 0, 0)))
    pictures, _ = own_pictures(tmp_path)
    assert pictures.shape == (2, 3, 8, 8) and pictures[1, :, 0, 0].tolist() == [255, 0, 0]
    assert torch.equal(pictures[0, 0], pictures[0, 2])


def test_what_is_transparent_is_on_white(tmp_path):
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, 4:] = (200, 0, 0, 255)
    rgba[0, 0] = (0, 0, 0, 128)
    x = read_one(tmp_path / "rgba", Image.fromarray(rgba))
    assert x[:, 4, 0].tolist() == [255] * 3 and x[:, 4, 5].tolist() == [200, 0, 0] and 126 <= x[0, 0, 0] <= 128
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0, 0, 0, 255])
    palette.putpixel((3, 2), 1)
    x = read_one(tmp_path / "palette", palette, transparency=0)
    assert x[:, 0, 0].tolist() == [255] * 3 and x[:, 2, 3].tolist() == [0, 0, 255]


@pytest.mark.parametrize(("suffix", "options"), [("png", {}), ("tif", {})])
def test_sixteen_bits_keep_their_upper_half(tmp_path, suffix, options):
    deep = RAMP.astype(np.uint16) * 256 + 77
    assert torch.equal(read_one(tmp_path, Image.fromarray(deep), f"a.{suffix}")[0], torch.from_numpy(RAMP))


def test_one_bit_and_a_palette_are_scaled_as_what_they_show(tmp_path):
    board = Image.fromarray(np.indices((8, 8)).sum(0) % 2 == 0)
    save(tmp_path / "board", "a.png", board)
    pictures, _ = own_pictures(tmp_path / "board", size=4)
    assert ((pictures > 100) & (pictures < 155)).all()  # black and white mixed, not one of the two
    palette = Image.fromarray(np.stack([RAMP, RAMP // 2, RAMP // 4], 2)).convert("P", palette=Image.Palette.ADAPTIVE)
    x = read_one(tmp_path / "palette", palette)
    assert abs(x[0].int() - torch.from_numpy(RAMP).int()).float().mean() < 8


def test_a_camera_held_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by a quarter
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, :8] = 255  # light on the left: on top once turned
    x = read_one(tmp_path, Image.fromarray(image), "a.jpg", exif=exif, quality=95)
    assert x.shape == (1, 16, 8) and x[0, 2].min() > 240 and x[0, 13].max() < 15


def test_cmyk_is_light_where_there_is_no_ink(tmp_path):
    x = read_one(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "a.jpg", quality=95)
    assert x[0].min() > 240 and x[1:].max() < 15


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_of_an_animation_the_first_picture_counts(tmp_path, suffix):
    frames = [Image.new("L", (8, 8), value) for value in (200, 0)]
    x = read_one(tmp_path, frames[0], f"a.{suffix}", save_all=True, append_images=frames[1:])
    assert (x > 195).all()


def test_sub_folders_are_labels_in_the_order_of_their_names(tmp_path):
    for k, name in enumerate(["zebra", "ant", "dog"]):
        for number in range(k + 1):
            save(tmp_path / name, f"{number}.PNG", Image.fromarray(RAMP + k))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".cache").mkdir()
    pictures, labels = own_pictures(tmp_path)
    assert labels.tolist() == [0, 0, 1, 1, 1, 2] and pictures[:, 0, 0, 0].tolist() == [1, 1, 2, 2, 2, 0]


def test_a_size_cuts_the_middle_square(tmp_path):
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 255
    save(tmp_path, "a.png", Image.fromarray(wide))
    save(tmp_path, "b.png", Image.fromarray(RAMP))
    refused(["one size", "8 x 24", "a.png", "8 x 8", "b.png", "--size"], tmp_path)
    pictures, _ = own_pictures(tmp_path, size=4)
    assert pictures.shape == (2, 1, 4, 4) and pictures[0].min() > 230
    one = own_picture(tmp_path / "a.png", (3, 8, 24))
    assert one.shape == (3, 8, 24) and torch.equal(one[1], torch.from_numpy(wide))
    assert own_picture(tmp_path / "a.png", (1, 8, 8)).min() == 255


def test_broken_files_are_named(tmp_path):
    save(tmp_path, "good.png", Image.fromarray(RAMP))
    whole = (tmp_path / "good.png").read_bytes()
    for content in (b"", b"no picture", whole[: len(whole) // 2], whole[:40] + b"x" * 20):
        (tmp_path / "bad.png").write_bytes(content)
        refused(["expected a picture in", "bad.png"], tmp_path)


def test_values_that_are_no_picture_are_refused(tmp_path):
    save(tmp_path, "a.tif", Image.fromarray(RAMP.astype(np.float32) - 5))
    refused(["a.tif", "not 8 or 16 bits"], tmp_path)


def test_folders_that_do_not_fit(tmp_path):
    refused(["expected pictures in", "got none"], tmp_path)
    refused(["no such file"], tmp_path / "nowhere")
    save(tmp_path / "cat", "a.png", Image.fromarray(RAMP))
    (tmp_path / "dog").mkdir()
    refused(["each sub-folder", "dog"], tmp_path)
    save(tmp_path, "b.png", Image.fromarray(RAMP))
    refused(["got both", "b.png"], tmp_path)
    (tmp_path / "table.csv").write_text("1")
    refused([".npz", "another file"], tmp_path / "table.csv")
    with pytest.raises(FileNotFoundError, match="no such file"):
        own_picture(tmp_path / "none.png", (1, 8, 8))


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (np.stack([RAMP, RAMP.T]), RAMP[None]),
        (np.stack([RAMP, RAMP])[..., None], RAMP[None]),
        (np.stack([RAMP, RAMP])[:, None], RAMP[None]),
        (np.stack([RAMP, RAMP]).astype(np.int64), RAMP[None]),
        (np.stack([RAMP, RAMP]).astype(np.uint16) * 256, RAMP[None]),
        (np.stack([RAMP, RAMP]) / 255, RAMP[None]),
        (np.stack([RAMP, RAMP]).astype(np.float32) / 255, RAMP[None]),
        (np.stack([RAMP, RAMP]) > 100, (RAMP[None] > 100) * 255),
        (np.stack([RAMP, RAMP.T, RAMP])[None], np.stack([RAMP, RAMP.T, RAMP])),
        (np.stack([RAMP, RAMP.T, RAMP], 2)[None], np.stack([RAMP, RAMP.T, RAMP])),
        (np.stack([RAMP, RAMP.T, RAMP, RAMP * 0], 2)[None], np.full((1, 8, 8), 255)),
    ],
)  # fmt: skip
def test_arrays_of_every_kind(tmp_path, array, wanted):
    np.save(tmp_path / "a.npy", array)
    pictures, labels = own_pictures(tmp_path / "a.npy")
    assert labels is None and torch.equal(pictures[0], torch.from_numpy(wanted.astype(np.uint8)))


def test_labels_beside_an_array(tmp_path):
    np.savez(tmp_path / "a.npz", y=np.array([1, 0, 1]), pictures=np.stack([RAMP] * 3))
    pictures, labels = own_pictures(tmp_path / "a.npz", size=4)
    assert pictures.shape == (3, 1, 4, 4) and labels.tolist() == [1, 0, 1]


class Trap:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.stack([RAMP] * 2) - 0.5}, ["from 0 to 1"]),
        ({"x": np.full((2, 8, 8), np.nan)}, ["from 0 to 1", "nan"]),
        ({"x": np.full((2, 8, 8), 256)}, ["from 0 to 255", "256"]),
        ({"x": np.zeros((2, 8, 8, 2))}, ["1, 3 or 4 channels"]),
        ({"x": np.zeros((0, 8, 8))}, ["pictures of numbers"]),
        ({"x": np.zeros((2, 8, 8), "U1")}, ["pictures of numbers"]),
        ({"x": np.zeros(8)}, ["expected pictures (N, H, W)", "float64 (8,)"]),
        ({"x": np.zeros((2, 8, 8)), "z": np.zeros((2, 8, 8))}, ["x float64", "z float64"]),
        ({"x": np.zeros((2, 8, 8)), "y": np.array([0, 1, 1])}, ["labels, 2 whole numbers"]),
        ({"x": np.zeros((2, 8, 8)), "y": np.array([0.0, 1])}, ["labels, 2 whole numbers"]),
        ({"x": np.zeros((2, 8, 8)), "y": np.array([0, 2])}, ["got none of 1"]),
        ({"x": np.array([Trap()] * 2)}, ["allow_pickle"]),
    ],
)
def test_arrays_that_do_not_fit_are_refused_and_nothing_is_unpickled(tmp_path, capsys, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    refused(["a.npz", *words], tmp_path / "a.npz")
    assert "executed" not in capsys.readouterr().out


def test_a_broken_array_is_named(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00")
    refused(["a.npy"], tmp_path / "a.npy")
    refused(["no such file"], tmp_path / "b.npz")
