import { expect, test } from 'vitest';

import { titleOf } from './title';

test('a title is the first line, without what only forms it', () => {
  expect(titleOf('  Hello   there\nand more')).toBe('Hello there');
  expect(titleOf('## Tides\nand more')).toBe('Tides');
});

test('a long one is cut between characters as people count them', () => {
  const title = titleOf('👩‍👩‍👧'.repeat(80));
  expect(title).toBe(`${'👩‍👩‍👧'.repeat(59)}…`);
  expect(titleOf('क्षि'.repeat(60))).toBe('क्षि'.repeat(60));
});
