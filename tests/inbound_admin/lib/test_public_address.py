"""Which addresses we connect to at a stranger's request: all spellings of private addresses, and public ones."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound_admin.lib.public_address import is_public

PUBLIC = """
    8.8.8.8 1.1.1.1 93.184.216.34 99.255.255.255 100.63.255.255 100.128.0.0 169.253.255.255 169.255.0.0 172.15.255.255
    172.32.0.0 192.0.1.0 192.88.98.255 192.88.100.0 198.17.255.255 198.20.0.0 223.255.255.255 168.63.129.15
    2606:4700::1111 2a00:1450::8a 2001:200::1 2001:4860:4860::8888 2003::1 2620:fe::fe
    ::ffff:8.8.8.8 ::ffff:808:808 64:ff9b::808:808 64:ff9b::8.8.8.8 2002:808:808::1
""".split()
NOT_PUBLIC = {
    "loopback": "127.0.0.1 127.1.2.3 127.255.255.255 ::1 0:0:0:0:0:0:0:1",
    "this network": "0.0.0.0 0.1.2.3 ::",
    "private": "10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.1.1",
    "carrier-grade NAT": "100.64.0.1 100.127.255.255",
    "link-local": "169.254.0.1 fe80::1 febf::1",
    "unique local": "fc00::1 fdff::1",
    "metadata": "169.254.169.254 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254 fd20:ce::254",
    "protocol assignments": "192.0.0.1 192.0.0.9 2001:1::1 2001:10::1 2001:20::1 2001:1ff:ffff::1",
    "6to4 relays": "192.88.99.1 192.88.99.255",
    "benchmarks": "198.18.0.1 198.19.255.255 2001:2::1",
    "documentation": "192.0.2.1 198.51.100.7 203.0.113.9 2001:db8::1 3fff::1 3fff:fff::1",
    "multicast": "224.0.0.1 239.255.255.255 ff02::1 ff0e::1",
    "reserved and broadcast": "240.0.0.1 255.255.255.255 4000::1 1::1 5f00::1 e000::1",
    "deprecated site-local": "fec0::1",
    "v4-mapped": "::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:169.254.169.254 ::ffff:a00:1 ::ffff:100.64.0.1 ::FFFF:0.0.0.0",
    "v4-translated and v4-compatible": "::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8 ::127.0.0.1 ::8.8.8.8",
    "NAT64": "64:ff9b::7f00:1 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::10.0.0.1 64:ff9b::c058:6301",
    "NAT64 for local use": "64:ff9b:1::7f00:1 64:ff9b:1::808:808 64:ff9b:1:ffff::8.8.8.8 64:ff9b::1:808:808",
    "6to4": "2002:7f00:1::1 2002:a00:1:: 2002:a9fe:a9fe::1 2002:c0a8:101::1 2002:6440:1::",
    "Teredo": "2001:0:7f00:1:0:0:0:0 2001:0:808:808::1 2001::1",
    "scoped": "fe80::1%eth0 fe80::1%1 2606:4700::1111%eth0 ::1%lo ff02::1%eth0",
    "no address": "nonsense 1.2.3 1 2130706433 0x7f.0.0.1 0177.0.0.1 127.0.0.1.nip.io [::1] 1.1.1.1/32 1.1.1.1:53",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("kind", "address"),
    [(kind, address) for kind, all_of_them in NOT_PUBLIC.items() for address in all_of_them.split()],
)
def test_a_private_or_reserved_address_is_not_public(kind: str, address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("text", ["", " ", " 8.8.8.8", "8.8.8.8\n", "8.8.8.8%eth0", "８.8.8.8"])
def test_text_that_is_not_exactly_an_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@given(st.ip_addresses(v=4))
def test_an_embedded_ipv4_address_is_as_public_as_alone(address: IPv4Address) -> None:
    number, alone = int(address), is_public(str(address))
    mapped, translated = IPv6Address(0xFFFF << 32 | number), IPv6Address(0x64FF9B << 96 | number)
    tunnelled = IPv6Address(0x2002 << 112 | number << 80)
    assert [is_public(str(each)) for each in (mapped, translated, tunnelled)] == [alone] * 3


@given(st.ip_addresses())
def test_an_address_that_python_calls_private_is_never_public(address: IPv4Address | IPv6Address) -> None:
    assert not (is_public(str(address)) and (address.is_private or address.is_multicast or address.is_link_local))
