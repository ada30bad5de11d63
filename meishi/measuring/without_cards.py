"""What capture takes for a card in photos without one, which nobody has trained on."""

import numpy as np
from tqdm import tqdm

from meishi.capture.flow import CardCapture
from meishi.data.shards import ShardReader
from meishi.pictures import images


def false_cards(capture: CardCapture, reader: ShardReader) -> dict[str, float]:
    """Count photos without a card that get one.

    Args:
        capture: the exported models.
        reader: of the photos that are held out.

    Returns:
        photos: how many there are.
        with_false_card: share of them that got a card.
        false_cards_per_photo: a mean over all.
        Nothing where there is no photo.
    """
    counts = [
        len(capture(images.decode(content, record.id)))
        for record, content in tqdm(
            reader, total=len(reader), unit="photo", desc="photos without cards"
        )
    ]
    if not counts:
        return {}
    return {
        "photos": len(counts),
        "with_false_card": float(np.mean(np.array(counts) > 0)),
        "false_cards_per_photo": float(np.mean(counts)),
    }
