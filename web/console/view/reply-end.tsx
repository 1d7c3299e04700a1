// How a reply ended, in words.

import type { VNode } from 'preact';

import { words } from '../language/language';
import { type Message, isGrowing } from '../model/assemble';
import type { ReplyState } from '../generated/operations';
import { Icon, type IconName } from './icons';

const ICONS: Record<ReplyState, IconName> = {
  STREAMING: 'pencil',
  COMPLETE: 'check',
  STOPPED: 'stop',
  FAILED: 'warning',
  INTERRUPTED: 'pause',
  TRUNCATED: 'cut',
  LENGTH: 'cut',
};

export function endOf({ reply }: Message): string {
  const { states, failures, unknownError } = words.value;
  if (!reply) return '';
  const { state, error } = reply;
  if (!error) return states[state];
  return `${states[state]} ${(failures as Record<string, string | undefined>)[error.code] ?? unknownError(error.code)}`;
}

export function ReplyEnd({ message }: { message: Message }): VNode | null {
  if (!message.reply || isGrowing(message)) return null;
  const { state, usage } = message.reply;
  return (
    <span class="reply-end" data-state={state}>
      <Icon name={ICONS[state]} />
      <span>{endOf(message)}</span>
      {usage && state === 'COMPLETE' && <span class="tokens">{words.value.tokens(usage.completion.tokens)}</span>}
    </span>
  );
}
