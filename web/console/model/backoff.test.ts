import { expect, test } from 'vitest';

import { backOffMs } from './backoff';

test('each pause is longer than the one before, up to a bound', () => {
  const pauses = Array.from({ length: 12 }, (_, attempt) => backOffMs(attempt, 1));
  expect(pauses).toEqual([...pauses].sort((one, other) => one - other));
  expect(pauses[0]).toBe(300);
  expect(pauses.at(-1)).toBe(10_000);
});

test('chance keeps pages apart, and never lets one wait less than half', () => {
  expect(backOffMs(3, 0)).toBe(1200);
  expect(backOffMs(3, 1)).toBe(2400);
});
