/** Rules between the roles of one row (DESIGN: which row trains which task). */
import type { Role } from './features.js';
import type { Verdict } from './verdict.js';

type RoleValues = ReadonlyMap<Role, { readonly values: Float64Array }>;

/**
 * Rejects rows whose roles contradict each other: a click or a conversion where the ad was not shown; an impression in CTR traffic
 * without a click label. Without the role `impression` every row was shown, without `ctrTraffic` every row is CTR traffic.
 */
export function checkRoles(roles: RoleValues, verdict: Verdict): void {
  const impression = roles.get('impression')?.values;
  const traffic = roles.get('ctrTraffic')?.values;
  const click = roles.get('click')?.values;
  const conversion = roles.get('conversion')?.values;
  for (let row = 0; row < verdict.rows; row++) {
    const shown = impression === undefined || impression[row] === 1;
    if (!shown) {
      if ((click?.[row] ?? 0) > 0) verdict.reject(row, 'click without impression');
      if ((conversion?.[row] ?? 0) > 0) verdict.reject(row, 'conversion without impression');
    } else if (click && Number.isNaN(click[row]) && (traffic === undefined || traffic[row] === 1)) {
      verdict.reject(row, 'impression in CTR traffic without a click label (null)');
    }
  }
}
