"""What an operator may set about the cache of raw sources."""

from typing import Annotated

from pydantic import BeforeValidator

from autonomous_healing.endpoint_healing.endpoints import SourceCache


def _as_word(value: object) -> object:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


CacheMode = Annotated[SourceCache, BeforeValidator(_as_word)]
