"""What is listed on the simulated KRX: codes, names, base prices and how lively each trades."""

from dataclasses import dataclass
from decimal import Decimal

from daemon.core.values import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One listed stock.

    `base` is the base price of the first simulated day in the market's money, `shares` the number
    listed, `pace` how often a second the crowd does something with it, `crowd` how much it trades
    and offers at a time, against a usual one.
    """

    code: str
    name: str
    english: str
    base: Decimal
    shares: int
    pace: float
    industry: str = "기타"
    crowd: float = 1.0
    market: Market = Market.KRX


def _listing(
    code: str, name: str, english: str, base: int, shares: int, pace: float, industry: str
) -> Listing:
    return Listing(
        code=code,
        name=name,
        english=english,
        base=Decimal(base),
        shares=shares,
        pace=pace,
        industry=industry,
    )


LISTINGS: tuple[Listing, ...] = (
    _listing("005930", "삼성전자", "SamsungElec", 72_000, 5_969_782_550, 4.0, "전기.전자"),
    _listing("000660", "SK하이닉스", "SK hynix", 188_000, 728_002_365, 1.6, "전기.전자"),
    _listing("035420", "NAVER", "NAVER", 212_000, 158_437_008, 0.9, "서비스업"),
    _listing("035720", "카카오", "Kakao", 43_500, 443_578_915, 1.0, "서비스업"),
    _listing("005380", "현대차", "HyundaiMtr", 241_500, 204_757_766, 0.8, "운수장비"),
    _listing("000270", "기아", "Kia", 101_500, 397_672_632, 0.8, "운수장비"),
    _listing("051910", "LG화학", "LG Chem", 305_000, 70_592_343, 0.7, "화학"),
    _listing("006400", "삼성SDI", "SamsungSDI", 268_500, 68_764_530, 0.7, "전기.전자"),
    _listing("068270", "셀트리온", "Celltrion", 178_200, 217_022_155, 0.8, "의약품"),
    _listing("105560", "KB금융", "KBFinancialGroup", 86_700, 393_528_423, 0.8, "금융업"),
    _listing("055550", "신한지주", "ShinhanGroup", 55_400, 503_444_515, 0.8, "금융업"),
    _listing("012330", "현대모비스", "Mobis", 236_000, 92_996_094, 0.6, "운수장비"),
)
