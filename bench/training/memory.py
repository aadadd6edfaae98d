"""Which errors say that there is too little memory; no backend is asked, so none need be loaded."""

from __future__ import annotations

from collections.abc import Iterator

#: What such an error is called or says, and by whom. An error of another kind may come of it (cuDNN finds no algorithm
#: where its workspace does not fit), but does not say so, and is not taken for it.
WORDS = (
    "ResourceExhausted",  # TensorFlow: the class tf.errors.ResourceExhaustedError
    "RESOURCE_EXHAUSTED",  # XLA, by which JAX computes and TensorFlow with jit_compile: the code of absl's status
    "OOM when allocating",  # TensorFlow's allocator
    "CUDA_ERROR_OUT_OF_MEMORY",  # the CUDA driver, cuda.h
    "cudaErrorMemoryAllocation",  # the CUDA runtime, driver_types.h
    "CUDNN_STATUS_ALLOC_FAILED",  # cuDNN up to 8; until cuDNN 9 a synonym of the two below
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",  # cuDNN 9
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",  # cuDNN 9
    "CUBLAS_STATUS_ALLOC_FAILED",  # cuBLAS
    "std::bad_alloc",  # C++, where a library hands it on in words
)
DISK = "No space left on device"  # TensorFlow's file system names it RESOURCE_EXHAUSTED too


def exhausted(error: BaseException) -> bool:
    """Return whether an error, or one that it came of, says that memory ran out: a device's or the machine's."""
    return any(
        isinstance(one, MemoryError)
        or (DISK not in str(one) and any(word in f"{type(one).__name__}: {one}" for word in WORDS))
        for one in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__
