import { expect, test } from 'vitest';

import { safeAddress } from './address';

const ALLOWED = ['https://example.org/a?b=c#d', 'HTTP://example.org', 'mailto:someone@example.org'];

test.each(ALLOWED)('%s is followed', (address) => expect(safeAddress(address)).toBe(address));

test.each([
  'javascript:alert(1)',
  'JavaScript:alert(1)',
  ' javascript:alert(1)',
  'java\nscript:alert(1)',
  '\u0001https://example.org',
  'javascript&colon;alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'file:///etc/passwd',
  'blob:https://example.org/1',
  '//example.org',
  '/graphql',
  '#/chats/1',
  'https://',
  'https:example.org',
  '',
])('%j is not', (address) => expect(safeAddress(address)).toBe(null));
