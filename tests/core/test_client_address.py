from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.client_address import (
    ClientAddressResolver,
    limiter_partition,
    normalised,
)

PROXY = "10.0.0.1"
OURS = ClientAddressResolver(
    [ip_network("10.0.0.0/8"), ip_network("2001:db8:aaaa::/48")]
)
NOBODY = ClientAddressResolver([])


class TestUntrustedPeer:
    @pytest.mark.parametrize("resolver", [OURS, NOBODY])
    @pytest.mark.parametrize("lines", [[], [b"6.6.6.6"], [b"6.6.6.6, 10.0.0.9"]])
    def test_is_the_client_whatever_it_says(
        self, resolver: ClientAddressResolver, lines: list[bytes]
    ) -> None:
        assert resolver.resolve("192.0.2.7", lines) == "192.0.2.7"

    @given(st.binary(max_size=200))
    def test_cannot_say_anything_that_changes_that(self, line: bytes) -> None:
        assert OURS.resolve("192.0.2.7", [line]) == "192.0.2.7"
        assert NOBODY.resolve(PROXY, [line]) == PROXY


class TestWalk:
    @pytest.mark.parametrize(
        ("lines", "client"),
        [
            ([], PROXY),
            ([b"203.0.113.9"], "203.0.113.9"),
            ([b"6.6.6.6, 203.0.113.9"], "203.0.113.9"),
            ([b"6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            ([b"6.6.6.6", b"203.0.113.9", b"10.0.0.2"], "203.0.113.9"),
            ([b"6.6.6.6", b"203.0.113.9,10.0.0.2"], "203.0.113.9"),
            (["203.0.113.9 ,\t10.0.0.2"], "203.0.113.9"),
            ([b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ([b"2001:db8:aaaa::1"], "2001:db8:aaaa::1"),
            ([b"2001:db8:bbbb::1, 2001:db8:aaaa::1"], "2001:db8:bbbb::1"),
        ],
    )
    def test_ends_at_the_first_address_not_ours(
        self, lines: Sequence[bytes | str], client: str
    ) -> None:
        assert OURS.resolve(PROXY, lines) == client

    @pytest.mark.parametrize(
        "junk",
        [
            b"",
            b"unknown",
            b"<script>",
            b"1.2.3",
            b"1.2.3.4.5",
            b"01.2.3.4",
            b"1.2.3.4:",
            b"1.2.3.4:port",
            b"[::1",
            b"::1]",
            b"[[::1]]",
            b"1.2.3.4 5.6.7.8",
            b"localhost:80",
            b"0x7f.1",
            b"2130706433",
            b"\xb2.\xb2.\xb2.\xb2",
            b"_hidden",
            b'"1.2.3.4"',
            b"1" * 5000,
            b":" * 65,
        ],
    )
    def test_ends_before_what_is_no_address(self, junk: bytes) -> None:
        assert OURS.resolve(PROXY, [junk]) == PROXY
        assert OURS.resolve(PROXY, [b"6.6.6.6," + junk + b",10.0.0.2"]) == "10.0.0.2"

    def test_goes_back_twenty_hops(self) -> None:
        ours = b",10.0.0.2" * 19
        assert OURS.resolve(PROXY, [b"6.6.6.6,203.0.113.9" + ours]) == "203.0.113.9"
        assert OURS.resolve(PROXY, [b"203.0.113.9,10.0.0.3" + ours]) == "10.0.0.3"

    @given(st.lists(st.binary(max_size=80), max_size=5))
    def test_ends_at_an_address_whatever_it_meets(self, lines: list[bytes]) -> None:
        address = OURS.resolve(PROXY, lines)
        assert normalised(address) == address != "unix"


class TestForms:
    @pytest.mark.parametrize(
        ("written", "address"),
        [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("[::ffff:cb00:7109]:80", "203.0.113.9"),
            ("fe80::1%eth0", "fe80::1"),
            ("fe80::1%<script>", "fe80::1"),
        ],
    )
    def test_of_one_address_are_one(self, written: str, address: str) -> None:
        assert OURS.resolve(PROXY, [written]) == address
        assert NOBODY.resolve(written, []) == address

    def test_of_our_proxy_are_all_trusted(self) -> None:
        assert OURS.resolve("::ffff:10.0.0.1", [b"203.0.113.9"]) == "203.0.113.9"


class TestUnixSocket:
    @pytest.mark.parametrize("peer", [None, "", "/run/app.sock"])
    def test_belongs_to_our_proxy_once_we_have_one(self, peer: str | None) -> None:
        assert OURS.resolve(peer, [b"203.0.113.9"]) == "203.0.113.9"
        assert OURS.resolve(peer, []) == "unix"
        assert NOBODY.resolve(peer, [b"203.0.113.9"]) == "unix"


class TestScheme:
    @pytest.mark.parametrize(
        ("lines", "scheme"),
        [
            ([], "http"),
            ([b"https"], "https"),
            ([b" HTTPS "], "https"),
            ([b"https, http"], "http"),
            ([b"http", b"https"], "https"),
            ([b"ftp"], "http"),
            ([b"https;"], "http"),
            ([b""], "http"),
        ],
    )
    def test_is_what_our_proxy_says(self, lines: list[bytes], scheme: str) -> None:
        assert OURS.forwarded_scheme(PROXY, "http", lines) == scheme

    def test_may_be_corrected_to_http(self) -> None:
        assert OURS.forwarded_scheme(PROXY, "https", [b"http"]) == "http"

    @pytest.mark.parametrize("resolver", [OURS, NOBODY])
    def test_is_not_what_others_say(self, resolver: ClientAddressResolver) -> None:
        assert resolver.forwarded_scheme("192.0.2.7", "http", [b"https"]) == "http"


class TestLimiterPartition:
    @pytest.mark.parametrize(
        ("address", "partition"),
        [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::", "2001:db8:1:3::/64"),
            ("unix", "unix"),
        ],
    )
    def test_is_the_address_or_its_64(self, address: str, partition: str) -> None:
        assert limiter_partition(address) == partition
