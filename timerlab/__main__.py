"""`python -m timerlab`."""

from timerlab.cli import main

if __name__ == "__main__":
    main()
