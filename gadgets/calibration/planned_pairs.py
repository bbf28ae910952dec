"""How many pairs a scan is going to have."""

from collections import Counter

from ...streaming.scan import Labeling, Role


def planned_pairs(labeling: Labeling) -> int | None:
    """Tell how many pairs, or cycles of a time-encoded scan, ``aslcontext`` lists; None where it lists no volumes.

    >>> planned_pairs(Labeling(context=(Role.M0SCAN, Role.CONTROL, Role.LABEL, Role.CONTROL)))
    1
    """
    if not labeling.context:
        return None
    if labeling.time_encoding is not None:
        return sum(role in (Role.CONTROL, Role.LABEL) for role in labeling.context) // labeling.time_encoding.images
    members = Counter(pair for pair in labeling.pairs if pair is not None)
    return sum(count == 2 for count in members.values())
