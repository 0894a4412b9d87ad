-- train.txt: no header, separated by tabs: label, 13 counts, 26 categories of 8 hexadecimal digits; empty = missing.
-- The rows are in order of time over seven days: the last seventh becomes the test log (test.txt has no labels).
WITH lines AS NOT MATERIALIZED (
  SELECT *
  FROM read_csv('train.txt', delim = '\t', header = false, quote = '', escape = '', all_varchar = true,
    names = ['label'] || [format('I{}', i) FOR i IN range(1, 14)] || [format('C{}', i) FOR i IN range(1, 27)])
), numbered AS (
  SELECT *, row_number() OVER () AS row FROM lines
)
SELECT row, label::TINYINT AS label, COLUMNS('^I\d+$')::INTEGER, COLUMNS('^C\d+$'),
  if(row * 7 <= (SELECT count(*) FROM lines) * 6, 'train', 'test') AS split
FROM numbered
