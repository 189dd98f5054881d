"""What is listed in the model market: symbols in Yahoo's spelling, and how other providers spell them."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Instrument types, as Yahoo names them."""

    STOCK = "EQUITY"
    FUND = "ETF"
    INDEX = "INDEX"
    CURRENCY = "CURRENCY"
    CRYPTO = "CRYPTOCURRENCY"
    FUTURE = "FUTURE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """One instrument, and the constants of its price."""

    symbol: str
    name: str
    kind: Kind
    anchor: float  #: the level around which the price wanders
    exchange: str = "NYQ"
    currency: str = "USD"
    digits: int = 2
    volatility: float = 1.0  #: multiplies the waves of `noise.drift`
    daily_volume: int = 0
    follows: str = ""  #: name of the noise stream, when it is not the symbol's own

    @property
    def rests_at_weekends(self) -> bool:
        """True where no daily bar exists for Saturday and Sunday."""
        return self.kind is not Kind.CRYPTO


#: Units of each currency for one US dollar, and the currency's name.
CURRENCIES: dict[str, tuple[float, str]] = {
    "USD": (1.0, "United States Dollar"),
    "EUR": (0.9231, "Euro"),
    "GBP": (0.7874, "British Pound Sterling"),
    "JPY": (149.25, "Japanese Yen"),
    "CHF": (0.8842, "Swiss Franc"),
    "CAD": (1.3591, "Canadian Dollar"),
    "AUD": (1.5238, "Australian Dollar"),
    "NZD": (1.6432, "New Zealand Dollar"),
    "CNY": (7.2145, "Chinese Yuan"),
    "INR": (83.127, "Indian Rupee"),
    "BRL": (5.0433, "Brazilian Real"),
    "MXN": (17.162, "Mexican Peso"),
    "SEK": (10.412, "Swedish Krona"),
    "NOK": (10.623, "Norwegian Krone"),
    "PLN": (3.9871, "Polish Zloty"),
    "KRW": (1331.4, "South Korean Won"),
}
CURRENCY_VOLATILITY = 0.3

#: Level in per cent of each constant-maturity yield; the Yahoo index of the same tenor follows it.
YIELDS = {"DGS2": 4.35, "DGS5": 4.11, "DGS10": 4.22, "DGS30": 4.47}
YIELD_VOLATILITY = 0.5

_STOCKS = {
    "AAPL": ("Apple Inc.", 189.5, "NMS", 56_000_000),
    "MSFT": ("Microsoft Corporation", 415.2, "NMS", 22_000_000),
    "GOOGL": ("Alphabet Inc.", 152.4, "NMS", 28_000_000),
    "AMZN": ("Amazon.com, Inc.", 178.3, "NMS", 42_000_000),
    "NVDA": ("NVIDIA Corporation", 880.1, "NMS", 48_000_000),
    "META": ("Meta Platforms, Inc.", 492.6, "NMS", 15_000_000),
    "TSLA": ("Tesla, Inc.", 193.7, "NMS", 98_000_000),
    "IBM": ("International Business Machines Corporation", 188.9, "NYQ", 4_200_000),
    "JPM": ("JPMorgan Chase & Co.", 195.4, "NYQ", 8_900_000),
    "BAC": ("Bank of America Corporation", 36.2, "NYQ", 38_000_000),
    "WFC": ("Wells Fargo & Company", 57.1, "NYQ", 16_000_000),
    "GS": ("The Goldman Sachs Group, Inc.", 389.8, "NYQ", 2_100_000),
    "XOM": ("Exxon Mobil Corporation", 112.6, "NYQ", 17_000_000),
    "CVX": ("Chevron Corporation", 155.3, "NYQ", 7_600_000),
    "COP": ("ConocoPhillips", 118.9, "NYQ", 5_800_000),
    "JNJ": ("Johnson & Johnson", 156.7, "NYQ", 6_900_000),
    "UNH": ("UnitedHealth Group Incorporated", 487.5, "NYQ", 3_300_000),
    "PFE": ("Pfizer Inc.", 27.4, "NYQ", 36_000_000),
    "BRK-B": ("Berkshire Hathaway Inc.", 408.2, "NYQ", 3_500_000),
}
_FUNDS = {
    "SPY": ("SPDR S&P 500 ETF Trust", 512.3, "PCX", 72_000_000),
    "QQQ": ("Invesco QQQ Trust", 441.8, "NGM", 45_000_000),
    "XLK": ("Technology Select Sector SPDR Fund", 206.4, "PCX", 6_200_000),
    "XLF": ("Financial Select Sector SPDR Fund", 41.1, "PCX", 39_000_000),
    "XLE": ("Energy Select Sector SPDR Fund", 92.7, "PCX", 15_000_000),
    "XLV": ("Health Care Select Sector SPDR Fund", 146.2, "PCX", 8_100_000),
}
_INDICES = {
    "^GSPC": ("S&P 500", 5123.4, 0.7, "SNP"),
    "^DJI": ("Dow Jones Industrial Average", 38_905.2, 0.7, "DJI"),
    "^IXIC": ("NASDAQ Composite", 16_085.1, 0.9, "NIM"),
    "^RUT": ("Russell 2000", 2048.9, 0.9, "WCB"),
    "^VIX": ("CBOE Volatility Index", 15.4, 2.0, "CBOE"),
}
_CRYPTO = {
    "BTC-USD": ("Bitcoin USD", 64_210.0, 31_000_000_000),
    "ETH-USD": ("Ethereum USD", 3412.0, 16_000_000_000),
    "SOL-USD": ("Solana USD", 142.6, 3_100_000_000),
}
_FUTURES = {
    "GC=F": ("Gold", 2178.5, "CMX", 2, 180_000),
    "CL=F": ("Crude Oil", 79.3, "NYM", 2, 310_000),
    "NG=F": ("Natural Gas", 1.842, "NYM", 3, 140_000),
}
_TENORS = {
    "^FVX": ("Treasury Yield 5 Years", "DGS5"),
    "^TNX": ("CBOE Interest Rate 10 Year T No", "DGS10"),
    "^TYX": ("Treasury Yield 30 Years", "DGS30"),
}


def _listed() -> list[Listing]:
    shares = [
        Listing(symbol=symbol, name=name, kind=kind, anchor=anchor, exchange=exchange, daily_volume=volume)
        for kind, table in ((Kind.STOCK, _STOCKS), (Kind.FUND, _FUNDS))
        for symbol, (name, anchor, exchange, volume) in table.items()
    ]
    indices = [
        Listing(symbol=s, name=name, kind=Kind.INDEX, anchor=anchor, volatility=volatility, exchange=exchange)
        for s, (name, anchor, volatility, exchange) in _INDICES.items()
    ]
    yields = [
        Listing(
            symbol=symbol,
            name=name,
            kind=Kind.INDEX,
            anchor=YIELDS[series],
            exchange="CGI",
            digits=3,
            volatility=YIELD_VOLATILITY,
            follows=series,
        )
        for symbol, (name, series) in _TENORS.items()
    ]
    coins = [
        Listing(
            symbol=symbol,
            name=name,
            kind=Kind.CRYPTO,
            anchor=anchor,
            exchange="CCC",
            volatility=2.0,
            daily_volume=volume,
        )
        for symbol, (name, anchor, volume) in _CRYPTO.items()
    ]
    futures = [
        Listing(
            symbol=symbol,
            name=name,
            kind=Kind.FUTURE,
            anchor=anchor,
            exchange=exchange,
            digits=digits,
            daily_volume=volume,
        )
        for symbol, (name, anchor, exchange, digits, volume) in _FUTURES.items()
    ]
    return [*shares, *indices, *yields, *coins, *futures]


_LISTED = {listing.symbol: listing for listing in _listed()}
#: Index names that Polygon does not derive from Yahoo's by a rule.
_POLYGON_INDICES = {"I:SPX": "^GSPC", "I:COMP": "^IXIC"}


def find(symbol: str) -> Listing | None:
    """The listing of a symbol in Yahoo's spelling, or None where there is no such symbol."""
    if symbol in _LISTED:
        return _LISTED[symbol]
    if (pair := currency_pair(symbol)) is None:
        return None
    of, against = pair
    return Listing(
        symbol=symbol,
        name=f"{of}/{against}",
        kind=Kind.CURRENCY,
        anchor=CURRENCIES[against][0] / CURRENCIES[of][0],
        exchange="CCY",
        currency=against,
        digits=4,
    )


def currency_pair(symbol: str) -> tuple[str, str] | None:
    """`EURUSD=X` is (EUR, USD), `JPY=X` is (USD, JPY); None for what is no known pair."""
    if not symbol.endswith("=X"):
        return None
    letters = symbol.removesuffix("=X")
    of, against = ("USD", letters) if len(letters) == 3 else (letters[:3], letters[3:])
    return (of, against) if of != against and {of, against} <= CURRENCIES.keys() else None


def from_polygon(ticker: str) -> str:
    """Yahoo's spelling of a Polygon ticker; the answer need not be listed."""
    if ticker in _POLYGON_INDICES:
        return _POLYGON_INDICES[ticker]
    match ticker.partition(":"):
        case ("C", ":", pair):
            return f"{pair}=X"
        case ("X", ":", pair):
            return f"{pair[:-3]}-{pair[-3:]}"
        case ("I", ":", index):
            return f"^{index}"
    # Yahoo's own names for pairs and indices mean nothing to Polygon.
    return ticker.replace(".", "-") if ticker.replace(".", "").isalpha() else ""
