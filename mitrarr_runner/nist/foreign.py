"""Is this some other format, and which? Looks at the first bytes only.

People drop JPEGs, ZIPs and the XML encoding of the same standard into the spool; each gets its
own name in the answer, so that the sender can be told what to change.
"""

from __future__ import annotations

import re

from mitrarr_runner.nist.codes import finding
from mitrarr_runner.nist.model import Finding
from mitrarr_runner.text import plural, text

_OURS = re.compile(rb"1\.0{0,3}1:")
_OURS_CUT = re.compile(rb"1(?:\.0{0,3}1?)?")
_XML_ROOT = b"NISTBiometricInformationExchangePackage"
_LOOK = 8192  # the root element stands behind comments and many namespace declarations

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"PK\x03\x04", "ZIP"),
    (b"PK\x05\x06", "ZIP"),
    (b"\x00\x00\x00\x0cjP", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\xa0\xff", "WSQ"),
    (b"%PDF", "PDF"),
    (b"\x1f\x8b", "GZIP"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf", "7-Zip"),
)


def refuse_foreign(view: memoryview) -> Finding | None:
    """None for what begins like an ANSI/NIST file, else the reason why not."""
    if len(view) == 0:
        return finding("nist_empty", text("the file is empty"), offset=0)
    if _OURS.match(view):
        return None
    head = bytes(view[:_LOOK])
    if _OURS_CUT.fullmatch(head):
        message = plural(
            "file truncated: only {count} byte arrived",
            "file truncated: only {count} bytes arrived",
            len(head),
        )
        return finding("nist_truncated", message, offset=0, record=1)
    wide = head.startswith((b"\xff\xfe<\x00", b"\xfe\xff\x00<"))
    plain = head.replace(b"\x00", b"")[2:] if wide else head.removeprefix(b"\xef\xbb\xbf")
    if plain.lstrip().startswith(b"<"):
        if _XML_ROOT in plain or plain.lstrip().startswith(b"<?xml"):
            return finding("nist_xml", text("XML encoding not supported"), offset=0)
        return _not_ours("XML/HTML")
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return _not_ours(name)
    message = text("not an ANSI/NIST file: it does not begin with field 1.001")
    return finding("nist_format", message, offset=0)


def _not_ours(name: str) -> Finding:
    message = text("not an ANSI/NIST file: this is {format}", format=name)
    return finding("nist_format", message, offset=0)
