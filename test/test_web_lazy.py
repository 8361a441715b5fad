"""Who wants no view does not pay for one."""

import subprocess
import sys

LIBRARIES = ("fastapi", "uvicorn", "starlette", "websockets", "segno")


def test_a_mission_without_a_view_loads_no_web_server(tmp_path) -> None:
    code = (
        "import sys\n"
        "from vlm_bt.cli import app\n"
        "try:\n"
        f"    app(['run', 'organise_workbench', '--items', '0', '--fidelity', 'fast', '--out', {str(tmp_path)!r},\n"
        "         '--human', 'silent'])\n"
        "except SystemExit as end:\n"
        "    code = end.code\n"
        f"print(code, sorted(set({LIBRARIES!r}) & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert told.splitlines()[-1] == "0 []"
