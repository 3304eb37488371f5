"""``python -m jumpset`` and the program ``jumpset``: the command line."""

from __future__ import annotations

import sys

from jumpset._core.errors import MissingLibrary


def main() -> None:
    """Run the command line; ends in ``SystemExit``."""
    try:
        from jumpset.cli.app import program
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except MissingLibrary as error:
        print(f"jumpset: {error}", file=sys.stderr)  # noqa: T201, typer is what is missing
        raise SystemExit(2) from None
    program()


if __name__ == "__main__":
    main()
