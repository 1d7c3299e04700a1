// A bot's text, drawn while it grows.

import { Component, type VNode } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

import { type Block, GrowingBlocks, blocksOf } from './blocks';
import { Tokens } from './markdown';
import { Pace } from './pace';

/** Drawn once for each block: those that are settled stay the same objects. */
class BlockView extends Component<{ block: Block }> {
  override shouldComponentUpdate(next: { block: Block }): boolean {
    return next.block !== this.props.block;
  }

  override render(): VNode {
    return <Tokens tokens={this.props.block.tokens} />;
  }
}

function Blocks({ blocks }: { blocks: readonly Block[] }): VNode {
  return (
    <>
      {blocks.map((block, number) => (
        <BlockView key={number} block={block} />
      ))}
    </>
  );
}

/** A text that has ended. */
export function Prose({ text }: { text: string }): VNode {
  const blocks = useMemo(() => blocksOf(text), [text]);
  return <Blocks blocks={blocks} />;
}

/** A text that grows. */
export function GrowingProse({ text }: { text: string }): VNode {
  const pace = useRef<Pace>(null);
  pace.current ??= new Pace();
  const parser = useRef<GrowingBlocks>(null);
  parser.current ??= new GrowingBlocks();
  const [drawn, draw] = useState(text);
  useEffect(() => {
    if (drawn === text) return;
    const wait = pace.current!.waitMs(performance.now());
    if (wait === 0) return draw(text);
    const timer = setTimeout(() => draw(text), wait);
    return () => clearTimeout(timer);
  }, [text, drawn]);
  const startedAt = performance.now();
  const blocks = useMemo(() => parser.current!.update(drawn), [drawn]);
  useLayoutEffect(() => pace.current!.drew(startedAt, performance.now()), [drawn]);
  return <Blocks blocks={blocks} />;
}
