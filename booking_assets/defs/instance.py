"""DAGSTER_HOME of `booking-assets`: where it is, and the files that Dagster reads from it."""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path

from booking_assets.settings import Settings, require_usable

HOME_VARIABLE = "DAGSTER_HOME"


def prepare_dagster_home(settings: Settings) -> Path:
    """The folder of Dagster's state, for this process and those that it starts.

    It is DAGSTER_HOME where that is set, and whoever set it also wrote its `dagster.yaml`; else
    `.dagster/` beside the configuration, with this package's instance settings.
    """
    named = os.environ.get(HOME_VARIABLE)
    # Dagster refuses a relative folder, and one that does not exist.
    home = Path(named).absolute() if named else settings.root / ".dagster"
    require_usable(home)
    # What is logged of a run is for its user alone.
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not named:
        packaged = resources.files("booking_assets").joinpath("dagster.yaml")
        # By its own path: who opens the folder with another DAGSTER_HOME finds its events, too.
        instance_settings = packaged.read_text(encoding="utf-8").replace(
            f"{{env: {HOME_VARIABLE}}}", json.dumps(str(home))
        )
        (home / "dagster.yaml").write_text(instance_settings, encoding="utf-8")
    os.environ[HOME_VARIABLE] = str(home)
    return home
