"""Names that come from files, as text that can be shown anywhere."""

from functools import cache


def printable(text):
    """The text without what a terminal would obey or cannot print: controls and lone surrogates are spelt out."""
    return "".join(c if c.isprintable() else _spelt_out(c) for c in str(text))


def drawable(text):
    """The text for a figure: also what the font lacks is spelt out, and `$` is no mathematics."""
    font = _font()
    lines = (printable(line) for line in str(text).split("\n"))
    shown = ("".join(c if font.get_char_index(ord(c)) else _spelt_out(c) for c in line) for line in lines)
    return "\n".join(shown).replace("$", r"\$")


def _spelt_out(character):
    return character.encode("unicode_escape", "surrogatepass").decode()


@cache
def _font():
    from matplotlib import font_manager  # of figures alone

    return font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
