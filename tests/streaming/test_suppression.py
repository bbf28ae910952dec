"""Background suppression: what is told in several keys must agree, and a contradiction is no knowledge."""

import pytest

from aslive.streaming.statements import Statements
from aslive.streaming.suppression import read_suppression

ON, PULSES, TIMES = "BackgroundSuppression", "BackgroundSuppressionNumberPulses", "BackgroundSuppressionPulseTime"
NAMES = ("background_suppression", "background_suppression_number_pulses", "background_suppression_pulse_time")


@pytest.mark.parametrize(
    ("said", "understood", "noted"),
    [
        ({}, (None, None, ()), ""),
        ({ON: True}, (True, None, ()), ""),
        ({ON: False, PULSES: 0}, (False, 0, ()), ""),
        ({ON: "true", PULSES: "2", TIMES: "1.7, 2.9"}, (True, 2, (1.7, 2.9)), ""),
        ({ON: True, TIMES: [1.7, 2.9]}, (True, 2, (1.7, 2.9)), ""),
        ({PULSES: 2}, (True, 2, ()), "taken as on"),
        ({TIMES: [1.7, 2.9]}, (True, 2, (1.7, 2.9)), "taken as on"),
        ({ON: True, PULSES: 3, TIMES: [1.7, 2.9]}, (True, 3, ()), "the number is believed"),
        ({ON: False, PULSES: 2}, (None, 2, ()), "taken as unknown"),
        ({ON: False, TIMES: [1.7]}, (None, 1, (1.7,)), "taken as unknown"),
    ],
)
def test_what_is_said_of_background_suppression_must_agree(said: dict, understood: tuple, noted: str):
    statements = Statements(said)
    assert read_suppression(statements) == understood
    assert noted in " ".join(statements.notes)
    assert bool(statements.notes) == bool(noted)
    known = [value is not None and value != () for value in understood]
    assert [name in statements.sources for name in NAMES] == known
