"""Pictures in and out."""

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset._core.arrays import to_tensor

INTEGERS = ["uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "uint64"]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_go_through_unchanged(dtype):
    info = np.iinfo(dtype)
    step = max(1, (int(info.max) - int(info.min)) // 4096)
    values = np.array([*range(int(info.min), int(info.max), step)][:4096], dtype=dtype).reshape(1, -1)
    tensor, layout = to_tensor(values)
    assert tensor.min() >= 0
    assert tensor.max() <= 1
    back = layout.restore(tensor)
    assert back.dtype == values.dtype
    if info.bits <= 32:
        np.testing.assert_array_equal(back, values)
    else:  # float64 holds 53 bits
        np.testing.assert_allclose(back.astype(float), values.astype(float), rtol=0, atol=2.0**12)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_rounded_and_clipped(dtype):
    info = np.iinfo(dtype)
    _, layout = to_tensor(np.zeros((1, 3), dtype=dtype))
    one = 1.0 / (float(info.max) - float(info.min))
    out = layout.restore(torch.tensor([[[[-0.5, 1.5, 2.6 * one]]]], dtype=torch.float64))[0]
    assert out[0] == info.min
    assert out[1] >= info.max - 2**11 if info.bits == 64 else out[1] == info.max
    if info.bits <= 32:
        assert int(out[2]) == int(info.min) + 3  # truncation would give 2


def test_value_range():
    image = np.array([[0, 4095]], dtype=np.uint16)
    tensor, layout = to_tensor(image, value_range=(0, 4095))
    assert tensor.flatten().tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(layout.restore(tensor), image)


def test_the_copy_is_ours():
    for image in (np.zeros((3, 4), np.float32), torch.zeros(1, 1, 3, 4)):
        tensor, _ = to_tensor(image)
        tensor += 1
        assert image.sum() == 0


def test_read_only_foreign_and_negative_strides():
    image = np.arange(12, dtype=">f4").reshape(3, 4)[::-1] / 12
    image.flags.writeable = False
    tensor, layout = to_tensor(image)
    np.testing.assert_array_equal(layout.restore(tensor), image)


def test_four_bands_that_are_not_alpha():
    bands = np.random.default_rng(0).integers(0, 256, (4, 5, 4), dtype=np.uint8)
    assert to_tensor(bands)[0].shape[1] == 3
    assert to_tensor(bands, alpha=False)[0].shape[1] == 4
    assert to_tensor(bands.astype(np.uint16) * 257)[0].shape[1] == 4
    assert to_tensor(bands[..., :2], alpha=True)[0].shape[1] == 1


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        ([[0.0]], {}, "NumPy array or a torch tensor"),
        (np.ma.masked_array(np.zeros((2, 2))), {}, "getmaskarray"),
        (np.zeros(4), {}, "(H, W)"),
        (np.zeros((2, 2, 2, 2)), {}, "one image at a time"),
        (np.zeros((2, 2, 3)), {"channel_axis": None}, "channel_axis"),
        (np.zeros((2, 2, 3)), {"channel_axis": 3}, "channel_axis"),
        (torch.zeros(2, 2), {}, "(B, C, H, W)"),
        (np.zeros((0, 3)), {}, "no pixels"),
        (torch.zeros(0, 1, 2, 2), {}, "no pixels"),
        (np.zeros((2, 2), complex), {}, "dtype"),
        (np.array([["a"]]), {}, "dtype"),
        (np.full((2, 2), np.nan), {}, "4 NaN"),
        (np.array([[0.0, np.inf]]), {}, "1 NaN or infinite"),
        (np.full((2, 2), 255.0), {}, "value_range"),
        (np.zeros((2, 2)), {"value_range": (1, 1)}, "low < high"),
        (np.zeros((2, 2)), {"value_range": 5}, "two finite numbers"),
        (np.zeros((2, 2)), {"alpha": True}, "colour channel"),
    ],
)
def test_bad_pictures(image, options, words):
    with pytest.raises(js.InputError) as error:
        js.smooth(image, **options)
    assert words in str(error.value)
    assert "given" in str(error.value)
