// How often a growing text is drawn. Parsing and drawing it may take at most an eighth of the time, however long its
// last block is: a slow one is drawn less often, and the page stays responsive.

const SHARE = 8;

export class Pace {
  #cost = 0;
  #at = 0;

  /** How long to wait from `now` on before the next drawing. */
  waitMs(now: number): number {
    return Math.max(0, this.#at + this.#cost * SHARE - now);
  }

  drew(startedAt: number, now: number): void {
    this.#cost = now - startedAt;
    this.#at = now;
  }
}
