/** A small log of every kind of column, and configurations of it. */
import type { ConfigInput } from '../../../src/config/schema.js';
import { configOf, type DataInput } from './logs.js';

/** 3,000 rows: requests of 10 in order, a time, a stage, ids, a list, a number. */
export const LOG = `
  SELECT i // 10 AS request, i % 37 AS ad, 'u' || (i // 10 % 50) AS user, i // 10 + (i % 10) / 20 AS ts,
    CASE i % 5 WHEN 0 THEN 'retrieved' WHEN 1 THEN 'early' WHEN 2 THEN 'final' WHEN 3 THEN 'impression' ELSE 'click' END AS stage,
    (i % 5 >= 3)::INTEGER AS shown, CASE WHEN i % 5 >= 3 THEN (i % 5 = 4)::INTEGER END AS click,
    (i * 7919 % 1000) / 10 AS x, ['t' || (i % 3), 't' || (i % 11)] AS tags, i AS id
  FROM range(3000) t(i) ORDER BY i`;

export const COLUMNS = {
  request: 'request',
  ad: 'ad',
  user: 'user',
  impression: 'shown',
  click: 'click',
  stage: 'stage',
  time: 'ts',
} satisfies DataInput['columns'];

export const FEATURES: DataInput['features'] = {
  user: [{ name: 'user', kind: 'categorical', vocabulary: { minFrequency: 1 } }],
  ad: [
    { name: 'ad', kind: 'categorical', hash: { buckets: 64 } },
    { name: 'tags', kind: 'multi', vocabulary: { minFrequency: 1 } },
    { name: 'x', kind: 'dense' },
    { name: 'id', kind: 'dense', transform: 'none' },
  ],
};

const TASKS: ConfigInput['tasks'] = { click: { label: 'click' } };

export const config = (data: Partial<DataInput>) =>
  configOf({ columns: COLUMNS, features: FEATURES, ...data } as DataInput, TASKS);
