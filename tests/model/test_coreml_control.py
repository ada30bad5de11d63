"""Programs that branch, loop, keep lists and states, hold several functions, or sample pictures."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.coreml.kernels.arguments import Arguments
from meishi.coreml.kernels.lists import LISTS
from meishi.coreml.ops import OPS
from meishi.coreml.package import save_package
from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct, only_errors
from meishi.errors import InputError
from meishi.keras import tf
from tests.model.coreml_programs import builder, mil_type, random, run, save

pytestmark = pytest.mark.tf
few = settings(max_examples=15, deadline=None)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_condition_on_values_picks_a_branch(tmp_path, sign):
    def build(mb, x):
        positive = mb.greater(x=mb.reduce_sum(x=x, keep_dims=False), y=0.0)
        return mb.cond(
            pred=positive,
            _true_fn=lambda: mb.mul(x=x, y=2.0),
            _false_fn=lambda: mb.sub(x=x, y=1.0),
        )

    x = sign * np.abs(random(3))
    expected = 2 * x if sign > 0 else x - 1
    np.testing.assert_allclose(run(tmp_path, build, x), expected)


def test_a_loop_on_values(tmp_path):
    def build(mb, x):
        return mb.while_loop(
            _cond=lambda a: mb.less(x=mb.reduce_sum(x=a, keep_dims=False), y=100.0),
            _body=lambda a: mb.mul(x=a, y=2.0),
            loop_vars=(x,),
        )

    x = np.float32([1, 2])
    assert run(tmp_path, build, x).tolist() == [64, 128]


def test_a_counted_loop_fills_a_list(tmp_path):
    def build(mb, x):
        made = mb.make_list(init_length=3, dynamic_length=False, elem_shape=(2,))

        def body(i, ls):
            return mb.add(x=i, y=1), mb.list_write(ls=ls, index=i, value=mb.gather(x=x, indices=i))

        _, filled = mb.while_loop(
            _cond=lambda i, ls: mb.less(x=i, y=3), _body=body, loop_vars=(np.int32(0), made)
        )
        return mb.list_gather(ls=filled, indices=[2, 0]), mb.list_read(ls=filled, index=1)

    x = random(3, 2)
    picked, second = run(tmp_path, build, x)
    np.testing.assert_array_equal(picked, x[[2, 0]])
    np.testing.assert_array_equal(second, x[1])


STEPS = 60


def doubled(mb, x, step=lambda mb, x: x):
    """Halve and add 1, STEPS times."""

    def body(i, a):
        return mb.add(x=i, y=1), step(mb, mb.add(x=mb.mul(x=a, y=0.5), y=1.0))

    return mb.while_loop(
        _cond=lambda i, a: mb.less(x=i, y=STEPS), _body=body, loop_vars=(np.int32(0), x)
    )


def count(monkeypatch, kind):
    calls, kernel = [], OPS[kind]
    monkeypatch.setitem(OPS, kind, lambda o: calls.append(1) or kernel(o))
    return calls


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_long_loop_is_walked_once(tmp_path, monkeypatch, precision):
    calls = count(monkeypatch, "mul")
    x = random(3)
    found = run(tmp_path, lambda mb, x: doubled(mb, x)[1], x, precision=precision)
    np.testing.assert_allclose(found, np.full(3, 2.0), atol=1e-5)
    assert 0 < len(calls) < 5


def test_a_long_loop_fills_a_list(tmp_path, monkeypatch):
    calls = count(monkeypatch, "mul")

    def build(mb, x):
        made = mb.make_list(init_length=STEPS, dynamic_length=False, elem_shape=(2,))
        rows = mb.make_list(init_length=STEPS, dynamic_length=True, elem_shape=(2,))
        given = mb.list_scatter(ls=rows, indices=np.arange(STEPS, dtype=np.int32), value=x)

        def body(i, ls):
            row = mb.mul(x=mb.list_read(ls=given, index=i), y=3.0)
            return mb.add(x=i, y=1), mb.list_write(ls=ls, index=i, value=row)

        _, filled = mb.while_loop(
            _cond=lambda i, ls: mb.less(x=i, y=STEPS), _body=body, loop_vars=(np.int32(0), made)
        )
        return (
            mb.list_gather(ls=filled, indices=np.arange(STEPS, dtype=np.int32)),
            mb.list_read(ls=filled, index=1),
        )

    x = random(STEPS, 2)
    rows, second = run(tmp_path, build, x)
    np.testing.assert_allclose(rows, 3 * x, rtol=1e-6)
    np.testing.assert_allclose(second, 3 * x[1], rtol=1e-6)
    assert 0 < len(calls) < 5


def test_a_list_that_may_grow_is_filled_step_by_step(tmp_path):
    def build(mb, x):
        made = mb.make_list(init_length=1, dynamic_length=True, elem_shape=(2,))

        def body(i, ls):
            return mb.add(x=i, y=1), mb.list_write(ls=ls, index=i, value=mb.gather(x=x, indices=i))

        _, filled = mb.while_loop(
            _cond=lambda i, ls: mb.less(x=i, y=4), _body=body, loop_vars=(np.int32(0), made)
        )
        return mb.list_gather(ls=filled, indices=[3, 0])

    x = random(4, 2)
    np.testing.assert_array_equal(run(tmp_path, build, x), x[[3, 0]])


def test_what_a_loop_counted_may_be_a_shape(tmp_path):
    def build(mb, x):
        counted, ended = doubled(mb, x)
        shape = mb.concat(values=[mb.expand_dims(x=counted, axes=[0]), [3]], axis=0)
        return mb.fill(shape=shape, value=1.0), ended

    ones, ended = run(tmp_path, build, random(3))
    assert ones.shape == (STEPS, 3)
    np.testing.assert_allclose(ended, np.full(3, 2.0), atol=1e-5)


def test_a_loop_in_a_loop(tmp_path):
    def build(mb, x):
        return doubled(mb, x, lambda mb, x: doubled(mb, x)[1])[1]

    np.testing.assert_allclose(run(tmp_path, build, random(3)), np.full(3, 2.0), atol=1e-5)


def test_lists_grow_and_never_change_in_place():
    make = {"init_length": 1, "elem_shape": [np.int32(2)], "dtype": "fp32"}
    empty = LISTS["make_list"](Arguments(**make))
    value = random(2, 2)
    filled = LISTS["list_scatter"](Arguments(ls=empty, indices=np.int32([0, 3]), value=value))
    assert LISTS["list_length"](Arguments(ls=filled)) == 4
    assert LISTS["list_length"](Arguments(ls=empty)) == 1
    np.testing.assert_array_equal(LISTS["list_read"](Arguments(ls=filled, index=3)), value[1])
    np.testing.assert_array_equal(LISTS["list_read"](Arguments(ls=filled, index=2)), [0, 0])


def test_a_list_that_is_read_beyond_its_end_is_named(tmp_path):
    def build(mb, x):
        made = mb.make_list(init_length=1, dynamic_length=True, elem_shape=(2,))
        filled = mb.list_write(ls=made, index=0, value=mb.gather(x=x, indices=0))
        return mb.list_read(ls=filled, index=5, name="far")

    with pytest.raises(InputError, match="operation list_read of far cannot be run"):
        run(tmp_path, build, random(4, 2))


@pytest.fixture(scope="module")
def adder(tmp_path_factory):
    """A package that adds its input to a state and gives twice the state."""
    mb, path = builder(), tmp_path_factory.mktemp("state") / "net.mlpackage"
    specs = [
        mb.TensorSpec((3,), dtype=mil_type("fp16")),
        mb.StateTensorSpec((3,), dtype=mil_type("fp16")),
    ]

    @mb.program(input_specs=specs, opset_version=ct.target.iOS18)
    def program(x, acc):
        total = mb.add(x=mb.read_state(input=acc), y=x)
        kept = mb.coreml_update_state(state=acc, value=total)
        return mb.mul(x=kept, y=np.float16(2), name="y")

    with only_errors():
        target = {"minimum_deployment_target": ct.target.iOS18, "convert_to": "mlprogram"}
        model = ct.convert(program, skip_model_load=True, **target)
    save_package(model, path)
    return path


def test_states_go_on_where_they_are_kept(adder):
    package, states = Package.load(adder), {}
    assert package.inputs == ("x",)
    found = [package.predict({"x": np.ones(3)}, states)["y"][0] for _ in range(3)]
    assert found == [2, 4, 6] and states["acc"].tolist() == [3, 3, 3]
    assert package.predict({"x": np.ones(3)})["y"].tolist() == [2, 2, 2]


@pytest.mark.parametrize(("x", "state"), [(1.0004, -1.0), (1.0, -1.0004)])
def test_fp16_rounds_what_comes_as_float16(adder, x, state):
    """A feature of that type holds 1.0004 as 1 before anything is computed."""

    def total(precision):
        states = {"acc": np.full(3, state, np.float32)}
        return Package.load(adder, precision).predict({"x": np.full(3, x)}, states)["y"]

    assert total("fp16").tolist() == [0, 0, 0]
    np.testing.assert_allclose(total("fp32"), 2 * (x + state), atol=1e-6)


def test_a_state_that_is_written_and_not_read_takes_no_other_values_place(tmp_path):
    """The loader gives what a write makes a name of its own, which another value may have."""
    mb, path = builder(), tmp_path / "net.mlpackage"
    specs = [mb.TensorSpec((1,), mil_type("fp16")), mb.StateTensorSpec((1,), mil_type("fp16"))]

    @mb.program(input_specs=specs, opset_version=ct.target.iOS18)
    def program(x, acc):
        named = [
            mb.mul(x=x, y=np.float16(number + 2), name=f"coreml_update_state_{number}")
            for number in range(4)
        ]
        mb.coreml_update_state(state=acc, value=mb.add(x=mb.read_state(input=acc), y=x))
        return tuple(mb.add(x=value, y=np.float16(1)) for value in named)

    with only_errors():
        target = {"minimum_deployment_target": ct.target.iOS18, "convert_to": "mlprogram"}
        model = ct.convert(program, skip_model_load=True, **target)
    save_package(model, path)
    package, states = Package.load(path), {}
    for count in (1, 2):
        found = package.predict({"x": np.full(1, 3.0)}, states)
        assert [found[name][0] for name in package.outputs] == [7, 10, 13, 16]
        assert states["acc"] == 3 * count


def test_fp16_rounds_what_a_mixed_program_declares_as_float16(tmp_path):
    """A norm that squares stays in float32, where its square fits."""
    mb, path = builder(), tmp_path / "net.mlpackage"

    @mb.program(input_specs=[mb.TensorSpec((2,), mil_type("fp16"))], opset_version=ct.target.iOS16)
    def program(x):
        exact = mb.cast(x=x, dtype="fp32")
        norm = mb.sqrt(x=mb.mul(x=exact, y=exact))
        return mb.mul(x=mb.cast(x=norm, dtype="fp16"), y=np.float16(1.0005), name="y")

    with only_errors():
        model = ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=ct.target.iOS16,
            compute_precision=ct.precision.FLOAT32,
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
        )
    save_package(model, path)
    found = Package.load(path, "fp16").predict({"x": np.float32([300, 3])})["y"]
    np.testing.assert_array_equal(found, np.float16([300, 3]) * np.float16(1.0005))


def test_a_slice_is_updated_at_a_place_that_a_run_tells(tmp_path):
    """A decoder writes each token's keys at the position that it is given."""

    def build(mb, x, at):
        begin = mb.concat(values=[[0], at, [1]], axis=0)
        end = mb.concat(values=[[2], mb.add(x=at, y=2), [0]], axis=0)
        mask = {"begin_mask": [True, False, False], "end_mask": [False, False, True]}
        return mb.slice_update(
            x=x, update=np.ones((2, 2, 2), np.float32), begin=begin, end=end, **mask
        )

    x, path = random(2, 5, 3), tmp_path / "net.mlpackage"
    package = Package.load(save(path, build, [x, np.int32([0])], ios=18))
    for place in (0, 3, -3):
        expected = x.copy()
        expected[:, place % 5 : place % 5 + 2, 1:] = 1
        values = dict(zip(package.inputs, (x, np.int32([place])), strict=True))
        (found,) = package.predict(values).values()
        np.testing.assert_array_equal(found, expected)
    (model,) = package.stages
    (graph,) = model._graphs._kept.values()
    assert not isinstance(graph, partial)  # one graph for all of them


def test_one_of_several_functions_runs(tmp_path):
    x = random(2, 3)
    several = ct.utils.MultiFunctionDescriptor()
    for name, factor in (("double", 2.0), ("triple", 3.0)):
        part = tmp_path / f"{name}.mlpackage"
        save(part, lambda mb, x, factor=factor: mb.mul(x=x, y=factor, name="y"), [x], ios=18)
        several.add_function(str(part), "main", name)
    several.default_function_name = "triple"
    path = tmp_path / "net.mlpackage"
    with only_errors():
        ct.utils.save_multifunction(several, str(path))
    for name, factor in ((None, 3), ("double", 2), ("triple", 3)):
        package = Package.load(path, function=name)
        np.testing.assert_allclose(package.predict({"a": x})["y"], factor * x)
    with pytest.raises(
        InputError, match=r"no function 'half'; its functions: \['double', 'triple'"
    ):
        Package.load(path, function="half")


def test_random_numbers_are_refused_with_the_reason(tmp_path):
    def build(mb, x):
        return mb.add(x=x, y=mb.random_normal(shape=[3], mean=0.0, stddev=1.0, seed=1))

    with pytest.raises(InputError, match=r"\['random_normal'\].*generator that only Core ML has"):
        run(tmp_path, build, random(3))


X = random(2, 3, 5, 6)
MODES = {"constant": None, "border": "edge", "reflection": "reflect", "symmetric": "symmetric"}


def slow_sample(x, points, nearest, padding, value):
    """Sample (B, C, H, W) at pixels (B, h, w, 2) of a picture that NumPy has padded widely."""
    wide = 12
    pads = ((0, 0), (0, 0), (wide, wide), (wide, wide))
    extra = {"constant_values": value} if padding == "constant" else {}
    big = np.pad(x, pads, mode=MODES[padding] or "constant", **extra)
    result = np.zeros((x.shape[0], x.shape[1], *points.shape[1:3]))
    for b, i, j in np.ndindex(points.shape[:3]):
        column, row = points[b, i, j] + wide
        if nearest:
            result[b, :, i, j] = big[b, :, int(np.round(row)), int(np.round(column))]
            continue
        top, left = int(np.floor(row)), int(np.floor(column))
        down, across = row - top, column - left
        upper = big[b, :, top, left] * (1 - across) + big[b, :, top, left + 1] * across
        lower = big[b, :, top + 1, left] * (1 - across) + big[b, :, top + 1, left + 1] * across
        result[b, :, i, j] = upper * (1 - down) + lower * down
    return result


def pixels(points, mode, aligned):
    size = np.array(X.shape[:1:-1])
    if mode == "unnormalized":
        return points
    share = points if mode == "normalized_zero_to_one" else (points + 1) / 2
    return share * (size - 1) if aligned else share * size - 0.5


@few
@given(
    nearest=st.booleans(),
    padding=st.sampled_from(sorted(MODES)),
    mode=st.sampled_from(["unnormalized", "normalized_zero_to_one", "normalized_minus_one_to_one"]),
    aligned=st.booleans(),
    seed=st.integers(0, 9),
)
def test_resampling(nearest, padding, mode, aligned, seed):
    low, high = (-3, 8) if mode == "unnormalized" else (-1.4, 1.4)
    points = np.random.default_rng(seed).uniform(low, high, (2, 3, 4, 2)).astype(np.float32)
    o = Arguments(
        x=tf.constant(X),
        coordinates=tf.constant(points),
        sampling_mode="nearest" if nearest else "bilinear",
        padding_mode=padding,
        padding_value=np.float32(0.5),
        coordinates_mode=mode,
        align_corners=aligned,
    )
    wanted = slow_sample(X, pixels(points, mode, aligned), nearest, padding, 0.5)
    np.testing.assert_allclose(OPS["resample"](o), wanted, atol=1e-4)


def test_an_affine_transform_of_a_saved_program(tmp_path):
    matrix = np.float32([[0.8, 0.1, 0.2, -0.1, 1.1, 0.0]])

    def build(mb, x):
        return mb.affine(
            x=x,
            transform_matrix=matrix,
            output_height=4,
            output_width=3,
            sampling_mode="bilinear",
            padding_mode="constant",
            padding_value=0.0,
            coordinates_mode="normalized_minus_one_to_one",
            align_corners=True,
        )

    columns, rows = np.meshgrid(np.linspace(-1, 1, 3), np.linspace(-1, 1, 4))
    grid = np.stack([columns, rows, np.ones((4, 3))], axis=-1) @ matrix.reshape(2, 3).T
    grid = pixels(np.broadcast_to(grid, (2, 4, 3, 2)), "normalized_minus_one_to_one", True)
    expected = slow_sample(X, grid, False, "constant", 0.0)
    np.testing.assert_allclose(run(tmp_path, build, X), expected, atol=1e-5)
