"""Everything that can go wrong, as one tree.

AsliveError
    ProtocolError      the other end broke the MRD streaming protocol
        PeerSilent     the other end stopped talking before it closed
    HeaderError        the MRD header cannot be understood, even tolerantly
    ConfigError        the chain that was asked for cannot be built
    GadgetError        a gadget failed while the scan was running
    JournalError       the record of a scan is damaged, or is none
    DataError          the data cannot be what the header says
"""


class AsliveError(Exception):
    """Something went wrong that a user can understand and mend."""


class ProtocolError(AsliveError):
    """The other end broke the MRD streaming protocol."""


class PeerSilent(ProtocolError):  # noqa: N818  (reads as a claim: the peer is silent)
    """The other end stopped talking before it closed."""


class HeaderError(AsliveError):
    """The MRD header cannot be understood, even tolerantly."""


class ConfigError(AsliveError):
    """The chain that was asked for cannot be built."""


class GadgetError(AsliveError):
    """A gadget failed while the scan was running."""


class JournalError(AsliveError):
    """The record of a scan is damaged, or is none."""


class DataError(AsliveError):
    """The data cannot be what the header says."""
