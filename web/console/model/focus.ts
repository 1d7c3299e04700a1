// Moving the focus for the user.
//
// What follows at once from something that the user did, moves it in the same task, in a layout effect: no key can come
// in between. What follows after a wait must not take it from where the user put it meanwhile.

export type MoveFocus = (to: HTMLElement | null | undefined, options?: FocusOptions) => void;

let userMoves = 0;
let isOurMove = false;

addEventListener(
  'focusin',
  () => {
    if (!isOurMove) userMoves++;
  },
  true,
);

/** Does what moves the focus, or lets the browser move it. */
export function asOurMove(move: () => void): void {
  const before = isOurMove;
  isOurMove = true;
  try {
    move();
  } finally {
    isOurMove = before;
  }
}

export const moveFocus: MoveFocus = (to, options) => asOurMove(() => to?.focus(options));

/** For a move after a wait that begins now: it does nothing if the user has moved the focus meanwhile. */
export function moveFocusLater(): MoveFocus {
  const before = userMoves;
  return (to, options) => {
    if (userMoves === before || isFocusLost()) moveFocus(to, options);
  };
}

/** Whether nothing has the focus, or only what cannot be used any more. */
export function isFocusLost(): boolean {
  const at = document.activeElement;
  return at === null || at === document.body || at.closest('[inert]') !== null;
}
