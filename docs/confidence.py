"""Fit `capture.confidence`: the weights of what three networks say of a quad, as logits.

`python docs/confidence.py`, from the repository's root with models and build/ made, prints them; 3
minutes. Fitted on the candidates of the split val. To be run anew after the networks were.
"""

import numpy as np
from scipy.optimize import minimize
from tqdm import tqdm

from meishi import paths
from meishi.capture.flow import CardCapture
from meishi.capture.ranking import logits
from meishi.data.records import Record
from meishi.data.shards import ShardReader
from meishi.errors import clean_exit
from meishi.geometry import quads
from meishi.litert.running import load_capture
from meishi.pictures import images

CARD_IOU, NO_CARD_IOU = 0.7, 0.3  # of a candidate in between nobody says what it shows
FOLDS, RIDGE, THREADS = 5, 0.01, 2


def candidates(
    capture: CardCapture, record: Record, content: bytes
) -> list[tuple[float, float, float, bool]]:
    """Return what is said of each candidate of a picture, and whether it is a card.

    Score, agreement, likeness; what is refused whatever they are is left out.
    """
    image = images.decode(content, record.id)
    true_px = [quads.to_px(quad, record.size_px) for quad in record.quads]
    found = []
    for box_xyxy, score in capture.candidates(image):
        card = capture.fit(image, box_xyxy, score)
        if card is None or not capture.is_shaped(card):
            continue
        iou = max((quads.iou(card.quad_px, quad_px) for quad_px in true_px), default=0.0)
        if not NO_CARD_IOU <= iou < CARD_IOU:
            card = capture.read(image, card)
            assert card.likeness is not None  # `load_capture` gives a classifier
            found.append((card.score, card.agreement, card.likeness, iou >= CARD_IOU))
    return found


def fit(evidence: np.ndarray, is_card: np.ndarray) -> np.ndarray:
    """Fit weights, (F + 1,) with the bias last, to evidence (N, F + 1) whose last column is 1."""

    def loss(weights: np.ndarray) -> float:
        return log_loss(evidence @ weights, is_card) + RIDGE * float(weights[:-1] @ weights[:-1])

    return minimize(loss, np.zeros(evidence.shape[1])).x


def log_loss(said: np.ndarray, is_card: np.ndarray) -> float:
    """Return the sum of -log of what was thought likely of what is so, in nats.

    Args:
        said: (N,) logits of being a card.
        is_card: (N,) 1 or 0.
    """
    return float((np.logaddexp(0, said) - is_card * said).sum())


def held_out_loss(evidence: np.ndarray, is_card: np.ndarray, pictures: np.ndarray) -> float:
    """Return the loss of all, each fold of the pictures by weights fitted to the others.

    Args:
        evidence: (N, F + 1), as `fit` takes it.
        is_card: (N,) 1 or 0.
        pictures: (N,) numbers: candidates of one picture stay together.
    """
    folds = pictures % FOLDS
    return sum(
        log_loss(
            evidence[folds == k] @ fit(evidence[folds != k], is_card[folds != k]),
            is_card[folds == k],
        )
        for k in range(FOLDS)
    )


def main() -> None:
    """Gather, fit, print."""
    capture = load_capture(paths.MODELS, THREADS, flat=False)
    rows, numbers = [], []
    for number, picture in enumerate(tqdm(ShardReader(paths.VAL), unit="scene", desc="look")):
        found = candidates(capture, *picture)
        rows += found
        numbers += [number] * len(found)
    values = np.array(rows, np.float64)
    said, is_card, ones = values[:, :3], values[:, 3], np.ones((len(values), 1))
    print(
        f"{len(values)} candidates, {int(is_card.sum())} of them cards; weights, bias; loss in nats"
    )
    tried = {"logits": logits(said), "logarithms, a product": np.log(np.clip(said, 1e-3, None))}
    for name, evidence in tried.items():
        evidence = np.hstack([evidence, ones])
        weights = " ".join(f"{weight:.2f}" for weight in fit(evidence, is_card))
        print(f"{name}: {weights}; {held_out_loss(evidence, is_card, np.array(numbers)):.1f}")


if __name__ == "__main__":
    with clean_exit():
        main()
