-- <country>_user_train.csv: one row a search result page; <country>_item_train.csv: one row a product shown on it. No
-- header, separated by commas, joined by the first column of both, the page's number. Change nl for another country.
WITH users AS (
  SELECT *, if(filename LIKE '%test%', 'test', 'train') AS split
  FROM read_csv(['nl_user_train.csv', 'nl_user_test.csv'], header = false, filename = true, all_varchar = true,
    names = ['search_id'] || [format('categorical_{}', i) FOR i IN range(1, 8)]
      || [format('numerical_{}', i) FOR i IN range(1, 24)] || ['categorical_8', 'categorical_9'])
), items AS (
  SELECT *, if(filename LIKE '%test%', 'test', 'train') AS split
  FROM read_csv(['nl_item_train.csv', 'nl_item_test.csv'], header = false, filename = true, all_varchar = true,
    names = ['search_id'] || [format('numerical_{}', i) FOR i IN range(24, 41)] || ['categorical_10']
      || [format('numerical_{}', i) FOR i IN range(41, 55)] || ['categorical_11', 'categorical_12', 'categorical_13']
      || [format('numerical_{}', i) FOR i IN range(55, 58)] || ['categorical_14', 'categorical_15', 'categorical_16']
      || [format('numerical_{}', i) FOR i IN range(58, 64)] || ['label'])
)
SELECT search_id::BIGINT AS search_id, split, COLUMNS('^categorical_')::DOUBLE::BIGINT, COLUMNS('^numerical_')::DOUBLE,
  (label::DOUBLE >= 1)::TINYINT AS click, (label::DOUBLE >= 2)::TINYINT AS conversion
FROM users JOIN items USING (search_id, split)
