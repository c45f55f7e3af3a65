"""The oauth2 calls and the hash key: they have their own error shape and need no token."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

import orjson

from daemon.core.calendar import KST
from daemon.kis.spec import Api
from daemon.sim.keys import KeyOffice, TooSoon
from daemon.sim.options import Customer
from daemon.sim.replies import JsonBody, WireReply, encode

KEY_PATHS = frozenset(api.path for api in (Api.TOKEN, Api.REVOKE, Api.APPROVAL, Api.HASHKEY))


class _KeyRefused(Exception):
    def __init__(self, code: str, text: str, status: int = 403) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.status = status


class KeyDesk:
    """Answers tokenP, revokeP, Approval and hashkey."""

    def __init__(self, customer: Customer, keys: KeyOffice) -> None:
        self._customer = customer
        self._keys = keys

    def answer(
        self,
        path: str,
        body: Mapping[str, object] | None,
        headers: Mapping[str, str],
        *,
        now: datetime,
    ) -> WireReply:
        """The reply to one of the four; `body` is `None` when it was no JSON object."""
        try:
            if body is None:
                raise _KeyRefused("EGW00101", "유효하지 않은 요청입니다.", 400)
            if path == Api.HASHKEY.path:
                return self._hash(body, headers)
            if path == Api.TOKEN.path:
                return self._token(body, now)
            if path == Api.APPROVAL.path:
                self._check(body, "secretkey")
                return _ok({"approval_key": self._keys.issue_approval(now)})
            self._check(body, "appsecret", grant=False)
            self._keys.revoke(str(body.get("token", "")))
            return _ok({"code": 200, "message": "접근토큰 폐기에 성공하였습니다"})
        except _KeyRefused as refused:
            return WireReply(
                status=refused.status,
                body=encode({"error_description": refused.text, "error_code": refused.code}),
            )

    def _token(self, body: Mapping[str, object], now: datetime) -> WireReply:
        self._check(body, "appsecret")
        try:
            token = self._keys.issue_token(now)
        except TooSoon:
            text = "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)"
            raise _KeyRefused("EGW00133", text) from None
        return _ok(
            {
                "access_token": token.text,
                "token_type": "Bearer",
                "expires_in": int((token.expires - now).total_seconds()),
                "access_token_token_expired": token.expires.astimezone(KST).strftime(
                    "%Y-%m-%d %H:%M:%S"
                ),
            }
        )

    def _hash(self, body: Mapping[str, object], headers: Mapping[str, str]) -> WireReply:
        keys = {"appkey": headers.get("appkey"), "appsecret": headers.get("appsecret")}
        self._check(keys, "appsecret", grant=False)
        digest = sha256(orjson.dumps(body)).hexdigest()
        return _ok({"BODY": dict(body), "HASH": digest})

    def _check(self, body: Mapping[str, object], secret: str, *, grant: bool = True) -> None:
        if grant and body.get("grant_type") != "client_credentials":
            raise _KeyRefused("EGW00106", "유효하지 않은 grant_type입니다.")
        if body.get("appkey") != self._customer.app_key:
            raise _KeyRefused("EGW00103", "유효하지 않은 AppKey입니다.")
        if body.get(secret) != self._customer.app_secret:
            raise _KeyRefused("EGW00105", "유효하지 않은 AppSecret입니다.")


def _ok(body: JsonBody) -> WireReply:
    return WireReply(status=200, body=encode(body))
