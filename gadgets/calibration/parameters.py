"""The parameters of a gadget among the constants that go with its maps."""

from ...streaming.gadget import Gadget
from ...streaming.perfusion import Constant
from ...streaming.scan import Source


def of_parameter(gadget: Gadget, name: str, unit: str = "") -> Constant:
    """Give one parameter of a gadget; it comes from the config unless it is the usual one."""
    value = getattr(gadget, name)
    return Constant(value, unit, Source.DEFAULT if value == getattr(type(gadget), name) else Source.CONFIG)
