"""What a change makes worthless (RFC 9111, section 4.4)."""

from typing import Any

import pytest
from tests.caching import pairs

from autonomous_healing.endpoint_healing.caching.invalidating import changed_targets, changes

BASE = "http://shop.test:81/v2"


@pytest.mark.parametrize(
    ("method", "status", "does"),
    [
        (b"POST", 200, True),
        (b"PUT", 204, True),
        (b"DELETE", 302, True),
        (b"PATCH", 200, True),
        (b"M-SEARCH", 200, True),  # of a method that nobody knows
        (b"POST", 400, False),
        (b"POST", 500, False),
        (b"GET", 200, False),
        (b"HEAD", 200, False),
        (b"OPTIONS", 200, False),
    ],
)
def test_tells_of_a_change(method: bytes, status: int, does: bool) -> None:
    assert changes(method, status) is does


@pytest.mark.parametrize(
    ("answer", "others"),
    [
        ({}, []),
        ({"location": "/v2/other?a=b"}, [b"/other?a=b"]),
        ({"content_location": "other"}, [b"/things/other"]),
        ({"location": "?x"}, [b"/things/1?x"]),
        ({"location": "http://shop.test:81/v2/other"}, [b"/other"]),
        ({"location": "http://SHOP.test:81/v2/other#part"}, [b"/other"]),
        ({"location": "/v2/a", "content_location": "/v2/b"}, [b"/a", b"/b"]),
        ({"location": "http://shop.test:82/v2/other"}, []),  # of another origin
        ({"location": "https://shop.test:81/v2/other"}, []),
        ({"location": "//evil.test/v2/other"}, []),
        ({"location": "/elsewhere"}, []),
        ({"location": "http://[bad"}, []),
        ({"location": "http://shop.test:81/v2x/other"}, []),
    ],
)
def test_with_the_target_goes_what_the_answer_names(answer: dict[str, Any], others: list[bytes]) -> None:
    assert list(changed_targets(b"/things/1", BASE, pairs(**answer))) == [b"/things/1", *others]
