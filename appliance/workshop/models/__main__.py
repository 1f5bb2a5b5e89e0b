"""Run `python -m appliance.workshop.models [STAGE]`, which is scripts/train-bundled without its environment."""

import os


def main() -> None:
    """Fix the number of threads, then run the stages."""
    # The order of additions, and therefore the last bits of the result, depends on the number of threads. numpy reads
    # these variables when it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from appliance.workshop.models.stages import run_stages

    run_stages()


if __name__ == "__main__":
    main()
