// Light or dark: the system's choice, until the reader makes one.

import { effect } from '@preact/signals';

import { kept } from './storage';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

export const isTheme = (text: string): text is Theme => (THEMES as readonly string[]).includes(text);

export const theme = kept<Theme>('theme', 'system', isTheme);

export function applyTheme(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
  });
}
