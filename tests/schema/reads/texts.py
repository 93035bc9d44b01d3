"""Texts that a writer of JSON or SQL may get wrong."""

LINE = "He said \"no\" \\ 'yes' </script> <b>&amp; %s {0} $1 e\u0301 \u00e9 שלום 👩‍👩‍👧 \ufeff\ufffd"
"""One line."""
NAME = LINE.replace("\ufeff", "")
"""The same, of what can be seen: a name has no other characters."""
BODY = (
    'First "paragraph" \\n\\u0041 \\.\n\nSecond:\ttab\r\nfeed\x0c bell\x07 del\x7f \x85 \u2028 \u2029 \x01\x1f\x08 \u202e'
    "🏴‍☠️ NFC \u1e9b\u0323 </script>"
)
"""Several lines, with control characters."""
TEXTS = (
    '"',
    "\\",
    "\\u0000 is no character, \\ud800 neither",
    "\x1b[31m\x01\x02\x03\x7f\x80\x9f",
    "line\nline\r\nline\u2028line\u2029line",
    "null",
    '{"a": [1, null, "\\""]}',
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0010ffff \uffff \ue000 🇮🇳 ǅ ﬁ",
    "\u202eright to left\u202c \u2066isolated\u2069 العربية",
    "a\u0300\u0301\u0302\u0303\u0304 Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
    "</script><script>alert(1)</script><!-- ]]> -->",
    "'; DROP TABLE people_person; -- %(id)s %s {} {{}} $1 :name ?",
    " leading and trailing \t",
    "1e400 NaN Infinity -0 00:00 2024-02-30",
)
"""Each of them is the summary of a story, the body of a chapter and the text of a whisper."""
