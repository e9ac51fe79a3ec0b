"""Months, weekdays and countries in the sample are those of Unicode's CLDR, or spelt much like them."""

import difflib
import tomllib
import unicodedata

import pytest
from babel import Locale

from build_models.data.sample.grammar import PACKS, languages

CODES = {"amh": "am", "hau": "ha", "ibo": "ig", "kin": "rw", "lug": "lg", "swa": "sw", "wol": "wo", "yor": "yo"}
"""CLDR's codes where they are others."""

COUNTRIES = (
    *("BI", "CD", "CN", "DE", "EG", "ET", "FR", "GB", "GH", "IN"),
    *("KE", "NG", "RW", "SD", "SN", "SO", "TZ", "UG", "US", "ZA"),
)
ALIKE = 0.75
MONTH_OR_DAY = ("osu ", "ojo ", "dwe mar ", "kuwa ")
"""Words for them, which the packs' patterns have apart."""

OTHERWISE = {
    "amh": {"ፌብሩዋሪ": "ፌብሯሪ", "ኮንጎ-ኪንሻሳ": "ዲሞክራቲክ ሪፐብሊክ ኮንጎ", "ዩናይትድ ኪንግደም": "እንግሊዝ"},
    "hau": {"Sanigal": "Senegal"},
    "lug": {
        **{"Marisi": "Gwakusatu", "Kongo - Zayire": "DR Congo", "Budaaki": "Girimaani", "Esyopya": "Ethiopia"},
        **{"Nayijerya": "Nigeria", "Sawusafirika": "South Africa"},
    },
    # CLDR writes Pidgin with tones, the news as English.
    "pcm": {
        **{"Jénúári": "January", "Ọktóba": "October", "Sọ́ndè": "Sunday", "Tiúzdè": "Tuesday"},
        **{"Wẹ́nẹ́zdè": "Wednesday", "Tọ́zdè": "Thursday", "Fraídè": "Friday", "Íjipt": "Egypt"},
    },
    "swa": {"Ufalme wa Muungano": "Uingereza"},
    "wol": {"Kongo (R K D)": "Kongo Kinshasa", "Ruwaayom Ini": "Àngalteer"},
    "yor": {"Égípítì": "Egypt"},
}
"""Names as CLDR has them that are spelt or chosen otherwise here, and which are here."""


def folded(text: str) -> str:
    letters = (letter for letter in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(letter))
    plain = "".join(letters).replace("ʼ", "'").replace("’", "'")
    for word in MONTH_OR_DAY:
        plain = plain.removeprefix(word)
    return plain


def items(language: str) -> set[str]:
    packs = [tomllib.loads((PACKS / f"{name}.toml").read_text(encoding="utf-8")) for name in (language, "_world")]
    return {folded(item) for pack in packs for values in pack["lists"].values() for item in values}


def cldr(language: str) -> list[str]:
    locale = Locale.parse(CODES.get(language, language))
    months, days = locale.months["format"]["wide"].values(), locale.days["format"]["wide"].values()
    return [*months, *days, *(locale.territories[code] for code in COUNTRIES if code in locale.territories)]


@pytest.mark.parametrize("language", languages())
def test_names_of_the_calendar_and_of_countries(language: str) -> None:
    known = items(language)
    text = "\n".join(known)
    strange = {
        name
        for name in cldr(language)
        if folded(name) not in text and not difflib.get_close_matches(folded(name), known, 1, ALIKE)
    }
    otherwise = OTHERWISE.get(language, {})
    assert strange == set(otherwise)
    assert {folded(name) for name in otherwise.values()} <= known
