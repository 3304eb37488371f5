"""What every part of the package agrees on: how a run ended, and what a method is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import field
from enum import Enum
from functools import partial
from typing import Annotated, Any, ClassVar, Generic, TypeAlias, TypeVar

from torch import Tensor

from jumpset._core.text import Brief

State = TypeVar("State")

# Shapes in the notation of jaxtyping: in one call, a name stands for one length. At run time an alias is only
# its tensor; `tests/conftest.py` checks the shapes.
Images: TypeAlias = Annotated[Tensor, "B C *spatial"]
ComplexImages: TypeAlias = Annotated[Tensor, "B C *spatial", "real or complex"]
ColorImages: TypeAlias = Annotated[Tensor, "B 3 H W"]
Fields: TypeAlias = Annotated[Tensor, "B D C *spatial"]  # entry d of axis 1 belongs to spatial axis d
Data: TypeAlias = Annotated[Tensor, "B C *data"]  # of a linear operator
PerImage: TypeAlias = Annotated[Any, "B"]


class Status(Enum):
    """How a run ended. The value is advice to the user.

    ``CONVERGED`` says that the method's own stopping rule was met; for a nonconvex
    method that is a fixed point or the end of its schedule, never a proof of optimality.

    Examples
    --------
    >>> import jumpset as js
    >>> result = js.run(js.datasets.coffee()[:32, :32], js.method("tv"))
    >>> result.status is js.Status.CONVERGED
    True
    """

    CONVERGED = "the method's own stopping rule was met"
    MAX_STEPS = "the step limit came first; raise max_steps if the residual is still falling"
    TIME_LIMIT = "the time limit came first; the image is the best so far, raise max_seconds for more"
    STOPPED = "the caller's stop function asked for the end"
    INTERRUPTED = "interrupted from the keyboard; the image is the best so far"
    DIVERGED = "a value became infinite or NaN; the image is the last finite one, lower step_size or weight"


class Checked(Brief):
    """A dataclass that checks each field which :func:`parameter` declares."""

    def __post_init__(self) -> None:
        """Raise ``InputError`` for the first value that fails its check."""
        for name, declared in getattr(self, "__dataclass_fields__", {}).items():
            if "check" in declared.metadata:
                declared.metadata["check"](name, getattr(self, name))


class Iteration(Checked, ABC, Generic[State]):
    """A published method: a frozen dataclass of hyper-parameters that :func:`jumpset.run` drives.

    ``image`` tensors are ``(B, C, H, W)``, float32 or float64, intensities in [0, 1], on any device.
    A direct method is an iteration of one step. ``step`` is pure: ``image(s)`` and ``record(s)`` are the same
    before and after ``step(s)``. A subclass defines ``name``, ``paper``, :meth:`init`,
    :meth:`step`, :meth:`image` and :meth:`record`; all else has a default here.

    Examples
    --------
    >>> import jumpset as js
    >>> isinstance(js.method("tv"), js.running.Iteration)
    True
    """

    name: ClassVar[str]
    """The name used by :func:`jumpset.smooth` and the command line."""
    paper: ClassVar[str]
    """Authors, title or venue, year."""
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    """Named settings: preset name to hyper-parameters."""
    aliases: ClassVar[dict[str, str]] = {}
    """Names of parameters in the literature: that name to ours, e.g. ``{"eps": "weight"}``."""
    spatial_ndims: ClassVar[tuple[int, ...]] = (2,)
    """Numbers of spatial axes that ``init`` takes."""
    batched: ClassVar[bool] = True
    """Whether ``init`` takes B > 1 images, each treated as if alone; otherwise :func:`jumpset.run` takes a
    step with each in turn."""
    in_place: ClassVar[bool] = False
    """Whether ``step`` works in the memory of the state it is given, because a copy would dominate its cost.
    The loop then copies the image at each reading that somebody sees."""
    keeps_mean: ClassVar[bool] = True
    """Whether the mean of each channel stays what it was; the tests check it."""
    is_symmetric: ClassVar[bool] = True
    """Whether rows and columns are treated alike, so that a transposed image has the transposed answer."""
    check_every: ClassVar[int] = 1
    """Steps between two readings of ``record`` and ``finished`` (each reading waits for a GPU)."""

    @property
    def halo(self) -> int | None:
        """Radius in pixels on which an answer depends; None: on the whole image."""
        return None

    def halo_for(self, tol: float) -> int | None:  # noqa: ARG002
        """Radius beyond which pixels change an answer by at most ``tol``, of a range of 1; None: nowhere.

        By default :attr:`halo`. A method that has none may state a radius here, which the tests hold against
        tiles of several sizes.
        """
        return self.halo

    @property
    def max_steps(self) -> int:
        """Steps of the schedule, or the step limit: by default ``n_steps``, or 1; 0 where ``weight`` is 0."""
        return getattr(self, "n_steps", 1) if getattr(self, "weight", 1.0) > 0.0 else 0

    @abstractmethod
    def init(self, image: Images) -> State:
        """Everything that happens before the first step."""

    @abstractmethod
    def step(self, state: State) -> State:
        """One iteration."""

    @abstractmethod
    def image(self, state: State) -> Images:
        """The answer so far: usable after any step, and right after ``init``."""

    @abstractmethod
    def record(self, state: State) -> dict[str, float]:
        """Numbers for the history: energies, residuals. All must be finite while all is well."""

    def finished(self, state: State) -> Status | None:
        """``Status.CONVERGED`` when the method's own rule is met: here, at the end of the schedule."""
        return Status.CONVERGED if state.n_steps >= self.max_steps else None  # type: ignore[attr-defined]


def parameter(default: Any, check: Callable[..., None], **bounds: Any) -> Any:
    """A field whose value must pass ``check(name, value, **bounds)``; see :mod:`jumpset._core.checks`."""
    return field(default=default, metadata={"check": partial(check, **bounds)})


def image_parameter() -> Any:
    """A field for an image that belongs to the input: :func:`jumpset.run` converts both alike."""
    return field(default=None, compare=False, repr=False, metadata={"is_image": True})


def component(
    default: Any,
    by_name: str | Callable[[str], Any] = "method",
    *,
    words: tuple[str, ...] = (),
    check: Callable[[str, Any], None] | None = None,
    is_image: bool = False,
) -> Any:
    """A field that holds an object, for which :func:`jumpset.method` and the command line also take a name.

    Parameters
    ----------
    default
        The object that the field holds by default.
    by_name
        ``"method"``: the name is one of :func:`jumpset.methods`. A function: it gives the object of a name.
    words
        Strings that are values of the field, not names.
    check
        ``check(name, value)`` raises for a value that the field cannot hold.
    is_image
        Whether the field may hold an image, as :func:`image_parameter` does.
    """
    checked = {} if check is None else {"check": check}
    return field(
        default=default, metadata={"by_name": by_name, "words": words, "is_image": is_image, **checked}
    )
