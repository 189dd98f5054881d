"""Which names are our own, and which pages are not."""

import pytest

from autonomous_healing.safety.hosts import OwnHosts, host_in, is_foreign


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST:8888", "localhost"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]:8888", "::1"),
        ("status.example.org", "status.example.org"),
        ("my_box:99", "my_box"),
        ("", None),
        ("[", None),
        ("[::1", None),
        ("::1", None),
        ("a/b@c", None),
        ("user@localhost", None),
        ("localhost:8888/#@x", None),
        ("localhost/", None),
        ("localhost?x", None),
        ("localhost#x", None),
        ("localhost\\x", None),
        ("localhost ", None),
        ("localhost:", None),
        ("localhost:http", None),
        ("localhost:123456", None),
        ("localhost.", None),
        ("localhost,evil", None),
        ("löcalhost", None),
        ("localhost\n", None),
    ],
)
def test_a_host_is_a_name_or_an_address_with_a_port_and_no_more(authority: str, host: str | None) -> None:
    assert host_in(authority) == host


HOSTS = OwnHosts.of(["192.0.2.7", "Status.Example.org", None, "", "2001:DB8::1"])


@pytest.mark.parametrize(
    "authority",
    [
        "localhost:8888",
        "127.0.0.1",
        "127.9.9.9:5002",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "192.0.2.7",
        "STATUS.example.ORG:443",
        "[2001:db8::1]:8888",
    ],
)
def test_answers_for_this_machine_and_for_the_names_that_it_was_given(authority: str) -> None:
    assert HOSTS.answer_for(authority)


@pytest.mark.parametrize(
    "authority",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "status.example.org.evil.example",
        "example.org",
        "192.0.2.8",
        "0.0.0.0",
        "[2001:db8::2]",
        "localhost@evil.example",
        "evil.example@localhost",
        "",
    ],
)
def test_answers_for_no_other_name(authority: str) -> None:
    assert not HOSTS.answer_for(authority)


OWN = "127.0.0.1:8888"


@pytest.mark.parametrize(
    ("origins", "sites", "foreign"),
    [
        ([], [], False),
        (["http://127.0.0.1:8888"], [], False),
        (["https://127.0.0.1:8888"], [], False),
        (["http://127.0.0.1:8888"], ["same-origin"], False),
        ([], ["same-origin"], False),
        ([], ["none"], False),
        ([], ["same-site"], True),
        ([], ["cross-site"], True),
        ([], ["Same-Origin"], True),
        ([], [""], True),
        ([], ["none", "none"], True),
        (["http://127.0.0.1:8888"], ["cross-site"], True),
        (["http://evil.example"], [], True),
        (["http://evil.example"], ["same-origin"], True),
        (["http://127.0.0.1"], [], True),
        (["http://127.0.0.1:5002"], [], True),
        (["http://127.0.0.1:8888.evil.example"], [], True),
        (["http://127.0.0.1:8888/"], [], True),
        (["http://evil@127.0.0.1:8888"], [], True),
        (["null"], [], True),
        ([""], [], True),
        (["127.0.0.1:8888"], [], True),
        (["http://127.0.0.1:8888", "http://127.0.0.1:8888"], [], True),
    ],
)
def test_a_page_is_our_own_only_where_all_that_a_browser_says_agrees(
    origins: list[str], sites: list[str], foreign: bool
) -> None:
    assert is_foreign(OWN, origins, sites) is foreign
