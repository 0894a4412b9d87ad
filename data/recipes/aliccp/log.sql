-- sample_skeleton_*.csv: sample, click, conversion, index of the common features, number of features, features.
-- common_features_*.csv: index, number of features, features of the user. No headers, separated by commas.
-- Features are field \x02 id \x03 value, separated by \x01; with a \x01 put before them one pattern finds a field.
WITH samples AS (
  SELECT *, chr(1) || features AS f
  FROM read_csv(['sample_skeleton_train.csv', 'sample_skeleton_test.csv'], header = false, quote = '', escape = '',
    delim = ',', auto_detect = false, filename = true, columns = { 'sample': 'BIGINT', 'click': 'TINYINT',
    'conversion': 'TINYINT', 'common': 'VARCHAR', 'count': 'INTEGER', 'features': 'VARCHAR' })
), users AS (
  SELECT *, chr(1) || features AS f
  FROM read_csv(['common_features_train.csv', 'common_features_test.csv'], header = false, quote = '', escape = '',
    delim = ',', auto_detect = false, filename = true, columns = { 'common': 'VARCHAR', 'count': 'INTEGER',
    'features': 'VARCHAR' }, max_line_size = 16777216)
), parsed_samples AS (
  SELECT sample, click, conversion, common, parse_filename(filename)[17:-5] AS split,
    nullif(regexp_extract(f, '\x01205\x02(\d+)', 1), '')::BIGINT AS "205",
    nullif(regexp_extract(f, '\x01206\x02(\d+)', 1), '')::BIGINT AS "206",
    nullif(regexp_extract(f, '\x01207\x02(\d+)', 1), '')::BIGINT AS "207",
    nullif(regexp_extract(f, '\x01216\x02(\d+)', 1), '')::BIGINT AS "216",
    nullif(regexp_extract(f, '\x01301\x02(\d+)', 1), '')::BIGINT AS "301",
    regexp_extract_all(f, '\x01210\x02(\d+)\x03[^\x01]', 1)::BIGINT[] AS "210",
    regexp_extract_all(f, '\x01508\x02(\d+)\x03[^\x01]', 1)::BIGINT[] AS "508",
    regexp_extract_all(f, '\x01508\x02\d+\x03([^\x01]+)', 1)::DOUBLE[] AS "508_weight",
    regexp_extract_all(f, '\x01509\x02(\d+)\x03[^\x01]', 1)::BIGINT[] AS "509",
    regexp_extract_all(f, '\x01509\x02\d+\x03([^\x01]+)', 1)::DOUBLE[] AS "509_weight",
    regexp_extract_all(f, '\x01702\x02(\d+)\x03[^\x01]', 1)::BIGINT[] AS "702",
    regexp_extract_all(f, '\x01702\x02\d+\x03([^\x01]+)', 1)::DOUBLE[] AS "702_weight",
    regexp_extract_all(f, '\x01853\x02(\d+)\x03[^\x01]', 1)::BIGINT[] AS "853",
    regexp_extract_all(f, '\x01853\x02\d+\x03([^\x01]+)', 1)::DOUBLE[] AS "853_weight"
  FROM samples
), parsed_users AS (
  SELECT common, parse_filename(filename)[17:-5] AS split,
    nullif(regexp_extract(f, '\x01101\x02(\d+)', 1), '')::BIGINT AS "101",
    nullif(regexp_extract(f, '\x01121\x02(\d+)', 1), '')::BIGINT AS "121",
    nullif(regexp_extract(f, '\x01122\x02(\d+)', 1), '')::BIGINT AS "122",
    nullif(regexp_extract(f, '\x01124\x02(\d+)', 1), '')::BIGINT AS "124",
    nullif(regexp_extract(f, '\x01125\x02(\d+)', 1), '')::BIGINT AS "125",
    nullif(regexp_extract(f, '\x01126\x02(\d+)', 1), '')::BIGINT AS "126",
    nullif(regexp_extract(f, '\x01127\x02(\d+)', 1), '')::BIGINT AS "127",
    nullif(regexp_extract(f, '\x01128\x02(\d+)', 1), '')::BIGINT AS "128",
    nullif(regexp_extract(f, '\x01129\x02(\d+)', 1), '')::BIGINT AS "129",
    regexp_extract_all(f, '\x01109_14\x02(\d+)\x03[^\x01]', 1)::BIGINT[] AS "109_14",
    regexp_extract_all(f, '\x01109_14\x02\d+\x03([^\x01]+)', 1)::DOUBLE[] AS "109_14_weight",
    regexp_extract_all(f, '\x01110_14\x02(\d+)\x03[^\x01]', 1)::BIGINT[] AS "110_14",
    regexp_extract_all(f, '\x01110_14\x02\d+\x03([^\x01]+)', 1)::DOUBLE[] AS "110_14_weight",
    regexp_extract_all(f, '\x01127_14\x02(\d+)\x03[^\x01]', 1)::BIGINT[] AS "127_14",
    regexp_extract_all(f, '\x01127_14\x02\d+\x03([^\x01]+)', 1)::DOUBLE[] AS "127_14_weight",
    regexp_extract_all(f, '\x01150_14\x02(\d+)\x03[^\x01]', 1)::BIGINT[] AS "150_14",
    regexp_extract_all(f, '\x01150_14\x02\d+\x03([^\x01]+)', 1)::DOUBLE[] AS "150_14_weight"
  FROM users
)
-- Some rows convert without a click; as in published work they are left out.
SELECT * EXCLUDE (common)
FROM parsed_samples JOIN parsed_users USING (common, split)
WHERE click = 1 OR conversion = 0
