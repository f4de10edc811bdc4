"""A drawing as pixels; the only place that knows the rasteriser. Text is set in whatever fonts the machine has.

Given is what svg.py drew, never somebody's own SVG. Twice its size for sharp screens, within a bound on memory.
"""

import re
from typing import Final

import resvg_py

SCALE: Final = 2.0
MOST: Final = 4096  # pixels a side: 64 MiB of them at most
_SIZE: Final = re.compile(r'width="([0-9.]+)" height="([0-9.]+)"')


def png(drawing: str) -> bytes:
    """The same picture as PNG on white."""
    found = _SIZE.search(drawing)
    assert found is not None, "every drawing of ours begins with its size"
    width, height = float(found[1]), float(found[2])
    scale = min(SCALE, MOST / width, MOST / height)
    return resvg_py.svg_to_bytes(
        drawing, width=max(1, int(width * scale)), height=max(1, int(height * scale)), background="#ffffff"
    )
