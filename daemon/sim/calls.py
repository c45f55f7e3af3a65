"""One checked REST call: which TR in which environment, with its parameters and its cursor."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from daemon.kis.spec import Environment
from daemon.sim.market import Market
from daemon.sim.replies import Denied, JsonBody, bad_field, padded

CURSOR_WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What the gateway lets through to the broker's systems; `accounts` are those of its key."""

    tr_id: str
    environment: Environment
    older: bool
    parameters: Mapping[str, str]
    tr_cont: str
    accounts: tuple[str, ...]

    @property
    def is_virtual(self) -> bool:
        """Whether the TR id belongs to the virtual world."""
        return self.environment is Environment.VIRTUAL

    def need(self, *names: str) -> None:
        """Refuse the call unless every parameter is there and holds something."""
        for name in names:
            if not self.parameters.get(name, "").strip():
                raise bad_field(name)

    def get(self, name: str) -> str:
        """A parameter without blanks around it, empty when it was not sent."""
        return self.parameters.get(name, "").strip()

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """A parameter that takes only some values."""
        value = self.get(name)
        if value not in allowed:
            raise bad_field(name)
        return value

    def day(self, name: str) -> date:
        """A parameter holding YYYYMMDD."""
        text = self.get(name)
        if len(text) != 8 or not (text.isascii() and text.isdigit()):
            raise bad_field(name)
        # Clients ask "from the beginning of time" with a year that has never been.
        text = text.replace("0000", "0001", 1) if text.startswith("0000") else text
        try:
            return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007  a date, no instant
        except ValueError:
            raise bad_field(name) from None

    def number(self, name: str) -> int:
        """A parameter holding a whole number that is not negative."""
        text = self.get(name)
        if not text or len(text) > 15 or not (text.isascii() and text.isdigit()):
            raise bad_field(name)
        return int(text)

    @property
    def cursor(self) -> str:
        """Where the page asked for begins; empty for the first page."""
        if self.tr_cont.strip().upper() != "N":
            return ""
        return self.get("CTX_AREA_NK100")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call gives back; `order` is the order number it confirms, if any."""

    body: JsonBody
    tr_cont: str = ""
    order: int | None = None


def account_of(call: Call) -> str:
    """The account a call names; refuses one that does not belong to the key."""
    call.need("CANO", "ACNT_PRDT_CD")
    name = f"{call.get('CANO')}-{call.get('ACNT_PRDT_CD')}"
    if name not in call.accounts:
        raise Denied("OPSQ2000", padded("ERROR : INPUT INVALID_CHECK_ACNO"))
    return name


def symbol_of(call: Call, market: Market, name: str = "FID_INPUT_ISCD") -> str:
    """The listed code a call names, with or without the leading A."""
    call.need(name)
    code = call.get(name).upper()
    code = code[1:] if len(code) == 7 and code.startswith("A") else code
    if code not in market.listings:
        raise bad_field(name)
    return code


def query_text(call: Call, *, more: bool = False, empty: bool = False) -> tuple[str, str]:
    """The code and text of a successful account query."""
    if call.is_virtual:
        if empty:
            return "70070000", padded("모의투자 조회할 내역(자료)이 없습니다.")
        return "20310000", padded("모의투자 조회가 완료되었습니다.")
    if more:
        return "KIOK0500", padded("조회가 계속됩니다..다음버튼을 Click 하십시오.")
    if empty:
        return "KIOK0560", padded("조회할 내용이 없습니다")
    return "KIOK0510", padded("조회가 완료되었습니다")


def succeeded(code: str, text: str, body: JsonBody) -> JsonBody:
    """A reply body with the broker's success fields behind the outputs."""
    return {**body, "rt_cd": "0", "msg_cd": code, "msg1": text}


def cursors(condition: str, following: str, width: int = CURSOR_WIDTH) -> JsonBody:
    """The blank-padded cursor pair of a paged reply."""
    return {
        f"ctx_area_fk{width}": condition.ljust(width)[:width],
        f"ctx_area_nk{width}": following.ljust(width)[:width],
    }


def quoted(body: JsonBody) -> Answer:
    """A successful quotation."""
    return Answer(body=succeeded("MCA00000", "정상처리 되었습니다.", body))
