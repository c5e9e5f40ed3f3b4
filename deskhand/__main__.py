import sys

from deskhand.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
