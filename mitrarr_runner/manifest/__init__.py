"""Manifests: files in git -> Documents -> Problems -> Manifest (read, check, build, compiled)."""
