-- train.gz: header, separated by commas; hour is YYMMDDHH. All ids are read as text: some consist of digits and one e.
SELECT id, click::TINYINT AS click, time, time::DATE AS day, hour(time) AS hour_of_day, isodow(time) AS weekday,
  C1, banner_pos, COLUMNS('^(site|app|device)_'), COLUMNS('^C(14|15|16|17|18|19|20|21)$')
FROM (
  SELECT *, strptime('20' || hour, '%Y%m%d%H') AS time
  FROM read_csv('train.gz', delim = ',', header = true, quote = '', all_varchar = true)
)
