"""Loopback is let in, others only from networks that the site has listed."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.errors import ConfigError
from aslive.streaming.gate import Gate

SCANNERS = Gate("0.0.0.0", networks=(ip_network("10.1.2.0/24"), ip_network("fd00:1::/32")))  # noqa: S104  (the subject)


@pytest.mark.parametrize("gate", [Gate(), SCANNERS])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_loopback_may_always_connect(gate, host):
    assert gate.lets_in(host)


@pytest.mark.parametrize("host", ["10.1.2.3", "::ffff:10.1.2.3", "fd00:1::5", "fd00:1::5%eth0"])
def test_listed_networks_may_connect(host):
    assert SCANNERS.lets_in(host)
    assert not Gate().lets_in(host)


@pytest.mark.parametrize("host", ["10.1.3.3", "::ffff:10.1.3.3", "fd00:2::5", "0.0.0.0", "::", "fe80::1%eth0"])  # noqa: S104  (a peer, not a bind)
def test_others_may_not_connect(host):
    assert not SCANNERS.lets_in(host)


@given(st.ip_addresses(v=4))
def test_an_address_is_the_same_peer_in_both_notations(address):
    expected = address.is_loopback or address in ip_network("10.1.2.0/24")
    assert SCANNERS.lets_in(str(address)) == SCANNERS.lets_in(f"::ffff:{address}") == expected


@given(st.ip_addresses(v=6))
def test_no_address_of_the_sixth_version_slips_through(address):
    mapped = address.ipv4_mapped or ip_address(address)
    expected = mapped.is_loopback or any(mapped in network for network in SCANNERS.networks)
    assert SCANNERS.lets_in(str(address)) == expected


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.1.2.3", "scanner-host"])  # noqa: S104  (must be refused)
def test_listening_beyond_loopback_needs_a_list(host):
    with pytest.raises(ConfigError, match=r"listening on .* needs a list of networks .* --allow 10.1.2.0/24"):
        Gate(host)
    assert Gate(host, networks=SCANNERS.networks).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_listening_on_loopback_needs_none(host):
    assert Gate(host).host == host
