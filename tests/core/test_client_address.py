from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.core.client_address import (
    ClientAddressResolver,
    limiter_partition,
    normalised,
)

PROXY = "10.0.0.1"
OURS = ClientAddressResolver(
    [ip_network("10.0.0.0/8"), ip_network("2001:db8:aaaa::/48")]
)
NO_PROXIES = ClientAddressResolver([])


class TestUntrustedPeer:
    @pytest.mark.parametrize("resolver", [OURS, NO_PROXIES])
    @pytest.mark.parametrize("lines", [[], [b"6.6.6.6"], [b"6.6.6.6, 10.0.0.9"]])
    def test_is_the_client_whatever_the_header_says(
        self, resolver: ClientAddressResolver, lines: list[bytes]
    ) -> None:
        assert resolver.resolve("192.0.2.7", lines) == "192.0.2.7"

    @given(st.binary(max_size=200))
    def test_is_the_client_for_any_bytes_in_the_header(self, line: bytes) -> None:
        assert OURS.resolve("192.0.2.7", [line]) == "192.0.2.7"
        assert NO_PROXIES.resolve(PROXY, [line]) == PROXY


class TestProxyThatIsNotTrusted:
    @pytest.mark.parametrize(
        "peer", [None, "", "127.0.0.1", "::1", "172.16.0.1", "fd00::1", "100.64.0.1"]
    )
    def test_is_named_once_in_the_log(self, peer: str | None) -> None:
        """Mutants: log no warning, one for each request, or none for a Unix socket."""
        resolver = ClientAddressResolver([])
        with capture_logs() as logs:
            for _ in range(3):
                resolver.resolve(peer, [b"203.0.113.9"])

        [line] = logs
        assert (line["event"], line["log_level"]) == ("proxy.untrusted", "warning")
        assert line["peer"] == (peer or "unix")

    @pytest.mark.parametrize(
        ("peer", "lines"), [("8.8.8.8", [b"203.0.113.9"]), ("127.0.0.1", [])]
    )
    def test_is_not_confused_with_a_client(self, peer: str, lines: list[bytes]) -> None:
        """Mutant: let any client on the internet cause the warning."""
        with capture_logs() as logs:
            ClientAddressResolver([]).resolve(peer, lines)
            OURS.resolve(PROXY, [b"203.0.113.9"])

        assert logs == []


class TestForwardedFor:
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
    def test_yields_the_last_address_that_is_not_a_proxy(
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
    def test_is_not_read_beyond_an_invalid_address(self, junk: bytes) -> None:
        assert OURS.resolve(PROXY, [junk]) == PROXY
        assert OURS.resolve(PROXY, [b"6.6.6.6," + junk + b",10.0.0.2"]) == "10.0.0.2"

    def test_is_read_for_at_most_20_hops(self) -> None:
        ours = b",10.0.0.2" * 19
        assert OURS.resolve(PROXY, [b"6.6.6.6,203.0.113.9" + ours]) == "203.0.113.9"
        assert OURS.resolve(PROXY, [b"203.0.113.9,10.0.0.3" + ours]) == "10.0.0.3"

    @given(st.lists(st.binary(max_size=80), max_size=5))
    def test_always_yields_an_address(self, lines: list[bytes]) -> None:
        address = OURS.resolve(PROXY, lines)
        assert normalised(address) == address != "unix"


class TestSpellingsOfAnAddress:
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
    def test_are_normalised(self, written: str, address: str) -> None:
        assert OURS.resolve(PROXY, [written]) == address
        assert NO_PROXIES.resolve(written, []) == address

    def test_of_a_trusted_proxy_are_all_trusted(self) -> None:
        assert OURS.resolve("::ffff:10.0.0.1", [b"203.0.113.9"]) == "203.0.113.9"


class TestUnixSocket:
    @pytest.mark.parametrize("peer", [None, "", "/run/app.sock"])
    def test_is_trusted_if_a_proxy_is_configured(self, peer: str | None) -> None:
        assert OURS.resolve(peer, [b"203.0.113.9"]) == "203.0.113.9"
        assert OURS.resolve(peer, []) == "unix"
        assert NO_PROXIES.resolve(peer, [b"203.0.113.9"]) == "unix"


class TestForwardedScheme:
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
    def test_is_read_from_a_trusted_proxy(
        self, lines: list[bytes], scheme: str
    ) -> None:
        assert OURS.forwarded_scheme(PROXY, "http", lines) == scheme

    def test_can_change_https_to_http(self) -> None:
        assert OURS.forwarded_scheme(PROXY, "https", [b"http"]) == "http"

    @pytest.mark.parametrize("resolver", [OURS, NO_PROXIES])
    def test_is_ignored_from_any_other_address(
        self, resolver: ClientAddressResolver
    ) -> None:
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
    def test_is_the_ipv4_address_or_the_ipv6_64_network(
        self, address: str, partition: str
    ) -> None:
        assert limiter_partition(address) == partition
