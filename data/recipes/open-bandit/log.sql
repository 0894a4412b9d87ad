-- <policy>/<campaign>/<campaign>.csv and item_context.csv beside it, with a header and a first column without name.
-- Items are numbered within their campaign, and each row has one affinity column for every item of the campaign.
WITH shown AS (
  SELECT *, parse_path(filename)[-3] AS policy, parse_path(filename)[-2] AS campaign,
    [*COLUMNS('^user-item_affinity_')]::FLOAT[] AS affinity
  FROM read_csv(['*/all/all.csv', '*/men/men.csv', '*/women/women.csv'], header = true, union_by_name = true,
    filename = true, types = { 'timestamp': 'VARCHAR', 'propensity_score': 'DOUBLE' })
), items AS (
  SELECT parse_path(filename)[-3] AS policy, parse_path(filename)[-2] AS campaign, item_id, COLUMNS('^item_feature_')
  FROM read_csv('*/*/item_context.csv', header = true, filename = true)
)
SELECT split_part(timestamp, '+', 1)::TIMESTAMP AS ts, policy, campaign, campaign || '/' || item_id AS ad_id, item_id,
  position, click, propensity_score AS propensity, 1 / propensity_score AS inverse_propensity,
  COLUMNS('^user_feature_'), affinity[item_id + 1] AS item_affinity, list_sum(affinity) AS affinity_sum,
  COLUMNS('^item_feature_')
FROM shown JOIN items USING (policy, campaign, item_id)
