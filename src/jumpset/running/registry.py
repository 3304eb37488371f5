"""All methods by name, with what is known of each; :mod:`jumpset._core.catalog` has the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from importlib import import_module
from typing import Any

from jumpset._core import checks
from jumpset._core.catalog import CLASSES
from jumpset._core.errors import FileError, InputError
from jumpset._core.types import Iteration


@dataclass(frozen=True)
class MethodInfo:
    """What is known of a method before it runs."""

    name: str
    summary: str
    """The first line of its docstring."""
    paper: str
    defaults: Mapping[str, Any]
    """Hyper-parameters and their defaults."""
    presets: Mapping[str, Mapping[str, Any]]
    """Named settings that replace some defaults."""
    cls: type = field(repr=False)
    """The class; its docstring gives objective, parameters and source."""


class MethodTable(dict[str, MethodInfo]):
    """``name → MethodInfo``; prints as a table."""

    def __repr__(self) -> str:
        """Name, paper and summary, with the defaults below each."""
        lines = []
        for info in self.values():
            settings = ", ".join(f"{k}={v!r}" for k, v in info.defaults.items())
            lines += [f"{info.name:15s}{info.summary}", f"{'':15s}{info.paper}", f"{'':15s}{settings}"]
            if info.presets:
                lines.append(f"{'':15s}presets: {', '.join(info.presets)}")
        return "\n".join(lines)


def methods() -> MethodTable:
    """Every method: name, one line, paper, defaults and presets.

    Returns
    -------
    MethodTable
        Information by name; its text is a table.

    Examples
    --------
    >>> import jumpset as js
    >>> js.methods()["region-fusion"].defaults["weight"]
    0.025
    """
    return MethodTable({name: _info(name) for name in CLASSES})


def method(name: str, *, preset: str | None = None, **hyper: Any) -> Iteration[Any]:
    """Make a method from its name.

    Parameters
    ----------
    name
        One of :func:`methods`.
    preset
        A named setting of that method, replacing its defaults.
    **hyper
        Hyper-parameters; they replace those of the preset. A parameter that holds an object, such as the
        solver of ``"dip-l0"``, also takes the object's name. A parameter's name in the literature, such as
        ``sigma_range`` of ``"bilateral"``, stands for the name that all methods share (``weight``).

    Returns
    -------
    Iteration
        The method, for :func:`jumpset.run`.

    Raises
    ------
    InputError
        Unknown name, preset or hyper-parameter, or a value out of range; the message lists what there is.

    Examples
    --------
    >>> import jumpset as js
    >>> js.method("wls", weight=0.5).weight
    0.5
    >>> js.method("gsf", preset="detail").name
    'gsf'
    """
    checks.one_of("method", name, CLASSES)
    info = _info(name)
    if preset is not None and preset not in info.presets:
        raise InputError(
            f"method {name!r} has no preset of that name",
            given=repr(preset),
            do=checks.advise(preset, info.presets),
        )
    known = {**{key: key for key in info.defaults}, **info.cls.aliases}
    for key in hyper:
        if key not in known:
            raise InputError(
                f"method {name!r} has no parameter of that name",
                given=repr(key),
                do=checks.advise(key, known),
            )
        if known[key] != key and known[key] in hyper:
            raise InputError(
                f"{key} is another name of {known[key]}", given="both", do=f"pass {known[key]} alone"
            )
    settings = {**(info.presets[preset] if preset else {}), **{known[key]: v for key, v in hyper.items()}}
    return info.cls(**{key: _resolved(info.cls, key, value) for key, value in settings.items()})


def _resolved(cls: type, key: str, value: Any) -> Any:
    """The object that a name stands for, in a field that :func:`jumpset._core.types.component` made."""
    metadata = cls.__dataclass_fields__[key].metadata
    by_name = metadata.get("by_name")
    if by_name is None or not isinstance(value, str) or value in metadata["words"]:
        return value
    return method(value) if by_name == "method" else by_name(value)


def for_file(method: Iteration[Any], path: Any) -> Iteration[Any]:
    """The method, with the quantisation tables of the JPEG file that its image is read from.

    The same method where it has no parameter ``tables``, has tables already or does not use them, or where
    none can be read from the file.
    """
    return with_tables(method, tables_of(path)) if _takes_tables(method) and path is not None else method


def with_tables(method: Iteration[Any], tables: Any) -> Iteration[Any]:
    """The method, with quantisation tables where it takes some and has none."""
    return replace(method, tables=tables) if _takes_tables(method) and tables is not None else method  # type: ignore[type-var]


def tables_of(path: Any) -> Any:
    """The quantisation tables of a JPEG file; None where its blocks are turned, and of other files."""
    from jumpset.jpeg.tables import jpeg_tables

    try:
        return jpeg_tables(path)
    except FileError:
        return None


def _takes_tables(method: Iteration[Any]) -> bool:
    return getattr(method, "tables", 0) is None and getattr(method, "reads_tables", True)


def _info(name: str) -> MethodInfo:
    module, _, attribute = CLASSES[name].partition(":")
    cls = getattr(import_module(module), attribute)
    doc = (cls.__doc__ or "").strip().partition("\n")[0]
    defaults = {
        f.name: f.default_factory() if f.default_factory is not MISSING else f.default
        for f in fields(cls)
        if f.init
    }
    presets = {preset: dict(settings) for preset, settings in cls.presets.items()}
    return MethodInfo(name, doc, cls.paper, defaults, presets, cls)
