"""Turn training scenes into samples: frames for the detector, crops for the segmenter.

Reads   build/prepared/train, build/photos/train
Params  seed, augment, ssd.input_px, unet.input_px, unet.margin
Writes  build/augmented, plots/augmented.jpg
Takes   about 5 minutes on 2 cores
"""

import sys
from contextlib import ExitStack

from tqdm import tqdm

from meishi import paths
from meishi.data.augment import Augmenter
from meishi.data.augment_scenes import augment_scenes
from meishi.data.choosing import keep_chosen
from meishi.data.samples import CROPS, FRAMES, SampleWriter
from meishi.data.shards import ShardReader
from meishi.data.without_cards import TRAIN_PHOTOS
from meishi.errors import clean_exit
from meishi.files.atomic import atomic_write_bytes, replace_folder
from meishi.params import load_params
from meishi.pictures.contact_sheet import AugmentedSheet
from meishi.steps.running import run_step_or


def main() -> None:
    """Run the stage."""
    params = load_params("seed", "augment", "ssd.input_px", "unet.input_px", "unet.margin")
    reader = ShardReader(paths.TRAIN)
    keep_chosen(reader, params.augment.scenes)
    photos = ShardReader(TRAIN_PHOTOS)
    if not params.augment.frames_per_photo:
        photos.records = []
    augmenter = Augmenter(
        params.augment, params.ssd.input_px, params.unet.input_px, params.unet.margin
    )
    sheet = AugmentedSheet(reader)
    with replace_folder(paths.AUGMENTED) as folder, ExitStack() as writers:
        frames, crops = (
            writers.enter_context(SampleWriter(folder, name)) for name in (FRAMES, CROPS)
        )
        scenes = augment_scenes(reader, photos, augmenter, params.seed)
        total = len(reader) + len(photos)
        progress = tqdm(scenes, total=total, unit="scene", desc="augment")
        for number, (scene_frames, scene_crops) in enumerate(progress):
            sheet.add(number, scene_frames, scene_crops)
            for sample in scene_frames:
                frames.add(*sample)
            for sample in scene_crops:
                crops.add(*sample)
    atomic_write_bytes(paths.AUGMENTED_SHEET, sheet.jpeg())
    print(f"augment: {len(frames)} frames, {len(crops)} crops")


if __name__ == "__main__":
    with clean_exit():
        run_step_or(main, (), sys.argv[1:])
