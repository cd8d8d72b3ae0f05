"""The gate counts writes, needs leadership, and refuses a fault it does not understand."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from ropewalk.shell.write_fence import NotLeading, WriteFence


async def write() -> str:
    """An action that would be a write."""
    await asyncio.sleep(0)
    return "written"


async def test_nothing_is_written_without_the_lease() -> None:
    """The action is never even started."""
    with pytest.raises(NotLeading):
        await WriteFence(lambda: False).write("apply", "Job", write)
    assert await WriteFence(lambda: True).write("apply", "Job", write) == "written"


@pytest.mark.parametrize("fault", ["crash", "crash:x:before", "crash:1:later", "explode:1:after"])
def test_a_fault_that_is_misspelt_is_refused(fault: str) -> None:
    """With a sentence that shows the right spelling."""
    with pytest.raises(ValueError, match="crash:N:before"):
        WriteFence(lambda: True, fault)


@pytest.mark.parametrize(("when", "seen"), [("before", "1\n"), ("after", "1\n2\n")])
def test_the_process_ends_at_the_second_write(when: str, seen: str) -> None:
    """Before it: its effect is absent; after it: present. Either way as a kill would end it."""
    program = (
        "import asyncio\nfrom ropewalk.shell.write_fence import WriteFence\n"
        f"gate = WriteFence(lambda: True, 'crash:2:{when}')\n"
        "async def act(n): print(n, flush=True)\n"
        "async def main():\n for n in (1, 2, 3): await gate.write('apply', 'Job', lambda: act(n))\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (137, seen), done.stderr


def test_a_write_that_others_overtake_is_still_the_one() -> None:
    """Numbers are given when writes begin; the fault strikes after the first, though a second began meanwhile."""
    program = (
        "import asyncio\nfrom ropewalk.shell.write_fence import WriteFence\n"
        "gate = WriteFence(lambda: True, 'crash:1:after')\n"
        "async def write(): await gate.write('apply', 'Job', lambda: asyncio.sleep(0))\n"
        "async def main(): await asyncio.gather(write(), write())\n"
        "asyncio.run(main())"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 137
