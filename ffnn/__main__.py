"""`python -m ffnn` is the command `ffnn`, for where the command itself is not on the path."""

from ffnn.cli import main

if __name__ == "__main__":
    main()
