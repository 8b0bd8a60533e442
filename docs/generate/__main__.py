"""The command: write what is out of date, or with `--check` only tell."""

from __future__ import annotations

import sys

from docs.generate import pages


def main() -> int:
    """Non-zero where `--check` found a page that is out of date."""
    is_check = sys.argv[1:] == ["--check"]
    stale = [path for path in pages.all_pages() if pages.is_stale(path)]
    for path in stale:
        sys.stdout.write(
            f"{'out of date' if is_check else 'written'}: {path.relative_to(pages.ROOT)}\n"
        )
        if not is_check:
            pages.write(path)
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
