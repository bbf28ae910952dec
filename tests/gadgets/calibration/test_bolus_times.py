import pytest

from aslive.gadgets.calibration.bolus_times import bolus_times
from aslive.streaming.scan import Bolus, Labeling, LabelingType


@pytest.mark.parametrize("kind", [LabelingType.PCASL, LabelingType.CASL])
def test_the_delay_of_continuous_labeling_counts_from_its_end(kind):
    assert bolus_times(Labeling(kind), Bolus(1.5, 1.8)) == (pytest.approx(3.3), 1.8)


@pytest.mark.parametrize(
    ("technique", "cut", "duration"),
    [("QUIPSSII", (0.8,), 0.8), (None, (0.8,), 0.8), ("Q2TIPS", (0.7, 1.6), 0.7), ("QUIPSS", (0.8,), 1.0)],
)
def test_the_delay_of_pulsed_labeling_is_the_inversion_time(technique, cut, duration):
    labeling = Labeling(LabelingType.PASL, bolus_cut_off_technique=technique, bolus_cut_off_delay_time=cut)
    assert bolus_times(labeling, Bolus(1.8)) == (1.8, pytest.approx(duration))


def test_a_readout_ahead_of_the_saturation_of_quipss_has_no_bolus():
    labeling = Labeling(LabelingType.PASL, bolus_cut_off_technique="QUIPSS", bolus_cut_off_delay_time=(0.8,))
    assert bolus_times(labeling, Bolus(0.5)) == (0.5, 0.0)
