"""The five providers as they are known: their question forms in code, their settings as defaults."""

from collections.abc import Mapping

from autonomous_healing.endpoint_healing.endpoints import Auth, DataKind, Endpoint, Source
from autonomous_healing.endpoint_healing.key_options import KeyPlaceSettings
from autonomous_healing.endpoint_healing.options import SourceSettings
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings


def default_sources() -> dict[str, SourceSettings]:
    """Hosts, limits and times of the five providers; a fresh mapping each time."""
    return {
        "yahoo_finance": SourceSettings(
            hosts=("https://query1.finance.yahoo.com", "https://query2.finance.yahoo.com"),
            expected_response=2.0,
            retry_delay=1.0,
            quota=(QuotaWindowSettings(window="minute", limit=2000),),
        ),
        "fred_api": SourceSettings(
            hosts=("https://api.stlouisfed.org",),
            auth=KeyPlaceSettings(place="query", name="api_key"),
            keys=("FRED_API_KEY", "FRED_API_KEY_2"),
            rotate_on=("invalid", "limited"),
            terms_allow_rotation=True,
            expected_response=1.5,
            retry_delay=0.5,
            quota=(QuotaWindowSettings(window="minute", limit=120),),
        ),
        "polygon_io": SourceSettings(
            hosts=("https://api.polygon.io",),
            auth=KeyPlaceSettings(place="query", name="apiKey"),
            keys=("POLYGON_IO_API_KEY", "POLYGON_IO_API_KEY_2"),
            expected_response=0.8,
            retry_delay=2.0,
            timeout=5.0,
            quota=(QuotaWindowSettings(window="minute", limit=100),),
        ),
        "alpha_vantage": SourceSettings(
            hosts=("https://www.alphavantage.co",),
            auth=KeyPlaceSettings(place="query", name="apikey"),
            keys=("ALPHA_VANTAGE_API_KEY", "ALPHA_VANTAGE_API_KEY_2"),
            expected_response=2.5,
            retry_delay=12.0,
            timeout=15.0,
            quota=(
                QuotaWindowSettings(window="second", limit=1),
                QuotaWindowSettings(window="minute", limit=5),
                # When its day begins is nowhere said.
                QuotaWindowSettings(window="day", limit=25, kind="fixed", zone="America/New_York"),
            ),
        ),
        "exchange_rate_api": SourceSettings(
            hosts=("https://v6.exchangerate-api.com",),
            auth=KeyPlaceSettings(place="path"),
            keys=("EXCHANGERATE_API_KEY", "EXCHANGERATE_API_KEY_2"),
            expected_response=1.0,
            retry_delay=2.0,
            quota=(QuotaWindowSettings(window="month", limit=1500),),
        ),
    }


#: id -> (display name, proxy path segment)
_KNOWN: dict[str, tuple[str, str]] = {
    "yahoo_finance": ("Yahoo Finance", "yahoo"),
    "fred_api": ("FRED", "fred"),
    "polygon_io": ("Polygon.io", "polygon"),
    "alpha_vantage": ("Alpha Vantage", "alpha-vantage"),
    "exchange_rate_api": ("Exchange Rate API", "exchange-rate"),
}

SOURCE_IDS = tuple(_KNOWN)

_AGGS = "/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}"
_PREV = "/v2/aggs/ticker/{ticker}/prev"

#: (name, upstream path, proxy routes, kind, parameters added)
_Row = tuple[str, str, tuple[str, ...], DataKind, dict[str, str]]

#: By source.
_ENDPOINTS: dict[str, tuple[_Row, ...]] = {
    "yahoo_finance": (
        # The keyless chart API carries the quote in its `meta`; the quote API proper wants a session.
        ("/quote", "/v8/finance/chart/{symbol}", (), DataKind.QUOTE, {"interval": "1d", "range": "1d"}),
        (
            "/chart",
            "/v8/finance/chart/{symbol}",
            ("/chart/{symbol}", "/v8/finance/chart/{symbol}"),
            DataKind.DAILY,
            {"interval": "1d", "range": "5d"},
        ),
    ),
    "fred_api": (
        ("/series", "/fred/series", ("/series",), DataKind.REFERENCE, {}),
        (
            "/observations",
            "/fred/series/observations",
            ("/observations", "/series/observations"),
            DataKind.MACRO,
            {},
        ),
    ),
    "polygon_io": (
        ("/v2/aggs", _AGGS, ("/aggs", _AGGS), DataKind.DAILY, {"multiplier": "1", "timespan": "day"}),
        ("/v2/prev", _PREV, ("/prev", _PREV), DataKind.DAILY, {}),
    ),
    "alpha_vantage": (("/query", "/query", ("/query",), DataKind.OTHER, {}),),
    "exchange_rate_api": (
        ("/latest", "/v6/{key}/latest/{base}", ("/latest/{base}",), DataKind.FX, {}),
        ("/pair", "/v6/{key}/pair/{base}/{target}", ("/pair/{base}/{target}",), DataKind.FX, {}),
    ),
}


#: FRED answers in XML unless told otherwise, and we read JSON.
_ALWAYS = {"fred_api": {"file_type": "json"}}
_NEVER: Mapping[str, str] = {}


#: Of a source that is passed through nothing is known: one place for its health.
_RAW: tuple[_Row, ...] = (("/", "/", (), DataKind.OTHER, {}),)


def segment_of(source_id: str) -> str:
    """The path segment by which a source is called on the proxy."""
    return _KNOWN[source_id][1] if source_id in _KNOWN else source_id.replace("_", "-")


def mount_of(source_id: str, settings: SourceSettings) -> str:
    """The path on the proxy below which a source answers."""
    return settings.mount or f"/api/{segment_of(source_id)}"


def build_source(source_id: str, settings: SourceSettings) -> Source:
    """What we know of a provider with what the operator set."""
    display_name, _ = _KNOWN.get(source_id, (source_id, ""))
    return Source(
        id=source_id,
        display_name=display_name,
        segment=segment_of(source_id),
        auth=Auth(place=settings.auth.place, name=settings.auth.name),
        hosts=tuple(host.rstrip("/") for host in settings.hosts),
        expected_response=settings.expected_response,
        retry_delay=settings.retry_delay,
        quota_rest=settings.quota_rest,
        rotate_on=settings.rotate_on,
        terms_allow_rotation=settings.terms_allow_rotation,
        while_revalidate=settings.while_revalidate,
        cache=settings.cache,
        stale_if_error=settings.stale_if_error,
        kind=settings.kind,
        allow_private=settings.allow_private,
        ca_file=settings.ca_file,
        mount=mount_of(source_id, settings),
        port=settings.port,
    )


def build_endpoints(sources: Mapping[str, SourceSettings]) -> tuple[Endpoint, ...]:
    """All endpoints of the enabled sources; a raw one has one, without routes."""
    return tuple(
        Endpoint(
            source=source,
            name=name,
            path=path,
            routes=routes,
            kind=kind,
            timeout=settings.timeout,
            defaults=defaults,
            always=_ALWAYS.get(source_id, _NEVER),
        )
        for source_id, settings in sources.items()
        if settings.enabled
        for source in (build_source(source_id, settings),)
        for name, path, routes, kind, defaults in (_RAW if settings.kind == "raw" else _ENDPOINTS[source_id])
    )


def session_quote(yahoo: Source) -> Endpoint:
    """Yahoo's quote API proper: an alternate for quotes, not offered by itself."""
    return Endpoint(
        source=yahoo,
        name="/session_quote",
        path="/v7/finance/quote",
        routes=(),
        kind=DataKind.QUOTE,
        defaults={},
    )


def holds_key_in_path(source_id: str) -> bool:
    """Whether the provider's paths have a place for the key."""
    return any("{key}" in path for _, path, *_ in _ENDPOINTS[source_id])


def endpoint_names() -> dict[str, tuple[str, ...]]:
    """The endpoint names of each source, for settings to be checked against."""
    return {source: tuple(row[0] for row in rows) for source, rows in _ENDPOINTS.items()}
