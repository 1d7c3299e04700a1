import { expect, test } from 'vitest';

import { Pace } from './pace';

test('what is drawn fast is drawn with every frame', () => {
  const pace = new Pace();
  expect(pace.waitMs(0)).toBe(0);
  pace.drew(0, 1);
  expect(pace.waitMs(17)).toBe(0);
});

test('what takes long takes an eighth of the time', () => {
  const pace = new Pace();
  pace.drew(100, 150);
  expect(pace.waitMs(150)).toBe(400);
  expect(pace.waitMs(560)).toBe(0);
});
