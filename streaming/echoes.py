"""Tell whether a scan reads each volume at several echo times."""

from .scan import Scan


def reads_several_echoes(scan: Scan) -> bool:
    """Tell whether contrasts are further echoes of one volume, and not volumes with roles of their own.

    They are not where a rule tells control from label by ``contrast``, nor where ``aslcontext`` lists more volumes, or
    fewer, than the header has repetitions.
    """
    limits = scan.encoding.limits if scan.encoding is not None else {}
    contrast, repetition = limits.get("contrast"), limits.get("repetition")
    if contrast is None or contrast.maximum == contrast.minimum:
        return False
    labeling = scan.labeling
    repetitions = repetition.maximum - repetition.minimum + 1 if repetition is not None else 1
    if labeling.context:
        return repetitions == len(labeling.context)
    if labeling.rule is not None:
        return labeling.rule.counter != "contrast"
    return labeling.stated and repetitions > 1
