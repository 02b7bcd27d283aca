"""``python -m personlog``: the same as the ``personlog`` command."""

from .cli import main

if __name__ == "__main__":
    main()
