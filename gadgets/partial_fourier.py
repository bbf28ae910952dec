"""Filling up what partial Fourier left out."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import FULL, Sampling, Slab
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.scan import Role, Scan
from .kernels.partial_fourier import homodyne, project, smooth_phase
from .kernels.taper import edge_weights

_WANTED = (Role.M0SCAN, Role.CONTROL, Role.LABEL)
_SMOOTH = 0.5  # share of k-space that the phase is taken from along axes that are not cut off: with less noise


class Method(StrEnum):
    """What is done about the part of k-space that was not acquired."""

    ZERO_FILL = "zero_fill"
    HOMODYNE = "homodyne"
    POCS = "pocs"


@dataclass
class FillPartialFourier(Gadget):
    """Sharpens images of which only a part of k-space was acquired, with a phase that is fixed for the run.

    An object that is real but for a smooth phase needs half of k-space only. The phase is that of the first complete
    m0scan, control or label of each slice, without what is beyond the symmetric part of k-space; with it ``homodyne``
    (Noll et al., IEEE TMI 10:154 (1991)) and ``pocs`` (Haacke et al., J Magn Reson 92:126 (1991)) are linear over the
    real numbers: control - label comes out as if it had been filled up itself, and may have any sign. Images that were
    sampled in full pass as they are.
    """

    method: Method = Method.ZERO_FILL
    """``zero_fill``, ``homodyne`` or ``pocs``; with ``zero_fill`` the soft edge of ``fourier`` is all."""
    iterations: int = 8
    """Rounds of ``pocs``."""
    taper: float = 0.1
    """The ``taper`` of ``fourier``: the soft edge that the images have, share of the half width of k-space."""

    _stated: bool = field(default=False, init=False, repr=False)
    _images: dict[int, NDArray[np.complex64]] = field(default_factory=dict, init=False, repr=False)
    _phases: dict[int, NDArray[np.complex64]] = field(default_factory=dict, init=False, repr=False)
    _weights: dict[int, NDArray[np.float32]] = field(default_factory=dict, init=False, repr=False)
    _prepared: tuple[tuple[int, ...], Sampling] = field(default=((), FULL), init=False, repr=False)
    _said: bool = field(default=False, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether more is wanted than the soft edge of ``fourier``."""
        return self.method is not Method.ZERO_FILL

    def start(self, scan: Scan) -> None:
        """Forget the phase of the scan before."""
        self._stated = scan.labeling.stated
        self._images, self._phases, self._weights = {}, {}, {}
        self._prepared, self._said = ((), FULL), False

    def process(self, message: Slab) -> Iterator[Slab | Notice]:
        """Fill up one slice, or one 3-D volume."""
        self._prepare(message.data.shape, message.place.sampling)
        phase = yield from self._phase(message)
        if self.method is Method.ZERO_FILL or phase is None:
            yield message
            return
        if self.method is Method.HOMODYNE:
            filled = homodyne(message.data, phase, self._weights)
        else:
            filled = project(message.data, phase, self._weights, self.iterations)
        yield Slab(filled, message.place, message.index, message.last)

    def _prepare(self, shape: tuple[int, ...], sampling: Sampling) -> None:
        """Find the axes along which k-space was cut off."""
        if (shape, sampling) == self._prepared:
            return
        self._prepared = (shape, sampling)
        ranges = (sampling.z, sampling.y, sampling.x)
        weights = {axis: edge_weights(shape[axis], sampled, self.taper) for axis, sampled in enumerate(ranges)}
        self._weights = {axis: values for axis, values in weights.items() if (values < 1).any()}

    def _phase(self, message: Slab) -> Generator[Notice, None, NDArray[np.complex64] | None]:
        """Give the phase of a slice, fixed by the first image that is fit for it; none where nothing is cut off."""
        index, place = message.index, message.place
        phase = self._phases.get(index)
        if phase is not None and phase.shape == message.data.shape:
            return phase if self._weights else None
        image = self._images.get(index)
        if image is None or image.shape != message.data.shape:
            image = message.data
            if place.missing == 0 and (not self._stated or place.role in _WANTED):
                self._images[index] = image
                if self._stated and place.role is not Role.M0SCAN and not self._said:
                    self._said = True
                    text = f"Partial Fourier: the phase is that of the first {place.role}, as no m0scan came before it."
                    yield Notice(text, Level.INFO)
        if not self._weights:
            return None
        phase = smooth_phase(image, self._reach(message.place.sampling, image.shape))
        if self._images.get(index) is image:
            self._phases[index] = phase
            del self._images[index]
        return phase

    def _reach(self, sampling: Sampling, shape: tuple[int, ...]) -> dict[int, float]:
        """Tell by axis how fine the phase may be: as k-space is known on both sides, elsewhere half of it."""
        ranges = (sampling.z, sampling.y, sampling.x)
        cut = {axis: max(0.0, min(-ranges[axis][0], ranges[axis][1])) for axis in self._weights}
        return {axis: cut.get(axis, _SMOOTH) for axis, size in enumerate(shape) if size > 1}
