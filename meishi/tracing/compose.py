"""Composing one traced scene: cards, hands and clutter as solids, surroundings, lens, photo."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from meishi.scenes.artwork import Design
from meishi.scenes.compose import CARD_COUNTS, Scene, layout_name, scatter, worn
from meishi.scenes.objects import THINGS
from meishi.scenes.placement import SIZE_PX, Placed, arrange, frame_cards
from meishi.scenes.surfaces import noise
from meishi.tracing import hands, light, meshes, photo, sleeves, tracer
from meishi.tracing.light import Lamp
from meishi.tracing.meshes import Bend, Mesh
from meishi.tracing.solids import Material, Part, Solids
from meishi.tracing.view import View, view_of

SAMPLES = 9  # paths a pixel; the photo's own denoising evens out what is left
OPENINGS = (0.0012, 0.003, 0.007)  # of the lens, of its focus; few, as each costs a kernel
PRINTED = ("sheet", "book")
ALIKE_SHARE = 0.15  # of the scenes with cards: the desk has the colour of a card's rim
DESK_MM = 3000.0
CLEARANCE_MM = 0.55  # cards lie above all that is thin


@dataclass(frozen=True, eq=False)
class Stage:
    """What a scene is set in.

    Attributes:
        surface: RGB uint8 square.
        surroundings: (H, W, 3) float32.
        rough_mm: height of the desk's folds: 0 for what is rigid.
    """

    surface: np.ndarray
    surroundings: np.ndarray
    rough_mm: float


@dataclass(frozen=True)
class Setting:
    """How often scenes have what the plain ones never have.

    Attributes:
        upright: share of the frames that are taller than wide.
        sleeved: share of the scenes whose cards lie in clear sleeves.
    """

    upright: float = 0.0
    sleeved: float = 0.0


PLAIN = Setting()


@dataclass(frozen=True, eq=False)
class Laid:
    """A card as it lies: where, how thick, how rolled."""

    placed: Placed
    bend: Bend
    height_mm: float
    thickness_mm: float

    def place(self, mesh: Mesh) -> Mesh:
        """Bring a mesh about the card's centre to where the card lies."""
        origin, across, _, down = self.placed.corners_mm
        width, height = self.placed.design.size_mm
        axes = np.zeros((3, 3))
        axes[:2, 0], axes[:2, 1], axes[2, 2] = (
            (across - origin) / width,
            (down - origin) / height,
            1,
        )
        centre = self.placed.corners_mm.mean(axis=0)
        return mesh.moved(axes, [*centre, -self.height_mm])

    def corners_mm(self) -> np.ndarray:
        """Return the (4, 3) corners of the rolled card, where they would be were they sharp."""
        size_mm = self.placed.design.size_mm
        flat = meshes.corners(size_mm)
        lifted = self.bend.lift(flat, size_mm)
        return self.place(Mesh(lifted, np.zeros((0, 3), int), flat)).vertices_mm


def compose(
    rng: np.random.Generator, stage: Stage, designs: list[Design], setting: Setting = PLAIN
) -> Scene:
    """Compose, trace and develop a scene.

    Args:
        rng: the scene's random stream.
        stage: surface and surroundings.
        designs: cards to choose from.
        setting: plain ones draw nothing from the stream for it.

    Returns:
        The scene: RGB uint8 picture, exact corners of its cards in pixels, attributes.
    """
    count = int(rng.choice([n for n, _ in CARD_COUNTS], p=[p for _, p in CARD_COUNTS]))
    layout = str(rng.choice(["apart", "touching", "overlapping"], p=[0.60, 0.24, 0.16]))
    placed = arrange(rng, [designs[int(rng.integers(len(designs)))] for _ in range(count)], layout)
    upright = _happens(rng, setting.upright)
    camera, share = frame_cards(rng, placed, SIZE_PX[::-1] if upright else SIZE_PX)
    held = len(placed) == 1 and rng.random() < 0.2
    cards = [_lie(rng, card, i, layout, held) for i, card in enumerate(placed)]
    print_below = not held and rng.random() < 0.22
    desk_mm = rng.uniform(50, 220) if held else rng.uniform(2, 15) if print_below else 0.0
    solids = Solids(camera.scaled(2), [c.placed.corners_mm for c in cards], desk_mm, rng)
    if print_below:
        _print_below(rng, solids, desk_mm)
    clutter = scatter(rng, solids, placed)
    if cards and rng.random() < ALIKE_SHARE:
        stage = replace(stage, surface=_tinted(rng, stage.surface, cards[0].placed.design))
    parts, desk = [*solids.parts], _desk(rng, stage, desk_mm)
    for card in cards:
        parts += _card(rng, card)
    if held:
        parts += hands.hold(rng, cards[0].placed.corners_mm, cards[0].thickness_mm)
    lamp, hard = _lamp(rng, stage.surroundings)
    view = view_of(camera)
    parts += hands.shade(rng, view)
    sleeved = bool(cards) and _happens(rng, setting.sleeved)
    linear = _trace(rng, parts, desk, view, stage, lamp, cards if sleeved else [])
    picture, names = photo.develop(rng, linear)
    quads_px = [camera.project(card.corners_mm()) for card in cards]
    attributes = {
        "cards": len(cards),
        "layout": layout_name(layout, len(cards)),
        "share": round(float(share), 3),
        "held": held,
        "bent": any(abs(card.bend.curvature) > 1e-9 for card in cards),
        "glossy": any(card.placed.design.glossy for card in cards),
        "print_below": print_below,
        "tilt_deg": round(view.tilt_deg, 1),
        "contrast": photo.contrast(picture, quads_px),
        "clutter": clutter,
        "light": " ".join(names + hard),
    }
    if setting != PLAIN:
        attributes["sleeved"] = sleeved
    return Scene(picture, quads_px, [card.placed.design.name for card in cards], attributes)


def _happens(rng: np.random.Generator, share: float) -> bool:
    """Draw whether; nothing is drawn for what never happens."""
    return share > 0 and bool(rng.random() < share)


def _trace(
    rng: np.random.Generator,
    parts: list[Part],
    desk: Part,
    view: View,
    stage: Stage,
    lamp: Lamp | None,
    sleeved: list[Laid],
) -> np.ndarray:
    """Trace all parts, then the sleeves of cards over them: (H, W, 3) float32, linear."""
    shoot = partial(
        tracer.trace,
        view=view,
        lens=_lens(rng, view),
        surroundings=stage.surroundings,
        lamp=lamp,
        samples=SAMPLES,
        seed=_seed(rng),
    )
    linear = shoot(parts, desk)
    if not sleeved:
        return linear
    clear = [_sleeve(rng, card) for card in sleeved]
    return sleeves.cover(linear, clear, parts, desk, view, shoot)


def _sleeve(rng: np.random.Generator, card: Laid) -> Part:
    mesh, picture = sleeves.sleeve(rng, card.placed.design.size_mm, card.bend)
    return Part(card.place(mesh), Material(picture, sleeves.ROUGHNESS))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _lie(rng: np.random.Generator, card: Placed, number: int, layout: str, held: bool) -> Laid:
    """Choose how a card lies: rolled a little or flat, on those before it where they overlap."""
    bend = Bend()
    if held or (layout != "overlapping" and rng.random() < 0.3):
        along = int(rng.integers(2))
        side = card.design.size_mm[along]
        sag = rng.uniform(0.3, 2.2) * rng.choice([-1, 1])  # of the middle, mm
        bend = Bend(8 * sag / side**2, along)
    height = CLEARANCE_MM + (0.75 * number if layout == "overlapping" else 0.0)
    if card.height_mm > 3 and not held:
        return Laid(card, Bend(), card.height_mm, card.height_mm)
    return Laid(card, bend, height + rng.uniform(0, 0.3), float(rng.uniform(0.2, 0.8)))


def _card(rng: np.random.Generator, card: Laid) -> list[Part]:
    """Build a card: printed face, perhaps worn, and paper edge."""
    design = card.placed.design
    face, rim = meshes.sheet(design.size_mm, design.radius_mm, card.bend)
    image = design.image if rng.random() < 0.85 else worn(rng, design.image)
    coat = float(rng.uniform(0.04, 0.2)) if design.glossy else None
    paper = design.image[::8, ::8].reshape(-1, 3).mean(axis=0) * 0.3 + rng.uniform(120, 175)
    edge = meshes.walls(rim, card.thickness_mm)
    return [
        Part(card.place(face), Material(image, coat)),
        Part(card.place(edge), Material(paper)),
    ]


def _print_below(rng: np.random.Generator, solids: Solids, desk_mm: float) -> None:
    """Put printed paper, a book or a brochure beneath the cards."""
    target = np.concatenate(solids.cards_mm or [np.zeros((1, 2))]).mean(axis=0)
    name = PRINTED[int(rng.integers(len(PRINTED)))]
    THINGS[name][0](solids, rng, target + rng.normal(0, 45, 2))


def _tinted(rng: np.random.Generator, surface: np.ndarray, design: Design) -> np.ndarray:
    """Give a surface the colour of a card's rim: white on white, dark on dark."""
    border = np.concatenate([design.image[:6].reshape(-1, 3), design.image[-6:].reshape(-1, 3)])
    tint = np.clip(np.median(border, axis=0) + rng.normal(0, 8), 0, 255)
    texture = surface.astype(np.float32) - surface.mean(axis=(0, 1))
    return np.clip(tint + texture * rng.uniform(0.1, 0.5), 0, 255).astype(np.uint8)


def _desk(rng: np.random.Generator, stage: Stage, desk_mm: float) -> Part:
    """Spread the surface, in folds where it is cloth; no fold reaches a card."""
    if stage.rough_mm > 0:
        folds = noise(rng, int(rng.integers(8, 40)), 3, 160).astype(np.float64)
        heights = (folds - folds.max()) * stage.rough_mm - desk_mm
    else:
        heights = np.full((2, 2), -desk_mm)
    repeats = DESK_MM / rng.uniform(250, 900)
    mesh = meshes.field(heights, DESK_MM, repeats, rng.uniform(0, 2 * np.pi))
    coat = float(rng.uniform(0.12, 0.4)) if stage.rough_mm == 0 and rng.random() < 0.35 else None
    return Part(mesh, Material(stage.surface, coat))


def _lamp(rng: np.random.Generator, surroundings: np.ndarray) -> tuple[Lamp | None, list[str]]:
    sky = np.pi * float(surroundings[: len(surroundings) // 2].mean())
    if rng.random() < 0.3:
        strength = sky * rng.uniform(0.7, 4)
        return light.lamp(rng, rng.normal(0, 60, 2), True, strength), ["hard_shadow"]
    if rng.random() < 0.45:
        return light.lamp(rng, rng.normal(0, 60, 2), False, sky * rng.uniform(0.3, 2)), []
    return None, []


def _lens(rng: np.random.Generator, view: View) -> tracer.Lens:
    """Focus on the cards, or a little beside them."""
    focus = view.depth_mm(np.zeros(3)) * (1 if rng.random() < 0.85 else rng.uniform(0.8, 1.25))
    return tracer.Lens(float(focus), OPENINGS[int(rng.integers(len(OPENINGS)))])
