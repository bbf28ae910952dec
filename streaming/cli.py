"""The command line: ``aslive serve``, ``aslive replay`` and more; further commands join by entry point."""

import asyncio
import logging
import os
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import click

from .config import read_json
from .connection import Site
from .convert import convert_command
from .errors import AsliveError
from .gate import Gate
from .replay import replay_command
from .rerun import rerun_command
from .server import Server

EXAMPLE = """\b
Example:
  aslive serve --host 0.0.0.0 --allow 10.1.2.0/24 --journals /data/journals
"""


GROUP = "aslive.commands"
_NETWORK_HELP = "Network that may connect, such as 10.1.2.0/24; may be given several times."


class Commands(click.Group):
    """Our commands, and those of other distributions; a broken one is named in ``--help`` and breaks nothing else."""

    def __init__(self, **attributes: Any) -> None:  # Any: click's own
        super().__init__(**attributes)
        self._found = _entry_points()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Tell the names of all commands."""
        return sorted({*super().list_commands(ctx), *self._found})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command; loads it only when it is needed."""
        own = super().get_command(ctx, cmd_name)
        if own or cmd_name not in self._found:
            return own
        entry = self._found[cmd_name]
        try:
            loaded = entry.load()
        except Exception as error:  # noqa: BLE001  (another distribution's module may fail in any way on import)
            return _broken(cmd_name, f"{type(error).__name__}: {error}")
        return loaded if isinstance(loaded, click.Command) else _broken(cmd_name, f"{entry.value} is no command")

    def invoke(self, ctx: click.Context) -> Any:  # Any: whatever the command gives
        """Run a command; an error that a user can mend becomes one line."""
        try:
            return super().invoke(ctx)
        except AsliveError as error:
            raise click.ClickException(str(error)) from error


def _entry_points() -> Mapping[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name not in found or entry.value.startswith("aslive."):
            found[entry.name] = entry
    return found


def _broken(name: str, reason: str) -> click.Command:
    hint = "; install the extra it needs: pip install 'aslive[sim]'" if "ModuleNotFoundError" in reason else ""

    def refuse() -> None:
        raise click.ClickException(f"the command {name!r} cannot be loaded ({reason}){hint}")

    return click.Command(name, callback=refuse, help=f"Cannot be loaded: {reason}")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="aslive")
def main() -> None:
    """Real-time arterial spin labelling: raw k-space in, live perfusion maps out.

    Research software: it reports measurements and regions, never a diagnosis.
    """


@main.command(epilog=EXAMPLE)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; beyond loopback, use --allow."
)
@click.option("--port", default=9002, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free port.")
@click.option("--allow", multiple=True, metavar="NETWORK", help=_NETWORK_HELP)
@click.option("--journals", type=click.Path(path_type=Path), help="Folder of the raw data.  [default: state folder]")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for NIfTI maps of every scan.")
@click.option(
    "--settings", type=click.Path(path_type=Path, exists=True), help="JSON file of parameters for every scan."
)
@click.option(
    "--sidecar", type=click.Path(path_type=Path, exists=True), help="BIDS sidecar for headers without ASL words."
)
@click.option(
    "--chains", multiple=True, type=click.Path(path_type=Path, exists=True), help="Folder with chains of the site."
)
@click.option(
    "--warm", default=1, show_default=True, type=click.IntRange(1), help="Worker processes that are kept ready."
)
@click.option("--most-scans", default=8, show_default=True, type=click.IntRange(1), help="Most scans at once.")
@click.option("--idle-timeout", default=600.0, show_default=True, help="Longest silence between messages, s.")
@click.option("--message-timeout", default=60.0, show_default=True, help="Longest silence inside a message, s.")
@click.option("--send-timeout", default=30.0, show_default=True, help="Longest time a client may not read, s.")
@click.option("--grace", default=10.0, show_default=True, help="Time for scans to finish after SIGTERM, s.")
@click.option("--nul/--no-nul", default=False, help="End texts to the scanner with a NUL, as FIRE does.")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def serve(
    host: str,
    port: int,
    allow: tuple[str, ...],
    journals: Path | None,
    output: Path | None,
    settings: Path | None,
    sidecar: Path | None,
    chains: tuple[Path, ...],
    warm: int,
    most_scans: int,
    idle_timeout: float,
    message_timeout: float,
    send_timeout: float,
    grace: float,
    nul: bool,
    verbose: bool,
) -> None:
    """Serve scanners: raw data in, maps out, until SIGTERM.

    Prints one line, "ready HOST:PORT", when everything is compiled and planned.
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        networks = [ip_network(network) for network in allow]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--allow") from error
    site = Site(
        journals=journals or state_folder() / "journals",
        settings=read_json(settings),
        sidecar=read_json(sidecar),
        chain_folders=tuple(map(str, chains)),
        output=output,
        nul=nul,
        message_timeout=message_timeout,
        idle_timeout=idle_timeout,
        send_timeout=send_timeout,
    )
    server = Server(Gate(host, port, networks, most_scans), site, warm, grace)
    try:
        asyncio.run(server.run(lambda address, number: click.echo(f"ready {address}:{number}")))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error


def state_folder() -> Path:
    """Tell where things are kept that a user did not name a place for (XDG state folder)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "aslive"


main.add_command(replay_command)
main.add_command(convert_command)
main.add_command(rerun_command)

if __name__ == "__main__":
    main()
