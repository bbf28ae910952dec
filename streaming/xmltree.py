"""Find things in an XML document that strangers wrote: any namespace, any case, and no traps."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from .errors import HeaderError

_MARKS = ("\ufeff", "ï»¿")
"""A byte order mark, read as UTF-8 and read as Latin-1."""
_DEEPEST = 64
_EXPECTED = "expected an MRD header, XML with the root <ismrmrdHeader>"


def read_tree(text: str) -> Element:
    """Read an XML header, whatever stands around it.

    Byte order marks, white space and everything from a closing NUL on are left out. Entities, external references and
    absurd nesting are refused.
    """
    body = text.lstrip("\0 \t\r\n")
    for mark in _MARKS:
        body = body.removeprefix(mark)
    body = body.lstrip().partition("\0")[0].rstrip()
    # A lone surrogate stands for a byte that was no UTF-8; it must not stop the parser.
    body = body.encode("utf-8", "replace").decode("utf-8")
    try:
        root = fromstring(body)
    except DefusedXmlException as error:
        raise HeaderError(
            f"the header declares entities or outside references, which are refused; {_EXPECTED}"
        ) from error
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding nobody knows
        raise HeaderError(
            f"the header is not readable XML, it begins with '{_beginning(body)}'; {_EXPECTED}"
        ) from error
    if _deeper_than(root, _DEEPEST):
        raise HeaderError(f"the header is nested deeper than {_DEEPEST} elements; {_EXPECTED}")
    return root


def local_name(element: Element) -> str:
    """Give the name of an element without its namespace.

    >>> local_name(Element("{http://www.ismrm.org/ISMRMRD}encoding"))
    'encoding'
    """
    return element.tag.rpartition("}")[2]


def children(element: Element | None, name: str) -> Iterator[Element]:
    """Give the children of that name, in their order; upper and lower case are the same."""
    if element is not None:
        wanted = name.lower()
        yield from (child for child in element if local_name(child).lower() == wanted)


def descend(element: Element | None, *path: str) -> Element | None:
    """Follow a path of names, at each step to the first child of that name; None where it ends early."""
    for name in path:
        element = next(children(element, name), None)
    return element


def words(element: Element | None, *path: str) -> str:
    """Give the text at the end of a path; empty where there is none."""
    found = descend(element, *path)
    return (found.text or "").strip() if found is not None else ""


def _beginning(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:40])


def _deeper_than(root: Element, depth: int) -> bool:
    level = [root]
    for _ in range(depth):
        level = [child for element in level for child in element]
        if not level:
            return False
    return True
