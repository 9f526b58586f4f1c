"""python -m k8s.checks"""

import typer

from k8s.checks.command import main

if __name__ == "__main__":
    typer.run(main)
