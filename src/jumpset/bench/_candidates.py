"""The methods of a comparison, each with its settings, under the name that tables show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from jumpset._core import checks
from jumpset._core.errors import InputError

if TYPE_CHECKING:
    from jumpset._core.types import Iteration


@dataclass(frozen=True)
class Candidate:
    """A method with its settings, under the name that tables show."""

    label: str
    name: str
    preset: str | None = None
    hyper: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Iteration:
        """The iteration; raises ``InputError`` for a wrong name or setting."""
        from jumpset.running.registry import method

        return method(self.name, preset=self.preset, **self.hyper)

    def settings(self) -> dict[str, Any]:
        """All hyper-parameters with their values, as JSON can hold them."""
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
    """Several methods with shared settings, each of which must fit at least one of them.

    Parameters
    ----------
    names
        Methods, each alone or with its preset: ``"tv"``, ``"dip-l0:paper"``.
    preset
        A preset for those that have it and name none themselves.
    hyper
        Hyper-parameters, each given to the methods that have it.
    seed
        For the methods that draw random numbers; the others need none.

    Raises
    ------
    InputError
        No method, one named twice, an unknown one; a setting that no method has, or a wrong value.
    """
    from jumpset.running.registry import methods

    table, hyper = methods(), hyper or {}
    if not names:
        raise InputError("there is no method to run", given="none", do=checks.advise("", table))
    chosen: list[Candidate] = []
    for label in names:
        name, colon, own = label.partition(":")
        checks.one_of("method", name, table)
        if any(c.label == label for c in chosen):
            raise InputError("a method is named twice", given=label, do="name each once")
        shared = preset if preset in table[name].presets else None
        settings = {key: value for key, value in hyper.items() if key in table[name].defaults}
        if seed is not None and "seed" in table[name].defaults:
            settings["seed"] = seed
        chosen.append(Candidate(label, name, own if colon else shared, settings))
    for key in hyper:
        if not any(key in c.hyper for c in chosen):
            known = sorted({key for c in chosen for key in table[c.name].defaults})
            raise InputError(
                "none of the methods has a parameter of that name",
                given=repr(key),
                do=checks.advise(key, known),
            )
    if preset is not None and not any(preset == c.preset for c in chosen):
        known = sorted({key for c in chosen for key in table[c.name].presets})
        raise InputError(
            "none of the methods has a preset of that name",
            given=repr(preset),
            do=checks.advise(preset, known),
        )
    for candidate in chosen:
        candidate.make()
    return chosen
