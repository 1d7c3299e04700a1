// Our own few drawings. They say nothing by themselves: whatever holds one has a name in words.

import type { VNode } from 'preact';

const PATHS = {
  plus: 'M12 5v14M5 12h14',
  menu: 'M4 7h16M4 12h16M4 17h16',
  close: 'M6 6l12 12M18 6L6 18',
  search: 'M11 4a7 7 0 1 0 0 14a7 7 0 0 0 0-14zM16.2 16.200L20.5 20.5',
  pencil: 'M5 19l.9-3.900L16.3 4.700a1.8 1.8 0 0 1 2.5 0l.5.5a1.8 1.8 0 0 1 0 2.500L8.9 18.100z',
  bin: 'M5 7h14M10 7V5h4v2M7 7l.8 12h8.400L17 7M10.5 10.500v5M13.5 10.500v5',
  send: 'M12 19V5.500M6 11.200L12 5.200l6 6',
  down: 'M12 5v13.500M6 12.800l6 6l6-6',
  copy: 'M9 9h10v10H9zM15 9V5H5v10h4',
  check: 'M5 12.500l4.5 4.500L19 7.5',
  smile: 'M12 4a8 8 0 1 0 0 16a8 8 0 0 0 0-16zM9 10v.1M15 10v.1M8.6 14a4 4 0 0 0 6.8 0',
  again: 'M19 12a7 7 0 1 1-2.2-5.100M19 4.500V8h-3.5',
  warning: 'M12 4.500l8.5 14.500h-17zM12 10v4.500M12 17v.1',
  cut: 'M4 12h9M17 12h.1M20 12h.1',
  pause: 'M9 7v10M15 7v10',
} as const;

export type IconName = keyof typeof PATHS | 'stop';

export function Icon({ name }: { name: IconName }): VNode {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      {name === 'stop' ? <rect class="filled" x="6" y="6" width="12" height="12" rx="2.5" /> : <path d={PATHS[name]} />}
    </svg>
  );
}

export function Mark(): VNode {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path class="mark-one" d="M3 10.500A6.5 6.5 0 0 1 9.5 4h7a6.5 6.5 0 0 1 0 13H10l-7 5z" />
      <path class="mark-two" d="M29 20a6 6 0 0 0-5.3-6a9.5 9.5 0 0 1-8.2 6.900A6 6 0 0 0 20 26h3l6 4z" />
    </svg>
  );
}
