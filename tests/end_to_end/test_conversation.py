"""What scanners of different makes say first, and in which form, over a real socket."""

import json
from importlib.resources import files

import pytest
from defusedxml.ElementTree import fromstring

from aslive.streaming.messages import Close, ConfigFile, ConfigText, Query, Response, Text
from aslive.streaming.wire import encode

pytestmark = pytest.mark.timeout(60)

CLOSE = encode(Close())
ASL = files("aslive").joinpath("streaming/chains/asl.xml").read_text()


def legacy(chain: str) -> str:
    """Write a chain in Gadgetron's first form."""
    gadgets = "".join(
        f"<gadget><name>{step.findtext('classname')}</name><dll>aslive</dll>"
        f"<classname>{step.findtext('classname')}</classname>"
        + "".join(
            f"<property><name>{one.get('name')}</name><value>{one.get('value')}</value></property>"
            for one in step.findall("property")
        )
        + "</gadget>"
        for step in fromstring(chain).iter("gadget")
    )
    return (
        '<gadgetronStreamConfiguration xmlns="http://gadgetron.sf.net/gadgetron"><reader><slot>1008</slot><dll>x</dll>'
        f"<classname>y</classname></reader>{gadgets}</gadgetronStreamConfiguration>"
    )


CONFIGS = {
    "none": b"",
    "by_name": encode(ConfigFile("asl")),
    "by_file_name": encode(ConfigFile("asl.xml")),
    "by_no_name": encode(ConfigFile("")),
    "an_unknown_name": encode(ConfigFile("savedataonly")),
    "xml": encode(ConfigText(ASL)),
    "xml_with_a_nul": encode(ConfigText(ASL), nul=True),
    "xml_of_the_first_form": encode(ConfigText(legacy(ASL))),
    "json": encode(ConfigText('{"version": "1.0", "parameters": {"config": "asl"}}')),
    "an_empty_text": encode(ConfigText("")),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_chain_may_be_asked_for_in_any_form(server, scan, undisturbed, config) -> None:
    replies = server.talk(config + scan.header + b"".join(scan.lines) + CLOSE)
    assert replies.closed
    assert replies.image_bytes == undisturbed.image_bytes


def test_a_query_is_answered_before_all_else_and_the_scan_goes_on(server, scan, undisturbed) -> None:
    with server.connect() as client:
        client.send(encode(Query(7, "gadgetron::info")))
        (answer,) = client.read(lambda replies: replies.messages).messages
        client.send(scan.stream)
        replies = client.read()
    assert isinstance(answer, Response)
    assert answer.correlation_id == 7
    assert answer.text.startswith("aslive ")
    assert replies.image_bytes == undisturbed.image_bytes


@pytest.mark.parametrize("asked", [b"", encode(ConfigFile("default")), encode(Query(1, "chains"))])
def test_a_conversation_without_a_scan_ends_with_close(server, asked) -> None:
    replies = server.talk(asked + CLOSE)
    assert replies.closed
    assert not replies.texts


def test_a_header_with_a_nul_is_the_header(server, scan, undisturbed) -> None:
    header = scan.messages[0]
    replies = server.talk(encode(header, nul=True) + b"".join(scan.lines) + CLOSE)
    assert replies.image_bytes == undisturbed.image_bytes


@pytest.mark.parametrize("nul", [False, True])
def test_parameters_may_come_as_text_behind_the_header(server, scan, undisturbed, nul) -> None:
    wanted = encode(Text(json.dumps({"parameters": {"reply.maps": "cbf", "physiology.t1_blood": "1.9"}})), nul)
    replies = server.talk(scan.opening + wanted + b"".join(scan.lines) + CLOSE)
    assert len(replies.images) == len(replies.maps("cbf")) == scan.protocol.pairs
    assert replies.maps("cbf")[-1].data.tobytes() != undisturbed.maps("cbf")[-1].data.tobytes()


def test_parameters_that_come_too_late_are_said_to_be_so(server, scan, undisturbed) -> None:
    late = encode(Text('{"physiology.t1_blood": 1.9}'))
    replies = server.talk(scan.opening + scan.lines[0] + late + b"".join(scan.lines[1:]) + CLOSE)
    assert "parameters that come after the first data are not used" in replies.texts
    assert replies.image_bytes == undisturbed.image_bytes


def test_texts_end_with_a_nul_for_scanners_that_want_one(serve, scan, undisturbed) -> None:
    replies = serve("--nul").talk(scan.stream)
    texts = [message.text for message in replies.messages if isinstance(message, Text)]
    assert texts
    assert all(encode(Text(text), nul=True) in replies.data for text in texts)
    assert replies.image_bytes == undisturbed.image_bytes


@pytest.mark.parametrize("size", [1, 3, 339, 65536])
def test_the_pieces_in_which_a_scan_comes_do_not_matter(server, scan, undisturbed, size) -> None:
    start = 3 * len(scan.opening) // 2
    pieces = [scan.stream[at : at + size] for at in range(start, start + min(len(scan.stream), 500 * size), size)]
    sent = scan.stream[:start] + b"".join(pieces)
    replies = server.talk([scan.stream[:start], *pieces, scan.stream[len(sent) :]])
    assert replies.image_bytes == undisturbed.image_bytes
