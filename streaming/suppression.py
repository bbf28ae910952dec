"""Background suppression, of which a header tells in three keys that may contradict each other."""

from functools import partial

from . import bids
from .per_volume import LONGEST_DELAY
from .statements import Statements


def read_suppression(statements: Statements) -> tuple[bool | None, int | None, tuple[float, ...]]:
    """Read whether static tissue is suppressed, by how many pulses and when; what is told twice must agree.

    Where pulses are stated, suppression is on. If it is also stated to be off, it is unknown: neither may the controls
    serve as M0 then, nor may the label be taken to have lost anything.
    """
    suppressed = statements.ask("BackgroundSuppression", bids.claim)
    pulses = statements.ask("BackgroundSuppressionNumberPulses", bids.whole)
    times = statements.ask("BackgroundSuppressionPulseTime", partial(bids.times, longest=LONGEST_DELAY)) or ()
    if pulses is None and times:
        pulses = len(times)
        statements.sources["background_suppression_number_pulses"] = statements.sources[
            "background_suppression_pulse_time"
        ]
    elif times and pulses != len(times):
        statements.notes.append(
            f"BackgroundSuppressionNumberPulses is {pulses}, but BackgroundSuppressionPulseTime lists {len(times)}: "
            "the number is believed, the times are not used."
        )
        statements.forget("background_suppression_pulse_time")
        times = ()
    if pulses and suppressed is None:
        statements.notes.append("BackgroundSuppression is not stated, but its pulses are: it is taken as on.")
        statements.sources["background_suppression"] = statements.sources["background_suppression_number_pulses"]
        suppressed = True
    elif pulses and suppressed is False:
        statements.notes.append(
            f"BackgroundSuppression is false, but {pulses} pulses are stated: whether the background is suppressed is "
            "taken as unknown, and no loss of label by the pulses."
        )
        statements.forget("background_suppression")
        suppressed = None
    return suppressed, pulses, times
