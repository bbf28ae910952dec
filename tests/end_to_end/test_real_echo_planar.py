"""Real EPI of phantoms, from the raw file to the image that goes back to the scanner."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from through_session import reconstruct

from aslive.streaming.attributes import read_attributes
from aslive.streaming.convert import open_messages
from aslive.streaming.layouts import flag
from aslive.streaming.messages import Acquisition, ConfigFile, Image, Message, Text
from aslive.streaming.notices import Measure, Measurement
from aslive.streaming.registry import Registry
from aslive.streaming.session import Session
from aslive.streaming.wire import Decoder, encode
from aslive.streaming.worker import converse

RAW = Path(__file__).resolve().parents[2].parent / "shared/data/raw"
NAVIGATOR = flag(24)
SIEMENS = ("siemens_ep2d_bold_phantom/epi_mrd", "siemens_ep2d_bold_phantom/epi_mrd_EPIxsl")
"""One scan, its header written by two style sheets."""
pytestmark = pytest.mark.skipif(not RAW.is_dir(), reason=f"the recordings {RAW.name} are not beside the checkout")


def the_image(replies: Iterable[Message]) -> NDArray[np.float32]:
    """Give the one image that was sent, shape ``(y, x)``."""
    (image,) = (reply for reply in replies if isinstance(reply, Image))
    assert read_attributes(image.attributes)["aslive_map"] == ["image"]
    return image.data[0, 0].view(np.float32)


def texts(replies: Iterable[Message]) -> str:
    return "\n".join(reply.text for reply in replies if isinstance(reply, Text))


FIGURES = {
    "pulseq_epi_phantom/epi128_4ch_rampsamp": 0.06,
    "pulseq_epi_phantom/epi128_4ch_flattop": 0.06,
    "pulseq_epi_phantom/epi96_1ch_rampsamp_peplus": 0.06,
    "pulseq_epi_phantom/epi96_1ch_rampsamp_peminus": 0.06,
    SIEMENS[0]: 0.11,
    SIEMENS[1]: 0.11,
}
"""How much ghost over signal may be left; what is measured is mostly noise."""


def ghost_over_signal(image: NDArray[np.floating], corrected: NDArray[np.floating]) -> float:
    """Mean half a field of view away from the object over the mean in it; the corrected image tells where both lie."""
    mask = corrected > 0.25 * np.percentile(corrected, 99)
    ghost = np.roll(mask, len(mask) // 2, axis=0) & ~mask
    return float(image[ghost].mean() / image[mask].mean())


def without_navigators(messages: Iterable[Message]) -> Iterator[Message]:
    for message in messages:
        if not (isinstance(message, Acquisition) and int(message.fields["flags"]) & NAVIGATOR):
            yield message


@pytest.mark.parametrize(("name", "most"), FIGURES.items())
def test_no_more_ghost_is_left_than_is_known_of_the_scan(name, most):
    seen: list[object] = []
    replies = reconstruct(open_messages(RAW / f"{name}.h5"), watch=seen.append)
    image = the_image(replies)
    level = ghost_over_signal(image, image)
    assert level < most
    (measured,) = [one for one in seen if isinstance(one, Measurement) and one.name is Measure.GHOST_LEVEL]
    assert measured.value == pytest.approx(level, rel=0.01)
    assert not [line for line in texts(replies).splitlines() if line.startswith(("warning", "error"))]


@pytest.mark.parametrize(
    ("name", "least"), [(name, 0.15 if name in SIEMENS else 0.6) for name in FIGURES], ids=list(FIGURES)
)
def test_it_is_the_navigators_that_take_the_ghost_away(name, least):
    image = the_image(reconstruct(open_messages(RAW / f"{name}.h5")))
    replies = reconstruct(without_navigators(open_messages(RAW / f"{name}.h5")))
    assert ghost_over_signal(the_image(replies), image) > least
    assert "warning: EPI lines came without navigators" in texts(replies)


def test_both_styles_of_header_give_one_image():
    one, other = (the_image(reconstruct(open_messages(RAW / f"{name}.h5"))) for name in SIEMENS)
    assert np.linalg.norm(one - other) < 0.01 * np.linalg.norm(other)


@pytest.mark.parametrize("name", [SIEMENS[0], "pulseq_epi_phantom/epi96_1ch_rampsamp_peminus"])
def test_a_real_server_gives_its_client_the_same_image(server, name):
    messages = list(open_messages(RAW / f"{name}.h5"))
    replies = server.talk(b"".join(map(encode, (ConfigFile("default"), *messages))))
    assert replies.closed
    wanted = the_image(reconstruct(messages))
    np.testing.assert_allclose(the_image(replies.images), wanted, atol=1e-5 * wanted.max())


def test_a_site_may_fit_more_than_a_line_to_the_navigators():
    name = "siemens_ep2d_bold_phantom/epi_mrd"
    pieces = (memoryview(encode(m)) for m in (ConfigFile("default"), *open_messages(RAW / f"{name}.h5")))
    curved = the_image(converse(pieces, Session(Registry(), {"ghost.order": 4}), Decoder()))
    straight = the_image(reconstruct(open_messages(RAW / f"{name}.h5")))
    assert ghost_over_signal(curved, straight) < ghost_over_signal(straight, straight)
