"""When there is advice at all, and with which parameters."""

from collections.abc import Callable

import pytest

from aslive.gadgets.enough import AdviseEnough
from aslive.streaming.errors import ConfigError
from aslive.streaming.scan import Labeling, Scan


def test_scans_that_label_nothing_do_without_it(pcasl: Callable[..., Labeling]) -> None:
    assert AdviseEnough().needed(Scan(labeling=pcasl()))
    assert not AdviseEnough().needed(Scan())


@pytest.mark.parametrize(
    "wrong", [{"scale": -1.0}, {"extra_pairs": -1}, {"most_rejected": -0.1}, {"minimum_pairs": 1}, {"target": 0.0}]
)
def test_parameters_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    gadget = AdviseEnough(**wrong)  # pyright: ignore[reportArgumentType]  (whichever it is)
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        gadget.start(Scan())
