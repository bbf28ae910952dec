"""Finding and undoing the motion of the head."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from ..streaming.flow import Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.quality import Motion
from ..streaming.remarks import Remarks
from ..streaming.scan import Labeling, Role, Scan
from .kernels.brain import brain_mask
from .kernels.pose_link import Link, link
from .kernels.registration import Found, Target
from .kernels.resampling import Mover
from .kernels.rigid import Pose, still

_ROLES = (Role.CONTROL, Role.LABEL, Role.M0SCAN)
_THRESHOLD_SHARE = 0.3  # of the 98th percentile, as in mask
_RIM, _SURROUNDINGS = 2, 3  # voxels around the brain that are looked at, and around these that are moved
_MOST_MISSING = 0.05  # share of the lines of a volume that can still be registered
_NAN = float("nan")


class MotionMode(StrEnum):
    """What to do about motion."""

    AUTO = "auto"
    MEASURE = "measure"
    OFF = "off"


class _Reference(NamedTuple):
    """The first volume of its kind."""

    target: Target
    pose: Pose
    """Of the head in it, against the first volume of all."""


@dataclass
class CorrectMotion(Gadget):
    """Finds how the head lies in each volume, and moves the volume to where the head lay first.

    First is the first complete m0scan, control or label, in which mask and M0 lie too. Each volume is registered to the
    first complete one of its own kind, so that the darkness of labels is not taken for motion: controls and labels
    apart, with suppression also the delays, and the images of time-encoded cycles. These references are linked once to
    the first volume. The pose comes from least squares with the brightness free (`kernels/registration.py`). Volumes
    are moved as complex numbers, once, by cubic B-splines, and only the head; what lies beyond the field of view shows
    its edge. Fewer than four slices are moved within their plane only. Volumes that cannot be registered pass as they
    are, with NaN for a pose.
    """

    mode: MotionMode = MotionMode.AUTO
    """``auto``; ``measure``: nothing is moved; ``off``."""
    tolerance: float = 5e-5
    """Displacement from the first volume up to which a volume is passed on as it is, m; more where noise alone may look
    like that."""

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _by_bolus: bool = field(default=False, init=False, repr=False)
    _lengths: tuple[float, float, float] = field(default=(0.0, 0.0, 0.0), init=False, repr=False)
    _thickness: float = field(default=0.0, init=False, repr=False)
    _three_dimensional: bool = field(default=False, init=False, repr=False)
    _lines_left_out: int = field(default=1, init=False, repr=False)
    _brain: NDArray[np.bool_] | None = field(default=None, init=False, repr=False)
    _voxel: tuple[float, float, float] = field(default=(0.0, 0.0, 0.0), init=False, repr=False)
    _mover: Mover | None = field(default=None, init=False, repr=False)
    _references: dict[tuple[object, ...], _Reference] = field(default_factory=dict, init=False, repr=False)
    _unlike: dict[tuple[object, ...], int] = field(default_factory=dict, init=False, repr=False)
    """Volumes of each kind without a reference that fitted no other kind."""
    _latest: dict[Role, Pose] = field(default_factory=dict, init=False, repr=False)
    _here: Pose = field(default_factory=still, init=False, repr=False)
    _remarks: Remarks = field(default_factory=Remarks, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether there are controls and labels whose motion matters."""
        return self.mode != MotionMode.OFF and scan.labeling.stated

    def start(self, scan: Scan) -> None:
        """Look up the size of the voxels, and forget the references."""
        self._labeling, self._three_dimensional = scan.labeling, scan.three_dimensional
        suppressed = scan.labeling.background_suppression is not False
        self._by_bolus = suppressed and scan.labeling.time_encoding is None
        self._lengths, self._thickness, self._lines_left_out = (0.0, 0.0, 0.0), 0.0, 1
        if scan.encoding is not None:
            self._lengths = scan.encoding.recon_field_of_view
            self._thickness = self._lengths[2] / max(scan.encoding.recon_matrix[2], 1)
            self._lines_left_out = int(np.prod(np.maximum(scan.encoding.acceleration, 1)))
        self._brain, self._mover, self._references, self._latest, self._unlike = None, None, {}, {}, {}
        self._here, self._remarks = still(), Remarks()

    def process(self, message: Volume) -> Iterator[Motion | Volume | Notice]:
        """Register a volume, and move it back."""
        if message.place.role not in _ROLES:
            yield message
            return
        magnitude = np.ascontiguousarray(np.abs(message.data))
        if self._brain is None:
            fault = self._begin(message, magnitude)
            if fault:
                yield from self._remarks.say(fault)
                yield _lost(message)
                yield message
            else:
                yield self._found(message, still(), 1.0, False, 0.0)
                yield message
                self._refer(message, magnitude, still())  # behind the volume: nothing waits for it
            return
        if not self._references or magnitude.shape != self._brain.shape or self._missing(message) > _MOST_MISSING:
            yield _lost(message)
            yield message
            return
        yield from self._register(message, magnitude)

    def _begin(self, message: Volume, magnitude: NDArray[np.float32]) -> str:
        """Find the brain in the first volume; give what is wrong with it, in words."""
        if not message.complete:
            return f"Volume {message.place.volume} lacks lines: no volume is registered to it."
        slices, rows, columns = magnitude.shape
        along_z = self._lengths[2] / slices if self._three_dimensional else message.spacing or self._thickness
        self._voxel = along_z, self._lengths[1] / rows, self._lengths[0] / columns
        if not min(self._voxel) > 0:
            return "Motion cannot be found: nothing tells how large the voxels are."
        finite = np.isfinite(magnitude).all()
        brain = brain_mask(magnitude, _THRESHOLD_SHARE) if finite else np.zeros(magnitude.shape, bool)
        if not brain.any():
            return f"No brain was found in volume {message.place.volume}: no volume is registered to it."
        self._brain = _wider(brain, _RIM)
        return ""

    def _refer(self, message: Volume, magnitude: NDArray[np.float32], pose: Pose) -> None:
        """Make a volume the reference of its kind."""
        if self._brain is None or not message.complete:
            return
        if self._mover is None:
            self._mover = Mover(_wider(self._brain, _SURROUNDINGS), self._voxel)
        target = Target(magnitude, self._brain, self._voxel)
        if target.usable:
            self._references[self._kind(message)] = _Reference(target, pose)

    def _register(self, message: Volume, magnitude: NDArray[np.float32]) -> Iterator[Motion | Volume | Notice]:
        kind = self._kind(message)
        own = self._references.get(kind)
        if own is not None:
            target, pose = own
            found = target.find(magnitude, (self._here.after(pose.inverse),))
        else:
            target, pose = self._like(message)
            found = link(target, magnitude, self._here.after(pose.inverse))
        if found is None:
            yield from self._remarks.say(
                f"Volume {message.place.volume} ({message.place.role}) does not fit those before it, however it is "
                "turned: its motion is not known, and it is used where it lies. The same may hold for others.",
                Level.INFO,
                "unknown",
            )
            yield _lost(message)
            yield message
            pose = self._here  # the head lies where it was seen last
        else:
            pose = found.pose.after(pose)
            yield from self._moved(message, pose, found)
        if own is None:
            self._unlike[kind] = self._unlike.get(kind, 0) + (found is None)
            if found is not None or self._unlike[kind] > 1:  # one that fits nothing may be spoiled; two are of a kind
                self._refer(message, magnitude, pose)

    def _moved(self, message: Volume, pose: Pose, found: Found | Link) -> Iterator[Motion | Volume]:
        far = pose.displacement(still()) > max(self.tolerance, found.doubtful)
        if self.mode == MotionMode.MEASURE or not far or self._mover is None:
            yield self._found(message, pose, found.agreement, False, 0.0, found.doubtful / 3)
            yield message
            return
        data, outside = self._mover.back(message.data, pose)
        yield self._found(message, pose, found.agreement, True, outside, found.doubtful / 3)
        yield replace(message, data=data)

    def _found(
        self, message: Volume, pose: Pose, agreement: float, corrected: bool, outside: float, stderr: float = 0.0
    ) -> Motion:
        """Say how the head lies, and how far it went."""
        role = message.place.role
        other = {Role.CONTROL: Role.LABEL, Role.LABEL: Role.CONTROL}.get(role)
        before, partner = self._latest.get(role), self._latest.get(other) if other else None
        self._latest[role] = self._here = pose
        x, y, z = pose.translation.tolist()
        about_x, about_y, about_z = pose.angles.tolist()
        return Motion(
            message.place,
            (x, y, z),
            (about_x, about_y, about_z),
            _NAN if before is None else pose.displacement(before),
            _NAN if partner is None else pose.displacement(partner),
            agreement,
            corrected,
            outside,
            stderr,
        )

    def _kind(self, message: Volume) -> tuple[object, ...]:
        """Tell which volumes look alike: those of one kind are registered to the first of it."""
        role, number = message.place.role, message.place.number
        encoding = self._labeling.encoding_of(number)
        if role is Role.M0SCAN:
            return (role,)
        if encoding is not None:
            return "image", encoding[1]
        return (role, self._labeling.bolus(number)) if self._by_bolus else (role,)

    def _like(self, message: Volume) -> _Reference:
        """Give the reference that looks most like the first volume of another kind: the other role's, or the latest."""
        kinds = list(self._references)
        if message.place.role is not Role.M0SCAN:
            bolus = self._kind(message)[1:]
            partners = [kind for kind in kinds if kind[0] is not Role.M0SCAN and kind[1:] == bolus]
            others = [kind for kind in kinds if kind[0] is not Role.M0SCAN]
            kinds = partners or others[:1] or kinds
        return self._references[kinds[0]]

    def _missing(self, message: Volume) -> float:
        """Give the share of the lines of a volume that never came."""
        slices, rows, _ = message.data.shape
        return message.place.missing * self._lines_left_out / (slices * rows)


def _lost(message: Volume) -> Motion:
    nothing = (_NAN, _NAN, _NAN)
    return Motion(message.place, nothing, nothing, _NAN, _NAN, _NAN)


def _wider(region: NDArray[np.bool_], voxels: int) -> NDArray[np.bool_]:
    """Take in the neighbors of a region, so many voxels wide."""
    return np.asarray(binary_dilation(region, iterations=voxels), np.bool_)
