"""From the folded images of all coils to one whole image."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import CoilImages, Place, Reference, Slab
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import Map, MapName
from ..streaming.readouts import Geometry
from ..streaming.scan import Encoding, Scan
from .kernels.combination import combine, root_sum_of_squares
from .kernels.grappa import Kernel, calibrate
from .kernels.grid import kept
from .kernels.lattice import Lattice
from .kernels.stacking import spatial_order
from .kernels.unmixing import Shape, g_factor, low_resolution, to_kspace, unmix
from .kernels.walsh import coil_maps

_LATTICES = 4  # kept for each slice; a series has one, or two with a fully sampled m0scan

Weights = NDArray[np.complex64]
"""One for each coil and voxel, shape ``(coils, z, y, x)``."""


@dataclass
class Unmix(Gadget):
    """Unfolds the images of an accelerated scan and adds up the coils, by parallel imaging (GRAPPA).

    ``sum over coils of weight * image``: the weights hold the GRAPPA kernel in the image domain (Griswold et al., MRM
    47:1202 (2002)) and the coil sensitivities (Walsh et al., MRM 43:682 (2000)). Both are learned from the first
    reference lines of a slice, or of the volume in 3-D, and fixed for the run: so control and label are treated alike.
    They also tell the g-factor, by which unfolding raises the noise; its map goes out once. Fully sampled volumes among
    accelerated ones are combined with the same sensitivities. Without usable reference lines images stay folded, and
    are combined by the root of the sum of squares.
    """

    kernel_columns: int | None = None
    """Width of the kernel along kx, odd; by default 5 in 2-D and 3 in 3-D."""
    kernel_sources: int | None = None
    """Acquired lines from which a missing one is made, at least; by default 4 in 2-D and 8 in 3-D."""
    regularization: float = 5e-4
    """Share of the mean power of the sources that is added to the diagonal of the normal equations."""

    _encoding: Encoding | None = field(default=None, init=False, repr=False)
    _columns: int = field(default=5, init=False, repr=False)
    _sources: int = field(default=4, init=False, repr=False)
    _blocks: dict[int, NDArray[np.complex64]] = field(default_factory=dict, init=False, repr=False)
    _weights: dict[int, dict[Lattice, Weights]] = field(default_factory=dict, init=False, repr=False)
    _noise: dict[int, tuple[NDArray[np.float32], Geometry]] = field(default_factory=dict, init=False, repr=False)
    _noise_sent: bool = field(default=False, init=False, repr=False)
    _told: set[str] = field(default_factory=set, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether lines of k-space are left out for parallel imaging."""
        return scan.encoding is not None and scan.encoding.undersampled

    def start(self, scan: Scan) -> None:
        """Forget what was learned from the scan before."""
        self._encoding = scan.encoding
        columns, sources = (3, 8) if scan.three_dimensional else (5, 4)
        self._columns = columns if self.kernel_columns is None else self.kernel_columns
        self._sources = sources if self.kernel_sources is None else self.kernel_sources
        self._blocks, self._weights, self._told = {}, {}, set()
        self._noise, self._noise_sent = {}, False

    def process(self, message: Reference | CoilImages) -> Iterator[Slab | Map | Notice]:
        """Keep the reference lines, or unfold one slice or one 3-D volume."""
        if isinstance(message, Reference):
            yield from self._keep(message)
            return
        if message.place.missing and not message.data.any():  # it never came, and teaches nothing
            yield Slab(np.zeros(message.data.shape[1:], np.complex64), message.place, message.index, message.last)
            return
        sampling = message.place.sampling
        lattice = Lattice(sampling.step_y, sampling.step_z, sampling.shift % sampling.step_y)
        weights = self._weights.get(message.index, {}).get(lattice)
        if weights is None or weights.shape != message.data.shape:
            weights = yield from self._prepare(message, lattice)
        if weights is None:  # each of R voxels that lie on each other has 1/R of its signal
            image = root_sum_of_squares(message.data) * np.float32(lattice.acceleration)
        else:
            image = combine(message.data, weights)
        yield Slab(image, message.place, message.index, message.last)
        if lattice.acceleration > 1 and not self._noise_sent:
            yield from self._collect(message, weights, lattice)

    def _keep(self, message: Reference) -> Iterator[Notice]:
        """Keep the first usable reference of each slice."""
        if message.index in self._blocks:
            return
        if not np.isfinite(message.data).all():
            yield from self._tell("The reference lines hold values that are no numbers: they are not used.")
        elif not message.data.any():
            yield from self._tell("The reference lines hold no signal: they are not used.")
        else:
            self._blocks[message.index] = to_kspace(message.data)

    def _prepare(self, message: CoilImages, lattice: Lattice) -> Generator[Notice, None, Weights | None]:
        """Make the weights of a slice or volume, and keep them; None where images stay folded, which is said."""
        coils, *sizes = message.data.shape
        shape = (sizes[0], sizes[1], sizes[2])
        block = self._blocks.get(message.index)
        if block is not None and block.shape[0] != coils:
            yield from self._tell(
                f"The reference lines have {block.shape[0]} coils, the images {coils}: the lines are not used."
            )
            block = None
        if lattice.acceleration == 1:
            images = message.data if block is None else low_resolution(block, shape, self._grid(shape))
            weights = coil_maps(images).conj()
            if block is None and message.place.missing > 0:
                return weights  # good enough for an image that lacks lines, not for others
        else:
            kernel = yield from self._calibrate(block, lattice)
            if block is None or kernel is None:
                return None
            grid = self._grid(shape)
            weights = coil_maps(low_resolution(block, shape, grid)).conj()
            unmix(kernel, weights, grid)
        known = self._weights.setdefault(message.index, {})
        known[lattice] = weights
        if len(known) > _LATTICES:
            del known[next(iter(known))]  # it can be made again, and will be the same
        return weights

    def _calibrate(
        self, block: NDArray[np.complex64] | None, lattice: Lattice
    ) -> Generator[Notice, None, Kernel | None]:
        """Learn the kernel, and say where it is not the one that was asked for."""
        if block is None:
            reason = "No usable reference lines came"
        elif lattice.acceleration > block.shape[0]:
            reason = f"An acceleration of {lattice.acceleration} is more than {block.shape[0]} coils can unfold"
        else:
            kernel = calibrate(block, lattice, self._columns, self._sources, self.regularization)
            if kernel is not None:
                if (kernel.columns, kernel.sources) != (self._columns, self._sources):
                    yield from self._tell(
                        f"{_size(block)} are few for a kernel of {self._columns} x {self._sources} points: "
                        f"one of {kernel.columns} x {kernel.sources} is used.",
                        Level.INFO if kernel.equations >= 1 else Level.WARNING,
                    )
                return kernel
            reason = f"{_size(block)} are too few for an acceleration of {lattice.step_y} x {lattice.step_z}"
        yield from self._tell(
            f"{reason}: the images stay folded, and are combined by the root of the sum of squares.", Level.ERROR
        )
        return None

    def _grid(self, shape: Shape) -> Shape:
        """Tell the k-space grid behind an image, from which rows and slices may have been cut off."""
        encoding = self._encoding
        if encoding is None:
            return shape

        def uncut(size: int, axis: int) -> int:
            matrix = encoding.encoded_matrix[axis]
            lengths = encoding.encoded_field_of_view[axis], encoding.recon_field_of_view[axis]
            return matrix if kept(matrix, matrix, *lengths, encoding.recon_matrix[axis]) == size else size

        return uncut(shape[0], 2) if shape[0] > 1 else 1, uncut(shape[1], 1), shape[2]

    def _collect(self, message: CoilImages, weights: Weights | None, lattice: Lattice) -> Iterator[Map]:
        """Keep the g-factor of a slice, NaN where it stayed folded; give the map with the last of a volume."""
        shape = message.data.shape[1:]
        noise = np.full(shape, np.nan, np.float32) if weights is None else g_factor(weights, lattice.acceleration)
        self._noise[message.index] = noise, message.place.geometry
        if message.last:
            self._noise_sent = True
            yield _noise_map(self._noise, message.place)
            self._noise = {}

    def _tell(self, text: str, level: Level = Level.WARNING) -> Iterator[Notice]:
        """Say the same thing once."""
        if text not in self._told:
            self._told.add(text)
            yield Notice(text, level)


def _size(block: NDArray[np.complex64]) -> str:
    _, partitions, lines, _ = block.shape
    return f"{lines} reference lines" + (f" in {partitions} partitions" if partitions > 1 else "")


def _noise_map(slices: dict[int, tuple[NDArray[np.float32], Geometry]], place: Place) -> Map:
    """Put the g-factor of all slices together as they lie in the body; NaN where a slice never came."""
    count = 1 + max(slices)
    known = sorted(slices)
    places = [slices[index][1] for index in known]
    along = [float(np.dot(geometry.position, places[0].slice_direction)) for geometry in places]
    order = [known[number] for number in spatial_order(along)] if len(known) == count else range(count)
    first = slices[known[0]][0]
    missing = np.full_like(first, np.nan)
    data = np.concatenate([slices[index][0] if index in slices else missing for index in order])
    ends = np.array([places[int(np.argmin(along))].position, places[int(np.argmax(along))].position])
    x, y, z = ends.mean(axis=0).tolist()
    middle = places[0]._replace(position=(x, y, z))
    return Map(MapName.GFACTOR, data, replace(place, geometry=middle), "1")
