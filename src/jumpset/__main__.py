"""``python -m jumpset``: the command line."""

from jumpset.cli import main

if __name__ == "__main__":
    main()
