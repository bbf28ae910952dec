"""From the images of a time-encoded scan to the difference of each sub-bolus."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Mask, Place, Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import Difference, Remove
from ..streaming.scan import Bolus, Labeling, Role, Scan
from .calibration.subtraction import RunSubtraction
from .kernels.cycle_decoder import CycleDecoder, Signal
from .kernels.polarity import Polarity
from .kernels.subtraction_choice import Subtraction, brain_of

_NOTHING = np.zeros((0, 1), np.int64)
_WHOLE = ((-1, -1, 1.0),)  # what went out of a cycle that was decoded as a whole


class Spoiled(StrEnum):
    """What becomes of a cycle in which an image is bad, incomplete or lost."""

    REPAIR = "repair"
    DROP = "drop"


@dataclass
class _Cycle:
    """What is known of a cycle beside its images."""

    place: Place
    """Of its latest volume."""
    reasons: dict[int, str] = field(default_factory=dict)
    """Why an image cannot be used, by encoding."""
    spoiled: frozenset[int] = frozenset()
    """Encodings that were not used when it was last decoded."""
    borrowed: frozenset[tuple[int, int]] = frozenset()
    """Cycles and encodings that it took images from."""
    sent: tuple[tuple[int, int, float], ...] = ()
    """The images, and the sub-boluses of which something went out, with the weights; empty where nothing did."""


@dataclass
class Decode(Gadget):
    """Takes time-encoded (Hadamard) images apart into the blood of each sub-bolus, while they come.

    ``I_k = S - sum_b L_bk deltam_b`` is solved for all sub-boluses by least squares when the N images of a cycle are
    there: ``deltam_b = 2/N sum_k D_bk I_k``, of variance ``4 sigma^2 / N``. Before that, whatever its images tell of
    neighboring sub-boluses taken together goes out, and is taken back when the cycle is whole: in the order of Walsh
    after 2, 4, ... images. ``I`` is ``|I|`` or ``Re(conj(u) I)``, u the unit phase of the m0scan, chosen for the whole
    run. An image that lacks lines, or was lost, or differs from the same encoding of all other cycles three times as
    much as images usually do, spoils its cycle: the mean of the same encoding in the other cycles then takes its place,
    which is least squares over all cycles; the weight of the cycle says how much is left. What comes later may spoil an
    earlier cycle, or show it good; it is decoded again then. A cycle that the end of the scan cuts off is used as far
    as it goes.
    """

    subtraction: Subtraction = Subtraction.AUTO
    """``magnitude``, ``complex``, or ``auto``: ``complex`` where an m0scan came and the first two images show a signal
    that is below 10 times the noise, or turned over in more than 2 % of the brain."""
    early: bool = True
    """Whether sub-boluses taken together go out before a cycle is whole."""
    spoiled: Spoiled = Spoiled.REPAIR
    """``repair``: the other cycles stand in for a bad image; ``drop``: its cycle is left out."""
    kept_cycles: int = 8
    """Latest cycles whose images are kept, 4 bytes per voxel and image."""

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _boluses: tuple[Bolus, ...] = field(default=(), init=False, repr=False)
    _decoder: CycleDecoder = field(default_factory=lambda: CycleDecoder(_NOTHING, 1), init=False, repr=False)
    _cycles: dict[int, _Cycle] = field(default_factory=dict, init=False, repr=False)
    _open: int | None = field(default=None, init=False, repr=False)
    _waiting: list[tuple[int, int, Volume]] = field(default_factory=list, init=False, repr=False)
    _subtraction: RunSubtraction = field(default_factory=RunSubtraction, init=False, repr=False)
    _inside: NDArray[np.intp] | None = field(default=None, init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _polarity: Polarity = field(default_factory=Polarity, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether the scan is time-encoded."""
        return scan.labeling.time_encoding is not None

    def start(self, scan: Scan) -> None:
        """Prepare the weights of the images."""
        self._labeling = scan.labeling
        encoding = scan.labeling.time_encoding
        labeled = np.array(encoding.matrix, np.int64) if encoding is not None else _NOTHING
        self._boluses = encoding.boluses if encoding is not None else ()
        self._decoder = CycleDecoder(labeled, max(1, self.kept_cycles))
        self._cycles, self._open, self._waiting, self._polarity = {}, None, [], Polarity()
        self._subtraction = RunSubtraction(self.subtraction, scan.labeling.background_suppression)
        self._inside, self._shape = None, ()

    def process(self, message: Volume | Mask) -> Iterator[Volume | Mask | Difference | Remove | Notice]:
        """Take an image into its cycle, decode what can be decoded, and pass it on."""
        if isinstance(message, Mask):
            self._subtraction.mask, self._inside = message.data, None
        elif message.place.role is Role.M0SCAN:
            self._subtraction.look_at(message)
        elif message.place.role in (Role.CONTROL, Role.LABEL):
            where = self._labeling.encoding_of(message.place.number)
            if where is not None:
                yield from self._take(*where, message)
        yield message

    def finish(self) -> Iterator[Difference | Remove | Notice]:
        """Decode a cycle that was cut off, as far as it goes."""
        if self._open is not None:
            count = self._count(self._open)
            yield Notice(
                f"The scan ended within a cycle of time encoding, after {count} of {self._decoder.encodings} images.",
                Level.INFO,
            )
            yield from self._close(cut_off=True)
        yield from self._alarm(1)

    # Images.

    def _take(self, cycle: int, encoding: int, volume: Volume) -> Iterator[Difference | Remove | Notice]:
        place = volume.place
        if self._open is not None and cycle > self._open:
            yield from self._close()
        if cycle not in self._cycles:
            if self._cycles and cycle < max(self._cycles):
                yield Notice(f"Volume {place.volume} comes too late for its cycle ({cycle}), and is left out.")
                return
            self._cycles[cycle], self._open = _Cycle(place), cycle
        state = self._cycles[cycle]
        if encoding in self._decoder.cycles.images.get(cycle, {}):
            yield Notice(f"Volume {place.volume} is image {encoding + 1} of cycle {cycle} once more, and is left out.")
            return
        state.place = place
        self._shape = self._shape or volume.data.shape
        if not volume.complete:
            state.reasons[encoding] = f"lacks {place.missing} lines"
        elif volume.data.shape != self._shape:
            state.reasons[encoding] = f"has the shape {volume.data.shape}, others {self._shape}"
        elif not np.isfinite(volume.data).all():
            state.reasons[encoding] = "has voxels that are no numbers"
        else:
            state.reasons.pop(encoding, None)
            self._waiting.append((cycle, encoding, volume))
            if self._subtraction.chosen is None and len(self._waiting) == 2:
                yield from self._choose()
            if self._subtraction.chosen is not None:
                self._project()
        if cycle != self._open:
            yield from self._judge(cycle)  # one that came late
        elif self._count(cycle) == self._decoder.encodings:
            yield from self._close()
        elif self.early and not (state.reasons and self.spoiled is Spoiled.DROP):
            yield from self._send_part(cycle, self._seen(cycle))

    def _choose(self) -> Iterator[Notice]:
        """Choose between magnitudes and complex images by the first two, or the only one."""
        yield from self._subtraction.choose(self._waiting[0][2].data, self._waiting[-1][2].data, one_phase=True)

    def _project(self) -> None:
        """Make the waiting images real."""
        for cycle, encoding, volume in self._waiting:
            image = self._subtraction.real(volume.data)
            if self._inside is None:
                self._inside = np.flatnonzero(brain_of(image, self._subtraction.mask))
            self._decoder.cycles.add(cycle, encoding, image, self._inside)
        self._waiting = []
        oldest = min(self._decoder.cycles.images)
        self._cycles = {cycle: state for cycle, state in self._cycles.items() if cycle >= oldest}

    def _seen(self, cycle: int) -> tuple[int, ...]:
        return tuple(sorted(self._decoder.cycles.images.get(cycle, ())))

    def _count(self, cycle: int) -> int:
        waiting = sum(cycle == other for other, _, _ in self._waiting)
        return waiting + len({*self._seen(cycle), *self._cycles[cycle].reasons})

    # Cycles.

    def _close(self, cut_off: bool = False) -> Iterator[Difference | Remove | Notice]:
        """End the open cycle: decode it, and again what it shows in another light."""
        cycle, self._open = self._open, None
        if cycle is None:
            return
        if self._subtraction.chosen is None and self._waiting:
            yield from self._choose()
            self._project()
        state = self._cycles[cycle]
        for encoding in range(self._decoder.encodings):
            if encoding not in self._decoder.cycles.images.get(cycle, ()):
                state.reasons.setdefault(encoding, "did not come before the end" if cut_off else "was lost")
        yield from self._judge(cycle, cut_off)

    def _judge(self, cycle: int, cut_off: bool = False) -> Iterator[Difference | Remove | Notice]:
        """Look for spoiled images in all cycles, and decode what is new or has changed; the latest cycle last."""
        outliers = self._decoder.cycles.outliers()
        spoiled = {
            number: frozenset(state.reasons) | outliers.get(number, frozenset())
            for number, state in self._cycles.items()
            if number != self._open
        }
        for number in sorted(spoiled, key=lambda number: (number == cycle, number)):
            state = self._cycles[number]
            lent_badly = any(encoding in spoiled.get(lender, ()) for lender, encoding in state.borrowed)
            lacking = state.spoiled and not state.borrowed
            if number == cycle or spoiled[number] != state.spoiled or lent_badly or lacking:
                yield from self._decode(number, spoiled, cut_off and number == cycle)

    def _decode(
        self, cycle: int, spoiled: dict[int, frozenset[int]], cut_off: bool
    ) -> Iterator[Difference | Remove | Notice]:
        """Decode a cycle that has ended, with the help of others where images are spoiled."""
        state, bad = self._cycles[cycle], spoiled[cycle]
        new, before, state.spoiled = bad - state.spoiled, state.spoiled, bad
        repair = self.spoiled is Spoiled.REPAIR
        lenders = self._decoder.lenders(cycle, bad, spoiled) if repair or not bad else None
        state.borrowed = frozenset((lender, n) for n, others in (lenders or {}).items() for lender in others)
        if new and (lenders or not cut_off):
            then = "what the others tell is used" if repair else "the cycle is left out"
            yield from self._explain(cycle, new, "the other cycles stand in for it" if lenders else then)
        elif before and not bad:
            yield Notice(f"Cycle {cycle} of time encoding is whole again, and used as it is.", Level.INFO)
        if lenders is None:
            good = tuple(encoding for encoding in self._seen(cycle) if encoding not in bad)
            partly = self.early if cut_off else repair
            yield from self._send_part(cycle, good if partly else ())
            return
        signals = self._decoder.whole(cycle, lenders)
        yield from self._send(cycle, signals, _WHOLE)
        if not bad and not before:
            self._polarity.add(np.mean([signal.data for signal in signals], axis=0), self._subtraction.mask)
            yield from self._alarm(2)

    def _explain(self, cycle: int, encodings: frozenset[int], then: str) -> Iterator[Notice]:
        for encoding in sorted(encodings):
            reason = self._cycles[cycle].reasons.get(encoding, "differs from the same image of all other cycles")
            yield Notice(f"Image {encoding + 1} of cycle {cycle} of time encoding {reason}: {then}.")

    def _alarm(self, fewest: int) -> Iterator[Notice]:
        """Say if the blood in the brain, that of all sub-boluses together, is negative."""
        if self._polarity.turned_over(fewest):
            yield Notice(
                "Labels and controls look swapped: the mean decoded difference in the brain is negative (t "
                f"{self._polarity.t:.1f} over {self._polarity.count} cycles). TimeEncodedLabelSign may have to be the "
                "other one. Nothing was changed.",
                Level.ERROR,
            )

    # What goes out.

    def _send_part(self, cycle: int, seen: tuple[int, ...]) -> Iterator[Difference | Remove]:
        """Give what some images of a cycle tell, if it is news."""
        runs = self._decoder.told(seen)
        told = [(seen[n], run.first, round(weight, 6)) for run in runs for n, weight in enumerate(run.weights)]
        sending = tuple(part for part in told if part[2])
        if sending != self._cycles[cycle].sent:
            yield from self._send(cycle, self._decoder.part(cycle, seen), sending)

    def _send(
        self, cycle: int, signals: list[Signal], sending: tuple[tuple[int, int, float], ...]
    ) -> Iterator[Difference | Remove]:
        """Give signals in place of what went out of the cycle before."""
        state = self._cycles[cycle]
        if state.sent:
            yield Remove(cycle, last=not signals)
        state.sent = sending
        for n, signal in enumerate(signals):
            parts = self._boluses[signal.first : signal.last + 1]
            # rounded to ns, so that the same bolus is the same whichever way it is summed
            duration = round(sum(part.labeling_duration for part in parts), 9)
            bolus, last = Bolus(parts[-1].post_labeling_delay, duration), n == len(signals) - 1
            yield Difference(signal.data, state.place, cycle, self._subtraction.complex, bolus, signal.weight, last)
