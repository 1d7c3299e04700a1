// A chat's first title is what its first message begins with.

const CHARACTERS_MAX = 60;

export function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0]!.replace(/^#+\s+/, '').replace(/\s+/g, ' ').trim();
  // Cut between what people take for characters: a Devanagari syllable or an emoji is never cut in two.
  const characters = Array.from(new Intl.Segmenter().segment(line), ({ segment }) => segment);
  if (characters.length <= CHARACTERS_MAX) return line;
  return `${characters.slice(0, CHARACTERS_MAX - 1).join('').trimEnd()}…`;
}
