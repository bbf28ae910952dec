import pytest

from aslive.streaming.echoes import reads_several_echoes
from aslive.streaming.scan import CounterRule, Encoding, Labeling, LabelingType, Limits, Role, Scan

PAIR = (Role.CONTROL, Role.LABEL)


@pytest.mark.parametrize(
    ("contrasts", "repetitions", "labeling", "several"),
    [
        (1, 2, Labeling(context=PAIR), False),
        (2, 2, Labeling(context=PAIR), True),
        (2, 1, Labeling(context=PAIR), False),  # the contrasts are control and label
        (2, 2, Labeling(context=PAIR * 2), False),  # every echo is listed
        (2, 2, Labeling(rule=CounterRule("set")), True),
        (2, 2, Labeling(rule=CounterRule("contrast")), False),
        (2, 4, Labeling(LabelingType.PCASL), True),
        (2, 4, Labeling(), False),  # no ASL, so nothing has a role
    ],
)
def test_contrasts_are_echoes_unless_they_have_roles_of_their_own(contrasts, repetitions, labeling, several):
    limits = {"contrast": Limits(0, contrasts - 1, 0), "repetition": Limits(0, repetitions - 1, 0)}
    encoding = Encoding((8, 8, 1), (0.1, 0.1, 0.1), (8, 8, 1), (0.1, 0.1, 0.1), limits)
    assert reads_several_echoes(Scan((encoding,), labeling)) is several


def test_without_limits_nothing_tells_of_echoes():
    assert not reads_several_echoes(Scan(labeling=Labeling(context=PAIR)))
