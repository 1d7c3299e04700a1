import { expect, test } from 'vitest';

import page from '../../../docs/errors.md?raw';
import { ERROR_CODES, FAILURE_CODES } from './problem';

const codesOf = (text: string): string[] => Array.from(text.matchAll(/^\| `([A-Z_]+)`/gm), ([, code]) => code!);

test('every code that the documents list has its words, and no other', () => {
  const [errors = '', rest = ''] = page.split('## Why a reply failed');
  expect([...ERROR_CODES]).toEqual(codesOf(errors));
  expect([...FAILURE_CODES]).toEqual(codesOf(rest));
});
