"""The only door to Mitsuba 3: from parts, a camera and light to a linear picture.

Mitsuba (Jakob et al. 2022) traces paths through the scene; nothing here knows what a card is. The
vectorised variant needs LLVM (`apt install libllvm19`; 14 to 16 do not work with it).
"""

import os
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from meishi.tracing import atlas, meshes
from meishi.tracing.light import Lamp
from meishi.tracing.meshes import Mesh
from meishi.tracing.solids import Material, Part
from meishi.tracing.view import View

VARIANTS = ("llvm_ad_rgb", "scalar_rgb")  # the second needs no LLVM, and is several times slower
LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/libLLVM-19.so",
    "/usr/lib/aarch64-linux-gnu/libLLVM-19.so",
)
FINISHES = (None, 0.06, 0.15, 0.32)  # dull, and the roughnesses of glossy coats
HIDDEN = Part(
    meshes.patch(np.array([[0, 0, 9e4], [1, 0, 9e4], [1, 1, 9e4], [0, 1, 9e4]])),
    Material(np.zeros((2, 2, 3), np.uint8)),
)
SHARE = np.arange(256, dtype=np.float32) / 255
# sRGB to linear light (IEC 61966-2-1); looked up here, as Mitsuba's own conversion is slower.
LINEAR = np.where(SHARE <= 0.04045, SHARE / 12.92, ((SHARE + 0.055) / 1.055) ** 2.4)
MAX_DEPTH = 3  # light from a lamp, by way of one other thing at most: a desk is no cave


@dataclass(frozen=True, eq=False)
class Lens:
    """A thin lens: distance in focus in mm, and the radius of its opening as a share of that."""

    focus_mm: float
    opening: float


@lru_cache(maxsize=1)
def mitsuba():
    """Load Mitsuba with its vectorised backend where there is LLVM, else with the scalar one."""
    import mitsuba as mi

    library = os.environ.get("DRJIT_LIBLLVM_PATH")
    found = [path for path in (library, *LIBRARIES) if path and Path(path).exists()]
    if found:
        os.environ["DRJIT_LIBLLVM_PATH"] = found[0]
    mi.set_variant(VARIANTS[0] if found else VARIANTS[1])
    mi.set_log_level(mi.LogLevel.Error)
    return mi


def decode_panorama(content: bytes) -> np.ndarray:
    """Decode an OpenEXR file to (H, W, 3) float32."""
    mi = mitsuba()
    stream = mi.MemoryStream()
    stream.write(content)
    stream.seek(0)
    bitmap = mi.Bitmap(stream)
    return np.array(bitmap.convert(mi.Bitmap.PixelFormat.RGB, mi.Struct.Type.Float32))


def trace(
    parts: list[Part],
    ground: Part,
    view: View,
    lens: Lens,
    surroundings: np.ndarray,
    lamp: Lamp | None,
    samples: int,
    seed: int,
) -> np.ndarray:
    """Trace a scene.

    Args:
        parts: meshes with materials, millimetres of the desk's world; textures cover them once.
        ground: the desk; its texture is repeated, mirrored.
        view: the camera.
        lens: its opening.
        surroundings: (H, W, 3) float32, linear, the zenith in the first row.
        lamp: a glowing sphere.
        samples: paths a pixel, a square number.
        seed: of the paths.

    Returns:
        (H, W, 3) float32, linear.
    """
    mi = mitsuba()
    # What is in focus lies at distance 1, so that the lens is one of a few and so is the kernel.
    scale = 1 / lens.focus_mm
    scene = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": MAX_DEPTH},
        "sensor": _sensor(mi, view, lens.opening, scale, samples, seed),
        "sky": {
            "type": "envmap",
            "bitmap": mi.Bitmap(np.ascontiguousarray(surroundings, np.float32)),
            # Mitsuba's zenith is +y; the desk's is -z.
            "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], -90),
        },
    }
    # The same objects in every scene, if need be out of sight: see atlas.py.
    for number, finish in enumerate(FINISHES):
        alike = [part for part in parts if _finish(part.material) == finish] or [HIDDEN]
        mesh, texture = atlas.join(alike)
        scene[f"parts{number}"] = _shape(mi, mesh, scale, texture, ("parts", number))
        own = ground if _finish(ground.material) == finish else HIDDEN
        scene[f"ground{number}"] = _shape(
            mi, own.mesh, scale, own.material.colour, ("ground", number)
        )
    if lamp:
        scene["lamp"] = {
            "type": "sphere",
            "center": [float(v * scale) for v in lamp.centre_mm],
            "radius": lamp.radius_mm * scale,
            "emitter": {
                "type": "area",
                "radiance": {"type": "rgb", "value": [float(v) for v in lamp.radiance]},
            },
        }
    return np.array(mi.render(mi.load_dict(scene), spp=samples, seed=seed), np.float32)[..., :3]


def _finish(material: Material) -> float | None:
    """Round a roughness to one of FINISHES."""
    wanted = material.roughness
    if wanted is None:
        return None
    return min((f for f in FINISHES if f), key=lambda f: abs(f - wanted))


def _sensor(mi, view: View, opening: float, scale: float, samples: int, seed: int) -> dict:
    right, down, forward = view.rotation
    to_world = np.eye(4)
    to_world[:3] = np.column_stack([-right, -down, forward, view.centre_mm * scale])
    width, height = view.size_px
    return {
        "type": "thinlens",
        "aperture_radius": opening,
        "focus_distance": 1.0,
        "fov": float(np.rad2deg(2 * np.arctan(0.5 / view.focal))),
        "fov_axis": "x",
        "near_clip": 1e-3,
        "far_clip": 1e4,
        "to_world": mi.ScalarTransform4f(to_world),
        "film": {
            "type": "hdrfilm",
            "width": width,
            "height": height,
            "rfilter": {"type": "box"},
        },
        "sampler": {"type": "multijitter", "sample_count": samples, "seed": seed},
    }


def _shape(mi, mesh: Mesh, scale: float, texture: np.ndarray, place: tuple[str, int]):
    properties = mi.Properties()
    properties["mesh_bsdf"] = _dressed(mi, texture, *place)
    shape = mi.Mesh(
        "part", len(mesh.vertices_mm), len(mesh.faces), has_vertex_texcoords=True, props=properties
    )
    fields = mi.traverse(shape)
    fields["vertex_positions"] = (mesh.vertices_mm * scale).astype(np.float32).ravel()
    fields["faces"] = mesh.faces.astype(np.uint32).ravel()
    fields["vertex_texcoords"] = mesh.uvs.astype(np.float32).ravel()
    fields.update()
    return shape


def _dressed(mi, texture: np.ndarray, role: str, finish: int):
    """Give a finish its texture."""
    if mi.variant() == VARIANTS[1]:  # whose textures cannot change their size
        return _surface(mi, finish, texture)
    bsdf = _bsdf(role, finish)
    fields = mi.traverse(bsdf)
    key = next(name for name in fields.keys() if name.endswith("reflectance.data"))
    fields[key] = mi.TensorXf(LINEAR[texture])
    fields.update()
    return bsdf


@cache
def _bsdf(role: str, finish: int):
    """Build a surface once, for `role` in each scene: a coat's tables take long to compute."""
    return _surface(mitsuba(), finish, HIDDEN.material.colour)


def _surface(mi, finish: int, texture: np.ndarray):
    roughness = FINISHES[finish]
    colour = {
        "type": "bitmap",
        "data": mi.TensorXf(LINEAR[texture]),
        "raw": True,
        "wrap_mode": "mirror",
    }
    surface: dict
    if roughness is None:
        surface = {"type": "diffuse", "reflectance": colour}
    else:
        surface = {"type": "roughplastic", "diffuse_reflectance": colour, "alpha": roughness}
    return mi.load_dict({"type": "twosided", "surface": surface})
