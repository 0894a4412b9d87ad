-- census-income.test: no header, separated by a comma and a space; the last column is the income. The split is by hash,
-- 80 % for training.
SELECT * EXCLUDE (income), (income LIKE '50000+%')::TINYINT AS label_income,
  (marital_stat = 'Never married')::TINYINT AS label_never_married,
  if(md5('census:' || row_id) < 'cccccccc', 'train', 'test') AS split
FROM (
  SELECT *, row_number() OVER () - 1 AS row_id
  FROM read_csv('census-income.test', delim = ', ', header = false, quote = '', escape = '', nullstr = 'NA',
    names = string_split(
      'age class_worker det_ind_code det_occ_code education wage_per_hour hs_college marital_stat '
      || 'major_ind_code major_occ_code race hisp_origin sex union_member unemp_reason full_or_part_emp '
      || 'capital_gains capital_losses stock_dividends tax_filer_stat region_prev_res state_prev_res '
      || 'det_hh_fam_stat det_hh_summ instance_weight mig_chg_msa mig_chg_reg mig_move_reg mig_same '
      || 'mig_prev_sunbelt num_emp fam_under_18 country_father country_mother country_self citizenship '
      || 'own_or_self vet_question vet_benefits weeks_worked year income', ' '))
)
