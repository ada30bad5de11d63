"""How fast two CPU runtimes run a net: TensorFlow on the frozen `.pb`, LiteRT on the `.tflite`.

Times are of the model alone, one image: no decoding, scaling or suppression.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from meishi.profiling.timing import (
    Job,
    by_runtime,
    host,
    measure_jobs,
    rounds_for,
    thread_counts,
)

FROZEN, TFLITE = "frozen_pb", "tflite"


def measure(models: Mapping[str, Mapping[str, Path]], runs: int) -> dict:
    """Time each model in each runtime, on one thread and on all cores.

    Args:
        models: by name, the files {"frozen_pb": path, "tflite": path} (either may be left out).
        runs: timed runs of each, at least; spread over `timing.ROUNDS` rounds.

    Returns:
        {"host": ..., "runs": ..., name: {runtime: {"one_thread": times, "all_cores": times}}}
        with times {"p50_ms", "p95_ms", "fps", "cpu_s"}; fps is that of the median run, cpu_s the
        mean.

    Raises:
        ValueError: if there is no run to time.
        RuntimeError: if a runtime fails on a file, with its message.
    """
    if runs < 1:
        raise ValueError(f"latency: expected at least one run, got {runs}")
    per_round, rounds = rounds_for(runs)
    result = {"host": host(), "runs": per_round * rounds}
    for name, files in models.items():
        result[name] = _measure_model(files, runs)
    return result


def _measure_model(files: Mapping[str, Path], runs: int) -> dict:
    unknown = sorted(set(files) - set(LOADERS))
    if unknown:
        raise ValueError(f"latency: unknown runtime {unknown[0]!r}; known: {', '.join(LOADERS)}")
    jobs = {
        (runtime, label): Job(LOADERS[runtime], (str(path), count), f"{path} in {runtime}", count)
        for runtime, path in files.items()
        for label, count in thread_counts().items()
    }
    return by_runtime(measure_jobs(jobs, runs))


def _load_frozen(path: str, threads: int) -> Callable[[], object]:
    session, image, fetches = _opened(Path(path), threads)
    call, example = session.make_callable(fetches, [image]), _example(image.shape.as_list())
    return lambda: call(example)


def frozen_session(path: Path, threads: int) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Load a frozen graph into a TensorFlow session.

    Args:
        path: a `.pb` of one image in, named outputs with a batch axis.
        threads: of the session; the first session of a process decides for all.

    Returns:
        A function of (S, S, 3) RGB uint8 that gives the outputs by name, without the batch axis.
    """
    session, image, fetches = _opened(path, threads)
    call = session.make_callable(fetches, [image])
    names = [tensor.op.name for tensor in fetches]

    def run(picture: np.ndarray) -> dict[str, np.ndarray]:
        values = call(picture[None].astype(np.float32))
        return {name: value[0] for name, value in zip(names, values, strict=True)}

    return run


def _opened(path: Path, threads: int) -> tuple:
    """Return a session, its one input and its outputs."""
    from meishi.keras import tf

    graph = tf.Graph()
    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
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
    return tf.compat.v1.Session(graph=graph, config=config), image, fetches


def _load_tflite(path: str, threads: int) -> Callable[[], object]:
    from meishi.processes.quiet import without_startup_notes

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


LOADERS = {FROZEN: _load_frozen, TFLITE: _load_tflite}
