"""Names that could pass for other names: labels that mix scripts, or whose letters look like Latin ones.

After the rules by which browsers show a label as `xn--` (UTS 39, "highly restrictive"): Latin may stand beside the
scripts of Chinese, Japanese or Korean, and no others together.
"""

import unicodedata

_TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
)
_OTHER_NAMES = {"KATAKANA-HIRAGANA": "KATAKANA", "IDEOGRAPHIC": "CJK"}
_LIKE_LATIN = frozenset("асԁеһіјӏорԛѕԝхуѵьӕгкпшмтвн" + "αγικνορτυχωϲϳ" + "օոսցհյզ" + "ɑɡɩıĸ")


def is_look_alike(name: str) -> bool:
    """Whether any label of a name in Unicode could be taken for one of other letters."""
    return any(_is_look_alike(label) for label in name.split("."))


def _is_look_alike(label: str) -> bool:
    letters = [letter for letter in label if unicodedata.category(letter).startswith("L")]
    scripts = {_script(letter) for letter in letters}
    if len(scripts) > 1 and not any(scripts <= allowed for allowed in _TOGETHER):
        return True
    foreign = [letter for letter in letters if not letter.isascii()]
    return bool(foreign) and all(letter in _LIKE_LATIN for letter in foreign)


def _script(letter: str) -> str:
    first = unicodedata.name(letter, "UNKNOWN").partition(" ")[0]
    return _OTHER_NAMES.get(first, first)
