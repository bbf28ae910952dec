"""The dress rehearsal goes through every gadget of the chain, and leaves a map."""

import pytest

from aslive.streaming.messages import Close, Image
from aslive.streaming.registry import Registry
from aslive.streaming.rehearsal import _scan, rehearse
from aslive.streaming.session import Session


def test_the_rehearsal_fails_nowhere():
    rehearse()


@pytest.mark.parametrize("partitions", [1, 8])
def test_the_rehearsal_asks_every_gadget_and_gets_a_map(partitions):
    session = Session(Registry())
    answers = [answer for message in _scan(partitions) for answer in session.receive(message)]
    assert answers[-1] == Close()
    assert any("<value>cbf</value>" in answer.attributes for answer in answers if isinstance(answer, Image))
    idle = [timing.name for timing in session.timings if not timing.messages]
    assert idle == []
