"""`python -m samkit` is the command `samkit`."""

from samkit.cli import main

if __name__ == "__main__":
    main()
