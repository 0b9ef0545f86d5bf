"""What a stage uses of its machine: samples of CPU, memory and GPU while it runs, and time, energy and cost of the whole."""

import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Log = Callable[[dict[str, float], int | None], None]

_EVERY = 10.0  # seconds; MLflow's own interval
_POWERCAP = Path("/sys/class/powercap")  # Intel's and AMD's counters (RAPL), where the kernel lets one read them
_MEGABYTE = 1e6
_HOUR = 3600.0
_JOULES_PER_KWH = 3.6e6


class Usage:
    """Measures from `start` to `finish`, with samples until `stop`.

    Energy is that of the whole machine's processor packages and of the GPUs that this process may see, whoever else uses
    them; where neither tells, none is given rather than one that is guessed.
    """

    def __init__(self, log: Log, price: float | None) -> None:
        """Prepare to measure.

        Args:
            log: takes numbers, and the sample's number or None.
            price: of an hour of this machine, in the user's currency; None: no cost is given
        """
        self._log = log
        self._price = price
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = 0.0
        self._energy: float | None = None
        self._gpus: list[Any] = []

    def start(self) -> None:
        """Begin; samples are taken in a thread, which the process does not wait for."""
        self._began = time.monotonic()
        self._gpus = _gpus()
        self._energy = self._joules()
        self._thread = threading.Thread(target=self._sample, name="usage", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the samples; to be called where the thread can finish what it is logging."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def finish(self) -> None:
        """Log the whole: seconds, CPU seconds, peak memory, and energy and cost where they are known."""
        if self._thread is None:
            return
        seconds = time.monotonic() - self._began
        found = {"usage/seconds": seconds, **_of_process()}
        after = self._joules()
        if self._energy is not None and after is not None and after >= self._energy:  # counters run over
            found["usage/energy_kwh"] = (after - self._energy) / _JOULES_PER_KWH
        if self._price is not None:
            found["usage/cost"] = seconds / _HOUR * self._price
        self._log(found, None)

    def _sample(self) -> None:
        import psutil

        psutil.cpu_percent()  # the first call has nothing to compare with
        number = 0
        over = False
        while not over:  # the last sample is taken when it ends: a quick stage has one too
            over = self._over.wait(_EVERY)
            memory = psutil.virtual_memory()
            found = {
                "system/cpu_utilization_percentage": psutil.cpu_percent(),
                "system/system_memory_usage_megabytes": memory.used / _MEGABYTE,
                "system/system_memory_usage_percentage": memory.percent,
            }
            for place, gpu in enumerate(self._gpus):
                found |= _of_gpu(gpu, f"system/gpu_{place}")
            self._log(found, number)
            number += 1

    def _joules(self) -> float | None:
        told = [*_packages(), *(_gpu_joules(gpu) for gpu in self._gpus)]
        known = [value for value in told if value is not None]
        return sum(known) if known else None


def _of_process() -> dict[str, float]:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    found = {
        "usage/cpu_seconds": sum(one.ru_utime + one.ru_stime for one in (own, children)),
        "usage/peak_memory_megabytes": max(own.ru_maxrss, children.ru_maxrss) * unit / _MEGABYTE,
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        found["usage/peak_gpu_memory_megabytes"] = torch.cuda.max_memory_allocated() / _MEGABYTE
    return found


def _packages() -> list[float | None]:
    """Return the joules that each processor package has used since some time, None where it does not tell."""
    return [_read(path / "energy_uj") for path in sorted(_POWERCAP.glob("intel-rapl:?"))]


def _read(path: Path) -> float | None:
    try:
        return int(path.read_text(encoding="ascii")) / 1e6
    except (OSError, ValueError):
        return None


def _gpus() -> list[Any]:
    """Return NVML's handles of the GPUs that this process may see."""
    try:
        import pynvml

        pynvml.nvmlInit()
        chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = chosen.split(",") if chosen else [str(place) for place in range(pynvml.nvmlDeviceGetCount())]
        return [
            pynvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdigit() else pynvml.nvmlDeviceGetHandleByUUID(name)
            for name in names
        ]
    except Exception:  # no library, no driver, no GPU, a name that NVML does not know: then nothing is told of them
        return []


def _of_gpu(gpu: Any, name: str) -> dict[str, float]:
    try:
        import pynvml

        memory, busy = pynvml.nvmlDeviceGetMemoryInfo(gpu), pynvml.nvmlDeviceGetUtilizationRates(gpu)
        return {
            f"{name}_memory_usage_megabytes": memory.used / _MEGABYTE,
            f"{name}_utilization_percentage": float(busy.gpu),
            f"{name}_power_usage_watts": pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
        }
    except Exception:  # some cards do not tell all of it
        return {}


def _gpu_joules(gpu: Any) -> float | None:
    try:
        import pynvml

        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu)) / 1000
    except Exception:  # cards before Volta do not count
        return None
