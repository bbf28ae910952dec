"""Making fewer coils of many."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import KSpace, Reference
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.scan import Scan
from .kernels.compression import compression, covariance


@dataclass
class Compress(Gadget):
    """Mixes the coils to a few virtual ones that hold nearly all of the signal, so that all that follows is quicker.

    The virtual coils are the principal components of the whitened k-space of the whole first volume and its reference
    lines (Huang et al., MRI 26:133 (2008)): one matrix for all slices, fixed for the run, with orthonormal rows, so
    that noise stays white. One slice would not do, because the coils of a head array see different slices; so all is
    held until the last plane of a first volume has come, and then passes on.
    """

    coils: int = 0
    """Virtual coils; 0 leaves the coils as they are."""
    max_bytes: int = 512 * 2**20
    """Memory that the first volume may take; where it needs more, what came until then decides."""

    _matrix: NDArray[np.complex64] | None = field(default=None, init=False, repr=False)
    _shared: NDArray[np.complex128] | None = field(default=None, init=False, repr=False)
    _held: list[KSpace | Reference] = field(default_factory=list, init=False, repr=False)
    _held_bytes: int = field(default=0, init=False, repr=False)
    _other: bool = field(default=False, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether there is anything to compress."""
        return self.coils > 0 and not 0 < scan.coils <= self.coils

    def start(self, scan: Scan) -> None:
        """Forget the matrix of the scan before."""
        self._matrix, self._shared, self._held, self._held_bytes, self._other = None, None, [], 0, False

    def process(self, message: KSpace | Reference) -> Iterator[KSpace | Reference | Notice]:
        """Learn from the first volume; compress all."""
        if self._matrix is not None:
            yield from self._compress(message, self._matrix)
            return
        self._learn(message)
        if (isinstance(message, KSpace) and message.last) or self._held_bytes > self.max_bytes:
            yield from self._decide()

    def finish(self) -> Iterator[KSpace | Reference | Notice]:
        """Let a first volume go that never became complete."""
        if self._held:
            yield from self._decide()

    def _learn(self, message: KSpace | Reference) -> None:
        self._held.append(message)
        self._held_bytes += message.data.nbytes
        if self._shared is None:
            self._shared = np.zeros((message.data.shape[0],) * 2, complex)
        if message.data.shape[0] == len(self._shared):
            found = covariance(message.data)
            if np.isfinite(found).all():
                self._shared += found

    def _decide(self) -> Iterator[KSpace | Reference | Notice]:
        """Make the matrix and let go what was held."""
        shared, self._shared = self._shared, None
        assert shared is not None  # noqa: S101  (something is held)
        made = compression(shared, self.coils)
        self._matrix = made.matrix
        held, self._held, self._held_bytes = self._held, [], 0
        yield Notice(
            f"{len(shared)} coils compressed to {len(made.matrix)}, which hold {100 * made.kept:.2f} % of the energy.",
            Level.INFO,
        )
        for message in held:
            yield from self._compress(message, made.matrix)

    def _compress(
        self, message: KSpace | Reference, matrix: NDArray[np.complex64]
    ) -> Iterator[KSpace | Reference | Notice]:
        coils, *shape = message.data.shape
        if coils != matrix.shape[1]:
            if not self._other:
                self._other = True
                yield Notice(
                    f"A plane of {coils} coils came after planes of {matrix.shape[1]}: it and others like it are not "
                    "compressed."
                )
            yield message
            return
        data = (matrix @ message.data.reshape(coils, -1)).reshape(len(matrix), *shape)
        if isinstance(message, KSpace):
            yield message.with_data(data)
        else:
            yield Reference(data, message.place, message.index, message.center)
