"""The tree of region merging: build it once, then cut it at any weight or number of regions."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from jumpset._core import checks
from jumpset._core.arrays import Layout, ValueRange
from jumpset._core.errors import InputError
from jumpset.kernels.regions import merge_tree
from jumpset.kernels.regions.fusion import working_dtype
from jumpset.operators.neighborhoods import edge_weights as grid_weights
from jumpset.operators.neighborhoods import grid_offsets
from jumpset.operators.pixel_weights import nan_pixels, pixel_weights
from jumpset.regions import tree_file
from jumpset.regions.cuts import check_cut
from jumpset.regions.inputs import read_pixels
from jumpset.regions.merging import boundary_of, merge_all, ranked
from jumpset.regions.partition import refit

_SHOWN = 200  # regions of the cut that notebooks show


class TreeEnergies(NamedTuple):
    """The partitions of a tree, from finest to coarsest."""

    weights: np.ndarray
    """Weight from which on, up to the next one, the partition is the best in the tree."""
    n_regions: np.ndarray
    """Number of regions of the partition."""
    energies: np.ndarray
    """E_edge of the partition at that weight."""


class Hierarchy(NamedTuple):
    """The coarse end of a tree, for programs that cut it by themselves: a page, a slider."""

    labels: np.ndarray
    """``(H, W)`` int32: the regions 0, 1, … of the finest partition, in raster order."""
    child: np.ndarray
    """``(M,)`` int32: the region that each merge absorbs, from the first merge to the last."""
    into: np.ndarray
    """``(M,)`` int32: the region that absorbs it."""
    weights: np.ndarray
    """``(M,)``: the weight of each merge; at a weight, all merges of at most this weight are done."""


class RegionTree:
    r"""The tree of region merging: partitions for all weights and numbers of regions, each in milliseconds.

    From single pixels on, neighbouring regions merge whose weight

    .. math:: \frac{m_i m_j}{m_i + m_j} \frac{\|Y_i - Y_j\|^2}{c_{ij}}

    is the least of both regions, with m, Y the numbers of pixels and mean colours and c the weight of the
    common boundary, until one region is left. The cut of the tree at a weight is the partition with the least

    .. math:: E = \sum_p \|u_p - f_p\|^2 + \text{weight} \sum_{(p,q)} \omega_{pq} [u_p \ne u_q]

    among all partitions in the tree; its energy is about that of region fusion at the same weight. Partitions
    nest: a larger weight, or a smaller number of regions, only merges regions. A tree is immutable.

    Parameters
    ----------
    image
        ``(H, W)`` or ``(H, W, C)`` array of any bool, integer or float dtype and number of bands, or a signal
        or volume with ``axes``; integers are scaled by their dtype's range.
    neighbors
        4, or 8 with the diagonals, which makes boundaries nearly isotropic and regions rounder. In a volume,
        4 stands for the 6 neighbours along the axes, and 8 for all 26.
    edge_weights
        Optional ``(D, H, W)`` of ω, as for region fusion; 0 cuts an edge.
    spacing
        Optional distances of pixels along each spatial axis, as for region fusion.
    mask
        Optional ``(H, W)``: True, or not 0, where a pixel is valid; floats from 0 to 1 weight its error. The
        cuts fill the other pixels, whatever they hold: each starts in the region of the nearest valid one.
    channel_axis, axes, alpha, value_range, missing
        As in :func:`jumpset.run`.
    progress
        ``progress(done)`` is called about 200 times with the fraction of merges done.

    Raises
    ------
    InputError
        The image, ``neighbors``, ``edge_weights`` or ``mask`` cannot be used.

    Notes
    -----
    R. M. H. Nguyen, M. S. Brown, ICCV 2015 (the criterion); G. Koepfler, C. Lopez, J.-M. Morel, SIAM J.
    Numer. Anal. 1994 (merging by it to the end); L. Guigues, J. P. Cocquerez, H. Le Men, "Scale-sets image
    analysis", IJCV 2006 (best cuts of a hierarchy, which nest). Differences: (1) merges at a larger weight
    than one above them are pooled with it, so that each cut is the best one; (2) a pair whose weight falls
    because of a merge next to it may be merged late; (3) pairs merge in rounds until a twelfth of the
    regions is left, then one by one, the least weight first. The tree is the same for any number of threads.
    Images of up to 16 bits, of float32 and above 16 megapixels are held in float32.

    Examples
    --------
    >>> import jumpset as js
    >>> tree = js.RegionTree(js.datasets.coffee())
    >>> poster = tree.smooth(n_regions=50)
    >>> int(tree.labels(n_regions=50).max())
    50
    """

    def __init__(
        self,
        image: Any,
        *,
        neighbors: int = 4,
        edge_weights: Any = None,
        spacing: Sequence[float] | None = None,
        mask: Any = None,
        channel_axis: int | None = -1,
        axes: str | None = None,
        alpha: bool | None = None,
        value_range: ValueRange | None = None,
        missing: Literal["nan"] | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> None:
        mask = nan_pixels(image, channel_axis, mask, missing, axes)
        pixels, read = read_pixels(image, channel_axis, alpha, value_range, mask, axes)
        *shape, bands = pixels.shape
        mass = None if mask is None else pixel_weights((1, bands, *shape), mask)[0]
        weights = grid_weights(neighbors, shape, edge_weights, spacing)
        offsets = grid_offsets(neighbors, len(shape))
        pixels = np.ascontiguousarray(pixels)  # the only copy, which merging and cuts share
        dtype = min(pixels.dtype, np.dtype(working_dtype(pixels[..., 0].size)))
        merges = merge_all(pixels.astype(dtype, copy=False), weights, offsets, mass, progress)
        rank, weight, order = ranked(merges)
        self._keep(
            image=np.array(image),
            layout=(read.axes, alpha, (read.low, read.high)),
            mass=mass,
            into=merges.into,
            rank=rank,
            weight=weight,
            rise=merges.rise[order],
            cost=merges.cost[order],
            boundary=boundary_of(weights, offsets),
            read=(pixels, read),
        )

    def _keep(
        self,
        *,
        image: np.ndarray,
        layout: tuple[Any, Any, Any],
        mass: np.ndarray | None,
        into: np.ndarray,
        rank: np.ndarray,
        weight: np.ndarray,
        rise: np.ndarray,
        cost: np.ndarray,
        boundary: float,
        read: tuple[np.ndarray, Layout] | None = None,
    ) -> None:
        self._image = image
        self._layout = layout
        self._mass = mass  # (*spatial), weight of each pixel's error; None: 1
        self._into, self._rank = into, rank  # (N,): which region absorbed each region, and in which merge
        self._weight, self._rise, self._cost = weight, rise, cost  # (M,), of each merge
        self._boundary = boundary  # total boundary weight of single pixels
        for array in (image, into, rank, weight, rise, cost):
            array.flags.writeable = False
        axes, alpha, value_range = layout
        self._pixels, self._back = read or read_pixels(image, -1, alpha, value_range, mass, axes)
        self._shape = self._pixels.shape[:-1]

    @property
    def n_leaves(self) -> int:
        """Number of pixels."""
        return len(self._into)

    @property
    def n_parts(self) -> int:
        """Least number of regions: 1, or more where edges of weight 0 divide the image."""
        return self.n_leaves - len(self._weight)

    def __repr__(self) -> str:
        """Return the shape and dtype of the image, and the weight of the last merge."""
        top = f"{self._weight[-1]:g}" if len(self._weight) else "0"
        return f"RegionTree({self._image.shape}, {self._image.dtype}, flat from weight {top} on)"

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: the image, and a cut of few regions."""
        from jumpset.io.notebook import card

        count = max(self.n_parts, min(_SHOWN, self.n_leaves))
        cut = self.smooth(n_regions=count)
        weight = 0.0 if count == self.n_leaves else self._weight[self.n_leaves - count - 1]
        facts = {
            "image": f"{self._image.shape}, {self._image.dtype}",
            f"weight of {count} regions": f"{weight:.4g}",
            "regions": f"{self.n_parts} to {self.n_leaves}",
        }
        return card({"Before": self._image, f"{count} regions": cut}, facts, self._layout[0])

    def labels(self, *, n_regions: int | None = None, weight: float | None = None) -> np.ndarray:
        """Return int32 labels 1, 2, … in raster order, as for ``skimage.measure.regionprops``.

        Their shape is ``(H, W)``, or that of the signal or volume.

        Parameters
        ----------
        n_regions
            Exact number of regions, from :attr:`n_parts` to :attr:`n_leaves`.
        weight
            Weight, at least 0, at which the partition is the best in the tree. Pass exactly one of the two.

        Raises
        ------
        InputError
            Both or none are given, or one is out of range.
        """
        return self._cut(n_regions, weight)[0].reshape(self._shape)

    def smooth(self, *, n_regions: int | None = None, weight: float | None = None) -> np.ndarray:
        """Return the image with each region in its mean colour, in the shape and dtype of the image.

        Parameters and errors are those of :meth:`labels`.
        """
        import torch

        label, count = self._cut(n_regions, weight)
        if self._mass is None:
            flat = merge_tree.means(self._pixels, label, count)
        else:
            pixels = self._pixels
            flat = np.moveaxis(refit(label.reshape(self._shape) - 1, pixels, self._mass, "l2", pixels), -1, 0)
        return self._back.restore(torch.from_numpy(flat)[None])

    def energies(self) -> TreeEnergies:
        """Return all partitions that some weight gives: its first weight, number of regions and energy."""
        weight = np.concatenate([[0.0], self._weight])
        last = np.append(weight[1:] > weight[:-1], True)  # last of the merges at one weight
        squares = np.concatenate([[0.0], np.cumsum(self._rise, dtype=np.float64)])
        boundary = self._boundary - np.concatenate([[0.0], np.cumsum(self._cost, dtype=np.float64)])
        count = self.n_leaves - np.arange(len(weight))
        energy = squares + weight * np.maximum(boundary, 0.0)  # rounding may leave a negative boundary
        return TreeEnergies(weight[last], count[last], energy[last])

    def hierarchy(self, *, n_regions: int = 1 << 17) -> Hierarchy:
        """Return the partition of ``n_regions`` regions, or of all pixels if they are fewer, and its merges.

        The partition of fewer regions follows without this package: go through the merges that are done,
        from the last to the first, and give each absorbed region the label of the region that absorbs it.
        """
        checks.integer("n_regions", n_regions, at_least=1)
        done = self.n_leaves - min(max(int(n_regions), self.n_parts), self.n_leaves)
        label = merge_tree.cut(self._into, self._rank, done)[0]
        label -= 1
        order = np.argsort(self._rank, kind="stable")[done : len(self._weight)]  # the absorbed regions
        # a region that is left is the pixel of its number, and a pixel of itself
        pairs = label[order], label[self._into[order]]
        return Hierarchy(label.reshape(self._shape), *pairs, self._weight[done:])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tree and its image to one ``.npz`` file, completely or not at all.

        Raises
        ------
        FileError
            The name does not end in .npz, or the file cannot be written.
        """
        names = ("image", "layout", "mass", "into", "rank", "weight", "rise", "cost", "boundary")
        tree_file.write(path, {name: getattr(self, f"_{name}") for name in names})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RegionTree:
        """Read a tree that :meth:`save` wrote.

        Raises
        ------
        FileError
            The file does not exist, is damaged, or contains no tree.
        """
        tree = cls.__new__(cls)
        tree._keep(**tree_file.read(path))
        return tree

    def _cut(self, n_regions: int | None, weight: float | None) -> tuple[np.ndarray, int]:
        check_cut(n_regions, weight)
        if weight is not None:
            merges = int(np.searchsorted(self._weight, weight, side="right"))
        else:
            checks.integer("n_regions", n_regions, at_least=self.n_parts, at_most=self.n_leaves)
            merges = self.n_leaves - int(n_regions or 0)
        return merge_tree.cut(self._into, self._rank, merges)

    def to_svg(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        n_regions: int | Sequence[int] | None = None,
        weight: float | None = None,
        **options: Any,
    ) -> str:
        """Draw a partition as SVG: lines and curves that neighbouring regions share.

        Parameters
        ----------
        path
            File to write; the text is returned in any case.
        n_regions
            Number of regions, or several from few to many, which become nested groups.
        weight
            Weight, as for :meth:`labels`; pass exactly one of the two.
        **options
            ``min_size``, ``n_colors`` and ``palette`` of :func:`jumpset.regions.merge_small` and
            :func:`jumpset.regions.recolor`; ``tolerance``, ``curves``, ``decimals`` and ``title`` of
            :func:`jumpset.regions.to_svg`.
        """
        from jumpset.regions.vectorize import tree_to_svg

        return tree_to_svg(self, self._vector_input(), path, n_regions, weight, **options)

    def to_geojson(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        n_regions: int | None = None,
        weight: float | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return a partition as polygons, a GeoJSON FeatureCollection.

        ``path``, ``n_regions`` and ``weight`` as for :meth:`to_svg`; further options are ``min_size``, and
        ``transform``, ``tolerance`` and ``decimals`` of :func:`jumpset.regions.to_geojson`.
        """
        from jumpset.regions.vectorize import tree_to_geojson

        return tree_to_geojson(self, self._vector_input(), path, n_regions, weight, **options)

    @property
    def is_masked(self) -> bool:
        """Whether the tree was built with a mask."""
        return self._mass is not None

    def _vector_input(self) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the image, filled where the mask has no weight, and how to read it."""
        if len(self._shape) != 2:
            raise InputError(
                "vector output needs an image of two spatial axes",
                given=f"{len(self._shape)}-D",
                do="cut the labels of one slice, and pass them to jumpset.regions.to_svg or to_geojson",
            )
        axes, alpha, value_range = self._layout
        image = self._image
        if self._mass is not None and not self._mass.all():
            import torch

            image = self._back.restore(torch.from_numpy(self._pixels.transpose(2, 0, 1))[None])
        axis = axes.index("c") if "c" in axes else None
        return image, {"channel_axis": axis, "alpha": alpha, "value_range": value_range}
