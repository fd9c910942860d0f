"""The tutorial's entry point, `python -m infra.cli.main`: a door to the same verbs as `mitrarr`."""

from mitrarr_runner.wake import main

if __name__ == "__main__":
    raise SystemExit(main())
