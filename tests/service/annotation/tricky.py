"""Texts that have shifted offsets or broken formats somewhere."""

import unicodedata

from tests.fakes import TEXTS

TRICKY = [
    *TEXTS,
    *(unicodedata.normalize("NFD", text) for text in TEXTS),
    "",
    " \n\t ",
    "  leo  Nairobi\u00a0na\n\nKampala\r\nna Kigali \u200b",
    "👨‍👩‍👧 Nairobi 🇰🇪🇹🇿 na Kampala 👍🏽 😀Kigali😀",
    "<script>alert(1)</script> & \"Nairobi\" 'Kampala' </mark> Kigali",
    "\ufeffNairobi\x00na\x07Kampala\x1b[31m",
    "ng'ombe wa Murang'a na Ochieng’, ‘Yan Nairobi",
    "أحمد في Nairobi 中国Kano ２０年ＢＢＣ",
    "Nairobi " * 200,
    "x" * 300 + " Nairobi",
    "e\u0323\u0301 Bọ́lá Tinubu ní Èkó…",
    "አዲስ፡አበባ፣ Addis Ababa።",
    "-DOCSTART- O\nNairobi B-LOC\n\n# text = Kigali",
    '""""Nairobi"""" {"text": "Kigali"}',
]
