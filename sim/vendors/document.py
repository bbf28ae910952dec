"""Take a header apart, change it, and write it again."""

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ...streaming.xmltree import descend, local_name, read_tree, words

_NAMESPACE = "http://www.ismrm.org/ISMRMRD"
_COUNTERS = (
    "kspace_encoding_step_1",
    "kspace_encoding_step_2",
    "average",
    "slice",
    "contrast",
    "phase",
    "repetition",
    "set",
    "segment",
)
Value = str | int | float


def read_document(text: str) -> Element:
    """Read a header into a tree of plain names, without its namespace."""
    root = read_tree(text)
    for element in root.iter():
        element.tag = local_name(element)
        element.attrib.clear()
    return root


def write_document(root: Element, schema_location: bool = True) -> str:
    """Write the header; style sheets leave a ``schemaLocation`` in it."""
    root.set("xmlns", _NAMESPACE)
    if schema_location:
        root.set("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
        root.set("xsi:schemaLocation", f"{_NAMESPACE} ismrmrd.xsd")
    indent(root, "\t")
    return '<?xml version="1.0"?>\n' + tostring(root, encoding="unicode") + "\n"


def part(parent: Element, name: str) -> Element:
    """Give the first child of that name, made at the end where there is none."""
    found = descend(parent, name)
    return SubElement(parent, name) if found is None else found


def renew(parent: Element, name: str) -> Element:
    """Give an empty child of that name, in its old place."""
    found = part(parent, name)
    found.clear()
    return found


def remove(parent: Element | None, *names: str) -> None:
    """Take away all children of these names."""
    if parent is not None:
        for child in [child for child in parent if child.tag in names]:
            parent.remove(child)


def fill(parent: Element, values: Mapping[str, Value]) -> None:
    """Set the text of children, made where they are missing."""
    for name, value in values.items():
        part(parent, name).text = f"{value:.9g}" if isinstance(value, float) else str(value)


def arrange(parent: Element, order: Iterable[str]) -> None:
    """Sort children as the schema wants them; those it does not name go last."""
    places = {name: place for place, name in enumerate(order)}
    parent[:] = sorted(parent, key=lambda child: places.get(child.tag, len(places)))


def whole(parent: Element | None, *path: str) -> int:
    """Read a whole number; 0 where there is none."""
    return int(float(words(parent, *path) or 0))


def state_all_limits(encoding: Element) -> Element:
    """Give the limits with all nine counters and without step 0, as converters write them; new ones are 0."""
    limits = part(encoding, "encodingLimits")
    remove(limits, "kspace_encoding_step_0")
    for counter in _COUNTERS:
        if descend(limits, counter) is None:
            fill(SubElement(limits, counter), {"minimum": 0, "maximum": 0, "center": 0})
    arrange(limits, _COUNTERS)
    return limits


def add_parameters(parent: Element, kind: str, values: Mapping[str, Value]) -> None:
    """Append user parameters of a kind: ``Long``, ``Double`` or ``String``."""
    for name, value in values.items():
        fill(SubElement(parent, f"userParameter{kind}"), {"name": name, "value": value})


def parameter(parent: Element | None, name: str) -> Element | None:
    """Find a user parameter of any kind by its name."""
    for found in parent if parent is not None else ():
        if words(found, "name") == name:
            return found
    return None
