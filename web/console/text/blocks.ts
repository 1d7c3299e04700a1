// Markdown that grows, cut into blocks. What lies before the last two can no longer change, so it is parsed once; only
// those two are parsed again when more comes. Two, because a list may go on behind what looks like a paragraph so far.

import { Lexer, type Token } from 'marked';

const OPTIONS = { gfm: true, breaks: true };

export interface Block {
  readonly source: string;
  readonly tokens: readonly Token[];
}

/** All blocks of a text that grows no more. */
export function blocksOf(text: string): readonly Block[] {
  return cut(Lexer.lex(text, OPTIONS)).map(blockOf);
}

const UNSETTLED = 2;

/** The blocks of a text that grows. */
export class GrowingBlocks {
  #settled: Block[] = [];
  #prefix = '';

  update(text: string): readonly Block[] {
    if (!text.startsWith(this.#prefix)) {
      // It was replaced.
      this.#settled = [];
      this.#prefix = '';
    }
    const tail = text.slice(this.#prefix.length);
    const blocks = cut(Lexer.lex(tail, OPTIONS)).map(blockOf);
    const settled = blocks.slice(0, -UNSETTLED);
    const source = settled.map((block) => block.source).join('');
    // The parser writes line ends its own way. Where it did, we could not tell where its blocks end in our text.
    if (settled.length > 0 && tail.startsWith(source)) {
      this.#settled = [...this.#settled, ...settled];
      this.#prefix += source;
      return [...this.#settled, ...blocks.slice(-UNSETTLED)];
    }
    return [...this.#settled, ...blocks];
  }
}

function blockOf(tokens: Token[]): Block {
  return { source: tokens.map((token) => token.raw).join(''), tokens };
}

/** One block of each token, together with the blank lines behind it: they belong to none, but must not get lost. */
function cut(tokens: Token[]): Token[][] {
  const blocks: Token[][] = [];
  for (const token of tokens) {
    if (token.type === 'space' && blocks.length > 0) blocks[blocks.length - 1]!.push(token);
    else blocks.push([token]);
  }
  return blocks;
}
