// Moments, as the reader's language writes them.

import { computed } from '@preact/signals';

import { language } from './language';

const DAY_MS = 86_400_000;

const formats = computed(() => ({
  time: new Intl.DateTimeFormat(language.value, { hour: 'numeric', minute: '2-digit' }),
  weekday: new Intl.DateTimeFormat(language.value, { weekday: 'short' }),
  date: new Intl.DateTimeFormat(language.value, { day: 'numeric', month: 'short' }),
  full: new Intl.DateTimeFormat(language.value, { dateStyle: 'medium', timeStyle: 'short' }),
}));

/** As short as lists need it: the time today, the weekday within a week, else the date. */
export function shortMoment(moment: string, now = new Date()): string {
  const date = new Date(moment);
  const { time, weekday, date: day } = formats.value;
  if (date.toDateString() === now.toDateString()) return time.format(date);
  const isThisWeek = now.getTime() - date.getTime() < 6 * DAY_MS;
  return (isThisWeek ? weekday : day).format(date);
}

export const fullMoment = (moment: string): string => formats.value.full.format(new Date(moment));
