/** Shows a text that grows. */
export class Screen {
  #shown = "";

  show(text: string) {
    // A snapshot may have taken back what was shown: then the text begins again on a new line.
    const grows = text.startsWith(this.#shown);
    process.stdout.write(grows ? text.slice(this.#shown.length) : `\n${text}`);
    this.#shown = text;
  }
}
