"""How the model card words a training."""

from meishi.train_params import ContinuedTrainParams, RepeatedTrainParams, TrainParams


def told(train: TrainParams) -> str:
    """Say how many epochs a network was trained for, from what, and what of it ships."""
    many = f"{train.epochs} epoch{'s' * (train.epochs > 1)}"
    if not isinstance(train, RepeatedTrainParams) or train.missing:
        return many
    mean = f", the mean of {train.runs} such trainings" * (train.runs > 1)
    if not isinstance(train, ContinuedTrainParams):
        return many + mean
    # What it goes on from may have seen scenes that are no longer in data/.
    way = f", {train.trained_share:.0%} of the way from that one" * (train.trained_share < 1)
    return f"{many}, from a network trained before{mean}{way}"
