import { beforeEach, expect, test } from 'vitest';

import { closing, credential, entry, isOpen, keepToken, opened, parseToken, refused, token } from './access';

beforeEach(() => {
  opened('first');
});

test('whoever asks waits for a token that the server takes', async () => {
  refused('first');
  expect([closing.value, token.value]).toEqual(['over', null]);
  const waiting = entry();
  opened('second');
  expect(await waiting).toBe('second');
});

test('a refusal of a token that has been replaced since changes nothing', () => {
  opened('second');
  refused('first');
  refused(null);
  expect([isOpen.value, token.value]).toEqual([true, 'second']);
});

test('without a token it is missing, and not over', () => {
  keepToken(null);
  refused(null);
  expect(closing.value).toBe('missing');
});

test('a token is taken as people paste it', () => {
  for (const text of ['a.b.c', ' a.b.c\n', 'Bearer a.b.c', 'bearer  a.b.c']) expect(parseToken(text)).toBe('a.b.c');
  for (const text of ['', ' ', 'a b', 'नमस्ते', 'a\nb']) expect(parseToken(text)).toBeNull();
});

test('it is sent as RFC 6750 has it, and only if there is one', () => {
  expect(credential('a')).toEqual({ authorization: 'Bearer a' });
  expect(credential(null)).toEqual({});
});
