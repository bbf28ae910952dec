"""What the machine could do at best with the same data: the parts of a scan alone, without a server around them."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import finufft
import ismrmrd
import numpy as np
from numpy.typing import NDArray
from presets import Stream

from aslive.gadgets.kernels.combination import combine
from aslive.gadgets.kernels.fft import empty, plan_inverse
from aslive.sim.choices import ReadoutType
from aslive.sim.protocol import Protocol
from aslive.streaming.messages import Acquisition
from aslive.streaming.wire import Decoder, encode

_BLOCK = 1 << 28
_DECODED = 4000
_PADDING = 32


@dataclass(frozen=True, slots=True)
class Bare:
    """The transforms of one volume alone: plans made, data in memory, nothing else done."""

    parts: dict[str, float]
    """Seconds for each of them."""
    readouts: int
    """Readouts of the volume."""

    @property
    def seconds(self) -> float:
        """All parts one after the other, s."""
        return sum(self.parts.values())


def best(action: Callable[[], object], times: int = 3) -> float:
    """Give the shortest of several runs, s."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        found.append(time.perf_counter() - begin)
    return min(found)


def bare_transforms(protocol: Protocol) -> Bare:
    """Time what must be computed for one volume, by FFTW, finufft and BLAS on one thread each."""
    x, y, z = protocol.matrix
    lattice, coils = protocol.lattice, protocol.coils
    planes = len(lattice.planes()) if protocol.three_dimensional else z
    arms = protocol.spiral.interleaves if protocol.readout == ReadoutType.SPIRAL else 0
    lines = arms * planes if arms else sum(len(lattice.rows(kz)) for kz in lattice.planes())
    if not protocol.three_dimensional:
        lines *= z
    readouts = lines
    if protocol.echo_train:
        readouts += protocol.echo_planar.navigator_lines * planes * protocol.segments
    parts = {}
    if arms:
        parts["non-uniform FFT of each plane"] = planes * best(_nonuniform(protocol), 5)
    elif protocol.echo_train:
        parts["regridding of each line, one matrix product"] = planes * best(_regridding(protocol, readouts // planes))
    else:
        parts["FFT of each line"] = readouts * best(_fft((coils, protocol.samples), 1), 50)
    if not arms:
        parts["FFT along y"] = planes * best(_fft((coils, 1, y, x), 2), 10)
    if protocol.three_dimensional:
        parts["FFT along z"] = best(_along_z((coils, z, y, x)))
    depth = z if protocol.three_dimensional else 1
    weights, images = _noise((coils, depth, y, x)), _noise((coils, depth, y, x))
    name = "unmixing, one product for each coil and voxel" if lattice.step_y > 1 else "sum over coils with maps"
    parts[name] = (z // depth) * best(partial(combine, images, weights), 5)
    return Bare(parts, readouts)


def wire_limits(stream: Stream) -> dict[str, float]:
    """Give the readouts/s of what only moves or decodes the bytes of the stream."""
    with stream.path.open("rb") as file:
        block = file.read(_BLOCK)
    sizes = [len(encode(m)) for m in Decoder().receive(block[: 1 << 26]) if isinstance(m, Acquisition)]
    size = int(np.median(sizes))
    target = bytearray(len(block))

    def copy() -> None:
        memoryview(target)[:] = block

    acquisitions = [m for m in Decoder().receive(block) if isinstance(m, Acquisition)][:_DECODED]
    wire = [encode(acquisition)[2:] for acquisition in acquisitions]
    joined = b"".join(encode(acquisition) for acquisition in acquisitions)

    def decode_theirs() -> None:
        for message in wire:
            position, view = 0, memoryview(message)

            def read(count: int, view: memoryview = view) -> bytes:
                nonlocal position
                position += count
                return bytes(view[position - count : position])

            ismrmrd.Acquisition.deserialize_from(read)

    def decode_ours() -> None:
        for _ in Decoder().receive(joined):
            pass

    return {
        "loopback, bytes thrown away": stream.readouts / _bare_receive(stream),
        "memcpy of the data": len(block) / size / best(copy),
        "decoding, ismrmrd package": len(wire) / best(decode_theirs),
        "decoding, aslive": len(wire) / best(decode_ours),
    }


def _bare_receive(stream: Stream) -> float:
    """Send the stream over loopback to a receiver that throws it away; gives s."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begin = time.perf_counter()
        with socket.create_connection(listener.getsockname()) as sending, listener.accept()[0] as receiving:

            def send() -> None:
                with stream.path.open("rb") as file:
                    sending.sendfile(file)
                sending.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send)
            sender.start()
            buffer = memoryview(bytearray(1 << 20))
            while receiving.recv_into(buffer):
                pass
            sender.join()
        return time.perf_counter() - begin


def _noise(shape: tuple[int, ...]) -> NDArray[np.complex64]:
    array = empty(shape)
    array.real = np.random.default_rng(0).standard_normal(shape, np.float32)
    array.imag = array.real[::-1]
    return array


def _fft(shape: tuple[int, ...], axis: int) -> Callable[[], object]:
    array = empty(shape)
    transform = plan_inverse(array, axis)
    array[...] = 1
    return partial(transform, array)


def _along_z(shape: tuple[int, int, int, int]) -> Callable[[], object]:
    """Transform along z in padded memory: strides that are powers of two would be slower."""
    coils, z, y, x = shape
    memory = empty((coils, z, y * x + _PADDING))
    memory[...] = 0
    array = memory[:, :, : y * x]
    return partial(plan_inverse(array, 1), array)


def _regridding(protocol: Protocol, lines: int) -> Callable[[], object]:
    rows = _noise((lines * protocol.coils, protocol.samples))
    operator = _noise((protocol.samples, protocol.matrix[0]))
    made = np.empty((len(rows), protocol.matrix[0]), np.complex64)
    return partial(np.matmul, rows, operator, made)


def _nonuniform(protocol: Protocol) -> Callable[[], object]:
    """Execute finufft's plan alone: points are set, and their weights and the sum over coils left out."""
    columns, rows, _ = protocol.matrix
    voxel = protocol.field_of_view[0] / columns
    x, y = 2 * np.pi * protocol.spiral.trajectory((columns, rows), voxel).reshape(-1, 2).T.astype(np.float32)
    plan = finufft.Plan(1, (rows, columns), protocol.coils, 1e-4, 1, dtype="complex64", nthreads=1)
    plan.setpts(np.ascontiguousarray(y), np.ascontiguousarray(x))
    samples, images = _noise((protocol.coils, len(x))), np.empty((protocol.coils, rows, columns), np.complex64)
    return partial(plan.execute, samples, images)
