"""Writes the parts of the documents that repeat the code: `python -m docs.generate [--check]`.

A page holds `<!-- begin: NAME -->` and `<!-- end: NAME -->`; what stands between them is generated,
what stands around them is written. `tests/test_documents.py` fails when the two have drifted.
"""

from __future__ import annotations
