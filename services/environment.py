"""What a process that runs models finds in its environment, whoever starts it."""

WORKER_ENVIRONMENT = {
    "ORT_DISABLE_TELEMETRY": "1",
    # Torch's threads would wait for each other by spinning, on cores that the other lane needs: on busy ones an
    # explanation of 1 s then took 4 to 12.
    "OMP_WAIT_POLICY": "PASSIVE",
}
