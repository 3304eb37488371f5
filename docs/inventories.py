"""Links to the documentation of other projects, from lists kept here, so that a build needs no network.

A list has a line for each name that the pages mention: name, role, address below the root of the pages.
"""

from __future__ import annotations

import zlib
from pathlib import Path

ROOTS = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "torch": "https://docs.pytorch.org/docs/stable/",
}
NAMES = {
    "python": """
        bool py:class library/functions.html#bool
        bytes py:class library/stdtypes.html#bytes
        dict py:class library/stdtypes.html#dict
        float py:class library/functions.html#float
        int py:class library/functions.html#int
        list py:class library/stdtypes.html#list
        object py:class library/functions.html#object
        str py:class library/stdtypes.html#str
        tuple py:class library/stdtypes.html#tuple
        type py:class library/functions.html#type
        Exception py:exception library/exceptions.html#Exception
        ImportError py:exception library/exceptions.html#ImportError
        KeyboardInterrupt py:exception library/exceptions.html#KeyboardInterrupt
        OSError py:exception library/exceptions.html#OSError
        ValueError py:exception library/exceptions.html#ValueError
        collections.abc.Callable py:class library/collections.abc.html#collections.abc.Callable
        collections.abc.Iterable py:class library/collections.abc.html#collections.abc.Iterable
        collections.abc.Iterator py:class library/collections.abc.html#collections.abc.Iterator
        collections.abc.Mapping py:class library/collections.abc.html#collections.abc.Mapping
        collections.abc.Sequence py:class library/collections.abc.html#collections.abc.Sequence
        os.PathLike py:class library/os.html#os.PathLike
        pathlib.Path py:class library/pathlib.html#pathlib.Path
        typing.Any py:data library/typing.html#typing.Any
        typing.Literal py:data library/typing.html#typing.Literal
    """,
    "numpy": """
        numpy.ndarray py:class reference/generated/numpy.ndarray.html#numpy.ndarray
        numpy.random.Generator py:class reference/random/generator.html#numpy.random.Generator
        numpy.typing.ArrayLike py:data reference/typing.html#numpy.typing.ArrayLike
        numpy.typing.NDArray py:data reference/typing.html#numpy.typing.NDArray
    """,
    "torch": """
        torch.Tensor py:class tensors.html#torch.Tensor
        torch.device py:class tensor_attributes.html#torch.device
        torch.dtype py:class tensor_attributes.html#torch.dtype
        torch.Generator py:class generated/torch.Generator.html#torch.Generator
        torch.compile py:function generated/torch.compile.html#torch.compile
        torch.nn.Module py:class generated/torch.nn.Module.html#torch.nn.Module
        torch.nn.Parameter py:class generated/torch.nn.parameter.Parameter.html#torch.nn.parameter.Parameter
        torch.nn.modules.module.Module py:class generated/torch.nn.Module.html#torch.nn.Module
    """,
}


def mapping(folder: Path) -> dict[str, tuple[str, str]]:
    """Write an inventory of each project into the folder and return the setting ``intersphinx_mapping``."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for project, lines in NAMES.items():
        head = (
            f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
            "# The remainder of this file is compressed using zlib.\n"
        )
        entries = [line.split() for line in lines.strip().splitlines()]
        body = "".join(f"{name} {role} 1 {place} -\n" for name, role, place in entries)
        path = folder / f"{project}.inv"
        content = head.encode() + zlib.compress(body.encode())
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
        found[project] = ROOTS[project], str(path)
    return found
