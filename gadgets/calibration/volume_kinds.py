"""Which volumes of a scan should look alike."""

from ...streaming.readouts import Readout
from ...streaming.scan import Bolus, Role, Scan

Sort = tuple[str, Bolus | None, int, int]
"""Role, bolus, image of a time-encoded cycle, contrast."""


class VolumeKinds:
    """Tells what sort of volume a line belongs to, before anything has been made of it.

    Volumes of one sort have the same role, delay and echo, and so the same signal but for noise, motion and blood.
    Where nothing states roles they alternate.
    """

    def __init__(self, scan: Scan) -> None:
        self._labeling = scan.labeling
        self._by_repetition = True
        self._volume_of: dict[int, int] = {}

    def sort(self, volume: int, line: Readout) -> Sort:
        """Give the sort of a volume, by its number in order of arrival and one of its lines."""
        labeling, counters = self._labeling, line.counters
        if self._by_repetition and self._volume_of.setdefault(counters.repetition, volume) != volume:
            self._by_repetition = False
        n = counters.repetition if self._by_repetition else volume
        encoding = labeling.encoding_of(n)
        image = -1 if encoding is None else encoding[1]
        return self._role(n, line), labeling.bolus(n), image, counters.contrast

    def _role(self, n: int, line: Readout) -> str:
        labeling, rule = self._labeling, self._labeling.rule
        if labeling.context:
            return labeling.context[n] if n < len(labeling.context) else Role.NOT_APPLICABLE
        if rule is None:
            return f"turn {n % 2}" if labeling.stated else Role.NOT_APPLICABLE
        if n < rule.leading_dummies + rule.leading_m0scan:
            return Role.NOT_APPLICABLE if n < rule.leading_dummies else Role.M0SCAN
        if rule.counter.startswith("flag_"):
            value = line.flags >> (int(rule.counter.removeprefix("flag_")) - 1) & 1
        else:
            value = getattr(line.counters, rule.counter)
        return f"turn {value % rule.modulo if rule.modulo > 0 else value}"
