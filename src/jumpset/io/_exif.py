"""EXIF blocks: the orientation tag, and conversion from and to the tags of a TIFF file.

An EXIF block is a small TIFF file without an image: a byte-order mark, and directories of tagged values whose
offsets count from the mark. Values are kept as bytes and never decoded.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

ORIENTATION = 0x0112
_EXIF, _GPS, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
# Description, make, model, software, date, artist, copyright, and the two sub-directories describe the image.
# All other entries of a main directory describe its file and must not be copied to another.
_DESCRIPTIVE = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, _EXIF, _GPS)
_ORIENTATIONS, _WIDTHS, _HEIGHTS = (ORIENTATION,), (0x0100, 0xA002), (0x0101, 0xA003)
_THUMBNAIL = 0x0201, 0x0202  # position and number of bytes
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


class _Entry(NamedTuple):
    type: int
    count: int
    payload: bytes | dict[int, _Entry]


def strip_prefix(block: bytes | None) -> bytes | None:
    """Return the block from its byte-order mark on, or None if it has none."""
    block = (block or b"").removeprefix(b"Exif\0\0")
    return block if byte_order(block) else None


def byte_order(block: bytes) -> Literal["<", ">"] | None:
    """Return the struct prefix of the block's byte order, or None if this is no EXIF block."""
    orders: dict[bytes, Literal["<", ">"]] = {b"II*\0": "<", b"MM\0*": ">"}
    return orders.get(bytes(block[:4]))


def orientation(block: bytes | None) -> int:
    """Return the orientation (1 to 8) of an EXIF block; 1, upright, if it has no valid one."""
    field = _fields(block).get(ORIENTATION) if block else None
    if block is None or field is None:
        return 1
    value = struct.unpack_from(field[0], block, field[1])[0]
    return value if 1 <= value <= 8 else 1


def for_image(block: bytes | None, width: int, height: int) -> bytes | None:
    """Return the block of an upright image: with orientation 1, its size, and every other byte kept."""
    fields = _fields(block) if block else {}
    if block is None or not fields:
        return block
    changed = bytearray(block)
    for tags, value in ((_ORIENTATIONS, 1), (_WIDTHS, width), (_HEIGHTS, height)):
        for tag in tags:
            kind, at = fields.get(tag, ("", 0))
            if kind and value < 256 ** struct.calcsize(kind):
                struct.pack_into(kind, changed, at, value)
    return bytes(changed)


def without_thumbnail(block: bytes | None) -> bytes | None:
    """Return the block without the small copy of the image that it may hold, whose bytes become zeros."""
    order = byte_order(block or b"")
    if block is None or order is None:
        return block
    changed = bytearray(block)
    try:
        start = struct.unpack_from(f"{order}L", block, 4)[0]
        link = start + 2 + 12 * struct.unpack_from(f"{order}H", block, start)[0]
        second = struct.unpack_from(f"{order}L", block, link)[0]
        if second == 0:
            return block
        struct.pack_into(f"{order}L", changed, link, 0)
        place = {tag: entry.payload for tag, entry in _parse(block, order, second).items()}
        at, size = (struct.unpack(f"{order}L", bytes(place[tag]))[0] for tag in _THUMBNAIL)
        changed[at : at + size] = bytes(len(changed[at : at + size]))
    except (struct.error, KeyError, TypeError):  # damaged, or without a thumbnail of JPEG
        pass
    return bytes(changed)


def apply_orientation(array: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation.

    Orientations 5 to 8 exchange rows and columns; then 2, 3, 6, 7 reverse the columns, and 3, 4, 7, 8 the
    rows.
    """
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)


def from_tiff(path: Path, at: int) -> bytes | None:
    """Return the tags that describe the image of a TIFF file, at an offset, as an EXIF block, or None."""
    try:
        order, main = _main_directory(path, at)
    except (struct.error, ValueError):  # damaged, or BigTIFF, whose layout differs
        return None
    chosen = {tag: entry for tag, entry in main.items() if tag in _DESCRIPTIVE}
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}L", 8)
    return head + _pack(chosen, order, at=8) if chosen else None


def into_tiff(path: Path, block: bytes) -> None:
    """Add the descriptive tags of an EXIF block to a TIFF file of the same byte order.

    A new main directory, the old one with the block's entries, is appended, and the file's header points to
    it. Offsets of the image data stay valid, since the data do not move. A damaged block is left out.
    """
    try:
        order, described = _block_directory(block)
    except (struct.error, ValueError):
        return
    tiff_order, main = _main_directory(path)
    if order != tiff_order:
        raise ValueError("the TIFF file must have the byte order of its EXIF block")
    main.update({tag: entry for tag, entry in described.items() if tag in _DESCRIPTIVE})
    with path.open("r+b") as file:
        at = file.seek(0, 2)
        at += file.write(b"\0" * (at % 2))
        file.write(_pack(main, order, at=at))
        file.seek(4)
        file.write(struct.pack(f"{order}L", at))


def with_entries(
    data: bytes,
    changes: dict[int, Sequence[int]],
    *,
    at: int | None = None,
    keep: Collection[int] | None = None,
) -> bytes:
    """Return a TIFF file's content with integer tags of one directory replaced, or removed if empty.

    The directory at the offset ``at``, by default the main one, becomes the only one; of its other tags those
    in ``keep``, by default all, stay.
    """
    order, main = _block_directory(data, at)
    if keep is not None:
        main = {tag: entry for tag, entry in main.items() if tag in keep}
    for tag, values in changes.items():
        main.pop(tag, None)
        if values:
            main[tag] = _Entry(4, len(values), struct.pack(f"{order}{len(values)}L", *values))
    data += b"\0" * (len(data) % 2)
    return data[:4] + struct.pack(f"{order}L", len(data)) + data[8:] + _pack(main, order, at=len(data))


def _fields(block: bytes) -> dict[int, tuple[str, int]]:
    """Return format and position of the whole numbers of the main and the EXIF directory, by tag."""
    order, found = byte_order(block), {}
    if order is None:
        return found
    try:
        starts = [struct.unpack_from(f"{order}L", block, 4)[0]]
        while starts:
            start = starts.pop()
            for i in range(struct.unpack_from(f"{order}H", block, start)[0]):
                tag, kind, count = struct.unpack_from(f"{order}HHL", block, start + 2 + 12 * i)
                if kind not in (3, 4) or count != 1 or tag in found:
                    continue
                field = (order + {3: "H", 4: "L"}[kind], start + 10 + 12 * i)
                value = struct.unpack_from(field[0], block, field[1])[0]  # raises if it is cut off
                found[tag] = field
                if tag == _EXIF:
                    starts.append(value)
    except struct.error:
        pass
    return found


def _main_directory(path: Path, at: int | None = None) -> tuple[str, dict[int, _Entry]]:
    """Return byte order and a directory of a classic TIFF file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _block_directory(data, at)


def _block_directory(block: bytes | mmap.mmap, at: int | None = None) -> tuple[str, dict[int, _Entry]]:
    """Return byte order and directory at an offset, by default the main one; an error if it is damaged."""
    order = byte_order(block[:4])
    if order is None:
        raise ValueError("no byte-order mark of a classic TIFF file")
    return order, _parse(block, order, struct.unpack_from(f"{order}L", block, 4)[0] if at is None else at)


def _parse(block: bytes | mmap.mmap, order: str, at: int, *, depth: int = 0) -> dict[int, _Entry]:
    """Read the directory at an offset, and the EXIF directories that it points to."""
    directory: dict[int, _Entry] = {}
    for i in range(struct.unpack_from(f"{order}H", block, at)[0]):
        field = at + 2 + 12 * i
        tag, kind, count = struct.unpack_from(f"{order}HHL", block, field)
        size = _TYPE_SIZES.get(kind, 0) * count
        start = field + 8 if size <= 4 else struct.unpack_from(f"{order}L", block, field + 8)[0]
        if size == 0 or start + size > len(block):
            continue  # a value of unknown type or cut off; the others are valid
        if tag in (_EXIF, _GPS, _INTEROPERABILITY) and size == 4 and depth < 2:
            target = struct.unpack_from(f"{order}L", block, start)[0]
            directory[tag] = _Entry(4, 1, _parse(block, order, target, depth=depth + 1))
        else:
            directory[tag] = _Entry(kind, count, bytes(block[start : start + size]))
    return directory


def _pack(directory: dict[int, _Entry], order: str, *, at: int) -> bytes:
    """Serialize a directory for an offset: the table, then the values that do not fit into it."""
    table = struct.pack(f"{order}H", len(directory))
    values = b""
    values_at = at + 2 + 12 * len(directory) + 4
    for tag, (kind, count, payload) in sorted(directory.items()):
        if isinstance(payload, dict):
            payload, inside = _pack(payload, order, at=values_at + len(values)), False
        else:
            inside = len(payload) <= 4
        if inside:
            field = payload.ljust(4, b"\0")
        else:
            field = struct.pack(f"{order}L", values_at + len(values))
            values += payload + b"\0" * (len(payload) % 2)
        table += struct.pack(f"{order}HHL", tag, kind, count) + field
    return table + struct.pack(f"{order}L", 0) + values
