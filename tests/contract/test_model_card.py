"""MODEL_CARD.md says what the metrics say."""

from pathlib import Path

from meishi.model_card.writing import check_card

ROOT = Path(__file__).resolve().parents[2]


def test_the_model_card_is_in_step_with_the_metrics():
    check_card(ROOT / "MODEL_CARD.md", ROOT)
