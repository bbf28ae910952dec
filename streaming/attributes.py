"""MetaAttributes: what an MRD image says about itself, as XML.

Format: ``<ismrmrdMeta><meta><name>..</name><value>..</value></meta></ismrmrdMeta>``, with as many values as there are.
"""

import re
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from .errors import DataError

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""
_RETURN = {"\r": "&#13;"}
"""A bare carriage return would be read as a new line."""


def write_attributes(attributes: Mapping[str, str | Sequence[str]]) -> str:
    r"""Write what is known about an image as XML; nothing known gives an empty text.

    A character that XML cannot hold becomes U+FFFD.

    >>> write_attributes({"aslive_map": "cbf"})
    '<ismrmrdMeta><meta><name>aslive_map</name><value>cbf</value></meta></ismrmrdMeta>'
    """
    if not attributes:
        return ""
    return f"<ismrmrdMeta>{''.join(_meta(name, values) for name, values in attributes.items())}</ismrmrdMeta>"


def _meta(name: str, values: str | Sequence[str]) -> str:
    texts = (values,) if isinstance(values, str) else values
    return f"<meta><name>{_xml(name)}</name>{''.join(f'<value>{_xml(text)}</value>' for text in texts)}</meta>"


def _xml(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text), _RETURN)


def read_attributes(text: str) -> dict[str, list[str]]:
    """Read what an image says about itself: all values of each name; a name that comes twice adds to its values.

    Raises ``DataError`` for what is no such XML.
    """
    text = text.rstrip("\0").strip()
    if not text:
        return {}
    try:
        root = fromstring(text.encode())
    except (ParseError, DefusedXmlException) as error:
        raise DataError(f"the attributes of the image are no XML: {error}") from error
    if root.tag != "ismrmrdMeta":
        raise DataError(f"the attributes of the image are <{root.tag}>; they should be <ismrmrdMeta>")
    attributes: dict[str, list[str]] = {}
    for meta in root.iter("meta"):
        values = attributes.setdefault(meta.findtext("name") or "", [])
        values.extend(value.text or "" for value in meta.iter("value"))
    return attributes
