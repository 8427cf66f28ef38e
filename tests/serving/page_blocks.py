"""The blocks of a documentation page, run in their order as a reader would run them: in one shell."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from projects import quiet_environment, within

MARK = "=== block "


@dataclass(frozen=True)
class Block:
    """A fenced block: the heading above it, its language and its text."""

    heading: str
    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    """The ``bash`` and ``python`` blocks of a Markdown page."""
    blocks, heading = [], ""
    for part in re.finditer(
        r"^#+ ([^\n]+)$|^```(bash|python)\n(.*?)^```$", page.read_text(), flags=re.M | re.S
    ):
        heading = part[1] or heading
        if part[2]:
            blocks.append(Block(heading, part[2], part[3]))
    return blocks


def run_blocks(blocks: list[Block], project: Path, timeout: float, **environment: str) -> dict[str, str]:
    """What each heading's blocks printed. Ports that the page names are replaced by free ones.

    Raises:
        AssertionError: a block failed; the message holds its output.
    """
    lines = ["set -e -o pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for number, block in enumerate(blocks):
        lines.append(f"echo; echo '{MARK}{number}'")
        lines.append(f"python - <<'END'\n{block.text}END" if block.language == "python" else block.text)
    script = "\n".join(lines)
    for port in sorted(set(re.findall(r"\b500[1-9]\b", script))):
        script = script.replace(port, str(free_port()))
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=project,
        env=quiet_environment(PATH=path, **environment),
        capture_output=True,
        text=True,
        timeout=within(timeout),
        check=False,
        stdin=subprocess.DEVNULL,
    )
    printed: dict[str, str] = {}
    reached = done.stdout.split(f"\n{MARK}")[1:]
    for block, part in zip(blocks, reached, strict=False):
        printed[block.heading] = printed.get(block.heading, "") + part.partition("\n")[2]
    last = blocks[max(len(reached) - 1, 0)]
    assert done.returncode == 0, f"{last.text}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    assert len(reached) == len(blocks)
    return printed


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
