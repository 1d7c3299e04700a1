import { expect, test } from 'vitest';

import { GrowingBlocks, blocksOf } from './blocks';

const TEXT = `# A heading

A paragraph with **bold** words
and another line.

1. one
2. two

   with more
3. three

- [x] done

\`\`\`js
let text = '# no heading';

\`\`\`

> said

| a | b |
| - | - |
| 1 | 2 |

The end. <b>no markup</b>
`;

const sourceOf = (blocks: readonly { source: string }[]): string => blocks.map((block) => block.source).join('');
const kindsOf = (blocks: readonly { tokens: readonly { type: string }[] }[]): (string | undefined)[] =>
  blocks.map((block) => block.tokens[0]?.type);

test.each([1, 2, 7, 40])('a text that grows by %i characters has no other blocks than one that is there', (step) => {
  const growing = new GrowingBlocks();
  for (let end = step; end < TEXT.length; end += step) growing.update(TEXT.slice(0, end));
  expect(sourceOf(growing.update(TEXT))).toBe(TEXT);
  expect(kindsOf(growing.update(TEXT))).toEqual(kindsOf(blocksOf(TEXT)));
});

test('what is settled stays the same object, so that it is not drawn again', () => {
  const growing = new GrowingBlocks();
  const before = growing.update('one\n\ntwo\n\nthree\n\nfour');
  const after = growing.update('one\n\ntwo\n\nthree\n\nfour and more');
  expect(after[0]).toBe(before[0]);
  expect(after[1]).toBe(before[1]);
  expect(after.at(-1)).not.toBe(before.at(-1));
});

test('a text that was replaced is parsed from its beginning', () => {
  const growing = new GrowingBlocks();
  growing.update('one\n\ntwo\n\nthree\n\nfour');
  expect(sourceOf(growing.update('another'))).toBe('another');
});

test('line ends of another system are no reason to lose text', () => {
  const text = 'one\r\n\r\ntwo\r\n\r\nthree\r\n\r\nfour';
  const growing = new GrowingBlocks();
  for (let end = 1; end <= text.length; end++) growing.update(text.slice(0, end));
  expect(kindsOf(growing.update(text))).toEqual(['paragraph', 'paragraph', 'paragraph', 'paragraph']);
});
