"""The kinds of loss that the report card knows, a module each.

A new kind is a module with a `Kind`, and a line in `KINDS`.
"""

from tacref.verify.kinds import (
    barycenter,
    contrastive_idm,
    divergence,
    dtw,
    dtw_path,
    lav,
    sequence_contrastive,
    soft_dtw,
    tcc,
)
from tacref.verify.kinds.kind import Answer, Implementation, Kind, Option, Term

KINDS: dict[str, Kind] = {
    module.KIND.name: module.KIND
    for module in (
        dtw,
        soft_dtw,
        contrastive_idm,
        lav,
        divergence,
        tcc,
        sequence_contrastive,
        dtw_path,
        barycenter,
    )
}

__all__ = ["KINDS", "Answer", "Implementation", "Kind", "Option", "Term"]
