"""What many end-to-end tests do: send a scan through a session of its own, and pick maps out of what comes back."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from aslive.streaming.attributes import read_attributes
from aslive.streaming.messages import Close, ConfigFile, Image, Message, Text
from aslive.streaming.registry import Registry
from aslive.streaming.session import Session
from aslive.streaming.wire import Decoder, encode
from aslive.streaming.worker import converse


def reconstruct(
    messages: Iterable[Message],
    settings: Mapping[str, object] | None = None,
    chain: str = "default",
    watch: Callable[[object], None] | None = None,
) -> list[Message]:
    """Send a scan through a session of its own, as the bytes of the wire; its last word is CLOSE."""
    pieces = (memoryview(encode(message)) for message in (ConfigFile(chain), *messages))
    replies = list(converse(pieces, Session(Registry(), dict(settings or {}), watch=watch), Decoder()))
    assert isinstance(replies[-1], Close)
    return replies


def maps(replies: Iterable[Message], name: str) -> list[NDArray[np.float32]]:
    """Give every map of a name, in order, shape ``(z, y, x)``."""
    images = [reply for reply in replies if isinstance(reply, Image)]
    return [
        image.data[0].view(np.float32) for image in images if read_attributes(image.attributes)["aslive_map"] == [name]
    ]


def texts(replies: Iterable[Message]) -> str:
    """Give all that was said, a line each."""
    return "\n".join(reply.text for reply in replies if isinstance(reply, Text))
