"""The methods of a comparison, with their settings and labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.text import as_value

if TYPE_CHECKING:
    from jumpset._core.types import Iteration
    from jumpset.running.registry import MethodInfo


@dataclass(frozen=True)
class Candidate:
    """A method with its settings and the label that tables show.

    Examples
    --------
    >>> import jumpset as js
    >>> js.bench.Candidate("tv, strong", "tv", hyper={"weight": 0.3}).label
    'tv, strong'
    """

    label: str
    """The text that tables show."""
    name: str
    """The name of the method."""
    preset: str | None = None
    """A preset of the method."""
    hyper: Mapping[str, Any] = field(default_factory=dict)
    """Hyper-parameters."""

    def make(self) -> Iteration[Any]:
        """Return the method; raises ``InputError`` for a wrong name or setting."""
        from jumpset.running.registry import method

        return method(self.name, preset=self.preset, **self.hyper)

    def settings(self) -> dict[str, Any]:
        """Return all hyper-parameters and their values, converted for JSON."""
        made: Any = self.make()
        values = {f.name: getattr(made, f.name) for f in fields(made) if f.init}
        plain = (bool, int, float, str, type(None))
        return {key: v if isinstance(v, plain) else repr(v) for key, v in values.items()}


def candidates(
    names: Sequence[str],
    *,
    preset: str | None = None,
    hyper: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> list[Candidate]:
    """Return methods with shared settings; each setting must apply to at least one of them.

    Parameters
    ----------
    names
        Methods, each with or without a preset and settings of its own, which replace the shared ones:
        ``"tv"``, ``"dip-l0:paper"``, ``"l0:weight=0.02"``, ``"l0:sharp:weight=0.02"``.
    preset
        A preset for the methods that have it and whose names give none.
    hyper
        Hyper-parameters, each passed to the methods that have it.
    seed
        Seed of the methods that draw random numbers; others ignore it.

    Returns
    -------
    list of Candidate
        One for each name.

    Raises
    ------
    InputError
        There is no method, one is repeated or unknown; no method has a setting, or its value is invalid.

    Examples
    --------
    >>> import jumpset as js
    >>> [one.label for one in js.bench.candidates(["tv", "gsf:detail"])]
    ['tv', 'gsf:detail']
    """
    from jumpset.running.registry import methods

    table, hyper = methods(), hyper or {}
    if not names:
        raise InputError("there is no method to run", given="none", do=checks.advise("", table))
    chosen: list[Candidate] = []
    for label in names:
        if any(c.label == label for c in chosen):
            raise InputError("a method is named twice", given=label, do="name each once")
        chosen.append(_candidate(label, table, preset, hyper, seed))
    infos = [table[c.name] for c in chosen]
    _check_used("parameter", hyper, [c.hyper for c in chosen], [info.defaults for info in infos])
    if preset is not None:
        _check_used("preset", [preset], [[c.preset] for c in chosen], [info.presets for info in infos])
    for candidate in chosen:
        candidate.make()
    return chosen


def _candidate(
    label: str,
    table: Mapping[str, MethodInfo],
    preset: str | None,
    hyper: Mapping[str, Any],
    seed: int | None,
) -> Candidate:
    """Return the method of a label, with the shared settings that it has."""
    name, *parts = (part.strip() for part in label.split(":"))
    checks.one_of("method", name, table)
    info = table[name]
    settings = {key: value for key, value in hyper.items() if key in info.defaults}
    if seed is not None and "seed" in info.defaults:
        settings["seed"] = seed
    settings |= dict(_setting(part) for part in parts if "=" in part)
    presets = [part for part in parts if "=" not in part] or [preset if preset in info.presets else None]
    if len(presets) > 1:
        raise InputError("a method takes one preset", given=label, do="write e.g. l0:sharp:weight=0.02")
    return Candidate(label, name, presets[0], settings)


def _setting(text: str) -> tuple[str, Any]:
    key, _, value = (part.strip() for part in text.partition("="))
    return key, as_value(value)


def _check_used(
    kind: str, names: Iterable[str], used: Sequence[Collection[str | None]], known: Sequence[Iterable[str]]
) -> None:
    """Raise unless each name is used by at least one method."""
    for name in names:
        if not any(name in group for group in used):
            raise InputError(
                f"none of the methods has a {kind} of that name",
                given=repr(name),
                do=checks.advise(name, sorted({n for group in known for n in group})),
            )
