// The chat that is open, for those parts of the page that lie around it.

import { signal } from '@preact/signals';

import type { Conversation } from './conversation';

export const current = signal<Conversation | null>(null);
