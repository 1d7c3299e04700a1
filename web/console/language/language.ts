// The page's language: the reader's choice, or else the browser's.

import { computed, effect } from '@preact/signals';

import { kept } from '../model/storage';
import { type Catalogue, ENGLISH } from './english';
import { HINDI } from './hindi';

export const LANGUAGES = { en: 'English', hi: 'हिन्दी' } as const;
export type Language = keyof typeof LANGUAGES;

const CATALOGUES: Record<Language, Catalogue> = { en: ENGLISH, hi: HINDI };

export const isLanguage = (text: string): text is Language => text in LANGUAGES;

function guessed(): Language {
  const known = navigator.languages.map((tag) => tag.split('-')[0]!).find(isLanguage);
  return known ?? 'en';
}

export const language = kept<Language>('language', guessed(), isLanguage);

/** The page's words. */
export const words = computed(() => CATALOGUES[language.value]);

effect(() => {
  document.documentElement.lang = language.value;
});

/** What a bot is told of where its words go. */
export function locale(): { language: Language; timezone: string | null } {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  // A browser that does not know says so by a zone that is not in the IANA database.
  return { language: language.value, timezone: zone && zone !== 'Etc/Unknown' ? zone : null };
}

export function wordsFor(problem: { code: string }): string {
  const { errors, unknownError } = words.value;
  return (errors as Record<string, string | undefined>)[problem.code] ?? unknownError(problem.code);
}
