-- criteo_attribution_dataset.tsv.gz: header, separated by tabs, one row a banner shown. Time is in seconds since the
-- first; -1 stands for "none".
SELECT uid, campaign, click, conversion, timestamp AS time, timestamp // 86400 AS day,
  nullif(time_since_last_click, -1) AS time_since_last_click, COLUMNS('^cat\d$')
FROM read_csv('criteo_attribution_dataset.tsv.gz', delim = '\t', header = true,
  types = { 'timestamp': 'BIGINT', 'uid': 'BIGINT', 'campaign': 'BIGINT', 'click': 'TINYINT', 'conversion': 'TINYINT',
    'time_since_last_click': 'BIGINT' })
