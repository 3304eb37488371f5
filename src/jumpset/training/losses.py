"""The losses of the training: the published ones, and that of jumpset-net.

Every function takes ``(B, C, H, W)`` tensors of intensities in [0, 1] and returns one number, a mean over
batch, channels and pixels, so that it depends neither on the crop nor on the batch size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_TAPS = torch.exp(-0.5 * (torch.arange(-5, 6, dtype=torch.float64) / 1.5) ** 2)
_TAPS /= _TAPS.sum()
_C1, _C2 = 0.01**2, 0.03**2
_SCALES = 4
_PAPER_EDGES = 0.001 * 2 * 128 * 128  # JESS-Net's authors sum over a batch of two patches of 128 x 128


def jumps(u: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of vertical and horizontal neighbours: ``(B, C, H-1, W)`` and ``(B, C, H, W-1)``."""
    return u[..., 1:, :] - u[..., :-1, :], u[..., :, 1:] - u[..., :, :-1]


def l1(u: Tensor, truth: Tensor, *, neighbours: float = 0.0, shares: Tensor | None = None) -> Tensor:
    r"""L1 distance to the truth, or to each of several truths, of the values and of neighbours' differences.

    .. math:: \sum_k s_k \bigl( \operatorname{mean} |u - t_k|
              + \text{neighbours}\; \textstyle\sum_d \operatorname{mean} |\partial_d (u - t_k)| \bigr)

    Parameters
    ----------
    u
        Output, ``(B, C, H, W)``.
    truth
        ``(B, C, H, W)``, or ``(B, K, C, H, W)`` with K truths per image.
    neighbours
        Weight of the second term, which penalises wrong edges more than wrong tones.
    shares
        ``(B, K)``, weights of the truths, which are scaled to sum to 1. Default: equal weights.

    Notes
    -----
    F. Zhu, Z. Liang, X. Jia, L. Zhang, Y. Yu, "A benchmark for edge-preserving image smoothing", IEEE
    Transactions on Image Processing 2019, whose images have five truths each.
    """
    truths = truth.unsqueeze(1) if truth.ndim == u.ndim else truth
    error = u.unsqueeze(1) - truths
    each = error.abs().mean((2, 3, 4))
    for jump in jumps(error):
        if jump.numel():  # an image one pixel wide has none
            each = each + neighbours * jump.abs().mean((2, 3, 4))
    if shares is None:
        return each.mean()
    return (each * shares / shares.sum(1, keepdim=True)).sum(1).mean()


def charbonnier(u: Tensor, truth: Tensor, *, neighbours: float = 0.0, epsilon: float = 1e-3) -> Tensor:
    r"""A smooth L1 distance, ``mean √((u - t)² + ε²) - ε``, of the values and of neighbours' differences.

    The second term, times ``neighbours``, keeps flat regions flat and edges sharp. Errors below ``epsilon``,
    a quarter of an 8-bit level, are penalised quadratically.
    """
    error = u - truth
    loss = _smooth_l1(error, epsilon)
    for jump in jumps(error):
        if jump.numel():
            loss = loss + neighbours * _smooth_l1(jump, epsilon)
    return loss


def _smooth_l1(error: Tensor, epsilon: float) -> Tensor:
    return (error.square() + epsilon**2).sqrt().mean() - epsilon


def structural_similarity(u: Tensor, truth: Tensor) -> Tensor:
    """Mean SSIM: Gaussian window of 11 x 11 pixels and width 1.5, zero padding."""
    n = u.shape[1]
    taps = _TAPS.to(u).expand(n, 1, -1)

    def mean(x: Tensor) -> Tensor:
        x = functional.conv2d(x, taps.unsqueeze(-1), padding=(5, 0), groups=n)
        return functional.conv2d(x, taps.unsqueeze(-2), padding=(0, 5), groups=n)

    mu, mt = mean(u), mean(truth)
    variances = mean(u * u) - mu * mu + mean(truth * truth) - mt * mt
    covariance = mean(u * truth) - mu * mt
    similarity = (2 * mu * mt + _C1) * (2 * covariance + _C2)
    return (similarity / ((mu * mu + mt * mt + _C1) * (variances + _C2))).mean()


def multiscale_similarity(u: Tensor, truth: Tensor) -> Tensor:
    """Sum of :func:`structural_similarity` at four scales, each max-pooled by 2; 4 for equal images.

    A scale at which an image would be empty counts as 1.
    """
    total = structural_similarity(u, truth)
    for _ in range(_SCALES - 1):
        if min(u.shape[-2:]) < 2:
            total = total + 1.0
            continue
        u, truth = functional.max_pool2d(u, 2), functional.max_pool2d(truth, 2)
        total = total + structural_similarity(u, truth)
    return total


def edge_map(truth: Tensor, threshold: float = 4 / 255) -> Tensor:
    """1 where the next pixel down or across differs by more than ``threshold`` in any channel, else 0."""
    edges = torch.zeros_like(truth[:, :1])
    down, across = (jump.abs().amax(1, keepdim=True) > threshold for jump in jumps(truth))
    edges[:, :, :-1] = torch.maximum(edges[:, :, :-1], down.to(edges))
    edges[..., :-1] = torch.maximum(edges[..., :-1], across.to(edges))
    return edges


def balanced_cross_entropy(logits: Tensor, edges: Tensor) -> Tensor:
    """Mean cross entropy; edges have the share of other pixels as their weight, and vice versa."""
    share = edges.mean()
    weight = torch.where(edges > 0, 1 - share, share)
    return functional.binary_cross_entropy_with_logits(logits, edges, weight=weight)


def joint_edges(
    edges: Tensor, coarse: Tensor, refined: Tensor, truth: Tensor, *, edge_weight: float = _PAPER_EDGES
) -> Tensor:
    r"""The loss of JESS-Net, of both of its images and of its edges.

    .. math:: \sum_{u} \bigl( \operatorname{mean} |u - t| + 0.1\, (4 - \text{MS-SSIM}(u, t)) \bigr)
              + \text{edge_weight}\; \text{BCE}(\text{edges}, \text{edge map of } t)

    over the coarse and the refined image u.

    Parameters
    ----------
    edges
        Logits of the edges, ``(B, 1, H, W)``.
    coarse, refined
        The two images.
    truth
        The structure t.
    edge_weight
        The default is the paper's, 0.001 · 2 · 128².

    Notes
    -----
    Y. Feng, S. Deng, X. Yan, X. Yang, M. Wei, L. Liu, "Easy2Hard: learning to solve the intractables from a
    synthetic dataset for structure-preserving image smoothing", IEEE TNNLS 2021. Differences from the paper:
    (1) its data set contains edge maps, ours are the jumps of the truth above 4/255; (2) the cross entropy is
    a mean times the number of pixels of the authors' batch rather than a sum, so that crop and batch size do
    not change its weight; (3) no term for total variation, which the authors' program omits too.
    """
    loss = edge_weight * balanced_cross_entropy(edges, edge_map(truth))
    for u in (coarse, refined):
        loss = loss + (u - truth).abs().mean() + 0.1 * (_SCALES - multiscale_similarity(u, truth))
    return loss


def wls_energy(u: Tensor, image: Tensor, *, weight: float = 10.0, alpha: float = 0.08) -> Tensor:
    r"""The energy of weighted least squares, which needs no ground truth.

    .. math:: \operatorname{mean} (u - f)^2 + \sum_d \operatorname{mean}\, w_d (\partial_d u)^2, \qquad
              w_d = \text{weight} \cdot \exp\Bigl(-\frac{\sum_c (\partial_d f)^2}{2\, \text{alpha}^2}\Bigr)

    Parameters
    ----------
    u
        Output.
    image
        Input f.
    weight
        λ of the paper; larger is smoother.
    alpha
        Scale of the jumps that count as edges of f, in intensities.

    Notes
    -----
    Deep WLS, Multimedia Tools and Applications 2023. Differences from the paper: (1) means rather than sums,
    each over its own pixels.
    """
    energy = (u - image).square().mean()
    for du, df in zip(jumps(u), jumps(image), strict=True):
        if du.numel():
            w = weight * torch.exp(-df.square().sum(1, keepdim=True) / (2 * alpha**2))
            energy = energy + (w * du.square()).mean()
    return energy
