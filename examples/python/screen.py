"""Shows a text that grows."""

import sys


class Screen:
    def __init__(self) -> None:
        self._shown = ""

    def show(self, text: str) -> None:
        # A snapshot may have taken back what was shown: then the text begins again on a new line.
        grows = text.startswith(self._shown)
        sys.stdout.write(text[len(self._shown) :] if grows else f"\n{text}")
        sys.stdout.flush()
        self._shown = text
