"""Putting lines of all coils into a plane of k-space."""

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Plane:
    """One slice or partition of k-space, filling up line by line."""

    def __init__(self, coils: int, rows: int, columns: int, expected: int) -> None:
        self.expected = expected
        """Distinct (row, average) that make it complete."""
        self._data = np.empty((coils, rows, columns), np.complex64)
        self._hits = [0] * rows
        self.seen: set[tuple[int, int]] = set()
        """Distinct (row, average) that came."""

    def add(self, line: NDArray[np.complex64], where: tuple[int, int]) -> bool:
        """Add a line ``(coils, x)`` at (row, average); tell whether it could be used: every sample a finite number."""
        flags, row = line.flags, where[0]
        if not (flags.writeable and flags.c_contiguous and flags.aligned):
            line = line.copy()  # the compiled loop takes plain arrays only; views of received bytes are not plain
        if not store_line(line, self._data, row, self._hits[row] > 0):
            return False
        self._hits[row] += 1
        self.seen.add(where)
        return True

    def add_first(self, lines: NDArray[np.complex64], rows: list[int | None], average: int) -> bool:
        """Add lines ``(lines, coils, x)``, each the first in its row; if they are not, or not all finite, add none."""
        targets = [row for row in rows if row is not None and self._hits[row] == 0]
        if len(set(targets)) != len(rows) or not store_lines(lines, self._data, np.array(targets)):
            return False
        for row in targets:
            self._hits[row] = 1
        self.seen.update((row, average) for row in targets)
        return True

    def rows(self) -> Iterator[tuple[int, NDArray[np.complex64]]]:
        """Give the rows that came, with their lines ``(coils, x)``: views, good until the plane is given away."""
        return ((row, self._data[:, row]) for row, hits in enumerate(self._hits) if hits)

    def averaged(self) -> NDArray[np.complex64]:
        """Give the plane ``(coils, ky, x)``: the mean of what came for each row, zero where nothing did.

        To be called once, at the end: the plane is given away.
        """
        finish_rows(self._data, np.array(self._hits))
        return self._data


@njit(["void(complex64[:,:,::1], int64[::1])"], cache=True, nogil=True)
def finish_rows(plane: NDArray[np.complex64], hits: NDArray[np.int64]) -> None:
    """Divide each row of a plane ``(coils, ky, x)`` by how often it came; rows that never came become zero."""
    for coil in range(plane.shape[0]):
        for row in range(plane.shape[1]):
            if hits[row] == 0:
                plane[coil, row] = 0
            elif hits[row] > 1:
                plane[coil, row] /= np.float32(hits[row])


@njit(["boolean(complex64[:,::1])"], cache=True, nogil=True)
def finite(line: NDArray[np.complex64]) -> bool:
    """Tell whether every sample of a line ``(coils, x)`` is a finite number."""
    for coil in range(line.shape[0]):
        bits = line[coil].view(np.uint32)
        odd = np.uint32(0)
        for i in range(bits.shape[0]):  # an exponent of ones is NaN or infinity; integers compare in vectors
            odd |= np.uint32((bits[i] & np.uint32(0x7F800000)) == np.uint32(0x7F800000))
        if odd != 0:
            return False
    return True


@njit(["boolean(complex64[:,::1], complex64[:,:,::1], int64, boolean)"], cache=True, nogil=True)
def store_line(line: NDArray[np.complex64], plane: NDArray[np.complex64], row: int, add: bool) -> bool:
    """Write a line ``(coils, x)`` into row ``row`` of a plane ``(coils, ky, x)``, or add it to what is there.

    Tell whether every sample was finite; a line with NaN or infinity leaves the plane as it was.
    """
    if not finite(line):
        return False
    for coil in range(line.shape[0]):
        target = plane[coil, row]
        if add:
            for x in range(line.shape[1]):
                target[x] += line[coil, x]
        else:
            for x in range(line.shape[1]):
                target[x] = line[coil, x]
    return True


@njit(["boolean(complex64[:,:,::1], complex64[:,:,::1], int64[::1])"], cache=True, nogil=True)
def store_lines(lines: NDArray[np.complex64], plane: NDArray[np.complex64], rows: NDArray[np.int64]) -> bool:
    """Write each of the lines ``(lines, coils, x)`` into its row of a plane, if all of them are finite; tell that."""
    for number in range(lines.shape[0]):
        if not finite(lines[number]):
            return False
    for number in range(lines.shape[0]):
        for coil in range(lines.shape[1]):
            plane[coil, rows[number]] = lines[number, coil]
    return True
