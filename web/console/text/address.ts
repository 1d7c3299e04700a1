// Which addresses of somebody else's text may be followed.

const ALLOWED = /^(?:https?:\/\/|mailto:)/i;

/** The address, or null if following it could do anything but open a page or a letter. */
export function safeAddress(address: string): string | null {
  // Browsers skip blanks and control characters before they look for the scheme; so nobody may hide one in them.
  if (/[\u0000-\u0020]/.test(address) || !ALLOWED.test(address)) return null;
  return URL.canParse(address) ? address : null;
}
