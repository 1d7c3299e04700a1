import type { VNode } from 'preact';

import { words } from '../language/language';

/** The shape of what is to come. */
export function Skeleton({ kind, count }: { kind: 'list' | 'messages'; count: number }): VNode {
  return (
    <div class="skeletons" data-kind={kind} role="status">
      <span class="heard-only">{words.value.loading}</span>
      {Array.from({ length: count }, (_, number) => (
        <div key={number} class="skeleton" />
      ))}
    </div>
  );
}
