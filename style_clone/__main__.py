"""`python -m style_clone` is the command line."""

from style_clone.cli import main

if __name__ == "__main__":
    main()
