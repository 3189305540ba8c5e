"""What NVML says about each GPU, through the pynvml of nvidia-ml-py3 or of nvidia-ml-py."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import namedtuple

from gpus import Trouble
from gpus.locks import describe, user_of

GIB = 2**30
IDLE_BYTES = GIB  # that an idle GPU may show as used …
IDLE_BYTES_WITH_RESERVED = 2 * GIB  # … if that includes the driver's own share
MEMORY_VERSION_2 = 0x02000028
NOT_SUPPORTED, FUNCTION_NOT_FOUND, DRIVER_MISMATCH, VERSION_MISMATCH = 3, 13, 18, 25  # NVML's codes
NOT_THERE = (NOT_SUPPORTED, FUNCTION_NOT_FOUND, VERSION_MISMATCH)  # on this card or driver

Gpu = namedtuple("Gpu", "uuid address handle error")  # error: why NVML cannot read it, or ""


class Memory2(ctypes.Structure):
    """nvmlMemory_v2_t, in bytes: what the driver keeps for itself does not count as used."""

    _fields_ = [("version", ctypes.c_uint)] + [
        (name, ctypes.c_ulonglong) for name in ("total", "reserved", "free", "used")
    ]


class Nvml:
    """NVIDIA's management library.

    Attributes:
        gpus: list of Gpu by PCI address, CUDA's order under CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """

    def __init__(self):
        try:
            import pynvml
        except ImportError as error:
            remedy = f"{sys.executable} -m pip install nvidia-ml-py3"
            raise Trouble(f"pynvml, which sees the GPUs, is not installed: {remedy}") from error
        self.binding, self.Error = pynvml, pynvml.NVMLError
        try:
            pynvml.nvmlInit()
            self.gpus = self.list_gpus()
        except self.Error as error:
            remedy = "to run on the CPU ask for 0 GPUs"
            if error.value == DRIVER_MISMATCH:
                remedy = "the driver was updated, so reboot"
            raise Trouble(f"no usable NVIDIA driver on this machine ({error}); {remedy}") from error

    def list_gpus(self) -> list[Gpu]:
        found = [self.read_gpu(index) for index in range(self.binding.nvmlDeviceGetCount())]
        gpus = sorted((gpu for gpu in found if not gpu.error), key=lambda gpu: gpu.address)
        for index, gpu in enumerate(found):
            if gpu.error:
                gpus.insert(index, gpu)
        return gpus

    def read_gpu(self, index: int) -> Gpu:
        try:
            handle = self.binding.nvmlDeviceGetHandleByIndex(index)
            pci = self.binding.nvmlDeviceGetPciInfo(handle)
            uuid = self.binding.nvmlDeviceGetUUID(handle)
        except self.Error as error:
            return Gpu("?", None, None, str(error))
        uuid = uuid.decode() if isinstance(uuid, bytes) else uuid
        return Gpu(uuid, (pci.domain, pci.bus, pci.device), handle, "")

    def why_busy(self, gpu: Gpu, share: float = 0.0) -> str:
        """Why the GPU is not free, leases aside; "" if it is free.

        Args:
            share: of the GPU's memory; below it, a GPU that only this user computes on is free.
        """
        if gpu.error:
            return f"does not answer ({gpu.error})"
        try:
            return self.find_use(gpu, share)
        except self.Error as error:
            return f"does not answer ({error})"

    def find_use(self, gpu: Gpu, share: float) -> str:
        if self.is_split(gpu):
            return "is split into MIG instances"
        mode = self.binding.nvmlDeviceGetComputeMode(gpu.handle)
        if mode == self.binding.NVML_COMPUTEMODE_PROHIBITED:
            return "is in compute mode 'prohibited'"
        used, idle, total = self.memory(gpu)
        if pids := self.pids(gpu):
            if used < share * total and all(user_of(pid) == os.getuid() for pid in pids):
                return ""
            return "is used by " + ", ".join(describe(pid) for pid in pids[:3])
        if used > idle:
            return f"has {used >> 20} MiB in use by no process seen from here"
        return ""

    def pids(self, gpu: Gpu) -> list[int]:
        """Pids of the processes that compute on the GPU; in a container they are the host's."""
        try:
            processes = self.binding.nvmlDeviceGetComputeRunningProcesses(gpu.handle)
        except self.Error as error:
            if error.value != NOT_SUPPORTED:
                raise
            return []  # the memory in use decides
        return [process.pid for process in processes]

    def memory(self, gpu: Gpu) -> tuple[int, int, int]:
        """Bytes in use on the GPU, how many an idle one may show, and how many it has in all."""
        info = Memory2(version=MEMORY_VERSION_2)
        if self.call("nvmlDeviceGetMemoryInfo_v2", gpu.handle, ctypes.byref(info)):
            return info.used, IDLE_BYTES, info.total
        info = self.binding.nvmlDeviceGetMemoryInfo(gpu.handle)
        return info.used, IDLE_BYTES_WITH_RESERVED, info.total

    def is_split(self, gpu: Gpu) -> bool:
        """Whether the GPU is in MIG mode."""
        current, pending = ctypes.c_uint(), ctypes.c_uint()
        outputs = ctypes.byref(current), ctypes.byref(pending)
        return self.call("nvmlDeviceGetMigMode", gpu.handle, *outputs) and bool(current.value)

    def call(self, name: str, *arguments: object) -> bool:
        """Calls what nvidia-ml-py3 has no wrapper for; False if the card or driver lacks it."""
        try:
            code = self.binding._nvmlGetFunctionPointer(name)(*arguments)
        except self.Error as error:
            code = error.value
        if code not in (self.binding.NVML_SUCCESS, *NOT_THERE):
            raise self.Error(code)
        return code == self.binding.NVML_SUCCESS

    def numbers_may_shift(self) -> bool:
        """Whether CUDA may number the GPUs differently, as when one is split or cannot be read."""
        try:
            return any(gpu.error or self.is_split(gpu) for gpu in self.gpus)
        except self.Error:
            return True

    def close(self) -> None:
        self.binding.nvmlShutdown()


def visible(gpus: list[Gpu], mask: str | None) -> list[int]:
    """Places in `gpus` that CUDA_VISIBLE_DEVICES = `mask` leaves, in its order, as in CUDA."""
    if mask is None:
        return list(range(len(gpus)))
    places = []
    for word in mask.split(","):
        named = [place for place, gpu in enumerate(gpus) if is_named(word.strip(), place, gpu)]
        if len(named) != 1:
            break  # CUDA ignores what follows a bad entry
        places += named
    return places if len(set(places)) == len(places) else []


def is_named(word: str, place: int, gpu: Gpu) -> bool:
    return gpu.uuid.startswith(word) if word.startswith("GPU-") else word == str(place)
