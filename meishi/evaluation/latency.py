"""How fast two CPU runtimes run a net: TensorFlow on the frozen `.pb`, LiteRT on the `.tflite`.

TensorFlow's threads belong to the process, whatever a later session asks for: so each runtime and
number of threads is a process of its own. They are timed in turn (A B A B ...), so that a machine
that slows down or speeds up meanwhile does so for all. Times are of the model alone, one image:
no decoding, scaling or suppression.
"""

import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import numpy as np

WARM_UP_RUNS = 5
ROUNDS = 5
FROZEN, TFLITE = "frozen_pb", "tflite"


def measure(models: Mapping[str, Mapping[str, Path]], runs: int) -> dict:
    """Time each model in each runtime, on one thread and on all cores.

    Args:
        models: by name, the files {"frozen_pb": path, "tflite": path} (either may be left out).
        runs: timed runs of each, at least; spread over `ROUNDS` rounds.

    Returns:
        {"host": ..., "runs": ..., name: {runtime: {"one_thread": times, "all_cores": times}}}
        with times {"p50_ms", "p95_ms", "fps"}; fps is that of the median run.

    Raises:
        ValueError: if there is no run to time.
        RuntimeError: if a runtime fails on a file, with its message.
    """
    if runs < 1:
        raise ValueError(f"latency: expected at least one run, got {runs}")
    per_round = -(-runs // ROUNDS)
    result = {"host": host(), "runs": per_round * ROUNDS}
    for name, files in models.items():
        result[name] = _measure_model(files, per_round)
    return result


def host() -> dict[str, str | int]:
    """Name the machine and the runtimes, without which a time means nothing."""
    return {
        "cpu": _cpu_model(),
        "cores": _cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "ai_edge_litert": version("ai-edge-litert"),
    }


def summary(times_ms: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile of run times, and frames a second."""
    median, slow = np.percentile(times_ms, [50, 95])
    return {
        "p50_ms": round(float(median), 3),
        "p95_ms": round(float(slow), 3),
        "fps": round(1000.0 / float(median), 1),
    }


def _measure_model(files: Mapping[str, Path], per_round: int) -> dict:
    threads = {"one_thread": 1, "all_cores": _cores()}
    with ExitStack() as stack:
        workers = {
            (runtime, label): stack.enter_context(_Worker(runtime, path, count))
            for runtime, path in files.items()
            for label, count in threads.items()
        }
        times: dict[tuple[str, str], list[float]] = {key: [] for key in workers}
        for _ in range(ROUNDS):
            for key, worker in workers.items():
                times[key] += worker.time(per_round)
    return {
        runtime: {label: summary(times[runtime, label]) for label in threads} for runtime in files
    }


class _Worker:
    """A process that holds one model in one runtime and times it on demand."""

    def __init__(self, runtime: str, path: Path, threads: int) -> None:
        if runtime not in LOADERS:
            raise ValueError(f"latency: unknown runtime {runtime!r}; known: {', '.join(LOADERS)}")
        context = multiprocessing.get_context("spawn")  # a fork would inherit TensorFlow's threads
        self.what = f"{path} in {runtime}, {threads} thread(s)"
        self.pipe, far_end = context.Pipe()
        self.process = context.Process(
            target=_work, args=(far_end, runtime, str(path), threads), daemon=True
        )
        self.process.start()
        far_end.close()

    def __enter__(self) -> "_Worker":
        try:
            self._answer()  # ready and warm
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.pipe.close()
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def time(self, runs: int) -> list[float]:
        """Return the milliseconds of each of `runs` runs."""
        self.pipe.send(runs)
        return self._answer()

    def _answer(self) -> list[float]:
        try:
            answer = self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"latency: {self.what}: the process died") from None
        if isinstance(answer, str):
            raise RuntimeError(f"latency: {self.what}: {answer}")
        return answer


def _work(pipe, runtime: str, path: str, threads: int) -> None:
    try:
        run = LOADERS[runtime](path, threads)
        for _ in range(WARM_UP_RUNS):
            run()
    except Exception as error:  # handed to the parent, which raises it with the model's name
        pipe.send(f"{type(error).__name__}: {error}")
        return
    pipe.send([])
    while True:
        try:
            runs = pipe.recv()
        except EOFError:
            return  # the parent is done
        pipe.send([_milliseconds(run) for _ in range(runs)])


def _milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000.0


def _load_frozen(path: str, threads: int) -> Callable[[], object]:
    from meishi.keras import tf

    graph = tf.Graph()
    definition = tf.compat.v1.GraphDef.FromString(Path(path).read_bytes())
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    operations = graph.get_operations()
    (image,) = [op.outputs[0] for op in operations if op.type == "Placeholder"]
    # The graph's ends. A batch norm's unused statistics are none: they vanish when it is fused.
    fetches = [
        op.outputs[0]
        for op in operations
        if op.outputs and not any(tensor.consumers() for tensor in op.outputs)
    ]
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1
    )
    session = tf.compat.v1.Session(graph=graph, config=config)
    call, example = session.make_callable(fetches, [image]), _example(image.shape.as_list())
    return lambda: call(example)


def _load_tflite(path: str, threads: int) -> Callable[[], object]:
    from meishi.quiet import without_startup_notes

    with without_startup_notes():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=path, num_threads=threads)  # XNNPACK by default
        interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    example = _example(image["shape"])

    def run() -> list[np.ndarray]:
        interpreter.set_tensor(image["index"], example)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return run


def _example(shape) -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 256, tuple(shape))
    return image.astype(np.float32)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


LOADERS = {FROZEN: _load_frozen, TFLITE: _load_tflite}
