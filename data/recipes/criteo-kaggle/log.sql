-- train.txt: no header, separated by tabs: label, 13 counts, 26 categories of 8 hexadecimal digits; empty = missing.
-- The rows are in order of time over seven days: the last seventh becomes the test log (test.txt has no labels).
WITH numbered AS (
  SELECT *, row_number() OVER () AS row
  FROM read_csv('train.txt', delim = '\t', header = false, quote = '', escape = '', all_varchar = true,
    names = ['label'] || [format('I{}', i) FOR i IN range(1, 14)] || [format('C{}', i) FOR i IN range(1, 27)])
), size AS (
  -- Read in another way on purpose: DuckDB would keep lines that are needed twice, in no order.
  SELECT count(*) AS lines
  FROM read_csv('train.txt', delim = chr(1), header = false, quote = '', escape = '', auto_detect = false,
    columns = { 'line': 'VARCHAR' })
)
SELECT row, label::TINYINT AS label, COLUMNS('^I\d+$')::INTEGER, COLUMNS('^C\d+$'),
  if(row * 7 <= lines * 6, 'train', 'test') AS split
FROM numbered, size
