"""What a shell completes: names of methods, presets and parameters, without loading torch."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from jumpset._core.catalog import CLASSES, LEARNED, declared


def method_names(incomplete: str) -> list[str]:
    """Return the methods that begin like this."""
    return _begin(CLASSES, incomplete)


def network_names(incomplete: str) -> list[str]:
    """Return the trained networks that begin like this."""
    return _begin(LEARNED, incomplete)


def method_lists(incomplete: str) -> list[str]:
    """Return completions of the last of several methods, ``tv,l0:``, or of its preset or parameter."""
    before, comma, last = incomplete.rpartition(",")
    name, colon, part = last.partition(":")
    if not colon:
        return [f"{before}{comma}{one}" for one in _begin(CLASSES, last)]
    done, _, part = part.rpartition(":")
    done = f"{done}:" if done else ""
    return [f"{before}{comma}{name}:{done}{one}" for one in _begin(_presets(name) + _parameters(name), part)]


def presets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the presets of the method that is chosen, or of all."""
    chosen = ctx.params.get("method")
    names = [chosen] if chosen in CLASSES else list(CLASSES)
    return _begin(dict.fromkeys(preset for name in names for preset in _presets(name)), incomplete)


def parameters(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return ``name=`` of the parameters of the methods that are chosen."""
    labels = (ctx.params.get("methods") or ctx.params.get("method") or "region-fusion").split(",")
    names = [label.partition(":")[0] for label in labels]
    return _begin(dict.fromkeys(one for name in names for one in _parameters(name)), incomplete)


def _presets(name: str) -> list[str]:
    return list(declared(name).presets) if name in CLASSES else []


def _parameters(name: str) -> list[str]:
    return [f"{key}=" for key in declared(name).parameters] if name in CLASSES else []


def _begin(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
