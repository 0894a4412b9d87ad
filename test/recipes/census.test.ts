import assert from 'node:assert/strict';
import { convertedLog, Publication } from './support/recipe.js';

describe('recipe census', () => {
  it('gives the converted test log from the published file', async function () {
    const converted = convertedLog(this, 'census_income_100k');
    const whole = new Publication();
    try {
      await whole.lines(
        'census-income.test',
        ', ',
        `SELECT * EXCLUDE (row_id, label_income, label_never_married)
             REPLACE (coalesce(hisp_origin, 'NA') AS hisp_origin), if(label_income = 1, '50000+.', '- 50000.') AS income
         FROM '${converted}/*.parquet' ORDER BY row_id`,
      );
      const columns = await whole.assertSameRows('census/config.yaml', 'eval', `${converted}/test.parquet`);
      assert.equal(columns.length, 44);
    } finally {
      whole.remove();
    }
  });

  it('makes both labels, and trains', async () => {
    const files = new Publication();
    try {
      const person = (i: number) => [
        '73',
        'Not in universe',
        0,
        0,
        'High school graduate',
        0,
        'Not in universe',
        i % 2 === 0 ? 'Never married' : 'Widowed',
        'Not in universe or children',
        'Not in universe',
        'White',
        'All other',
        'Female',
        'Not in universe',
        'Not in universe',
        'Not in labor force',
        0,
        0,
        i,
        'Nonfiler',
        'Not in universe',
        'Not in universe',
        'Other Rel 18+ ever marr not in subfamily',
        'Other relative of householder',
        1700.09,
        '?',
        '?',
        '?',
        'Not in universe under 1 year old',
        '?',
        0,
        'Not in universe',
        'United-States',
        'United-States',
        'United-States',
        'Native- Born in the United States',
        0,
        'Not in universe',
        2,
        0,
        95,
        i % 4 === 0 ? '50000+.' : '- 50000.',
      ];
      files.table(
        'census-income.test',
        ', ',
        Array.from({ length: 40 }, (_, i) => person(i)),
      );
      const { columns, rows } = await files.train('census/config.yaml');
      const sum = (name: string) => (columns[name] as number[]).reduce((a, b) => a + b);
      assert.equal(rows.train + (rows.eval ?? 0), 40);
      assert.ok(sum('label.label_never_married') > sum('label.label_income') && sum('label.label_income') > 0);
    } finally {
      files.remove();
    }
  });
});
