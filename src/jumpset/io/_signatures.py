"""The first bytes of formats that Pillow reads; this file loads no library."""

from __future__ import annotations

BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "heic"),
}
"""Names of formats by the brand of an ISO media file."""


def pillow_format(head: bytes) -> str:
    """Return the name of the format of a file's first 16 bytes; empty for all others."""
    if head.startswith(b"BM"):
        return "bmp"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")):
        return "jpeg2000"
    return BRANDS.get(head[8:12], "") if head[4:8] == b"ftyp" else ""


def is_read_by_pillow(head: bytes) -> bool:
    """Whether :func:`pillow_format` has a name."""
    return bool(pillow_format(head))
