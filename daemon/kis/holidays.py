"""The broker's own word on trading days of KRX: what to ask, and what the answer says.

It is chk-holiday, which the broker asks to be called once a day only; it tells of the days from
the one asked on, 24 a page, and is not offered in the virtual world. `opnd_yn` is whether the
exchange opens; business and settlement days are others.
"""

from datetime import date

from daemon.core.errors import BadData
from daemon.kis.codec import Call
from daemon.kis.fields import day_of, text_of
from daemon.kis.replies import Reply, rows
from daemon.kis.spec import Api

_OPEN = {"Y": True, "N": False}


def call(day: date) -> Call:
    """The inquiry for `day`: the first row of its first page."""
    query = (("BASS_DT", f"{day:%Y%m%d}"), ("CTX_AREA_NK", ""), ("CTX_AREA_FK", ""))
    return Call(api=Api.HOLIDAYS, query=query, rows="output")


def read(reply: Reply, day: date) -> bool:
    """Whether the exchange opens on `day`; raises `BadData` where the answer does not say."""
    for row in rows(reply, "output"):
        if day_of(text_of(row, "bass_dt"), "bass_dt") != day:
            continue
        told = text_of(row, "opnd_yn")
        if told not in _OPEN:
            raise BadData("neither Y nor N", field="opnd_yn", raw=told)
        return _OPEN[told]
    raise BadData(f"no row of {day}", field="output")
