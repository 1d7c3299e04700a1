// What was written and not sent yet, as long as the tab is open.

const nameOf = (place: string): string => `colloquy.draft.${place}`;

export function readDraft(place: string): string {
  try {
    return sessionStorage.getItem(nameOf(place)) ?? '';
  } catch {
    return '';
  }
}

export function writeDraft(place: string, text: string): void {
  try {
    if (text === '') sessionStorage.removeItem(nameOf(place));
    else sessionStorage.setItem(nameOf(place), text);
  } catch {
    // It lasts as long as the field.
  }
}
