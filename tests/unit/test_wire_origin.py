"""How the base URL of an upstream is read, once for checking and for connecting."""

import pytest

from autonomous_healing.wire.errors import BadOrigin
from autonomous_healing.wire.origin import Origin, read_base_url

READ = [
    ("http://a.com", Origin("http", "a.com", 80), ""),
    ("https://a.com", Origin("https", "a.com", 443), ""),
    ("https://a.com/", Origin("https", "a.com", 443), ""),
    ("https://A.Com:8443/v1/", Origin("https", "a.com", 8443), "/v1"),
    ("http://a.com:443/v1/b_c-d.e~", Origin("http", "a.com", 443), "/v1/b_c-d.e~"),
    ("https://a.com/@127.0.0.1", Origin("https", "a.com", 443), "/@127.0.0.1"),
    ("http://127.1:80", Origin("http", "127.1", 80), ""),
    ("http://0x7f000001", Origin("http", "0x7f000001", 80), ""),
    ("http://[2A00:1450::1]:81/x", Origin("http", "2a00:1450::1", 81), "/x"),
    ("http://[::ffff:127.0.0.1]", Origin("http", "::ffff:127.0.0.1", 80), ""),
]

#: What parsers are known to cut in different places, and what names no origin.
REFUSED = [
    "",
    "a.com",
    "//a.com",
    "http:a.com",
    "http:/a.com",
    "http:///a.com",
    "http://",
    "http:\\\\a.com",
    "ftp://a.com",
    "file:///etc/passwd",
    "gopher://a.com",
    "unix:///run/socket",
    "http+unix://%2Frun%2Fsocket",
    "HTTP://a.com",
    "http://a.com\\@127.0.0.1",
    "http://a.com\\.evil.com",
    "http://127.0.0.1\\@a.com/",
    "http://a.com#@127.0.0.1",
    "http://a.com/#@127.0.0.1",
    "http://a.com?@127.0.0.1",
    "http://a.com/?key=1",
    "http://user@a.com",
    "http://user:password@a.com",
    "http://a.com:80@127.0.0.1",
    "http://a.com&@127.0.0.1",
    "http://a.com;@127.0.0.1",
    "http://a.com:80:90",
    "http://a.com:",
    "http://a.com:/x",
    "http://a.com:0",
    "http://a.com:65536",
    "http://a.com:080000",
    "http://a.com:-1",
    "http://a.com:+80",
    "http://a.com:8_0",
    "http://a.com:８０",
    "http://a.com:80a",
    "http://a\t.com",
    "http://a.com\t",
    "http://a.com\n",
    "http://a.com\r\nHost: b",
    "http://a.com/\n",
    "\nhttp://a.com",
    " http://a.com",
    "http://a.com ",
    "http://a .com",
    "http://a.com/a b",
    "http://a.com\x00.b.com",
    "http://a%2ecom",
    "http://a.com%00",
    "http://①②⑦.⓪.⓪.①",
    "http://127。0。0。1",
    "http://аpple.com",
    "http://a.com/é",
    "http://a,b",
    "http://a.com,127.0.0.1",
    "http://[::1",
    "http://::1",
    "http://::1]",
    "http://[fe80::1%25eth0]",
    "http://[::1]a.com",
    "http://[::1]:80:90",
    "http://[a.com]",
    "http://a.com/../admin",
    "http://a.com/v1/..",
    "http://a.com/./v1",
    "http://a.com/v1\\..\\admin",
    "http://" + "a" * 254,
    "http://[127.0.0.1]",
    "http://[::::]",
    "http://..",
    "http://-",
    "http://a..b",
    "http://.a.com",
    "http://a.com/%2e%2e/x",
    "http://a.com/..;/x",
]


@pytest.mark.parametrize(("text", "origin", "prefix"), READ)
def test_reads_a_base_url(text: str, origin: Origin, prefix: str) -> None:
    assert read_base_url(text) == (origin, prefix)


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_what_can_be_read_in_two_ways(text: str) -> None:
    with pytest.raises(BadOrigin):
        read_base_url(text)


@pytest.mark.parametrize(
    ("origin", "authority"),
    [
        (Origin("https", "a.com", 443), "a.com"),
        (Origin("http", "a.com", 443), "a.com:443"),
        (Origin("http", "::1", 80), "[::1]"),
        (Origin("https", "::1", 8443), "[::1]:8443"),
    ],
)
def test_names_the_port_only_where_it_is_unusual(origin: Origin, authority: str) -> None:
    assert origin.authority == authority
    assert read_base_url(str(origin)) == (origin, "")
