"""``python -m spikebench``: the command line, for launchers that start modules (``torchrun -m spikebench …``)."""

from __future__ import annotations

from cli.main import main

if __name__ == "__main__":
    main()
