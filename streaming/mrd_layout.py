"""How an MRD HDF5 file is laid out: the names and types of what stands in one of its groups.

As in ISMRMRD's ``dataset.c`` and ismrmrd-python's ``hdf5.py``: the header ``xml``, the readouts ``data``, the
``waveforms``, and ``image_<series>`` with ``header``, ``attributes`` and ``data``. As in python-ismrmrd-server:
``config_file``, ``config`` and ``configAdditional``. Ours, which other tools pass by: ``texts``, ``others`` (wire bytes
of all that has no place elsewhere) and ``message_order``; so a file turns back into the messages it was made of.
"""

import h5py
import numpy as np

from .layouts import ACQUISITION_HEADER, WAVEFORM_HEADER
from .messages import ConfigFile, ConfigText, Header, Text

GROUP = "dataset"
"""Where everything stands, unless somebody wished otherwise."""

DATA, WAVEFORMS, IMAGES, OTHERS, ORDER = "data", "waveforms", "image_", "others", "message_order"
CONFIG_FILE, CONFIG, XML, PARAMETERS, TEXTS = "config_file", "config", "xml", "configAdditional", "texts"
TEXT_KINDS = {CONFIG_FILE: ConfigFile, CONFIG: ConfigText, XML: Header, PARAMETERS: Text, TEXTS: Text}
"""What the texts of a file are as messages, in the order in which they go over the wire if none is recorded."""

ACQUISITION = np.dtype(
    [("head", ACQUISITION_HEADER), ("traj", h5py.vlen_dtype(np.float32)), ("data", h5py.vlen_dtype(np.float32))]
)
"""One readout; complex samples are pairs of numbers."""
WAVEFORM = np.dtype([("head", WAVEFORM_HEADER), ("data", h5py.vlen_dtype(np.uint32))])
"""One stretch of a waveform."""
TEXT = h5py.string_dtype("ascii")
"""UTF-8 in truth, but C++ tools read only what is labelled as ASCII."""
WIRE = np.dtype([("message", h5py.vlen_dtype(np.uint8))])
"""One message as it goes over the wire."""
RUN = np.dtype([("source", "<u4"), ("count", "<u4")])
"""So many messages in a row stand in this source, a number into the attribute ``sources`` of the order."""

COMPLEX = {
    np.dtype("<c8"): np.dtype([("real", "<f4"), ("imag", "<f4")]),
    np.dtype("<c16"): np.dtype([("real", "<f8"), ("imag", "<f8")]),
}
"""How complex pixels are stored."""

BLOCK = 1 << 23
"""Bytes that are read or written at a time, about."""
BLOCK_LENGTH = 1024
"""Most records that are read or written at a time."""
