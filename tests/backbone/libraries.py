"""Running lines of other libraries, installed in folders of their own, in another process."""

import os
import subprocess
import sys


def run_lines(lines, folder, *packages):
    """Run Python in `folder`; folders of packages come after those of this environment."""
    paths = f"import sys\nsys.path.extend({[str(package) for package in packages]!r})\n"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", paths + lines],
        cwd=folder, env=os.environ | {"HF_HUB_OFFLINE": "1"}, check=True, timeout=280,
    )  # fmt: skip
