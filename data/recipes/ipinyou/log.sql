-- Logs of the second and third season, unpacked with bzip2 -d: tabs, no header; "null" and nothing = missing. Training
-- impressions (imp.*) and clicks (clk.*) are files apart, matched by bid and creative; rows of the test files end in
-- their numbers of clicks and conversions. Time is yyyyMMddHHmmssSSS.
WITH lines AS NOT MATERIALIZED (
  SELECT *, parse_filename(filename)[:3] AS kind
  FROM read_csv(['training2nd/imp.*.txt', 'training2nd/clk.*.txt', 'testing2nd/*.txt',
      'training3rd/imp.*.txt', 'training3rd/clk.*.txt', 'testing3rd/*.txt'],
    delim = '\t', header = false, quote = '', escape = '', all_varchar = true, nullstr = ['null', ''],
    union_by_name = true, filename = true, names = string_split(
      'bidid timestamp logtype ipinyouid useragent ip region city adexchange domain url urlid slotid slotwidth '
      || 'slotheight slotvisibility slotformat slotprice creative bidprice payprice keypage advertiser usertag '
      || 'clicks conversions', ' '))
), clicked AS (
  SELECT DISTINCT bidid, creative, 'train' AS split FROM lines WHERE kind = 'clk'
), shown AS (
  SELECT *, if(kind = 'imp', 'train', 'test') AS split FROM lines WHERE kind <> 'clk'
)
SELECT bidid, split, coalesce(clicks::INTEGER > 0, clicked.bidid IS NOT NULL)::TINYINT AS click,
  strptime(left(timestamp, 14), '%Y%m%d%H%M%S') AS time, isodow(time) AS weekday, hour(time) AS hour, ipinyouid,
  regexp_extract(lower(useragent), 'windows|ios|mac|android|linux') AS os,
  regexp_extract(lower(useragent), 'chrome|sogou|maxthon|safari|firefox|theworld|opera|ie') AS browser,
  ip, region::INTEGER AS region, city::INTEGER AS city, adexchange, domain, slotid, slotwidth::INTEGER AS slotwidth,
  slotheight::INTEGER AS slotheight, slotvisibility, slotformat, slotprice::INTEGER AS slotprice, creative, advertiser,
  bidprice::INTEGER AS bidprice, payprice::INTEGER AS payprice,
  coalesce(string_split(usertag, ','), []) AS usertag
FROM shown LEFT JOIN clicked USING (bidid, creative, split)
