"""What M0 can be found from: images, suppressed controls, a region of one tissue, a number in the header."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...streaming.notices import Notice
from ...streaming.perfusion import Constant
from ...streaming.remarks import Remarks
from ...streaming.scan import Scan, Source
from ..kernels.m0 import recovery, tissue_above
from ..kernels.reference_region import FLUID, WHITE_MATTER, blood_m0
from ..kernels.suppression import Train, unsuppressed
from . import m0_constants as made
from . import m0_remarks as words
from .ingredients import Ingredients
from .m0_images import M0Images
from .m0_statements import since_labeling
from .relaxation import of_static_tissue

_LONG_TR = 5.0  # s; from here on M0 counts as recovered
_PURE = 0.9  # share from which on a voxel is one tissue, as in oxasl
_FEWEST = 10  # voxels that make a reference region
_WEAKEST = 0.05  # share of M0 that suppression must leave; below it noise is divided by next to nothing
_PLAIN = "M0 = S / (1 - exp(-TR / T1)); Alsop et al., MRM 73:102 (2015)"
_SUPPRESSED = "M0 = S / |s|, s <- 1 - (1 - s) exp(-dt / T1), each pulse s <- -e s; Garcia et al., MRM 54:366 (2005)"
_REGION = "M0 = lambda S exp(TE / T2r - TE / T2b) / ((1 - exp(-TR / T1r)) lambda_r); oxasl"
_STATED = "M0 = lambda M0b"


class Found(NamedTuple):
    """An M0, what it was made of, and how."""

    data: NDArray[np.float64]
    constants: dict[str, Constant]
    equation: str


Finding = Generator[Notice, None, Found | None]
"""Gives an M0 as the value of ``yield from``; none where something is still lacking, which is said once."""


@dataclass(frozen=True, slots=True)
class M0Sources:
    """All that M0 can be found from in a scan; each way of finding it looks at what is there by now."""

    scan: Scan
    images: M0Images
    known: Ingredients
    remarks: Remarks

    def of_images(self, m0scan: bool, gain: float | None) -> Finding:
        """Find M0 from the mean m0scan, or the mean control: fully recovered where its repetition time is short."""
        image, constants = self._mean(m0scan, gain)
        if image is None:
            return None
        repetition = made.number_of(constants.get("m0_repetition_time"))
        if np.isnan(repetition):
            yield from self.remarks.say(words.no_repetition_time(m0scan), subject="repetition time")
        elif repetition < _LONG_TR:
            relaxation = of_static_tissue(self.known, image.shape)
            if relaxation.known:
                constants |= relaxation.constants
                image = image / relaxation.t1.signal(partial(recovery, repetition))
            else:
                yield from self.remarks.say(words.NO_T1)
        return Found(image, constants, _PLAIN)

    def of_suppressed_controls(self, presaturation: float, efficiency: float) -> Finding:
        """Estimate M0 from controls that background suppression turns down, by the times of its pulses, s."""
        labeling, images = self.scan.labeling, list(self.images.controls.values())
        if not images:
            return None
        relaxation, slices = of_static_tissue(self.known, images[0].shape), images[0].shape[0]
        delays = [since_labeling(labeling, bolus) for bolus in self.images.controls]
        wanting = words.suppression_lacks(labeling, all(delay > presaturation for delay in delays), relaxation.known)
        if wanting:
            yield from self.remarks.say(wanting, subject="wanting")
            return None
        yield from self.remarks.say(words.ESTIMATED)
        offsets = np.array(self.known.offsets(slices)).reshape(-1, 1, 1)
        train = Train(labeling.background_suppression_pulse_time, presaturation, efficiency)
        means = [(image.data, image.count) for image in images]
        data = unsuppressed(means, [delay + offsets for delay in delays], train, relaxation.t1, _WEAKEST)
        constants = made.of_suppression(labeling, sum(image.count for image in images)) | relaxation.constants
        return Found(data, constants, _SUPPRESSED)

    def of_region(self, fluid: bool, gain: float | None, refocused: bool, floor: float) -> Finding:
        """Find one M0 for the whole brain from the mean signal of fluid, or white matter."""
        image, constants = self._mean(bool(self.images.m0scan.count), gain)
        word, reference = ("fluid", FLUID) if fluid else ("white matter", WHITE_MATTER)
        maps = None if image is None else self.known.tissues_of(image.shape)
        shares = None if maps is None else maps.fluid if fluid else maps.white_matter
        pure = None if shares is None else shares > _PURE
        voxels = 0 if pure is None else int(np.count_nonzero(pure))
        partition = self.known.stated.number("partition_coefficient")
        wanting = words.region_lacks(word, image is not None, not np.isnan(partition), voxels >= _FEWEST)
        if wanting or image is None or pure is None:
            yield from self.remarks.say(wanting, subject="wanting")
            return None
        repetition, echo = made.number_of(constants.get("m0_repetition_time")), self.scan.echo_time
        if np.isnan(repetition) or echo is None:
            yield from self.remarks.say(words.region_uncorrected(word))
        usual = Constant(reference.t1, "s", Source.DEFAULT)
        t1 = self.known.stated.constants.get("t1_fluid" if fluid else "t1_white_matter", usual)
        reference = reference._replace(t1=made.number_of(t1))
        m0 = blood_m0(float(image[pure].mean()), reference, repetition, echo, refocused) * partition
        name, t2 = (
            f"{word} of {voxels} voxels, {constants['m0'].value}",
            reference.t2 if refocused else reference.t2_star,
        )
        constants |= made.of_region(name, t1, t2, reference.partition_coefficient)
        return Found(np.where(tissue_above(image, floor), m0, 0.0), constants, _REGION)

    def of_statement(self) -> Finding:
        """Take the M0 of blood that the header states, for the whole brain."""
        blood, partition = self.scan.labeling.m0_estimate, self.known.stated.number("partition_coefficient")
        if self.images.first is None:
            return None
        if blood is None or np.isnan(partition):
            yield from self.remarks.say(words.statement_lacks(blood is not None), subject="wanting")
            return None
        shape = self.images.first.shape
        data = np.where(self.known.brain_of(shape), blood * partition, 0.0)
        source = self.scan.labeling.sources.get("m0_estimate", Source.HEADER)
        return Found(data, {"m0": Constant(blood, "M0 of blood", source)}, _STATED)

    def _mean(self, m0scan: bool, gain: float | None) -> tuple[NDArray[np.float64] | None, dict[str, Constant]]:
        """Give the mean m0scan or control, on the scale of the controls, and what is known of it."""
        image = self.images.m0scan if m0scan else self.images.controls.get(None)
        if image is None or not image.count:
            return None, {}
        constants = made.of_images(self.scan, m0scan, image.count, gain)
        return (image.data * made.number_of(constants["m0_gain"]) if "m0_gain" in constants else image.data), constants
