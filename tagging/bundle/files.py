"""Bundle files: writing the manifest last, and reading a bundle only if it is intact."""

from pathlib import Path
from shutil import copyfile

from tagging.bundle.manifest import BundleManifest


def copy_missing_files(bundle: Path, folder: Path, manifest: BundleManifest) -> None:
    """Copy those files of a bundle that the folder, which is to become another bundle, does not have yet."""
    for name in manifest.files:
        target = folder / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(bundle / name, target)  # without the mode: an installed package may be read-only
