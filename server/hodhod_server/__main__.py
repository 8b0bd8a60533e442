"""`hodhod` and `python -m hodhod_server`."""

from __future__ import annotations

from hodhod_server.cli.commands import hodhod


def main() -> None:
    """The console script."""
    hodhod()


if __name__ == "__main__":
    main()
