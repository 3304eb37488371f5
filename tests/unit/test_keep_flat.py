"""Networks leave flat regions as they are: the formula, by its definition."""

import torch

from jumpset.learned._flat import keep_flat


def test_keep_flat_equals_its_definition():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 70, 60, generator=generator, dtype=torch.float64)
    image[0, :, :, 20:] = 0.25
    image[0, :, :, 20:] += 2e-4 * torch.rand(3, 70, 40, generator=generator)  # a fifth of the least range
    image[1, :, :50] = 0.5
    answer = torch.rand(image.shape, generator=generator, dtype=torch.float64)
    out = keep_flat(image, answer)
    for b in range(2):
        for y, x in ((0, 0), (3, 37), (40, 19), (30, 36), (30, 59), (33, 5), (34, 5), (69, 59)):
            window = image[b, :, max(y - 16, 0) : y + 17, max(x - 16, 0) : x + 17].flatten(1)
            share = min(1.0, 1024.0 * float((window.amax(1) - window.amin(1)).max()))
            f, a = image[b, :, y, x], answer[b, :, y, x]
            torch.testing.assert_close(out[b, :, y, x], f + share * (a - f), rtol=0, atol=1e-12)
    assert torch.equal(out[1, :, :34], image[1, :, :34])
    assert torch.equal(out[1, :, 34:], answer[1, :, 34:])
