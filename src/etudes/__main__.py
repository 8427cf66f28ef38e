"""``etudes`` and ``python -m etudes``: the project's commands from a wheel, without a checkout.

Outputs, store and logs go to the working folder, or to the project it is in; the configuration comes with the package.
"""

from __future__ import annotations

import os
from pathlib import Path

LOGGING = Path(__file__).parent / "conf" / "logging.yml"


def main() -> None:
    """Run a command as typed."""
    if LOGGING.is_file() and not Path("conf", "logging.yml").is_file():
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(LOGGING))  # read when Kedro is imported
    from kedro.framework.project import configure_project

    configure_project("etudes")
    from etudes.cli import cli

    cli(prog_name="etudes")


if __name__ == "__main__":
    main()
