"""Which findings are there, and how bad is each unless a source says otherwise?

One table; a source's profile may name any code and another severity. The codes are a contract:
they stand in the store, in JSON and in manifests.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mitrarr_runner.nist.model import Finding, Severity
from mitrarr_runner.text import Text

_E, _W = Severity.ERROR, Severity.WARNING

SEVERITIES: Mapping[str, Severity] = MappingProxyType(
    {
        # the file as a whole
        "nist_empty": _E,
        "nist_too_large": _E,
        "nist_xml": _E,
        "nist_format": _E,
        # the walk
        "nist_truncated": _E,
        "nist_len": _E,
        "nist_record_start": _E,
        "nist_record_end": _E,
        "nist_too_many_records": _E,
        "nist_trailing_blanks": _W,
        "nist_trailing_bytes": _E,
        "nist_second_transaction": _E,
        # CNT against the records
        "nist_cnt": _E,
        "nist_cnt_count": _E,
        "nist_cnt_type": _E,
        "nist_cnt_idc": _E,
        "nist_idc": _E,
        "nist_unknown_type": _W,
        # tags
        "nist_tag_order": _E,
        "nist_tag_malformed": _E,
        "nist_tag_foreign": _E,
        "nist_tag_foreign_kept": _W,  # in records that are kept as they are, not decoded
        "nist_tag_duplicate": _E,
        "nist_tag_duplicate_type2": _W,
        "nist_separator": _E,
        "nist_too_many_findings": _E,  # the checks stopped here
        # Type-1
        "nist_type1_missing": _E,
        "nist_type1_resolution": _W,
        "nist_type1_ascii": _W,
        "nist_ver": _E,
        "nist_ver_unknown": _W,
        "nist_tot": _E,
        "nist_tot_refused": _E,
        "nist_date": _E,
        "nist_date_future": _E,
        "nist_charset": _W,
        # Type-10 FACE
        "nist_face_field": _E,  # without it the image cannot be read
        "nist_face_field_other": _E,  # mandatory in the standard, not needed to read the image
        "nist_face_empty": _E,
        "nist_face_cga": _E,
        "nist_face_cga_wrong": _E,
        "nist_face_image": _E,
        "nist_face_size": _E,
        "nist_face_cut": _E,
        "nist_face_too_large": _E,
    }
)


def finding(
    code: str,
    message: Text,
    *,
    offset: int | None = None,
    record: int | None = None,
    field: str | None = None,
) -> Finding:
    """A finding with the default severity of its code."""
    return Finding(code, SEVERITIES[code], message, offset, record, field)
