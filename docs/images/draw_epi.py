"""Draw real phantoms, scanned with EPI, before and after ghost correction: ``python docs/images/draw_epi.py RAW``.

RAW is the folder of the recordings, as MRD HDF5 files.
"""

from pathlib import Path
from sys import argv

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from aslive.gadgets.ghost import CorrectGhost
from aslive.gadgets.kernels.navigator import compare, phase, slope, steps
from aslive.gadgets.readout import TransformReadout
from aslive.streaming.chain import Chain
from aslive.streaming.convert import open_messages
from aslive.streaming.door import Door
from aslive.streaming.gadget import Gadget
from aslive.streaming.header import read_header
from aslive.streaming.messages import Acquisition
from aslive.streaming.readouts import Kind, Readout
from aslive.streaming.scan import Scan

PHANTOMS = {
    "pulseq_epi_phantom/epi128_4ch_rampsamp": "128 lines, on the ramps",
    "pulseq_epi_phantom/epi128_4ch_flattop": "128 lines, flat top only",
    "pulseq_epi_phantom/epi96_1ch_rampsamp_peplus": "96 lines, blips up",
    "pulseq_epi_phantom/epi96_1ch_rampsamp_peminus": "96 lines, blips down",
    "siemens_ep2d_bold_phantom/epi_mrd": "80 lines, product sequence",
}
WHITE = 1.2  # of the 99th percentile of the corrected image
REVERSED = 1 << 21  # MRD flag 22


def read(path: Path) -> tuple[Scan, list[object]]:
    """Read a recording as the server does."""
    scan, door, came = Scan(), Door(Scan()), []
    for message in open_messages(path):
        if isinstance(message, Acquisition):
            came += door.receive(message)
        elif "ismrmrdHeader" in getattr(message, "text", ""):
            scan = read_header(message.text)
            door = Door(scan)
    return scan, [*came, *door.finish()]


def run(scan: Scan, messages: list[object], *gadgets: Gadget) -> list[Readout]:
    """Send lines through gadgets, and give the lines that come out."""
    chain = Chain([(type(gadget).__name__, gadget) for gadget in gadgets])
    chain.start(scan)
    made = [line for message in messages for line in chain.push(message)] + list(chain.finish())
    return [line for line in made if isinstance(line, Readout)]


def magnitude(lines: list[Readout], rows: int) -> NDArray:
    """Give the root sum of squares over the coils of the image of these lines."""
    images = [line for line in lines if line.kind is Kind.IMAGING]
    plane = np.zeros((*images[0].data.shape, rows), complex)
    for line in images:
        plane[:, :, line.counters.kspace_encode_step_1] = line.data
    return np.sqrt((np.abs(np.fft.fftshift(np.fft.ifft(plane, axis=2), axes=2)) ** 2).sum(axis=0)).T


def main(raw: Path, target: Path) -> None:
    """Draw three rows: without correction, with it, and the phase that the navigators measure."""
    figure = Figure(figsize=(15, 9.2), dpi=90, layout="constrained")
    axes = figure.subplots(3, len(PHANTOMS), height_ratios=(1, 1, 0.62))
    for column, (name, title) in zip(axes.T, PHANTOMS.items(), strict=True):
        scan, messages = read(raw / f"{name}.h5")
        rows = scan.encodings[0].encoded_matrix[1]
        lines = run(scan, messages, TransformReadout())
        before = magnitude(lines, rows)
        after = magnitude(run(scan, messages, TransformReadout(), CorrectGhost()), rows)
        for axis, image, words in zip(column, (before, after), ("no correction", "corrected"), strict=False):
            axis.imshow(image, cmap="gray", vmin=0, vmax=WHITE * np.percentile(after, 99), interpolation="nearest")
            axis.set_title(f"{title}\n{words}", fontsize=11)
            axis.set_xticks([])
            axis.set_yticks([])
        navigators = [line for line in lines if line.kind is Kind.NAVIGATOR]
        backward = np.array([bool(line.flags & REVERSED) for line in navigators])
        found = compare(np.stack([line.data for line in navigators]), backward)
        if found is None:
            continue
        x = np.arange(len(found.profile)) - len(found.profile) // 2
        inclination = slope(steps(found.profile))
        line, _ = phase(found.profile, inclination)
        weight = np.abs(found.profile) / np.abs(found.profile).max()
        measured = line + np.angle(found.profile * np.exp(-1j * line))
        column[2].scatter(x, measured, s=14, c=1 - weight, cmap="gray", vmin=0, vmax=1.1)
        column[2].plot(x, line, color="tab:red", linewidth=1.2)
        column[2].set_title(f"{inclination:+.4f} rad per voxel", fontsize=11)
        column[2].set_xlabel("x, voxels")
        column[2].grid(alpha=0.3)
    axes[2, 0].set_ylabel("backward against forward\nnavigators, rad; dark: signal")
    figure.suptitle("The N/2 ghost of five real EPI of phantoms, each pair in one window", fontsize=14)
    figure.savefig(target)


if __name__ == "__main__":
    main(Path(argv[1]), Path(__file__).with_name("epi-ghosts.png"))
