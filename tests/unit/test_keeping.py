"""What providers say of keeping their answers."""

from datetime import UTC, datetime

import pytest

from autonomous_healing.endpoint_healing.keeping import Keeping, keeping

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "read"),
    [
        ({}, Keeping()),
        ({"cache-control": "public"}, Keeping()),
        ({"cache-control": "no-store"}, Keeping(allowed=False)),
        ({"cache-control": "max-age=60, No-Store"}, Keeping(allowed=False, fresh=60.0)),
        ({"cache-control": "private"}, Keeping(allowed=False)),
        ({"cache-control": 'private="set-cookie, x"'}, Keeping(allowed=False)),
        ({"cache-control": "max-age=60"}, Keeping(fresh=60.0)),
        ({"cache-control": 'Max-Age="60"'}, Keeping(fresh=60.0)),
        ({"cache-control": "max-age=60, s-maxage=5"}, Keeping(fresh=5.0)),
        ({"cache-control": "max-age=60, max-age=600"}, Keeping(fresh=60.0)),
        ({"cache-control": "max-age=-1"}, Keeping(fresh=0.0)),
        ({"cache-control": "max-age=soon"}, Keeping(fresh=0.0)),
        ({"cache-control": "max-age=999999999999"}, Keeping(fresh=86_400.0)),
        ({"cache-control": "no-cache, max-age=60"}, Keeping(fresh=0.0)),
        ({"cache-control": "max-age=60", "age": "45"}, Keeping(fresh=60.0, age=45.0)),
        ({"age": "old"}, Keeping()),
        ({"expires": "Mon, 02 Mar 2026 15:02:00 GMT"}, Keeping(fresh=120.0)),
        (
            {"expires": "Mon, 02 Mar 2026 15:02:00 GMT", "date": "Mon, 02 Mar 2026 15:01:00 GMT"},
            Keeping(fresh=60.0),
        ),
        ({"expires": "Mon, 02 Mar 2026 14:00:00 GMT"}, Keeping(fresh=0.0)),
        ({"expires": "0"}, Keeping(fresh=0.0)),
        ({"expires": "0", "cache-control": "max-age=60"}, Keeping(fresh=60.0)),
    ],
    ids=str,
)
def test_a_provider_s_word_is_read_as_a_shared_cache_reads_it(headers: dict[str, str], read: Keeping) -> None:
    assert keeping(headers, NOW) == read
