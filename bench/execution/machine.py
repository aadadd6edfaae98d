"""Where cells may run and for how long, as a person asked for it: what every executor is made from."""

from __future__ import annotations

from dataclasses import dataclass

from bench import gpus

#: A desktop or a browser takes a fifth of a GPU and must stop nobody; another training takes nearly all of it, since
#: TensorFlow and JAX do so unless they are told not to. Half of the memory tells the two apart.
GPU_FREE = 0.5
#: Minutes. A cell is silent while its network is traced and while the validation patients are scored: minutes on a GPU,
#: half an hour for the largest network on two cores.
STALL_LIMIT = 60.0
AUTO = 0  # slots per GPU: as many as its memory holds and its speed gains from


@dataclass(frozen=True)
class Machine:
    """The options of ``cli.options.machine``."""

    workers: int = 0  # cells at once in all; 0: by ``slots_per_gpu``, on a CPU as many as the machine carries
    gpus: str | None = None  # which of those that are visible; None: all, "none": the CPU
    slots_per_gpu: int = 1  # cells at once on each GPU, or AUTO
    gpu_free: float = GPU_FREE  # a GPU with less of its memory free is taken to be in use by another job
    wait: bool = True  # for such a GPU; without, the least used is taken
    stall_limit: float = (
        STALL_LIMIT  # minutes without a sign of progress after which a cell is ended; 0: none
    )
    cell_limit: float = 0.0  # hours after which a cell is ended; 0: none
    address: str = ""  # of a Ray cluster; "": one is started on this machine
    slurm: tuple[str, ...] = ()  # KEY=VALUE for sbatch

    @property
    def device_without_gpu(self) -> str | None:
        """``Worker.device`` where no GPU is given: "" hides them on purpose, None leaves what a backend sees anyway."""
        return "" if gpus.is_none(self.gpus) else None


EVERYTHING = Machine()
