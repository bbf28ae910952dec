"""One pair as it is judged: what it is made of, what was found, what the average has of it, and what was said."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...streaming.flow import Place
from ...streaming.perfusion import Difference, Remove
from ...streaming.scan import Bolus
from ..kernels.keep import Judgment
from .pair_evidence import Evidence

_CHANGED = 0.1  # share by which a weight has to change to be sent, and said


class Use(NamedTuple):
    """How a pair counts."""

    weight: float = 1.0
    slices: tuple[bool, ...] | None = None
    """By z; none where all count."""

    def differs(self, other: "Use | None") -> bool:
        """Tell whether it is worth changing."""
        if other is None or self.slices != other.slices:
            return True
        return abs(self.weight - other.weight) > _CHANGED * other.weight


@dataclass(eq=False)
class JudgedPair:
    """One pair, or one cycle of a time-encoded scan."""

    pair: int
    place: Place
    parts: list[Difference]
    """Its differences, the same arrays that the average keeps; empty while ``decode`` has taken them back."""
    image: NDArray[np.float32] | None = None
    """What it is judged by; none where it cannot be compared."""
    bolus: Bolus | None = None
    evidence: Evidence = field(default_factory=Evidence)
    stripes: NDArray[np.float64] | None = None
    """By slice, if a spike made it worth looking."""
    judgment: Judgment | None = None
    """Of it and the pairs that it was compared with."""
    number: int = 0
    """Its place in the judgment."""
    kept: bool = True
    use: Use = field(default_factory=Use)
    sent: tuple[list[Difference], Use] | None = None
    """What the average has of it."""
    told: tuple[bool, Use] | None = None
    """What was said of it."""

    @property
    def left_out(self) -> tuple[int, ...]:
        """Slices that do not count, by z."""
        return () if self.use.slices is None else tuple(z for z, used in enumerate(self.use.slices) if not used)

    def changes(self, everything: bool) -> Iterator[Difference | Remove]:
        """Bring the average to what is wanted, or with ``everything`` to the pair as it came; none is the last yet."""
        use = Use() if everything else self.use
        wanted = (self.parts, use) if self.parts and (self.kept or everything) else None
        if wanted is None and self.sent is None:
            return
        if wanted and self.sent and wanted[0] is self.sent[0] and not use.differs(self.sent[1]):
            return
        if self.sent is not None:
            yield Remove(self.pair, last=False)
        if wanted is not None:
            for part in self.parts:
                yield replace(part, weight=part.weight * use.weight, slices=use.slices, last=False)
        self.sent = wanted

    def news(self, new: bool) -> bool:
        """Tell whether there is something to say: it is ``new``, or judged otherwise than before. It is said then."""
        before, now = self.told, (self.kept, self.use)
        if not self.parts or not (new or before is None or before[0] != self.kept or self.use.differs(before[1])):
            return False
        self.told = now
        return True
