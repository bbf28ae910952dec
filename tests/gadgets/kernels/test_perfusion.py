import pytest

from aslive.gadgets.kernels.perfusion import pasl_factor, pcasl_factor


@pytest.mark.parametrize(
    ("duration", "delay", "efficiency", "factor"),
    [
        (1.8, 1.8, 0.85, 8630.0),
        (1.8, 2.0, 0.85, 9742.1),
        (1.5, 1.5, 0.85, 8002.4),
        (1.45, 1.525, 0.85, 8296.8),
        (3.0, 3.0, 0.85, 14158.2),
        (1.8, 1.8, 0.85 * 0.95**2, 9562.3),
        (1.8, 1.8, 0.85 * 0.95**4, 10595.4),
    ],
)
def test_the_pcasl_factor_is_that_of_the_white_paper(duration, delay, efficiency, factor):
    assert pcasl_factor(delay, duration, 1.65, 0.9, efficiency) == pytest.approx(factor, abs=0.06)


def test_the_pasl_factor_is_that_of_the_white_paper():
    assert pasl_factor(1.8, 0.8, 1.65, 0.9, 0.98) == pytest.approx(10252.4, abs=0.06)
