"""The words an operator chooses from: readout, order, reference lines, navigators, noise scan."""

from enum import StrEnum


class Order(StrEnum):
    """In which order lines, partitions or slices are acquired."""

    LINEAR = "linear"
    INTERLEAVED = "interleaved"
    CENTRIC = "centric"


class ReadoutType(StrEnum):
    """How k-space is walked through."""

    CARTESIAN = "cartesian"
    EPI = "epi"
    GRASE = "grase"
    SPIRAL = "spiral"


class ReferenceType(StrEnum):
    """Where the lines come from that parallel imaging learns from."""

    EMBEDDED = "embedded"
    """From the middle of every volume's k-space, which is acquired without gaps."""
    SEPARATE = "separate"
    """From a scan ahead, with the same readout."""
    FLASH = "flash"
    """From a gradient-echo scan ahead, with evenly spaced samples and its own matrix."""


class NavigatorType(StrEnum):
    """How an echo-planar scan measures how its odd and even lines differ."""

    THREE_LINES = "three lines"
    """Ahead of each train, without phase encoding."""
    REFERENCE_SCAN = "reference scan"
    """A whole train of each slice without phase encoding, once, ahead of the scan."""
    NONE = "none"


class NoiseScan(StrEnum):
    """Where the readouts are that measure the noise."""

    INLINE = "inline"
    """Ahead of the scan, in the same stream."""
    EARLIER = "earlier"
    """In a measurement of their own, which the scan's header names."""
    NONE = "none"
