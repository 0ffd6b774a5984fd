"""A stored checkpoint and recordings -> predictions, on a CPU the same bits as at the end of training."""

from __future__ import annotations

from collections.abc import Sequence

from ablab.data.corpus import Recording, samples
from ablab.errors import InputError
from ablab.models.build import build_model
from ablab.spec.experiment import Experiment
from ablab.training.checkpoint import Checkpoint
from ablab.training.evaluate import Evaluation, Setting, evaluate
from ablab.training.run import find_device
from ablab.training.seeds import reproducible


def predict_recordings(
    best: Checkpoint, experiment: Experiment, recordings: Sequence[Recording], device: str = "auto"
) -> Evaluation:
    """Decode whole recordings with the checkpoint's decoder, and score them.

    experiment: the checkpoint's own, or one that differs in its data. Subjects that the checkpoint's table
    does not hold are unseen. device: as for `run.run`.
    """
    facts = best.facts
    others = {part.eeg.shape[1] for part in recordings} - {facts.n_chans}
    if others:
        raise InputError(
            f"the recordings have {others.pop()} channels and the decoder takes {facts.n_chans}; "
            "give the channels that it was trained with, in the same order"
        )
    setting = Setting(
        n_window=samples(experiment.dataset.window_seconds),
        n_segment=samples(experiment.evaluation.segment_seconds),
        batch_size=experiment.training.batch_size,
        precision=experiment.training.precision,
        device=find_device(device),
        subjects=facts.subjects,
    )
    with reproducible(experiment.training.threads, setting.device):
        decoder = build_model(experiment.model, experiment.improvements, facts.n_chans, len(facts.subjects))
        decoder.load_state_dict(best.weights)
        return evaluate(decoder.to(setting.device), recordings, setting, "prediction")
