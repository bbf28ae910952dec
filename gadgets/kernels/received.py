"""Lines as they were received: views of a buffer, which lie at any byte, with headers between them."""

import numpy as np
from numba import types
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

LINES = types.Array(types.uint16, 1, "C", readonly=True, aligned=False)
"""What a compiled loop over several lines takes; ``words[begin:end].view(np.float32)`` gives the parts of a coil."""


def as_words(lines: NDArray[np.complex64]) -> tuple[NDArray[np.uint16], int]:
    """Give lines ``(lines, coils, samples)`` as one row of words of two bytes, and the words from line to line.

    A compiled loop runs in vectors only where it knows that samples follow each other. Between received lines lie
    headers of an even number of bytes, so that as words, and only as words, all of them lie in one row. Other lines are
    copied.
    """
    if len(lines) == 1 and lines.flags.c_contiguous:
        return lines.reshape(-1).view(np.uint16), 0
    if not lines[0].flags.c_contiguous or (
        len(lines) > 1 and (lines.strides[0] < lines[0].nbytes or lines.strides[0] % 2)
    ):
        lines = np.ascontiguousarray(lines)
    step = lines.strides[0] // 2 if len(lines) > 1 else 0
    size = (len(lines) - 1) * step + lines[0].nbytes // 2
    return as_strided(lines[0].reshape(-1).view(np.uint16), (size,), (2,), writeable=False), step
