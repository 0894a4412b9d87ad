-- Click_prediction_small.csv: header, separated by commas; all ids as text. The split is by hash, 80 % for training.
SELECT * REPLACE (click::TINYINT AS click, depth::TINYINT AS depth, position::TINYINT AS position),
  if(md5('kdd12:' || row_id) < 'cccccccc', 'train', 'test') AS split
FROM (
  SELECT *, row_number() OVER () - 1 AS row_id
  FROM read_csv('Click_prediction_small.csv', header = true, all_varchar = true)
)
