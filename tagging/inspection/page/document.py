"""Self-contained HTML document: style, script and data in one file, under a Content-Security-Policy of their hashes.

Data are untrusted: titles, tags and passages. They are a JSON data block, which a browser does not execute, without a
character that could end the block (WHATWG HTML, 4.12.1.3); the script shows them as text nodes alone.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

# U+2028 and U+2029 end a line in scripts before ECMAScript 2019.
_JSON_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def html_document(
    title: str,
    styles: Sequence[str],
    scripts: Sequence[str],
    data: Mapping[str, object],
    connect: str = "'none'",
) -> str:
    """Return a document that runs nothing but the named assets.

    title: of the browser's tab
    styles, scripts: file names of `assets/`, joined in this order; all scripts share one scope
    data: JSON values, which the script finds in the element `data`
    connect: sources that the script may fetch from, as CSP's connect-src has them
    """
    return inline_document(
        title, "\n".join(map(read_asset, styles)), one_scope(map(read_asset, scripts)), data, connect
    )


def inline_document(title: str, style: str, script: str, data: Mapping[str, object], connect: str = "'none'") -> str:
    """Return a document that runs nothing but this script; the other parameters are those of `html_document`."""
    return Template(read_asset("page.html")).substitute(
        policy=escape(content_security_policy(style, script, connect)),
        title=escape(title),
        style=style,
        script=script,
        data=json_block(data),
    )


def content_security_policy(style: str, script: str, connect: str = "'none'") -> str:
    """Return the policy under which this style and this script run, and nothing else is run, loaded or sent."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src '{source_hash(style)}'",
            f"script-src '{source_hash(script)}'",
            f"connect-src {connect}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def source_hash(text: str) -> str:
    """Return the hash of an inline element's text as CSP level 3 writes it (2.3.1): "sha256-" and base64."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def json_block(data: Mapping[str, object]) -> str:
    """Return JSON that can stand inside of a script element; ValueError for NaN or infinity."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_JSON_ESCAPES)


def read_asset(name: str) -> str:
    """Return the text of a file of `assets/`."""
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def one_scope(scripts: Iterable[str]) -> str:
    """Return the scripts as one, whose names the page's other scripts do not see."""
    joined = "\n".join(scripts)
    return f'"use strict";\n(() => {{\n{joined}}})();\n'
