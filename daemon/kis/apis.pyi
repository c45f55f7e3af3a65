"""Made from the catalogue by tests/kis/stubs.py: every REST call and what it takes."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

Text: TypeAlias = str | int | Decimal | date | bool | None
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

OPTIONS: frozenset[str]

class Call(Protocol[R_co]):
    def __call__(
        self,
        name: str,
        parameters: Mapping[str, object],
        /,
        *,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R_co: ...

class Group(Generic[R]): ...

class DomesticBond(Group[R]):
    def avg_unit(
        self,
        *,
        INQR_STRT_DT: Text,
        INQR_END_DT: Text,
        PDNO: Text = ...,
        PRDT_TYPE_CD: Text,
        VRFC_KIND_CD: Text,
        CTX_AREA_NK30: Text = ...,
        CTX_AREA_FK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권 평균단가조회"""

    def buy(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text = ...,
        ORD_QTY2: Text = ...,
        BOND_ORD_UNPR: Text = ...,
        SAMT_MKET_PTCI_YN: Text = ...,
        BOND_RTL_MKET_YN: Text = ...,
        IDCR_STFNO: Text = ...,
        MGCO_APTM_ODNO: Text = ...,
        ORD_SVR_DVSN_CD: Text = ...,
        CTAC_TLNO: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권 매수주문"""

    def inquire_asking_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권현재가(호가)"""

    def inquire_balance(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        INQR_CNDT: Literal["00", "01"],
        PDNO: Text = ...,
        BUY_DT: Text = ...,
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권 잔고조회"""

    def inquire_ccnl(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권현재가(체결)"""

    def inquire_daily_ccld(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        INQR_STRT_DT: Text,
        INQR_END_DT: Text,
        SLL_BUY_DVSN_CD: Literal["%", "01", "02"],
        SORT_SQN_DVSN: Literal["01", "02"],
        PDNO: Text = ...,
        NCCS_YN: Literal["N", "C", "Y"],
        CTX_AREA_NK200: Text = ...,
        CTX_AREA_FK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권 일별체결조회"""

    def inquire_daily_itemchartprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권 기간별시세(일)"""

    def inquire_daily_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권현재가(일별)"""

    def inquire_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권현재가(시세)"""

    def inquire_psbl_order(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text,
        BOND_ORD_UNPR: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권 매수가능조회"""

    def inquire_psbl_rvsecncl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        ORD_DT: Text = ...,
        ODNO: Text = ...,
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """채권정정취소가능주문조회"""

    def issue_info(
        self,
        *,
        PDNO: Text,
        PRDT_TYPE_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권 발행정보"""

    def order_rvsecncl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text = ...,
        ORGN_ODNO: Text = ...,
        ORD_QTY2: Text = ...,
        BOND_ORD_UNPR: Text = ...,
        QTY_ALL_ORD_YN: Text = ...,
        RVSE_CNCL_DVSN_CD: Text = ...,
        MGCO_APTM_ODNO: Text = ...,
        ORD_SVR_DVSN_CD: Text = ...,
        CTAC_TLNO: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권 정정취소주문"""

    def search_bond_info(
        self,
        *,
        PDNO: Text,
        PRDT_TYPE_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권 기본조회"""

    def sell(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        ORD_DVSN: Text = ...,
        PDNO: Text = ...,
        ORD_QTY2: Text = ...,
        BOND_ORD_UNPR: Text = ...,
        SPRX_YN: Text = ...,
        BUY_DT: Text = ...,
        BUY_SEQ: Text = ...,
        SAMT_MKET_PTCI_YN: Text = ...,
        SLL_AGCO_OPPS_SLL_YN: Text = ...,
        BOND_RTL_MKET_YN: Text = ...,
        MGCO_APTM_ODNO: Text = ...,
        ORD_SVR_DVSN_CD: Text = ...,
        CTAC_TLNO: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """장내채권 매도주문"""

class DomesticFutureoption(Group[R]):
    def display_board_callput(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["O"],
        FID_COND_SCR_DIV_CODE: Text,
        FID_MRKT_CLS_CODE: Literal["CO"],
        FID_MTRT_CNT: Text,
        FID_MRKT_CLS_CODE1: Literal["PO"],
        FID_COND_MRKT_CLS_CODE: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내옵션전광판_콜풋"""

    def display_board_futures(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_COND_MRKT_CLS_CODE: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내옵션전광판_선물"""

    def display_board_option_list(
        self,
        *,
        FID_COND_SCR_DIV_CODE: Text,
        FID_COND_MRKT_DIV_CODE: Text = ...,
        FID_COND_MRKT_CLS_CODE: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내옵션전광판_옵션월물리스트"""

    def display_board_top(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_COND_MRKT_DIV_CODE1: Text = ...,
        FID_COND_SCR_DIV_CODE: Text = ...,
        FID_MTRT_CNT: Text = ...,
        FID_COND_MRKT_CLS_CODE: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내선물 기초자산 시세"""

    def exp_price_trend(
        self,
        *,
        FID_INPUT_ISCD: Text,
        FID_COND_MRKT_DIV_CODE: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 일중예상체결추이"""

    def inquire_asking_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["F", "JF"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 시세호가"""

    def inquire_balance(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        MGNA_DVSN: Literal["01", "02"],
        EXCC_STAT_CD: Literal["1", "2"],
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 잔고현황"""

    def inquire_balance_settlement_pl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        INQR_DT: Text,
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 잔고정산손익내역"""

    def inquire_balance_valuation_pl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        MGNA_DVSN: Literal["01", "02"],
        EXCC_STAT_CD: Literal["1", "2"],
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 잔고평가손익내역"""

    def inquire_ccnl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        STRT_ORD_DT: Text,
        END_ORD_DT: Text,
        SLL_BUY_DVSN_CD: Literal["00", "01", "02"],
        CCLD_NCCS_DVSN: Literal["00", "01", "02"],
        SORT_SQN: Literal["AS", "DS"],
        PDNO: Text = ...,
        STRT_ODNO: Text = ...,
        MKET_ID_CD: Text = ...,
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 주문체결내역조회"""

    def inquire_ccnl_bstime(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        ORD_DT: Text,
        FUOP_TR_STRT_TMD: Text,
        FUOP_TR_END_TMD: Text,
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 기준일체결내역"""

    def inquire_daily_amount_fee(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        INQR_STRT_DAY: Text,
        INQR_END_DAY: Text,
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션기간약정수수료일별"""

    def inquire_daily_fuopchartprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["F", "O"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_DATE_1: Text,
        FID_INPUT_DATE_2: Text,
        FID_PERIOD_DIV_CODE: Literal["D", "W"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션기간별시세(일/주/월/년)"""

    def inquire_deposit(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 총자산현황"""

    def inquire_ngt_balance(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        MGNA_DVSN: Literal["01", "02"],
        EXCC_STAT_CD: Literal["1", "2"],
        ACNT_PWD: Text = ...,
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """(야간)선물옵션 잔고현황"""

    def inquire_ngt_ccnl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        STRT_ORD_DT: Text,
        END_ORD_DT: Text,
        SLL_BUY_DVSN_CD: Literal["00", "01", "02"],
        CCLD_NCCS_DVSN: Literal["00", "01", "02"],
        SORT_SQN: Literal["DS", ""] = ...,
        STRT_ODNO: Text = ...,
        PDNO: Text = ...,
        MKET_ID_CD: Text = ...,
        FUOP_DVSN_CD: Literal["01", "02", ""] = ...,
        SCRN_DVSN: Literal["02", ""] = ...,
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """(야간)선물옵션 주문체결 내역조회"""

    def inquire_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["F", "O"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 시세"""

    def inquire_psbl_ngt_order(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text,
        PRDT_TYPE_CD: Literal["301"],
        SLL_BUY_DVSN_CD: Literal["01", "02"],
        UNIT_PRICE: Text,
        ORD_DVSN_CD: Literal["01", "02", "03", "04", "10", "11", "12", "13", "14", "15"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """(야간)선물옵션 주문가능 조회"""

    def inquire_psbl_order(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text,
        SLL_BUY_DVSN_CD: Literal["01", "02"],
        UNIT_PRICE: Text,
        ORD_DVSN_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 주문가능"""

    def inquire_time_fuopchartprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["F", "O"],
        FID_INPUT_ISCD: Text,
        FID_HOUR_CLS_CODE: Literal["30", "60"],
        FID_PW_DATA_INCU_YN: Literal["Y", "N"],
        FID_FAKE_TICK_INCU_YN: Text,
        FID_INPUT_DATE_1: Text,
        FID_INPUT_HOUR_1: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 분봉조회"""

    def ngt_margin_detail(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        MGNA_DVSN_CD: Literal["01", "02"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """(야간)선물옵션 증거금 상세"""

    def order(
        self,
        *,
        ord_dv: Literal["day", "night"],
        ORD_PRCS_DVSN_CD: Literal["02"],
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        SLL_BUY_DVSN_CD: Literal["01", "02"],
        SHTN_PDNO: Text,
        ORD_QTY: Text,
        UNIT_PRICE: Text,
        NMPR_TYPE_CD: Literal["01", "02", "03", "04"],
        KRX_NMPR_CNDT_CD: Literal["0", "3", "4"],
        ORD_DVSN_CD: Literal["01", "02", "03", "04", "10", "11", "12", "13", "14", "15"],
        CTAC_TLNO: Text = ...,
        FUOP_ITEM_DVSN_CD: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 주문"""

    def order_rvsecncl(
        self,
        *,
        day_dv: Literal["day", "night"],
        ORD_PRCS_DVSN_CD: Text,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        RVSE_CNCL_DVSN_CD: Literal["01", "02"],
        ORGN_ODNO: Text,
        ORD_QTY: Literal["0"],
        UNIT_PRICE: Literal["0"],
        NMPR_TYPE_CD: Literal["01", "02", "03", "04"],
        KRX_NMPR_CNDT_CD: Literal["0", "3", "4"],
        RMN_QTY_YN: Literal["Y", "N"],
        ORD_DVSN_CD: Text,
        FUOP_ITEM_DVSN_CD: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """선물옵션 정정취소주문"""

class DomesticStock(Group[R]):
    def after_hour_balance(
        self,
        *,
        fid_input_price_1: Text = ...,
        fid_cond_mrkt_div_code: Text,
        fid_cond_scr_div_code: Text,
        fid_rank_sort_cls_code: Literal["1", "2", "3", "4"],
        fid_div_cls_code: Literal["0", ""] = ...,
        fid_input_iscd: Literal["0000", "0001", "1001", "2001"],
        fid_trgt_exls_cls_code: Literal["0", ""] = ...,
        fid_trgt_cls_code: Literal["0", ""] = ...,
        fid_vol_cnt: Text = ...,
        fid_input_price_2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 시간외잔량 순위"""

    def bulk_trans_num(
        self,
        *,
        fid_aply_rang_prc_2: Text = ...,
        fid_cond_mrkt_div_code: Literal["J", "NX"],
        fid_cond_scr_div_code: Text,
        fid_input_iscd: Literal["0000", "0001", "1001", "2001", "4001"],
        fid_rank_sort_cls_code: Literal["0", "1"],
        fid_div_cls_code: Literal["0"],
        fid_input_price_1: Text = ...,
        fid_aply_rang_prc_1: Text = ...,
        fid_input_iscd_2: Text = ...,
        fid_trgt_exls_cls_code: Literal["0"],
        fid_trgt_cls_code: Literal["0"],
        fid_vol_cnt: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 대량체결건수 상위"""

    def capture_uplowprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_COND_SCR_DIV_CODE: Text,
        FID_PRC_CLS_CODE: Literal["0", "1"],
        FID_DIV_CLS_CODE: Literal["0", "6", "5", "1", "2", "3"],
        FID_INPUT_ISCD: Literal["0000", "0001", "1001"],
        FID_TRGT_CLS_CODE: Text = ...,
        FID_TRGT_EXLS_CLS_CODE: Text = ...,
        FID_INPUT_PRICE_1: Text = ...,
        FID_INPUT_PRICE_2: Text = ...,
        FID_VOL_CNT: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 상하한가 포착"""

    def chk_holiday(
        self,
        *,
        BASS_DT: Text,
        CTX_AREA_FK: Text = ...,
        CTX_AREA_NK: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내휴장일조회"""

    def comp_interest(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_DIV_CLS_CODE: Text,
        FID_DIV_CLS_CODE1: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """금리 종합(국내채권_금리)"""

    def comp_program_trade_daily(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_MRKT_CLS_CODE: Literal["K", "Q"],
        FID_INPUT_DATE_1: Text = ...,
        FID_INPUT_DATE_2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """프로그램매매 종합현황(일별)"""

    def comp_program_trade_today(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_MRKT_CLS_CODE: Literal["K", "Q"],
        FID_SCTN_CLS_CODE: Text = ...,
        FID_INPUT_ISCD: Text = ...,
        FID_COND_MRKT_DIV_CODE1: Text = ...,
        FID_INPUT_HOUR_1: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """프로그램매매 종합현황(시간)"""

    def credit_balance(
        self,
        *,
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Literal["0000", "0001", "1001", "2001"],
        FID_OPTION: Text,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_RANK_SORT_CLS_CODE: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ""] = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 신용잔고 상위"""

    def credit_by_company(
        self,
        *,
        fid_rank_sort_cls_code: Literal["0", "1"],
        fid_slct_yn: Literal["0"],
        fid_input_iscd: Literal["0000", "0001", "1001", "2001", "4001"],
        fid_cond_scr_div_code: Text,
        fid_cond_mrkt_div_code: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 당사 신용가능종목"""

    def daily_credit_balance(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_INPUT_DATE_1: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 신용잔고 일별추이"""

    def daily_loan_trans(
        self,
        *,
        MRKT_DIV_CLS_CODE: Literal["1", "2", "3"],
        MKSC_SHRN_ISCD: Text,
        START_DATE: Text = ...,
        END_DATE: Text = ...,
        CTS: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """종목별 일별 대차거래추이"""

    def daily_short_sale(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_DATE_1: Text = ...,
        FID_INPUT_DATE_2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 공매도 일별추이"""

    def disparity(
        self,
        *,
        fid_input_price_2: Text = ...,
        fid_cond_mrkt_div_code: Literal["J", "NX"],
        fid_cond_scr_div_code: Text,
        fid_div_cls_code: Literal["0", "1", "3", "4", "5", "6", "7"],
        fid_rank_sort_cls_code: Literal["0", "1"],
        fid_hour_cls_code: Literal["5", "10", "20", "60", "120"],
        fid_input_iscd: Literal["0000", "0001", "1001", "2001"],
        fid_trgt_cls_code: Literal["0", ""] = ...,
        fid_trgt_exls_cls_code: Literal["0", ""] = ...,
        fid_input_price_1: Text = ...,
        fid_vol_cnt: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 이격도 순위"""

    def dividend_rate(
        self,
        *,
        CTS_AREA: Text = ...,
        GB1: Literal["0", "1", "2", "3"],
        UPJONG: Literal["0001", "0002", "0027", "1001", "1041", "2001", "2007", "2008"],
        GB2: Literal["0", "6", "7"],
        GB3: Literal["1", "2"],
        F_DT: Text,
        T_DT: Text,
        GB4: Literal["0", "1", "2"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 배당률 상위"""

    def estimate_perform(
        self,
        *,
        SHT_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 종목추정실적"""

    def exp_closing_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_INPUT_ISCD: Literal["0000", "0001", "1001", "2001", "4001"],
        FID_RANK_SORT_CLS_CODE: Literal["0", "1", "2", "3", "4"],
        FID_COND_SCR_DIV_CODE: Text,
        FID_BLNG_CLS_CODE: Literal["0", "1"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 장마감 예상체결가"""

    def exp_index_trend(
        self,
        *,
        FID_MKOP_CLS_CODE: Literal["1", "2"],
        FID_INPUT_HOUR_1: Literal["10", "30", "60", "600", ""] = ...,
        FID_INPUT_ISCD: Literal["0000", "0001", "1001", "2001", "4001"],
        FID_COND_MRKT_DIV_CODE: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 예상체결지수 추이"""

    def exp_price_trend(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_MKOP_CLS_CODE: Literal["0", "4"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 예상체결가 추이"""

    def exp_total_index(
        self,
        *,
        fid_mrkt_cls_code: Literal["0", "K", "Q"],
        fid_cond_mrkt_div_code: Text,
        fid_cond_scr_div_code: Text,
        fid_input_iscd: Literal["0000", "0001", "1001", "2001", "4001"],
        fid_mkop_cls_code: Literal["1", "2"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 예상체결 전체지수"""

    def exp_trans_updown(
        self,
        *,
        fid_rank_sort_cls_code: Literal["0", "1", "2", "3", "4", "5", "6"],
        fid_cond_mrkt_div_code: Text,
        fid_cond_scr_div_code: Text,
        fid_input_iscd: Literal["0000", "0001", "1001", "2001", "4001"],
        fid_div_cls_code: Literal["0", "1", "2"],
        fid_aply_rang_prc_1: Text = ...,
        fid_vol_cnt: Text = ...,
        fid_pbmn: Text = ...,
        fid_blng_cls_code: Literal["0"],
        fid_mkop_cls_code: Literal["0", "1"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 예상체결 상승_하락상위"""

    def finance_balance_sheet(
        self,
        *,
        FID_DIV_CLS_CODE: Literal["0", "1"],
        fid_cond_mrkt_div_code: Text,
        fid_input_iscd: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 대차대조표"""

    def finance_financial_ratio(
        self,
        *,
        FID_DIV_CLS_CODE: Literal["0", "1"],
        fid_cond_mrkt_div_code: Text,
        fid_input_iscd: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 재무비율"""

    def finance_growth_ratio(
        self,
        *,
        fid_input_iscd: Text,
        fid_div_cls_code: Literal["0", "1"],
        fid_cond_mrkt_div_code: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 성장성비율"""

    def finance_income_statement(
        self,
        *,
        FID_DIV_CLS_CODE: Literal["0", "1"],
        fid_cond_mrkt_div_code: Text,
        fid_input_iscd: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 손익계산서"""

    def finance_other_major_ratios(
        self,
        *,
        fid_input_iscd: Text,
        fid_div_cls_code: Literal["0", "1"],
        fid_cond_mrkt_div_code: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 기타주요비율"""

    def finance_profit_ratio(
        self,
        *,
        fid_input_iscd: Text,
        FID_DIV_CLS_CODE: Literal["0", "1"],
        fid_cond_mrkt_div_code: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 수익성비율"""

    def finance_ratio(
        self,
        *,
        fid_trgt_cls_code: Literal["0"],
        fid_cond_mrkt_div_code: Literal["J", "NX", ""] = ...,
        fid_cond_scr_div_code: Text = ...,
        fid_input_iscd: Literal["0000", "0001", "1001", "2001", ""] = ...,
        fid_div_cls_code: Literal["0", ""] = ...,
        fid_input_price_1: Text = ...,
        fid_input_price_2: Text = ...,
        fid_vol_cnt: Text = ...,
        fid_input_option_1: Text = ...,
        fid_input_option_2: Literal["0", "1", "2", "3", ""] = ...,
        fid_rank_sort_cls_code: Literal["7", "11", "15", "20", ""] = ...,
        fid_blng_cls_code: Text = ...,
        fid_trgt_exls_cls_code: Literal["0", ""] = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 재무비율 순위"""

    def finance_stability_ratio(
        self,
        *,
        fid_input_iscd: Text,
        fid_div_cls_code: Literal["0", "1"],
        fid_cond_mrkt_div_code: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 안정성비율"""

    def fluctuation(
        self,
        *,
        fid_rsfl_rate2: Text,
        fid_cond_mrkt_div_code: Literal["J", "NX"],
        fid_cond_scr_div_code: Literal["20170"],
        fid_input_iscd: Literal["0000"],
        fid_rank_sort_cls_code: Literal["0000"],
        fid_input_cnt_1: Text,
        fid_prc_cls_code: Literal["0"],
        fid_input_price_1: Text,
        fid_input_price_2: Text,
        fid_vol_cnt: Text,
        fid_trgt_cls_code: Text,
        fid_trgt_exls_cls_code: Text,
        fid_div_cls_code: Literal["0"],
        fid_rsfl_rate1: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """등락률 순위"""

    def foreign_institution_total(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Literal["0000", "0001"],
        FID_DIV_CLS_CODE: Literal["0", "1"],
        FID_RANK_SORT_CLS_CODE: Literal["0", "1"],
        FID_ETC_CLS_CODE: Literal["0", "1", "2", "3"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내기관_외국인 매매종목가집계"""

    def frgnmem_pchs_trend(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_INPUT_ISCD_2: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """종목별 외국계 순매수추이"""

    def frgnmem_trade_estimate(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Literal["0000", "1001", "2001"],
        FID_RANK_SORT_CLS_CODE: Literal["0", "1"],
        FID_RANK_SORT_CLS_CODE_2: Literal["0", "1"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """외국계 매매종목 가집계"""

    def frgnmem_trade_trend(
        self,
        *,
        FID_COND_SCR_DIV_CODE: Text,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_INPUT_ISCD_2: Literal["99999"],
        FID_MRKT_CLS_CODE: Literal["A", "K", "Q", "K2", "W"],
        FID_VOL_CNT: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """회원사 실 시간 매매동향(틱)"""

    def hts_top_view(
        self,
        *,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """HTS조회상위20종목"""

    def inquire_account_balance(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        INQR_DVSN_1: Text = ...,
        BSPR_BF_DT_APLY_YN: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """투자계좌자산현황조회"""

    def inquire_asking_price_exp_ccn(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식현재가 호가/예상체결"""

    def inquire_balance(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        AFHR_FLPR_YN: Literal["N", "Y", "X"],
        OFL_YN: Text = ...,
        INQR_DVSN: Literal["01", "02"],
        UNPR_DVSN: Text,
        FUND_STTL_ICLD_YN: Literal["N", "Y"],
        FNCG_AMT_AUTO_RDPT_YN: Text,
        PRCS_DVSN: Literal["00", "01"],
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식잔고조회"""

    def inquire_balance_rlz_pl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        AFHR_FLPR_YN: Literal["N", "Y"],
        OFL_YN: Text = ...,
        INQR_DVSN: Literal["00"],
        UNPR_DVSN: Literal["01"],
        FUND_STTL_ICLD_YN: Literal["N", "Y"],
        FNCG_AMT_AUTO_RDPT_YN: Literal["N"],
        PRCS_DVSN: Literal["00", "01"],
        COST_ICLD_YN: Text = ...,
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식잔고조회_실현손익"""

    def inquire_ccnl(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식현재가 체결"""

    def inquire_credit_psamount(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text,
        ORD_DVSN: Literal["00", "01", "02", "03", "04", "05", "06", "07"],
        CRDT_TYPE: Literal["21", "23", "26", "28", "25", "27", "22", "24"],
        CMA_EVLU_AMT_ICLD_YN: Text,
        OVRS_ICLD_YN: Text,
        ORD_UNPR: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """신용매수가능조회"""

    def inquire_daily_ccld(
        self,
        *,
        pd_dv: Literal["before", "inner"],
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        INQR_STRT_DT: Text,
        INQR_END_DT: Text,
        SLL_BUY_DVSN_CD: Literal["00", "01", "02"],
        PDNO: Text = ...,
        CCLD_DVSN: Literal["00", "01", "02"],
        INQR_DVSN: Literal["00", "01"],
        INQR_DVSN_3: Literal["00", "01", "02", "03", "04", "05", "06", "07"],
        ORD_GNO_BRNO: Text = ...,
        ODNO: Text = ...,
        INQR_DVSN_1: Literal["1", "2", ""] = ...,
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        EXCG_ID_DVSN_CD: Literal["KRX", "NXT", "SOR", "ALL", ""] = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식일별주문체결조회"""

    def inquire_daily_indexchartprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Literal["0001", "0002", "FAQ"],
        FID_INPUT_DATE_1: Text,
        FID_INPUT_DATE_2: Text,
        FID_PERIOD_DIV_CODE: Literal["D", "W", "M", "Y"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식업종기간별시세(일_주_월_년)"""

    def inquire_daily_itemchartprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_DATE_1: Text,
        FID_INPUT_DATE_2: Text,
        FID_PERIOD_DIV_CODE: Literal["D", "W", "M", "Y"],
        FID_ORG_ADJ_PRC: Literal["0", "1"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식기간별시세(일/주/월/년)"""

    def inquire_daily_overtimeprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식현재가 시간외일자별주가"""

    def inquire_daily_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        FID_PERIOD_DIV_CODE: Literal["D", "W", "M"],
        FID_ORG_ADJ_PRC: Literal["0", "1"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식현재가 일자별"""

    def inquire_daily_trade_volume(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX"],
        FID_INPUT_ISCD: Text,
        FID_PERIOD_DIV_CODE: Text,
        FID_INPUT_DATE_1: Text = ...,
        FID_INPUT_DATE_2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """종목별일별매수매도체결량"""

    def inquire_elw_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 현재가 시세"""

    def inquire_index_category_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_MRKT_CLS_CODE: Literal["K", "Q", "K2"],
        FID_BLNG_CLS_CODE: Literal["K", "0", "1", "2", "3", "Q", "K2"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내업종 구분별전체시세"""

    def inquire_index_daily_price(
        self,
        *,
        FID_PERIOD_DIV_CODE: Literal["D", "W", "M"],
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_INPUT_DATE_1: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내업종 일자별지수"""

    def inquire_index_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내업종 현재지수"""

    def inquire_index_tickprice(
        self,
        *,
        FID_INPUT_ISCD: Literal["0001", "1001", "2001", "3003"],
        FID_COND_MRKT_DIV_CODE: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내업종 시간별지수(초)"""

    def inquire_index_timeprice(
        self,
        *,
        FID_INPUT_HOUR_1: Literal["60", "300", "600"],
        FID_INPUT_ISCD: Literal["0001", "1001", "2001", "3003"],
        FID_COND_MRKT_DIV_CODE: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내업종 시간별지수(분)"""

    def inquire_investor(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식현재가 투자자"""

    def inquire_investor_daily_by_market(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["U"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_DATE_1: Text,
        FID_INPUT_ISCD_1: Literal["KSP", "KSQ"],
        FID_INPUT_DATE_2: Text,
        FID_INPUT_ISCD_2: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """시장별 투자자매매동향(일별)"""

    def inquire_investor_time_by_market(
        self,
        *,
        FID_INPUT_ISCD: Text,
        FID_INPUT_ISCD_2: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """시장별 투자자매매동향(시세)"""

    def inquire_member(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식현재가 회원사"""

    def inquire_member_daily(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_ISCD_2: Text,
        FID_INPUT_DATE_1: Text,
        FID_INPUT_DATE_2: Text,
        FID_SCTN_CLS_CODE: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식현재가 회원사 종목매매동향"""

    def inquire_overtime_asking_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 시간외호가"""

    def inquire_overtime_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 시간외현재가"""

    def inquire_period_profit(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        INQR_STRT_DT: Text,
        INQR_END_DT: Text,
        SORT_DVSN: Literal["00", "01", "02"],
        INQR_DVSN: Text,
        CBLC_DVSN: Literal["00"],
        PDNO: Text = ...,
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """기간별손익일별합산조회"""

    def inquire_period_trade_profit(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        SORT_DVSN: Literal["00", "01", "02"],
        INQR_STRT_DT: Text,
        INQR_END_DT: Text,
        CBLC_DVSN: Literal["00"],
        PDNO: Text = ...,
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """기간별매매손익현황조회"""

    def inquire_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식현재가 시세"""

    def inquire_price_2(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식현재가 시세2"""

    def inquire_psbl_order(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text,
        ORD_UNPR: Text,
        ORD_DVSN: Literal["01"],
        CMA_EVLU_AMT_ICLD_YN: Text,
        OVRS_ICLD_YN: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """매수가능조회"""

    def inquire_psbl_rvsecncl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        INQR_DVSN_1: Literal["0", "1"],
        INQR_DVSN_2: Literal["0", "1", "2"],
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식정정취소가능주문조회"""

    def inquire_psbl_sell(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """매도가능수량조회"""

    def inquire_time_dailychartprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_HOUR_1: Text,
        FID_INPUT_DATE_1: Text,
        FID_PW_DATA_INCU_YN: Text = ...,
        FID_FAKE_TICK_INCU_YN: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식일별분봉조회"""

    def inquire_time_indexchartprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_ETC_CLS_CODE: Text,
        FID_INPUT_ISCD: Literal["0001", "0002"],
        FID_INPUT_HOUR_1: Text,
        FID_PW_DATA_INCU_YN: Literal["Y", "N"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """업종 분봉조회"""

    def inquire_time_itemchartprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_HOUR_1: Text,
        FID_PW_DATA_INCU_YN: Text,
        FID_ETC_CLS_CODE: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식당일분봉조회"""

    def inquire_time_itemconclusion(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_HOUR_1: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식현재가 당일시간대별체결"""

    def inquire_time_overtimeconclusion(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_INPUT_ISCD: Text,
        FID_HOUR_CLS_CODE: Literal["1"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식현재가 시간외시간별체결"""

    def inquire_vi_status(
        self,
        *,
        FID_DIV_CLS_CODE: Literal["0", "1", "2"],
        FID_COND_SCR_DIV_CODE: Text,
        FID_MRKT_CLS_CODE: Literal["0", "K", "Q"],
        FID_INPUT_ISCD: Text = ...,
        FID_RANK_SORT_CLS_CODE: Literal["0", "1", "2", "3"],
        FID_INPUT_DATE_1: Text,
        FID_TRGT_CLS_CODE: Text = ...,
        FID_TRGT_EXLS_CLS_CODE: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """변동성완화장치(VI) 현황"""

    def intgr_margin(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        CMA_EVLU_AMT_ICLD_YN: Literal["Y", "N"],
        WCRC_FRCR_DVSN_CD: Literal["01", "02"],
        FWEX_CTRT_FRCR_DVSN_CD: Literal["01", "02"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식통합증거금 현황"""

    def intstock_grouplist(
        self,
        *,
        TYPE: Text,
        FID_ETC_CLS_CODE: Text,
        USER_ID: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """관심종목 그룹조회"""

    def intstock_multprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE_1: Literal["J", "NX"],
        FID_INPUT_ISCD_1: Text,
        FID_COND_MRKT_DIV_CODE_2: Text = ...,
        FID_INPUT_ISCD_2: Text = ...,
        FID_COND_MRKT_DIV_CODE_3: Text = ...,
        FID_INPUT_ISCD_3: Text = ...,
        FID_COND_MRKT_DIV_CODE_4: Text = ...,
        FID_INPUT_ISCD_4: Text = ...,
        FID_COND_MRKT_DIV_CODE_5: Text = ...,
        FID_INPUT_ISCD_5: Text = ...,
        FID_COND_MRKT_DIV_CODE_6: Text = ...,
        FID_INPUT_ISCD_6: Text = ...,
        FID_COND_MRKT_DIV_CODE_7: Text = ...,
        FID_INPUT_ISCD_7: Text = ...,
        FID_COND_MRKT_DIV_CODE_8: Text = ...,
        FID_INPUT_ISCD_8: Text = ...,
        FID_COND_MRKT_DIV_CODE_9: Text = ...,
        FID_INPUT_ISCD_9: Text = ...,
        FID_COND_MRKT_DIV_CODE_10: Text = ...,
        FID_INPUT_ISCD_10: Text = ...,
        FID_COND_MRKT_DIV_CODE_11: Text = ...,
        FID_INPUT_ISCD_11: Text = ...,
        FID_COND_MRKT_DIV_CODE_12: Text = ...,
        FID_INPUT_ISCD_12: Text = ...,
        FID_COND_MRKT_DIV_CODE_13: Text = ...,
        FID_INPUT_ISCD_13: Text = ...,
        FID_COND_MRKT_DIV_CODE_14: Text = ...,
        FID_INPUT_ISCD_14: Text = ...,
        FID_COND_MRKT_DIV_CODE_15: Text = ...,
        FID_INPUT_ISCD_15: Text = ...,
        FID_COND_MRKT_DIV_CODE_16: Text = ...,
        FID_INPUT_ISCD_16: Text = ...,
        FID_COND_MRKT_DIV_CODE_17: Text = ...,
        FID_INPUT_ISCD_17: Text = ...,
        FID_COND_MRKT_DIV_CODE_18: Text = ...,
        FID_INPUT_ISCD_18: Text = ...,
        FID_COND_MRKT_DIV_CODE_19: Text = ...,
        FID_INPUT_ISCD_19: Text = ...,
        FID_COND_MRKT_DIV_CODE_20: Text = ...,
        FID_INPUT_ISCD_20: Text = ...,
        FID_COND_MRKT_DIV_CODE_21: Text = ...,
        FID_INPUT_ISCD_21: Text = ...,
        FID_COND_MRKT_DIV_CODE_22: Text = ...,
        FID_INPUT_ISCD_22: Text = ...,
        FID_COND_MRKT_DIV_CODE_23: Text = ...,
        FID_INPUT_ISCD_23: Text = ...,
        FID_COND_MRKT_DIV_CODE_24: Text = ...,
        FID_INPUT_ISCD_24: Text = ...,
        FID_COND_MRKT_DIV_CODE_25: Text = ...,
        FID_INPUT_ISCD_25: Text = ...,
        FID_COND_MRKT_DIV_CODE_26: Text = ...,
        FID_INPUT_ISCD_26: Text = ...,
        FID_COND_MRKT_DIV_CODE_27: Text = ...,
        FID_INPUT_ISCD_27: Text = ...,
        FID_COND_MRKT_DIV_CODE_28: Text = ...,
        FID_INPUT_ISCD_28: Text = ...,
        FID_COND_MRKT_DIV_CODE_29: Text = ...,
        FID_INPUT_ISCD_29: Text = ...,
        FID_COND_MRKT_DIV_CODE_30: Text = ...,
        FID_INPUT_ISCD_30: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """관심종목(멀티종목) 시세조회"""

    def intstock_stocklist_by_group(
        self,
        *,
        TYPE: Text,
        USER_ID: Text = ...,
        INTER_GRP_CODE: Text,
        FID_ETC_CLS_CODE: Text,
        DATA_RANK: Text = ...,
        INTER_GRP_NAME: Text = ...,
        HTS_KOR_ISNM: Text = ...,
        CNTG_CLS_CODE: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """관심종목 그룹별 종목조회"""

    def invest_opbysec(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_DIV_CLS_CODE: Text,
        FID_INPUT_DATE_1: Text,
        FID_INPUT_DATE_2: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 증권사별 투자의견"""

    def invest_opinion(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_INPUT_DATE_1: Text,
        FID_INPUT_DATE_2: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 종목투자의견"""

    def investor_program_trade_today(
        self,
        *,
        MRKT_DIV_CLS_CODE: Literal["1", "4"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """프로그램매매 투자자매매동향(당일)"""

    def investor_trade_by_stock_daily(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_DATE_1: Text,
        FID_ORG_ADJ_PRC: Text = ...,
        FID_ETC_CLS_CODE: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """종목별 투자자매매동향(일별)"""

    def investor_trend_estimate(
        self,
        *,
        MKSC_SHRN_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """종목별 외인기관 추정가집계"""

    def ksdinfo_bonus_issue(
        self,
        *,
        CTS: Text = ...,
        F_DT: Text,
        T_DT: Text,
        SHT_CD: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(무상증자일정)"""

    def ksdinfo_cap_dcrs(
        self,
        *,
        CTS: Text = ...,
        F_DT: Text,
        T_DT: Text,
        SHT_CD: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(자본감소일정)"""

    def ksdinfo_dividend(
        self,
        *,
        CTS: Text = ...,
        GB1: Literal["0", "1", "2"],
        F_DT: Text,
        T_DT: Text,
        SHT_CD: Text = ...,
        HIGH_GB: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(배당일정)"""

    def ksdinfo_forfeit(
        self,
        *,
        SHT_CD: Text = ...,
        T_DT: Text,
        F_DT: Text,
        CTS: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(실권주일정)"""

    def ksdinfo_list_info(
        self,
        *,
        SHT_CD: Text = ...,
        T_DT: Text,
        F_DT: Text,
        CTS: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(상장정보일정)"""

    def ksdinfo_mand_deposit(
        self,
        *,
        T_DT: Text,
        SHT_CD: Text = ...,
        F_DT: Text,
        CTS: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(의무예치일정)"""

    def ksdinfo_merger_split(
        self,
        *,
        CTS: Text = ...,
        F_DT: Text,
        T_DT: Text,
        SHT_CD: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(합병_분할일정)"""

    def ksdinfo_paidin_capin(
        self,
        *,
        CTS: Text = ...,
        GB1: Literal["1", "2"],
        F_DT: Text,
        T_DT: Text,
        SHT_CD: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(유상증자일정)"""

    def ksdinfo_pub_offer(
        self,
        *,
        SHT_CD: Text = ...,
        CTS: Text = ...,
        F_DT: Text,
        T_DT: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(공모주청약일정)"""

    def ksdinfo_purreq(
        self,
        *,
        SHT_CD: Text = ...,
        T_DT: Text,
        F_DT: Text,
        CTS: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(주식매수청구일정)"""

    def ksdinfo_rev_split(
        self,
        *,
        SHT_CD: Text = ...,
        CTS: Text = ...,
        F_DT: Text,
        T_DT: Text,
        MARKET_GB: Literal["0", "1", "2", ""] = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(액면교체일정)"""

    def ksdinfo_sharehld_meet(
        self,
        *,
        CTS: Text = ...,
        F_DT: Text,
        T_DT: Text,
        SHT_CD: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """예탁원정보(주주총회일정)"""

    def lendable_by_company(
        self,
        *,
        EXCG_DVSN_CD: Literal["00", "02", "03"],
        PDNO: Text = ...,
        THCO_STLN_PSBL_YN: Text,
        INQR_DVSN_1: Literal["0", "1"],
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """당사 대주가능 종목"""

    def market_cap(
        self,
        *,
        fid_input_price_2: Text = ...,
        fid_cond_mrkt_div_code: Literal["J", "NX", ""] = ...,
        fid_cond_scr_div_code: Text = ...,
        fid_div_cls_code: Literal["0", "1", "2", ""] = ...,
        fid_input_iscd: Literal["0000", "0001", "1001", "2001", ""] = ...,
        fid_trgt_cls_code: Literal["0", ""] = ...,
        fid_trgt_exls_cls_code: Literal["0", ""] = ...,
        fid_input_price_1: Text = ...,
        fid_vol_cnt: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 시가총액 상위"""

    def market_time(
        self,
        *,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내선물 영업일조회"""

    def market_value(
        self,
        *,
        fid_trgt_cls_code: Literal["0", ""] = ...,
        fid_cond_mrkt_div_code: Literal["J", "NX", ""] = ...,
        fid_cond_scr_div_code: Text = ...,
        fid_input_iscd: Literal["0000", "0001", "1001", "2001", ""] = ...,
        fid_div_cls_code: Literal["0", "1", "3", "4", "5", "6", "7", ""] = ...,
        fid_input_price_1: Text = ...,
        fid_input_price_2: Text = ...,
        fid_vol_cnt: Text = ...,
        fid_input_option_1: Text = ...,
        fid_input_option_2: Literal["0", "1", "2", "3", ""] = ...,
        fid_rank_sort_cls_code: Literal["23", "24", "25", "26", "27", "28", "29", "30", "31", ""] = ...,
        fid_blng_cls_code: Literal["0", ""] = ...,
        fid_trgt_exls_cls_code: Literal["0", ""] = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 시장가치 순위"""

    def mktfunds(
        self,
        *,
        FID_INPUT_DATE_1: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내 증시자금 종합"""

    def near_new_highlow(
        self,
        *,
        fid_aply_rang_vol: Literal["0", "100", ""] = ...,
        fid_cond_mrkt_div_code: Text = ...,
        fid_cond_scr_div_code: Text = ...,
        fid_div_cls_code: Literal["0", "1", "3", ""] = ...,
        fid_input_cnt_1: Text = ...,
        fid_input_cnt_2: Text = ...,
        fid_prc_cls_code: Literal["0", "1", ""] = ...,
        fid_input_iscd: Literal["0000", "0001", "1001", "2001", "4001", ""] = ...,
        fid_trgt_cls_code: Literal["0", ""] = ...,
        fid_trgt_exls_cls_code: Literal["0", "1", "3", "4", "5", "6", "7", ""] = ...,
        fid_aply_rang_prc_1: Text = ...,
        fid_aply_rang_prc_2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 신고_신저근접종목 상위"""

    def news_title(
        self,
        *,
        FID_NEWS_OFER_ENTP_CODE: Text = ...,
        FID_COND_MRKT_CLS_CODE: Text = ...,
        FID_INPUT_ISCD: Text = ...,
        FID_TITL_CNTT: Text = ...,
        FID_INPUT_DATE_1: Text = ...,
        FID_INPUT_HOUR_1: Text = ...,
        FID_RANK_SORT_CLS_CODE: Text = ...,
        FID_INPUT_SRNO: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """종합 시황/공시(제목)"""

    def order_cash(
        self,
        *,
        ord_dv: Literal["sell", "buy"],
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text,
        ORD_DVSN: Literal["00", "01", "02", "03", "04", "05", "06", "07", "11", "12", "13", "14", "15", "16", "21", "22", "23", "24", "27", "28", "29", "41", "42", "43", "44", "45", "46", "47"],
        ORD_QTY: Text,
        ORD_UNPR: Text,
        EXCG_ID_DVSN_CD: Literal["KRX", "NXT", "SOR"],
        SLL_TYPE: Literal["01", "02", "05", ""] = ...,
        CNDT_PRIC: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식주문(현금)"""

    def order_credit(
        self,
        *,
        ord_dv: Literal["buy", "sell"],
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text,
        CRDT_TYPE: Literal["22", "24", "25", "27", "21", "23", "26", "28"],
        LOAN_DT: Text,
        ORD_DVSN: Literal["00", "01", "02", "03", "04", "05", "06", "07", "11", "12", "13", "14", "15", "16", "21", "22", "23", "24", "27", "28", "29", "41", "42", "43", "44", "45", "46", "47"],
        ORD_QTY: Text,
        ORD_UNPR: Text,
        EXCG_ID_DVSN_CD: Literal["KRX", "NXT", "SOR", ""] = ...,
        SLL_TYPE: Text = ...,
        RSVN_ORD_YN: Literal["Y", "N", ""] = ...,
        EMGC_ORD_YN: Text = ...,
        PGTR_DVSN: Text = ...,
        MGCO_APTM_ODNO: Text = ...,
        LQTY_TR_NGTN_DTL_NO: Text = ...,
        LQTY_TR_AGMT_NO: Text = ...,
        LQTY_TR_NGTN_ID: Text = ...,
        LP_ORD_YN: Text = ...,
        MDIA_ODNO: Text = ...,
        ORD_SVR_DVSN_CD: Text = ...,
        PGM_NMPR_STMT_DVSN_CD: Text = ...,
        CVRG_SLCT_RSON_CD: Text = ...,
        CVRG_SEQ: Text = ...,
        CNDT_PRIC: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식주문(신용)"""

    def order_resv(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text,
        ORD_QTY: Text,
        ORD_UNPR: Text,
        SLL_BUY_DVSN_CD: Literal["01", "02"],
        ORD_DVSN_CD: Literal["00", "01", "02", "05"],
        ORD_OBJT_CBLC_DVSN_CD: Literal["10", "28"],
        LOAN_DT: Text = ...,
        RSVN_ORD_END_DT: Text = ...,
        LDNG_DT: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식예약주문"""

    def order_resv_ccnl(
        self,
        *,
        RSVN_ORD_ORD_DT: Text,
        RSVN_ORD_END_DT: Text,
        TMNL_MDIA_KIND_CD: Text,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PRCS_DVSN_CD: Text,
        CNCL_YN: Text,
        RSVN_ORD_SEQ: Text = ...,
        PDNO: Text = ...,
        SLL_BUY_DVSN_CD: Text = ...,
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식예약주문조회"""

    def order_resv_rvsecncl(
        self,
        *,
        ord_type: Literal["cancel", "modify"],
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        RSVN_ORD_SEQ: Text,
        RSVN_ORD_ORGNO: Text,
        RSVN_ORD_ORD_DT: Text,
        PDNO: Text = ...,
        ORD_QTY: Text = ...,
        ORD_UNPR: Text = ...,
        SLL_BUY_DVSN_CD: Literal["01", "02", ""] = ...,
        ORD_DVSN_CD: Literal["00", "01", "02", "05", ""] = ...,
        ORD_OBJT_CBLC_DVSN_CD: Literal["10", "12", "28", ""] = ...,
        LOAN_DT: Text = ...,
        RSVN_ORD_END_DT: Text = ...,
        CTAL_TLNO: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식예약주문정정취소"""

    def order_rvsecncl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        KRX_FWDG_ORD_ORGNO: Text,
        ORGN_ODNO: Text,
        ORD_DVSN: Literal["00", "01", "02", "03", "04", "05", "06", "07", "11", "12", "13", "14", "15", "16", "21", "22", "23", "24", "27", "28", "29", "41", "42", "43", "44", "45", "46", "47"],
        RVSE_CNCL_DVSN_CD: Literal["01", "02"],
        ORD_QTY: Text,
        ORD_UNPR: Text,
        QTY_ALL_ORD_YN: Literal["Y", "N"],
        EXCG_ID_DVSN_CD: Literal["KRX", "NXT", "SOR"],
        CNDT_PRIC: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식주문(정정취소)"""

    def overtime_exp_trans_fluct(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Literal["0000", "0001", "1001"],
        FID_RANK_SORT_CLS_CODE: Literal["0", "1", "2", "3", "4"],
        FID_DIV_CLS_CODE: Literal["0", "1", "3", "4", "5", "6", "7"],
        FID_INPUT_PRICE_1: Text = ...,
        FID_INPUT_PRICE_2: Text = ...,
        FID_INPUT_VOL_1: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 시간외예상체결등락률"""

    def overtime_fluctuation(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_MRKT_CLS_CODE: Text = ...,
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Literal["0000", "0001", "1001"],
        FID_DIV_CLS_CODE: Literal["1", "2", "3", "4", "5"],
        FID_INPUT_PRICE_1: Text = ...,
        FID_INPUT_PRICE_2: Text = ...,
        FID_VOL_CNT: Text = ...,
        FID_TRGT_CLS_CODE: Text = ...,
        FID_TRGT_EXLS_CLS_CODE: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 시간외등락율순위"""

    def overtime_volume(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Literal["0000", "0001", "1001"],
        FID_RANK_SORT_CLS_CODE: Literal["0", "1", "2"],
        FID_INPUT_PRICE_1: Text = ...,
        FID_INPUT_PRICE_2: Text = ...,
        FID_VOL_CNT: Text = ...,
        FID_TRGT_CLS_CODE: Text = ...,
        FID_TRGT_EXLS_CLS_CODE: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 시간외거래량순위"""

    def pbar_tratio(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_HOUR_1: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 매물대/거래비중"""

    def pension_inquire_balance(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        ACCA_DVSN_CD: Text,
        INQR_DVSN: Text,
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """퇴직연금 잔고조회"""

    def pension_inquire_daily_ccld(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        USER_DVSN_CD: Text,
        SLL_BUY_DVSN_CD: Literal["00", "01", "02"],
        CCLD_NCCS_DVSN: Literal["%%", "01", "02"],
        INQR_DVSN_3: Literal["00"],
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """퇴직연금 미체결내역"""

    def pension_inquire_deposit(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        ACCA_DVSN_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """퇴직연금 예수금조회"""

    def pension_inquire_present_balance(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        USER_DVSN_CD: Text,
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """퇴직연금 체결기준잔고"""

    def pension_inquire_psbl_order(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text,
        ACCA_DVSN_CD: Text,
        CMA_EVLU_AMT_ICLD_YN: Literal["Y", "N"],
        ORD_UNPR: Text,
        ORD_DVSN: Literal["00", "01"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """퇴직연금 매수가능조회"""

    def period_rights(
        self,
        *,
        INQR_DVSN: Text,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        INQR_STRT_DT: Text,
        INQR_END_DT: Text,
        CUST_RNCNO25: Text = ...,
        HMID: Text = ...,
        RGHT_TYPE_CD: Text = ...,
        PDNO: Text = ...,
        PRDT_TYPE_CD: Text = ...,
        CTX_AREA_NK100: Text = ...,
        CTX_AREA_FK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """기간별계좌권리현황조회"""

    def prefer_disparate_ratio(
        self,
        *,
        fid_vol_cnt: Text = ...,
        fid_cond_mrkt_div_code: Literal["J", "NX"],
        fid_cond_scr_div_code: Text,
        fid_div_cls_code: Literal["0"],
        fid_input_iscd: Literal["0000", "0001", "1001", "2001"],
        fid_trgt_cls_code: Literal["0"],
        fid_trgt_exls_cls_code: Literal["0"],
        fid_input_price_1: Text = ...,
        fid_input_price_2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 우선주_괴리율 상위"""

    def profit_asset_index(
        self,
        *,
        fid_cond_mrkt_div_code: Literal["J", "NX"],
        fid_trgt_cls_code: Text,
        fid_cond_scr_div_code: Text,
        fid_input_iscd: Text,
        fid_div_cls_code: Text,
        fid_input_price_1: Text,
        fid_input_price_2: Text,
        fid_vol_cnt: Text,
        fid_input_option_1: Text,
        fid_input_option_2: Text,
        fid_rank_sort_cls_code: Text,
        fid_blng_cls_code: Text,
        fid_trgt_exls_cls_code: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 수익자산지표 순위"""

    def program_trade_by_stock(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """종목별 프로그램매매추이(체결)"""

    def program_trade_by_stock_daily(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_DATE_1: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """종목별 프로그램매매추이(일별)"""

    def psearch_result(
        self,
        *,
        user_id: Text = ...,
        seq: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """종목조건검색조회"""

    def psearch_title(
        self,
        *,
        user_id: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """종목조건검색 목록조회"""

    def quote_balance(
        self,
        *,
        fid_vol_cnt: Text = ...,
        fid_cond_mrkt_div_code: Literal["J", "NX", ""] = ...,
        fid_cond_scr_div_code: Text = ...,
        fid_input_iscd: Literal["0000", ""] = ...,
        fid_rank_sort_cls_code: Literal["0", "1", "2", "3", ""] = ...,
        fid_div_cls_code: Literal["0", ""] = ...,
        fid_trgt_cls_code: Literal["0", ""] = ...,
        fid_trgt_exls_cls_code: Literal["0", ""] = ...,
        fid_input_price_1: Text = ...,
        fid_input_price_2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 호가잔량 순위"""

    def search_info(
        self,
        *,
        PDNO: Text,
        PRDT_TYPE_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """상품기본조회"""

    def search_stock_info(
        self,
        *,
        PRDT_TYPE_CD: Literal["300", "301", "302", "306"],
        PDNO: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """주식기본조회"""

    def short_sale(
        self,
        *,
        FID_APLY_RANG_VOL: Text = ...,
        FID_COND_MRKT_DIV_CODE: Text = ...,
        FID_COND_SCR_DIV_CODE: Text = ...,
        FID_INPUT_ISCD: Literal["0000", "0001", "1001", "2001", "4001", "3003", ""] = ...,
        FID_PERIOD_DIV_CODE: Literal["D", "M", ""] = ...,
        FID_INPUT_CNT_1: Literal["0", "1", "2", "3", "4", "9", "14", ""] = ...,
        FID_TRGT_EXLS_CLS_CODE: Text = ...,
        FID_TRGT_CLS_CODE: Text = ...,
        FID_APLY_RANG_PRC_1: Text = ...,
        FID_APLY_RANG_PRC_2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 공매도 상위종목"""

    def top_interest_stock(
        self,
        *,
        fid_input_iscd_2: Text,
        fid_cond_mrkt_div_code: Literal["J", "NX", ""] = ...,
        fid_cond_scr_div_code: Text,
        fid_input_iscd: Literal["0000", "0001", "1001", "2001", ""] = ...,
        fid_trgt_cls_code: Literal["0", ""] = ...,
        fid_trgt_exls_cls_code: Literal["0", ""] = ...,
        fid_input_price_1: Text = ...,
        fid_input_price_2: Text = ...,
        fid_vol_cnt: Text = ...,
        fid_div_cls_code: Literal["0", "1", "3", "4", "5", "6", "7", ""] = ...,
        fid_input_cnt_1: Literal["1", "10", ""] = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 관심종목등록 상위"""

    def traded_by_company(
        self,
        *,
        fid_trgt_exls_cls_code: Literal["0", ""] = ...,
        fid_cond_mrkt_div_code: Literal["J", "NX", ""] = ...,
        fid_cond_scr_div_code: Text = ...,
        fid_div_cls_code: Literal["0", "1", "3", "4", "5", "6", "7", ""] = ...,
        fid_rank_sort_cls_code: Literal["0", "1", ""] = ...,
        fid_input_date_1: Text = ...,
        fid_input_date_2: Text = ...,
        fid_input_iscd: Literal["0000", "0001", "1001", "2001", "4001", ""] = ...,
        fid_trgt_cls_code: Literal["0", ""] = ...,
        fid_aply_rang_vol: Literal["0", "100", ""] = ...,
        fid_aply_rang_prc_2: Text = ...,
        fid_aply_rang_prc_1: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 당사매매종목 상위"""

    def tradprt_byamt(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX"],
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 체결금액별 매매비중"""

    def volume_power(
        self,
        *,
        fid_trgt_exls_cls_code: Literal["0"],
        fid_cond_mrkt_div_code: Literal["J", "NX", ""] = ...,
        fid_cond_scr_div_code: Text = ...,
        fid_input_iscd: Literal["0000", "0001", "1001", "2001", ""] = ...,
        fid_div_cls_code: Literal["0", "1", "2", ""] = ...,
        fid_input_price_1: Text = ...,
        fid_input_price_2: Text = ...,
        fid_vol_cnt: Text = ...,
        fid_trgt_cls_code: Literal["0"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """국내주식 체결강도 상위"""

    def volume_rank(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN", "W"],
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Literal["0000"],
        FID_DIV_CLS_CODE: Literal["0", "1", "2"],
        FID_BLNG_CLS_CODE: Literal["0", "1", "2", "3", "4"],
        FID_TRGT_CLS_CODE: Text,
        FID_TRGT_EXLS_CLS_CODE: Text,
        FID_INPUT_PRICE_1: Text,
        FID_INPUT_PRICE_2: Text,
        FID_VOL_CNT: Text,
        FID_INPUT_DATE_1: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """거래량순위"""

class Elw(Group[R]):
    def compare_stocks(
        self,
        *,
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 비교대상종목조회"""

    def cond_search(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_RANK_SORT_CLS_CODE: Text,
        FID_INPUT_CNT_1: Literal["1", "2"],
        FID_RANK_SORT_CLS_CODE_2: Text = ...,
        FID_INPUT_CNT_2: Text = ...,
        FID_RANK_SORT_CLS_CODE_3: Text = ...,
        FID_INPUT_CNT_3: Text = ...,
        FID_TRGT_CLS_CODE: Text = ...,
        FID_INPUT_ISCD: Text = ...,
        FID_UNAS_INPUT_ISCD: Text = ...,
        FID_MRKT_CLS_CODE: Text = ...,
        FID_INPUT_DATE_1: Text = ...,
        FID_INPUT_DATE_2: Text = ...,
        FID_INPUT_ISCD_2: Text = ...,
        FID_ETC_CLS_CODE: Text = ...,
        FID_INPUT_RMNN_DYNU_1: Text = ...,
        FID_INPUT_RMNN_DYNU_2: Text = ...,
        FID_PRPR_CNT1: Text = ...,
        FID_PRPR_CNT2: Text = ...,
        FID_RSFL_RATE1: Text = ...,
        FID_RSFL_RATE2: Text = ...,
        FID_VOL1: Text = ...,
        FID_VOL2: Text = ...,
        FID_APLY_RANG_PRC_1: Text = ...,
        FID_APLY_RANG_PRC_2: Text = ...,
        FID_LVRG_VAL1: Text = ...,
        FID_LVRG_VAL2: Text = ...,
        FID_VOL3: Text = ...,
        FID_VOL4: Text = ...,
        FID_INTS_VLTL1: Text = ...,
        FID_INTS_VLTL2: Text = ...,
        FID_PRMM_VAL1: Text = ...,
        FID_PRMM_VAL2: Text = ...,
        FID_GEAR1: Text = ...,
        FID_GEAR2: Text = ...,
        FID_PRLS_QRYR_RATE1: Text = ...,
        FID_PRLS_QRYR_RATE2: Text = ...,
        FID_DELTA1: Text = ...,
        FID_DELTA2: Text = ...,
        FID_ACPR1: Text = ...,
        FID_ACPR2: Text = ...,
        FID_STCK_CNVR_RATE1: Text = ...,
        FID_STCK_CNVR_RATE2: Text = ...,
        FID_DIV_CLS_CODE: Text = ...,
        FID_PRIT1: Text = ...,
        FID_PRIT2: Text = ...,
        FID_CFP1: Text = ...,
        FID_CFP2: Text = ...,
        FID_INPUT_NMIX_PRICE_1: Text = ...,
        FID_INPUT_NMIX_PRICE_2: Text = ...,
        FID_EGEA_VAL1: Text = ...,
        FID_EGEA_VAL2: Text = ...,
        FID_INPUT_DVDN_ERT: Text = ...,
        FID_INPUT_HIST_VLTL: Text = ...,
        FID_THETA1: Text = ...,
        FID_THETA2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 종목검색"""

    def expiration_stocks(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_INPUT_DATE_1: Text,
        FID_INPUT_DATE_2: Text,
        FID_DIV_CLS_CODE: Literal["0", "1", "2"],
        FID_ETC_CLS_CODE: Text = ...,
        FID_UNAS_INPUT_ISCD: Literal["000000", "2001"],
        FID_INPUT_ISCD_2: Literal["00000", "00003", "00017", "00005"],
        FID_BLNG_CLS_CODE: Literal["0", "1", "2"],
        FID_INPUT_OPTION_1: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 만기예정/만기종목"""

    def indicator(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_UNAS_INPUT_ISCD: Text,
        FID_INPUT_ISCD: Text,
        FID_DIV_CLS_CODE: Text,
        FID_INPUT_PRICE_1: Text,
        FID_INPUT_PRICE_2: Text,
        FID_INPUT_VOL_1: Text,
        FID_INPUT_VOL_2: Text,
        FID_RANK_SORT_CLS_CODE: Text,
        FID_BLNG_CLS_CODE: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 지표순위"""

    def indicator_trend_ccnl(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 투자지표추이(체결)"""

    def indicator_trend_daily(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 투자지표추이(일별)"""

    def indicator_trend_minute(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_HOUR_CLS_CODE: Literal["60", "180", "300", "600", "1800", "3600", "7200"],
        FID_PW_DATA_INCU_YN: Literal["N", "Y"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 투자지표추이(분별)"""

    def lp_trade_trend(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW LP매매추이"""

    def newly_listed(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_DIV_CLS_CODE: Text,
        FID_UNAS_INPUT_ISCD: Literal["000000", "2001", "3003", "005930"],
        FID_INPUT_ISCD_2: Literal["00003", "00017", "00005"],
        FID_INPUT_DATE_1: Text,
        FID_BLNG_CLS_CODE: Literal["0", "1", "2"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 신규상장종목"""

    def quick_change(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_UNAS_INPUT_ISCD: Text,
        FID_INPUT_ISCD: Text,
        FID_MRKT_CLS_CODE: Text,
        FID_INPUT_PRICE_1: Text,
        FID_INPUT_PRICE_2: Text,
        FID_INPUT_VOL_1: Text,
        FID_INPUT_VOL_2: Text,
        FID_HOUR_CLS_CODE: Text,
        FID_INPUT_HOUR_1: Text,
        FID_INPUT_HOUR_2: Text,
        FID_RANK_SORT_CLS_CODE: Text,
        FID_BLNG_CLS_CODE: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 당일급변종목"""

    def sensitivity(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_UNAS_INPUT_ISCD: Text,
        FID_INPUT_ISCD: Text,
        FID_DIV_CLS_CODE: Text,
        FID_INPUT_PRICE_1: Text = ...,
        FID_INPUT_PRICE_2: Text = ...,
        FID_INPUT_VOL_1: Text = ...,
        FID_INPUT_VOL_2: Text = ...,
        FID_RANK_SORT_CLS_CODE: Text,
        FID_INPUT_RMNN_DYNU_1: Text = ...,
        FID_INPUT_DATE_1: Text = ...,
        FID_BLNG_CLS_CODE: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 민감도 순위"""

    def sensitivity_trend_ccnl(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 민감도 추이(체결)"""

    def sensitivity_trend_daily(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 민감도 추이(일별)"""

    def udrl_asset_list(
        self,
        *,
        FID_COND_SCR_DIV_CODE: Text,
        FID_RANK_SORT_CLS_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 기초자산 목록조회"""

    def udrl_asset_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_MRKT_CLS_CODE: Text,
        FID_INPUT_ISCD: Literal["00000", "00003", "00017", "00005"],
        FID_UNAS_INPUT_ISCD: Text,
        FID_VOL_CNT: Text = ...,
        FID_TRGT_EXLS_CLS_CODE: Literal["0", "1"],
        FID_INPUT_PRICE_1: Text = ...,
        FID_INPUT_PRICE_2: Text = ...,
        FID_INPUT_VOL_1: Text = ...,
        FID_INPUT_VOL_2: Text = ...,
        FID_INPUT_RMNN_DYNU_1: Text = ...,
        FID_INPUT_RMNN_DYNU_2: Text = ...,
        FID_OPTION: Literal["0", "1", "2", "3"],
        FID_INPUT_OPTION_1: Text = ...,
        FID_INPUT_OPTION_2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 기초자산별 종목시세"""

    def updown_rate(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_UNAS_INPUT_ISCD: Literal["000000", "2001", "3003", "005930"],
        FID_INPUT_ISCD: Literal["00000", "00003", "00017", "00005"],
        FID_INPUT_RMNN_DYNU_1: Literal["0", "1", "2", "3", "4", "5", "6", "7"],
        FID_DIV_CLS_CODE: Literal["0", "1", "2"],
        FID_INPUT_PRICE_1: Text = ...,
        FID_INPUT_PRICE_2: Text = ...,
        FID_INPUT_VOL_1: Text = ...,
        FID_INPUT_VOL_2: Text = ...,
        FID_INPUT_DATE_1: Text = ...,
        FID_RANK_SORT_CLS_CODE: Literal["0", "1", "2", "3", "4"],
        FID_BLNG_CLS_CODE: Literal["0"],
        FID_INPUT_DATE_2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 상승률순위"""

    def volatility_trend_ccnl(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 변동성추이(체결)"""

    def volatility_trend_daily(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 변동성추이(일별)"""

    def volatility_trend_minute(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_HOUR_CLS_CODE: Text,
        FID_PW_DATA_INCU_YN: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 변동성추이(분별)"""

    def volatility_trend_tick(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 변동성추이(틱)"""

    def volume_rank(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_COND_SCR_DIV_CODE: Text,
        FID_UNAS_INPUT_ISCD: Text,
        FID_INPUT_ISCD: Text,
        FID_INPUT_RMNN_DYNU_1: Text = ...,
        FID_DIV_CLS_CODE: Text,
        FID_INPUT_PRICE_1: Text = ...,
        FID_INPUT_PRICE_2: Text = ...,
        FID_INPUT_VOL_1: Text = ...,
        FID_INPUT_VOL_2: Text = ...,
        FID_INPUT_DATE_1: Text = ...,
        FID_RANK_SORT_CLS_CODE: Text,
        FID_BLNG_CLS_CODE: Text,
        FID_INPUT_ISCD_2: Text,
        FID_INPUT_DATE_2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ELW 거래량순위"""

class Etfetn(Group[R]):
    def inquire_component_stock_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_INPUT_ISCD: Text,
        FID_COND_SCR_DIV_CODE: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ETF 구성종목시세"""

    def inquire_price(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J", "NX", "UN"],
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """ETF/ETN 현재가"""

    def nav_comparison_daily_trend(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["J"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_DATE_1: Text,
        FID_INPUT_DATE_2: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """NAV 비교추이(일)"""

    def nav_comparison_time_trend(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        FID_HOUR_CLS_CODE: Literal["60", "180", "7200"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """NAV 비교추이(분)"""

    def nav_comparison_trend(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Text,
        FID_INPUT_ISCD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """NAV 비교추이(종목)"""

class OverseasFutureoption(Group[R]):
    def daily_ccnl(
        self,
        *,
        SRS_CD: Text,
        EXCH_CD: Text,
        START_DATE_TIME: Text = ...,
        CLOSE_DATE_TIME: Text,
        QRY_TP: Literal["Q", "P"],
        QRY_CNT: Text,
        QRY_GAP: Text = ...,
        INDEX_KEY: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물 체결추이(일간)"""

    def inquire_asking_price(
        self,
        *,
        SRS_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물 호가"""

    def inquire_ccld(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        CCLD_NCCS_DVSN: Literal["01", "02", "03"],
        SLL_BUY_DVSN_CD: Literal["%%", "01", "02"],
        FUOP_DVSN: Literal["00", "01", "02"],
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 당일주문내역조회"""

    def inquire_daily_ccld(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        STRT_DT: Text,
        END_DT: Text,
        FUOP_DVSN_CD: Literal["00", "01", "02", ""] = ...,
        FM_PDGR_CD: Text = ...,
        CRCY_CD: Literal["%%%", "TUS", "TKR", "KRW", "USD", "EUR", "HKD", "CNY", "JPY", "VND"],
        FM_ITEM_FTNG_YN: Literal["N"],
        SLL_BUY_DVSN_CD: Literal["%%", "01", "02"],
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 일별체결내역"""

    def inquire_daily_order(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        STRT_DT: Text,
        END_DT: Text,
        FM_PDGR_CD: Text = ...,
        CCLD_NCCS_DVSN: Literal["01", "02", "03"],
        SLL_BUY_DVSN_CD: Literal["01", "02"],
        FUOP_DVSN: Literal["00", "01", "02"],
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 일별 주문내역"""

    def inquire_deposit(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        CRCY_CD: Literal["TUS", "TKR", "KRW", "USD", "EUR", "HKD", "CNY", "JPY", "VND"],
        INQR_DT: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 예수금현황"""

    def inquire_period_ccld(
        self,
        *,
        INQR_TERM_FROM_DT: Text,
        INQR_TERM_TO_DT: Text,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        CRCY_CD: Literal["%%%", "TUS", "TKR", "KRW", "USD", "EUR", "HKD", "CNY", "JPY"],
        WHOL_TRSL_YN: Text,
        FUOP_DVSN: Literal["00", "01", "02"],
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 기간계좌손익 일별"""

    def inquire_period_trans(
        self,
        *,
        INQR_TERM_FROM_DT: Text,
        INQR_TERM_TO_DT: Text,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        ACNT_TR_TYPE_CD: Literal["1", "2", "3"],
        CRCY_CD: Literal["%%%", "TUS", "TKR", "KRW", "USD", "EUR", "HKD", "CNY", "JPY", "VND"],
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        PWD_CHK_YN: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 기간계좌거래내역"""

    def inquire_price(
        self,
        *,
        SRS_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물종목현재가"""

    def inquire_psamount(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        OVRS_FUTR_FX_PDNO: Text,
        SLL_BUY_DVSN_CD: Literal["01", "02", ""] = ...,
        FM_ORD_PRIC: Text = ...,
        ECIS_RSVN_ORD_YN: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 주문가능조회"""

    def inquire_time_futurechartprice(
        self,
        *,
        SRS_CD: Text,
        EXCH_CD: Text,
        START_DATE_TIME: Text = ...,
        CLOSE_DATE_TIME: Text,
        QRY_TP: Literal["Q", "P", ""] = ...,
        QRY_CNT: Text,
        QRY_GAP: Text,
        INDEX_KEY: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물 분봉조회"""

    def inquire_time_optchartprice(
        self,
        *,
        SRS_CD: Text,
        EXCH_CD: Text,
        QRY_CNT: Text,
        START_DATE_TIME: Text = ...,
        CLOSE_DATE_TIME: Text = ...,
        QRY_GAP: Text = ...,
        QRY_TP: Text = ...,
        INDEX_KEY: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외옵션 분봉조회"""

    def inquire_unpd(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        FUOP_DVSN: Literal["00", "01", "02", ""] = ...,
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 미결제내역조회(잔고)"""

    def investor_unpd_trend(
        self,
        *,
        PROD_ISCD: Literal["GE", "ZB", "ZF", "ZN", "ZT"],
        BSOP_DATE: Text,
        UPMU_GUBUN: Literal["0", "1"],
        CTS_KEY: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물 미결제추이"""

    def margin_detail(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        CRCY_CD: Text,
        INQR_DT: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 증거금상세"""

    def market_time(
        self,
        *,
        FM_PDGR_CD: Text = ...,
        FM_CLAS_CD: Text = ...,
        FM_EXCG_CD: Text,
        OPT_YN: Text,
        CTX_AREA_NK200: Text = ...,
        CTX_AREA_FK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 장운영시간"""

    def monthly_ccnl(
        self,
        *,
        SRS_CD: Text,
        EXCH_CD: Text,
        START_DATE_TIME: Text = ...,
        CLOSE_DATE_TIME: Text,
        QRY_TP: Literal["Q", "P"],
        QRY_CNT: Text,
        QRY_GAP: Text = ...,
        INDEX_KEY: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물 체결추이(월간)"""

    def opt_asking_price(
        self,
        *,
        SRS_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외옵션 호가"""

    def opt_daily_ccnl(
        self,
        *,
        SRS_CD: Text,
        EXCH_CD: Text,
        QRY_CNT: Text,
        START_DATE_TIME: Text = ...,
        CLOSE_DATE_TIME: Text = ...,
        QRY_GAP: Text = ...,
        QRY_TP: Text = ...,
        INDEX_KEY: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외옵션 체결추이(일간)"""

    def opt_detail(
        self,
        *,
        SRS_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외옵션종목상세"""

    def opt_monthly_ccnl(
        self,
        *,
        SRS_CD: Text,
        EXCH_CD: Text,
        QRY_CNT: Text,
        START_DATE_TIME: Text = ...,
        CLOSE_DATE_TIME: Text = ...,
        QRY_GAP: Text = ...,
        QRY_TP: Text = ...,
        INDEX_KEY: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외옵션 체결추이(월간)"""

    def opt_price(
        self,
        *,
        SRS_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외옵션종목현재가"""

    def opt_tick_ccnl(
        self,
        *,
        SRS_CD: Text,
        EXCH_CD: Text,
        QRY_CNT: Text,
        START_DATE_TIME: Text = ...,
        CLOSE_DATE_TIME: Text = ...,
        QRY_GAP: Text = ...,
        QRY_TP: Text = ...,
        INDEX_KEY: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외옵션 체결추이(틱)"""

    def opt_weekly_ccnl(
        self,
        *,
        SRS_CD: Text,
        EXCH_CD: Text,
        QRY_CNT: Text,
        START_DATE_TIME: Text = ...,
        CLOSE_DATE_TIME: Text = ...,
        QRY_GAP: Text = ...,
        QRY_TP: Text = ...,
        INDEX_KEY: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외옵션 체결추이(주간)"""

    def order(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        OVRS_FUTR_FX_PDNO: Text,
        SLL_BUY_DVSN_CD: Literal["01", "02"],
        FM_LQD_USTL_CCLD_DT: Text = ...,
        FM_LQD_USTL_CCNO: Text = ...,
        PRIC_DVSN_CD: Text,
        FM_LIMIT_ORD_PRIC: Text = ...,
        FM_STOP_ORD_PRIC: Text = ...,
        FM_ORD_QTY: Text,
        FM_LQD_LMT_ORD_PRIC: Text = ...,
        FM_LQD_STOP_ORD_PRIC: Text = ...,
        CCLD_CNDT_CD: Literal["6"],
        CPLX_ORD_DVSN_CD: Literal["0", ""] = ...,
        ECIS_RSVN_ORD_YN: Text = ...,
        FM_HDGE_ORD_SCRN_YN: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 주문"""

    def order_rvsecncl(
        self,
        *,
        ord_dv: Literal["0", "1"],
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        ORGN_ORD_DT: Text,
        ORGN_ODNO: Text,
        FM_LIMIT_ORD_PRIC: Text = ...,
        FM_STOP_ORD_PRIC: Text = ...,
        FM_LQD_LMT_ORD_PRIC: Text = ...,
        FM_LQD_STOP_ORD_PRIC: Text = ...,
        FM_HDGE_ORD_SCRN_YN: Text = ...,
        FM_MKPR_CVSN_YN: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물옵션 정정취소주문"""

    def search_contract_detail(
        self,
        *,
        QRY_CNT: Text = ...,
        SRS_CD_01: Text = ...,
        SRS_CD_02: Text = ...,
        SRS_CD_03: Text = ...,
        SRS_CD_04: Text = ...,
        SRS_CD_05: Text = ...,
        SRS_CD_06: Text = ...,
        SRS_CD_07: Text = ...,
        SRS_CD_08: Text = ...,
        SRS_CD_09: Text = ...,
        SRS_CD_10: Text = ...,
        SRS_CD_11: Text = ...,
        SRS_CD_12: Text = ...,
        SRS_CD_13: Text = ...,
        SRS_CD_14: Text = ...,
        SRS_CD_15: Text = ...,
        SRS_CD_16: Text = ...,
        SRS_CD_17: Text = ...,
        SRS_CD_18: Text = ...,
        SRS_CD_19: Text = ...,
        SRS_CD_20: Text = ...,
        SRS_CD_21: Text = ...,
        SRS_CD_22: Text = ...,
        SRS_CD_23: Text = ...,
        SRS_CD_24: Text = ...,
        SRS_CD_25: Text = ...,
        SRS_CD_26: Text = ...,
        SRS_CD_27: Text = ...,
        SRS_CD_28: Text = ...,
        SRS_CD_29: Text = ...,
        SRS_CD_30: Text = ...,
        SRS_CD_31: Text = ...,
        SRS_CD_32: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물 상품기본정보"""

    def search_opt_detail(
        self,
        *,
        QRY_CNT: Text,
        SRS_CD_01: Text,
        SRS_CD_02: Text = ...,
        SRS_CD_03: Text = ...,
        SRS_CD_04: Text = ...,
        SRS_CD_05: Text = ...,
        SRS_CD_06: Text = ...,
        SRS_CD_07: Text = ...,
        SRS_CD_08: Text = ...,
        SRS_CD_09: Text = ...,
        SRS_CD_10: Text = ...,
        SRS_CD_11: Text = ...,
        SRS_CD_12: Text = ...,
        SRS_CD_13: Text = ...,
        SRS_CD_14: Text = ...,
        SRS_CD_15: Text = ...,
        SRS_CD_16: Text = ...,
        SRS_CD_17: Text = ...,
        SRS_CD_18: Text = ...,
        SRS_CD_19: Text = ...,
        SRS_CD_20: Text = ...,
        SRS_CD_21: Text = ...,
        SRS_CD_22: Text = ...,
        SRS_CD_23: Text = ...,
        SRS_CD_24: Text = ...,
        SRS_CD_25: Text = ...,
        SRS_CD_26: Text = ...,
        SRS_CD_27: Text = ...,
        SRS_CD_28: Text = ...,
        SRS_CD_29: Text = ...,
        SRS_CD_30: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외옵션 상품기본정보"""

    def stock_detail(
        self,
        *,
        SRS_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물종목상세"""

    def tick_ccnl(
        self,
        *,
        SRS_CD: Text,
        EXCH_CD: Text,
        START_DATE_TIME: Text = ...,
        CLOSE_DATE_TIME: Text,
        QRY_TP: Literal["Q", "P"],
        QRY_CNT: Text,
        QRY_GAP: Text = ...,
        INDEX_KEY: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물 체결추이(틱)"""

    def weekly_ccnl(
        self,
        *,
        SRS_CD: Text,
        EXCH_CD: Text,
        START_DATE_TIME: Text = ...,
        CLOSE_DATE_TIME: Text,
        QRY_TP: Literal["Q", "P", ""] = ...,
        QRY_CNT: Text,
        QRY_GAP: Text = ...,
        INDEX_KEY: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외선물 체결추이(주간)"""

class OverseasStock(Group[R]):
    def algo_ordno(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        TRAD_DT: Text,
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 지정가주문번호조회"""

    def brknews_title(
        self,
        *,
        FID_NEWS_OFER_ENTP_CODE: Literal["0"],
        FID_COND_SCR_DIV_CODE: Text,
        FID_COND_MRKT_CLS_CODE: Text = ...,
        FID_INPUT_ISCD: Text = ...,
        FID_TITL_CNTT: Text = ...,
        FID_INPUT_DATE_1: Text = ...,
        FID_INPUT_HOUR_1: Text = ...,
        FID_RANK_SORT_CLS_CODE: Text = ...,
        FID_INPUT_SRNO: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외속보(제목)"""

    def colable_by_company(
        self,
        *,
        PDNO: Text,
        NATN_CD: Literal["840", "344", "156"],
        INQR_SQN_DVSN: Literal["01", "02"],
        PRDT_TYPE_CD: Text = ...,
        INQR_STRT_DT: Text = ...,
        INQR_END_DT: Text = ...,
        INQR_DVSN: Text = ...,
        RT_DVSN_CD: Text = ...,
        RT: Text = ...,
        LOAN_PSBL_YN: Text = ...,
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """당사 해외주식담보대출 가능 종목"""

    def countries_holiday(
        self,
        *,
        TRAD_DT: Text,
        CTX_AREA_NK: Text = ...,
        CTX_AREA_FK: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외결제일자조회"""

    def dailyprice(
        self,
        *,
        AUTH: Text = ...,
        EXCD: Text,
        SYMB: Text,
        GUBN: Text,
        BYMD: Text = ...,
        MODP: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 기간별시세"""

    def daytime_order(
        self,
        *,
        order_dv: Literal["buy", "sell"],
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        OVRS_EXCG_CD: Literal["NASD", "NYSE", "AMEX"],
        PDNO: Text,
        ORD_QTY: Text,
        OVRS_ORD_UNPR: Text,
        CTAC_TLNO: Text = ...,
        MGCO_APTM_ODNO: Text = ...,
        ORD_SVR_DVSN_CD: Text,
        ORD_DVSN: Literal["00"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 미국주간주문"""

    def daytime_order_rvsecncl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        OVRS_EXCG_CD: Literal["NASD", "NYSE", "AMEX"],
        PDNO: Text,
        ORGN_ODNO: Text,
        RVSE_CNCL_DVSN_CD: Literal["01", "02", ""] = ...,
        ORD_QTY: Text,
        OVRS_ORD_UNPR: Text,
        CTAC_TLNO: Text = ...,
        MGCO_APTM_ODNO: Text = ...,
        ORD_SVR_DVSN_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 미국주간정정취소"""

    def foreign_margin(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외증거금 통화별조회"""

    def industry_price(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        AUTH: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 업종별코드조회"""

    def industry_theme(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        ICOD: Text,
        VOL_RANG: Literal["0", "1", "2", "3", "4", "5", "6"],
        AUTH: Text = ...,
        KEYB: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 업종별시세"""

    def inquire_algo_ccnl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        ORD_DT: Text = ...,
        ORD_GNO_BRNO: Text = ...,
        ODNO: Text = ...,
        TTLZ_ICLD_YN: Text = ...,
        CTX_AREA_NK200: Text = ...,
        CTX_AREA_FK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 지정가체결내역조회"""

    def inquire_asking_price(
        self,
        *,
        AUTH: Text = ...,
        EXCD: Literal["NYS", "NAS", "AMS"],
        SYMB: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 현재가 1호가"""

    def inquire_balance(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        OVRS_EXCG_CD: Literal["NASD", "NYSE", "AMEX", "NAS", "SEHK", "SHAA", "SZAA", "TKSE", "HASE", "VNSE"],
        TR_CRCY_CD: Literal["USD", "HKD", "CNY", "JPY", "VND"],
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 잔고"""

    def inquire_ccnl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text = ...,
        ORD_STRT_DT: Text,
        ORD_END_DT: Text,
        SLL_BUY_DVSN: Literal["00", "01", "02"],
        CCLD_NCCS_DVSN: Literal["00", "01", "02"],
        OVRS_EXCG_CD: Literal["NASD", "NYSE", "AMEX", "SEHK", "SHAA", "SZAA", "TKSE", "HASE", "VNSE", ""] = ...,
        SORT_SQN: Literal["DS", "AS"],
        ORD_DT: Text = ...,
        ORD_GNO_BRNO: Text = ...,
        ODNO: Text = ...,
        CTX_AREA_NK200: Text = ...,
        CTX_AREA_FK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 주문체결내역"""

    def inquire_daily_chartprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["N", "I", "S"],
        FID_INPUT_ISCD: Text,
        FID_INPUT_DATE_1: Text,
        FID_INPUT_DATE_2: Text,
        FID_PERIOD_DIV_CODE: Literal["D", "W", "M", "Y"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 종목_지수_환율기간별시세(일_주_월_년)"""

    def inquire_nccs(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        OVRS_EXCG_CD: Literal["NASD", "NYSE", "AMEX", "SEHK", "SHAA", "SZAA", "TKSE", "HASE", "VNSE"],
        SORT_SQN: Literal["DS"],
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 미체결내역"""

    def inquire_paymt_stdr_balance(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        BASS_DT: Text,
        WCRC_FRCR_DVSN_CD: Literal["01", "02"],
        INQR_DVSN_CD: Literal["00", "01", "02"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 결제기준잔고"""

    def inquire_period_profit(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        OVRS_EXCG_CD: Literal["NASD", "SEHK", "SHAA", "TKSE", "HASE"],
        NATN_CD: Text = ...,
        CRCY_CD: Literal["USD", "HKD", "CNY", "JPY", "VND"],
        PDNO: Text = ...,
        INQR_STRT_DT: Text,
        INQR_END_DT: Text,
        WCRC_FRCR_DVSN_CD: Literal["01", "02"],
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 기간손익"""

    def inquire_period_trans(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        ERLM_STRT_DT: Text,
        ERLM_END_DT: Text,
        OVRS_EXCG_CD: Text,
        PDNO: Text = ...,
        SLL_BUY_DVSN_CD: Literal["00", "01", "02"],
        LOAN_DVSN_CD: Text = ...,
        CTX_AREA_FK100: Text = ...,
        CTX_AREA_NK100: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 일별거래내역"""

    def inquire_present_balance(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        WCRC_FRCR_DVSN_CD: Literal["01", "02"],
        NATN_CD: Literal["000", "840", "344", "156", "392", "704"],
        TR_MKET_CD: Literal["00", "01", "02", "03", "04", "05"],
        INQR_DVSN_CD: Literal["00", "01", "02"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 체결기준현재잔고"""

    def inquire_psamount(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        OVRS_EXCG_CD: Literal["NASD", "NYSE", "AMEX", "SEHK", "SHAA", "SZAA", "TKSE", "HASE", "VNSE"],
        OVRS_ORD_UNPR: Text,
        ITEM_CD: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 매수가능금액조회"""

    def inquire_search(
        self,
        *,
        AUTH: Text = ...,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        CO_YN_PRICECUR: Text = ...,
        CO_ST_PRICECUR: Literal["JPY", "USD", "HKD", "CNY", "VND", ""] = ...,
        CO_EN_PRICECUR: Literal["JPY", "USD", "HKD", "CNY", "VND", ""] = ...,
        CO_YN_RATE: Text = ...,
        CO_ST_RATE: Text = ...,
        CO_EN_RATE: Text = ...,
        CO_YN_VALX: Text = ...,
        CO_ST_VALX: Text = ...,
        CO_EN_VALX: Text = ...,
        CO_YN_SHAR: Text = ...,
        CO_ST_SHAR: Text = ...,
        CO_EN_SHAR: Text = ...,
        CO_YN_VOLUME: Text = ...,
        CO_ST_VOLUME: Text = ...,
        CO_EN_VOLUME: Text = ...,
        CO_YN_AMT: Text = ...,
        CO_ST_AMT: Text = ...,
        CO_EN_AMT: Text = ...,
        CO_YN_EPS: Text = ...,
        CO_ST_EPS: Text = ...,
        CO_EN_EPS: Text = ...,
        CO_YN_PER: Text = ...,
        CO_ST_PER: Text = ...,
        CO_EN_PER: Text = ...,
        KEYB: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식조건검색"""

    def inquire_time_indexchartprice(
        self,
        *,
        FID_COND_MRKT_DIV_CODE: Literal["N", "X", "KX"],
        FID_INPUT_ISCD: Text,
        FID_HOUR_CLS_CODE: Literal["0", "1"],
        FID_PW_DATA_INCU_YN: Literal["Y", "N"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외지수분봉조회"""

    def inquire_time_itemchartprice(
        self,
        *,
        AUTH: Text = ...,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE", "BAY", "BAQ", "BAA"],
        SYMB: Text,
        NMIN: Literal["1", "2"],
        PINC: Literal["0", "1"],
        NEXT: Text = ...,
        NREC: Text,
        FILL: Text = ...,
        KEYB: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식분봉조회"""

    def market_cap(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        VOL_RANG: Literal["0", "1", "2", "3", "4", "5", "6"],
        KEYB: Text = ...,
        AUTH: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 시가총액순위"""

    def new_highlow(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        MINX: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        VOL_RANG: Literal["0", "1", "2", "3", "4", "5", "6"],
        GUBN: Literal["0", "1"],
        GUBN2: Literal["0", "1"],
        KEYB: Text = ...,
        AUTH: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 신고/신저가"""

    def news_title(
        self,
        *,
        INFO_GB: Text,
        CLASS_CD: Text,
        NATION_CD: Literal["CN", "HK", "US"],
        EXCHANGE_CD: Text,
        SYMB: Text,
        DATA_DT: Text,
        DATA_TM: Text,
        CTS: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외뉴스종합(제목)"""

    def order(
        self,
        *,
        ord_dv: Literal["buy", "sell"],
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        OVRS_EXCG_CD: Literal["NASD", "NYSE", "AMEX", "SEHK", "SHAA", "SZAA", "TKSE", "HASE", "VNSE"],
        PDNO: Text,
        ORD_QTY: Text,
        OVRS_ORD_UNPR: Text,
        CTAC_TLNO: Text = ...,
        MGCO_APTM_ODNO: Text = ...,
        SLL_TYPE: Text = ...,
        ORD_SVR_DVSN_CD: Literal["0"],
        ORD_DVSN: Literal["00", "31", "32", "33", "34", "50"],
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 주문"""

    def order_resv(
        self,
        *,
        ord_dv: Literal["usBuy", "usSell", "asia"],
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        PDNO: Text,
        OVRS_EXCG_CD: Literal["NASD", "NYSE", "AMEX", "SEHK", "SHAA", "SZAA", "TKSE", "HASE", "VNSE"],
        FT_ORD_QTY: Text,
        FT_ORD_UNPR3: Text,
        SLL_BUY_DVSN_CD: Literal["01", "02", ""] = ...,
        RVSE_CNCL_DVSN_CD: Literal["00", ""] = ...,
        PRDT_TYPE_CD: Text = ...,
        ORD_SVR_DVSN_CD: Text = ...,
        RSVN_ORD_RCIT_DT: Text = ...,
        ORD_DVSN: Text = ...,
        OVRS_RSVN_ODNO: Text = ...,
        ALGO_ORD_TMD_DVSN_CD: Literal["TWAP", "VWAP", ""] = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 예약주문접수"""

    def order_resv_ccnl(
        self,
        *,
        nat_dv: Literal["us"],
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        RSVN_ORD_RCIT_DT: Text,
        OVRS_RSVN_ODNO: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 예약주문접수취소"""

    def order_resv_list(
        self,
        *,
        nat_dv: Literal["us", "asia"],
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        INQR_STRT_DT: Text,
        INQR_END_DT: Text,
        INQR_DVSN_CD: Literal["00", "01", "02"],
        OVRS_EXCG_CD: Literal["NASD", "NYSE", "AMEX", "SEHK", "SHAA", "SZAA", "TKSE", "HASE", "VNSE"],
        PRDT_TYPE_CD: Text = ...,
        CTX_AREA_FK200: Text = ...,
        CTX_AREA_NK200: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 예약주문조회"""

    def order_rvsecncl(
        self,
        *,
        CANO: Text = ...,
        ACNT_PRDT_CD: Text = ...,
        OVRS_EXCG_CD: Literal["NASD", "NYSE", "AMEX", "SEHK", "SHAA", "SZAA", "TKSE", "HASE", "VNSE"],
        PDNO: Text,
        ORGN_ODNO: Text,
        RVSE_CNCL_DVSN_CD: Literal["01", "02"],
        ORD_QTY: Text,
        OVRS_ORD_UNPR: Text,
        MGCO_APTM_ODNO: Text = ...,
        ORD_SVR_DVSN_CD: Literal["0", ""] = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 정정취소주문"""

    def period_rights(
        self,
        *,
        RGHT_TYPE_CD: Literal["%%", "01", "02", "03", "11", "14", "15", "17", "54", "61", "71", "74", "75", "76", "77"],
        INQR_DVSN_CD: Literal["02", "03", "04"],
        INQR_STRT_DT: Text,
        INQR_END_DT: Text,
        PDNO: Text = ...,
        PRDT_TYPE_CD: Text = ...,
        CTX_AREA_NK50: Text = ...,
        CTX_AREA_FK50: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 기간별권리조회"""

    def price(
        self,
        *,
        AUTH: Text = ...,
        EXCD: Text,
        SYMB: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 현재체결가"""

    def price_detail(
        self,
        *,
        AUTH: Text = ...,
        EXCD: Literal["HKS", "NYS", "NAS", "AMS", "TSE", "SHS", "SZS"],
        SYMB: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 현재가상세"""

    def price_fluct(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        GUBN: Literal["0", "1"],
        MINX: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        VOL_RANG: Literal["0", "1", "2", "3", "4", "5", "6"],
        KEYB: Text = ...,
        AUTH: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 가격급등락"""

    def quot_inquire_ccnl(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        TDAY: Literal["0", "1"],
        SYMB: Text,
        AUTH: Text = ...,
        KEYB: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 체결추이"""

    def rights_by_ice(
        self,
        *,
        NCOD: Literal["CN", "HK", "US", "JP", "VN"],
        SYMB: Text,
        ST_YMD: Text = ...,
        ED_YMD: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 권리종합"""

    def search_info(
        self,
        *,
        PRDT_TYPE_CD: Literal["512", "513", "529", "515", "501", "543", "558", "507", "508", "551", "552"],
        PDNO: Text,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 상품기본정보"""

    def trade_growth(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        NDAY: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        VOL_RANG: Literal["0", "1", "2", "3", "4", "5", "6"],
        AUTH: Text = ...,
        KEYB: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 거래증가율순위"""

    def trade_pbmn(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        NDAY: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        VOL_RANG: Literal["0", "1", "2", "3", "4", "5", "6"],
        AUTH: Text = ...,
        KEYB: Text = ...,
        PRC1: Text = ...,
        PRC2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 거래대금순위"""

    def trade_turnover(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        NDAY: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        VOL_RANG: Literal["0", "1", "2", "3", "4", "5", "6"],
        KEYB: Text = ...,
        AUTH: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 거래회전율순위"""

    def trade_vol(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        NDAY: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        VOL_RANG: Literal["0", "1", "2", "3", "4", "5", "6"],
        KEYB: Text = ...,
        AUTH: Text = ...,
        PRC1: Text = ...,
        PRC2: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 거래량순위"""

    def updown_rate(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        NDAY: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        GUBN: Literal["0", "1"],
        VOL_RANG: Literal["0", "1", "2", "3", "4", "5", "6"],
        AUTH: Text = ...,
        KEYB: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 상승률/하락률"""

    def volume_power(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        NDAY: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        VOL_RANG: Literal["0", "1", "2", "3", "4", "5", "6"],
        AUTH: Text = ...,
        KEYB: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 매수체결강도상위"""

    def volume_surge(
        self,
        *,
        EXCD: Literal["NYS", "NAS", "AMS", "HKS", "SHS", "SZS", "HSX", "HNX", "TSE"],
        MINX: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        VOL_RANG: Literal["0", "1", "2", "3", "4", "5", "6"],
        KEYB: Text = ...,
        AUTH: Text = ...,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R:
        """해외주식 거래량급증"""

class Apis(Generic[R]):
    domestic_bond: DomesticBond[R]
    domestic_futureoption: DomesticFutureoption[R]
    domestic_stock: DomesticStock[R]
    elw: Elw[R]
    etfetn: Etfetn[R]
    overseas_futureoption: OverseasFutureoption[R]
    overseas_stock: OverseasStock[R]
    def __init__(self, call: Call[R]) -> None: ...
