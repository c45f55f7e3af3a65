"""The documented fields of every REST reply, in the broker's order."""

BALANCE_ROW = (
    "pdno prdt_name trad_dvsn_name bfdy_buy_qty bfdy_sll_qty thdt_buyqty thdt_sll_qty hldg_qty "
    "ord_psbl_qty pchs_avg_pric pchs_amt prpr evlu_amt evlu_pfls_amt evlu_pfls_rt evlu_erng_rt "
    "loan_dt loan_amt stln_slng_chgs expd_dt fltt_rt bfdy_cprs_icdc item_mgna_rt_name "
    "grta_rt_name sbst_pric stck_loan_unpr"
)
BALANCE_TOTALS = (
    "dnca_tot_amt nxdy_excc_amt prvs_rcdl_excc_amt cma_evlu_amt bfdy_buy_amt thdt_buy_amt "
    "nxdy_auto_rdpt_amt bfdy_sll_amt thdt_sll_amt d2_auto_rdpt_amt bfdy_tlex_amt thdt_tlex_amt "
    "tot_loan_amt scts_evlu_amt tot_evlu_amt nass_amt fncg_gld_auto_rdpt_yn pchs_amt_smtl_amt "
    "evlu_amt_smtl_amt evlu_pfls_smtl_amt tot_stln_slng_chgs bfdy_tot_asst_evlu_amt asst_icdc_amt "
    "asst_icdc_erng_rt"
)
DAY_ORDER_ROW = (
    "ord_dt ord_gno_brno odno orgn_odno ord_dvsn_name sll_buy_dvsn_cd sll_buy_dvsn_cd_name pdno "
    "prdt_name ord_qty ord_unpr ord_tmd tot_ccld_qty avg_prvs cncl_yn tot_ccld_amt loan_dt "
    "ordr_empno ord_dvsn_cd cncl_cfrm_qty rmn_qty rjct_qty ccld_cndt_name inqr_ip_addr "
    "cpbc_ordp_ord_rcit_dvsn_cd cpbc_ordp_infm_mthd_dvsn_cd infm_tmd ctac_tlno prdt_type_cd "
    "excg_dvsn_cd cpbc_ordp_mtrl_dvsn_cd ord_orgno rsvn_ord_end_dt excg_id_dvsn_cd stpm_cndt_pric "
    "stpm_efct_occr_dtmd"
)
OPEN_ORDER_ROW = (
    "ord_gno_brno odno orgn_odno ord_dvsn_name pdno prdt_name rvse_cncl_dvsn_name ord_qty "
    "ord_unpr ord_tmd tot_ccld_qty tot_ccld_amt psbl_qty sll_buy_dvsn_cd ord_dvsn_cd "
    "mgco_aptm_odno excg_dvsn_cd excg_id_dvsn_cd excg_id_dvsn_name stpm_cndt_pric "
    "stpm_efct_occr_yn"
)
ORDERABLE = (
    "ord_psbl_cash ord_psbl_sbst ruse_psbl_amt fund_rpch_chgs psbl_qty_calc_unpr nrcvb_buy_amt "
    "nrcvb_buy_qty max_buy_amt max_buy_qty cma_evlu_amt ovrs_re_use_amt_wcrc "
    "ord_psbl_frcr_amt_wcrc"
)
SELLABLE = (
    "pdno buy_qty sll_qty cblc_qty nsvg_qty ord_psbl_qty pchs_avg_pric pchs_amt now_pric evlu_amt "
    "evlu_pfls_amt evlu_pfls_rt"
)
PRICE = (
    "iscd_stat_cls_code marg_rate rprs_mrkt_kor_name bstp_kor_isnm temp_stop_yn oprc_rang_cont_yn "
    "clpr_rang_cont_yn crdt_able_yn grmn_rate_cls_code elw_pblc_yn stck_prpr prdy_vrss "
    "prdy_vrss_sign prdy_ctrt acml_tr_pbmn acml_vol prdy_vrss_vol_rate stck_oprc stck_hgpr "
    "stck_lwpr stck_mxpr stck_llam stck_sdpr wghn_avrg_stck_prc hts_frgn_ehrt frgn_ntby_qty "
    "pgtr_ntby_qty pvt_scnd_dmrs_prc pvt_frst_dmrs_prc pvt_pont_val pvt_frst_dmsp_prc "
    "pvt_scnd_dmsp_prc dmrs_val dmsp_val cpfn rstc_wdth_prc stck_fcam stck_sspr aspr_unit "
    "hts_deal_qty_unit_val lstn_stcn hts_avls per pbr stac_month vol_tnrt eps bps d250_hgpr "
    "d250_hgpr_date d250_hgpr_vrss_prpr_rate d250_lwpr d250_lwpr_date d250_lwpr_vrss_prpr_rate "
    "stck_dryy_hgpr dryy_hgpr_vrss_prpr_rate dryy_hgpr_date stck_dryy_lwpr "
    "dryy_lwpr_vrss_prpr_rate dryy_lwpr_date w52_hgpr w52_hgpr_vrss_prpr_ctrt w52_hgpr_date "
    "w52_lwpr w52_lwpr_vrss_prpr_ctrt w52_lwpr_date whol_loan_rmnd_rate ssts_yn stck_shrn_iscd "
    "fcam_cnnm cpfn_cnnm frgn_hldn_qty vi_cls_code ovtm_vi_cls_code last_ssts_cntg_qty "
    "invt_caful_yn mrkt_warn_cls_code short_over_yn sltr_yn new_hgpr_lwpr_cls_code apprch_rate "
    "mang_issu_cls_code"
)
BOOK_LEVELS = (
    "aspr_acpt_hour askp1 askp2 askp3 askp4 askp5 askp6 askp7 askp8 askp9 askp10 bidp1 bidp2 "
    "bidp3 bidp4 bidp5 bidp6 bidp7 bidp8 bidp9 bidp10 askp_rsqn1 askp_rsqn2 askp_rsqn3 askp_rsqn4 "
    "askp_rsqn5 askp_rsqn6 askp_rsqn7 askp_rsqn8 askp_rsqn9 askp_rsqn10 bidp_rsqn1 bidp_rsqn2 "
    "bidp_rsqn3 bidp_rsqn4 bidp_rsqn5 bidp_rsqn6 bidp_rsqn7 bidp_rsqn8 bidp_rsqn9 bidp_rsqn10 "
    "askp_rsqn_icdc1 askp_rsqn_icdc2 askp_rsqn_icdc3 askp_rsqn_icdc4 askp_rsqn_icdc5 "
    "askp_rsqn_icdc6 askp_rsqn_icdc7 askp_rsqn_icdc8 askp_rsqn_icdc9 askp_rsqn_icdc10 "
    "bidp_rsqn_icdc1 bidp_rsqn_icdc2 bidp_rsqn_icdc3 bidp_rsqn_icdc4 bidp_rsqn_icdc5 "
    "bidp_rsqn_icdc6 bidp_rsqn_icdc7 bidp_rsqn_icdc8 bidp_rsqn_icdc9 bidp_rsqn_icdc10 "
    "total_askp_rsqn total_bidp_rsqn total_askp_rsqn_icdc total_bidp_rsqn_icdc "
    "ovtm_total_askp_icdc ovtm_total_bidp_icdc ovtm_total_askp_rsqn ovtm_total_bidp_rsqn "
    "ntby_aspr_rsqn new_mkop_cls_code"
)
BOOK_EXPECTED = (
    "antc_mkop_cls_code stck_prpr stck_oprc stck_hgpr stck_lwpr stck_sdpr antc_cnpr "
    "antc_cntg_vrss_sign antc_cntg_vrss antc_cntg_prdy_ctrt antc_vol stck_shrn_iscd vi_cls_code"
)
RECENT_TRADE = "stck_cntg_hour stck_prpr prdy_vrss prdy_vrss_sign cntg_vol tday_rltv prdy_ctrt"
DAILY_PRICE_ROW = (
    "stck_bsop_date stck_oprc stck_hgpr stck_lwpr stck_clpr acml_vol prdy_vrss_vol_rate prdy_vrss "
    "prdy_vrss_sign prdy_ctrt hts_frgn_ehrt frgn_ntby_qty flng_cls_code acml_prtt_rate"
)
DAILY_CHART_HEAD = (
    "prdy_vrss prdy_vrss_sign prdy_ctrt stck_prdy_clpr acml_vol acml_tr_pbmn hts_kor_isnm "
    "stck_prpr stck_shrn_iscd prdy_vol stck_mxpr stck_llam stck_oprc stck_hgpr stck_lwpr "
    "stck_prdy_oprc stck_prdy_hgpr stck_prdy_lwpr askp bidp prdy_vrss_vol vol_tnrt stck_fcam "
    "lstn_stcn cpfn hts_avls per eps pbr itewhol_loan_rmnd_ratem"
)
DAILY_CHART_ROW = (
    "stck_bsop_date stck_clpr stck_oprc stck_hgpr stck_lwpr acml_vol acml_tr_pbmn flng_cls_code "
    "prtt_rate mod_yn prdy_vrss_sign prdy_vrss revl_issu_reas"
)
MINUTE_CHART_HEAD = (
    "prdy_vrss prdy_vrss_sign prdy_ctrt stck_prdy_clpr acml_vol acml_tr_pbmn hts_kor_isnm stck_prpr"
)
MINUTE_CHART_ROW = (
    "stck_bsop_date stck_cntg_hour acml_tr_pbmn stck_prpr stck_oprc stck_hgpr stck_lwpr cntg_vol"
)
STOCK_INFO = (
    "pdno prdt_type_cd prdt_name prdt_name120 prdt_abrv_name prdt_eng_name prdt_eng_name120 "
    "prdt_eng_abrv_name mket_id_cd scty_grp_id_cd excg_dvsn_cd setl_mmdd lstg_stqt lstg_cptl_amt "
    "cpta papr issu_pric kospi200_item_yn scts_mket_lstg_dt scts_mket_lstg_abol_dt "
    "kosdaq_mket_lstg_dt kosdaq_mket_lstg_abol_dt frbd_mket_lstg_dt frbd_mket_lstg_abol_dt "
    "reits_kind_cd etf_dvsn_cd oilf_fund_yn idx_bztp_lcls_cd idx_bztp_mcls_cd idx_bztp_scls_cd "
    "idx_bztp_lcls_cd_name idx_bztp_mcls_cd_name idx_bztp_scls_cd_name stck_kind_cd mfnd_opng_dt "
    "mfnd_end_dt dpsi_erlm_cncl_dt etf_cu_qty std_pdno dpsi_aptm_erlm_yn etf_txtn_type_cd "
    "etf_type_cd lstg_abol_dt nwst_odst_dvsn_cd sbst_pric thco_sbst_pric thco_sbst_pric_chng_dt "
    "tr_stop_yn admn_item_yn thdt_clpr bfdy_clpr clpr_chng_dt std_idst_clsf_cd "
    "std_idst_clsf_cd_name ocr_no crfd_item_yn elec_scty_yn issu_istt_cd etf_chas_erng_rt_dbnb "
    "etf_etn_ivst_heed_item_yn stln_int_rt_dvsn_cd frnr_psnl_lmt_rt lstg_rqsr_issu_istt_cd "
    "lstg_rqsr_item_cd trst_istt_issu_istt_cd cptt_trad_tr_psbl_yn nxt_tr_stop_yn"
)
PRODUCT_INFO = (
    "pdno prdt_type_cd prdt_name prdt_name120 prdt_abrv_name prdt_eng_name prdt_eng_name120 "
    "prdt_eng_abrv_name std_pdno shtn_pdno prdt_sale_stat_cd prdt_risk_grad_cd prdt_clsf_cd "
    "sale_strt_dt sale_end_dt wrap_asst_type_cd ivst_prdt_type_cd frst_erlm_dt prdt_clsf_name "
    "ivst_prdt_type_cd_name"
)
