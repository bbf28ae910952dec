"""Who may connect: loopback always, others only from networks that the site has listed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from .errors import ConfigError

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Gate:
    """Where the server listens and whom it lets in."""

    host: str = "127.0.0.1"
    port: int = 9002
    """0 takes any free one."""
    networks: Sequence[Network] = field(default_factory=tuple)
    """Who may connect from elsewhere; loopback always may."""
    most_scans: int = 8
    """Most scans at once."""

    def __post_init__(self) -> None:
        if not _is_loopback(self.host) and not self.networks:
            raise ConfigError(
                f"listening on {self.host} needs a list of networks that may connect; "
                "say for instance --allow 10.1.2.0/24"
            )

    def lets_in(self, host: str) -> bool:
        """Tell whether a peer may connect."""
        address = ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        return mapped.is_loopback or any(mapped in network for network in self.networks)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
