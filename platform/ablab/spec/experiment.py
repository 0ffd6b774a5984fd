"""What an experiment is, as values: data, decoder, improvements, training, evaluation, diagnostics.

The models are frozen, refuse unknown keys and never convert types. They know nothing of files;
``spec.load`` reads YAML into them and locates what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ablab.spec.model import Conformer as Conformer
from ablab.spec.model import Model
from ablab.spec.values import AsTuple as AsTuple
from ablab.spec.values import Count, Distinct, Fraction, NonNegative
from ablab.spec.values import Name as Name
from ablab.spec.values import Positive as Positive
from ablab.spec.values import SpecModel as SpecModel


class _Windowed(SpecModel):
    """What every kind of data set has in common."""

    window_seconds: Positive = 10.0
    """Length of a training window, seconds."""
    windows_per_recording: Count = 10
    """Random windows per recording and epoch, one from each of as many equal strata."""
    train_fraction: Fraction = 1.0
    """Share of each training recording that is used, from its start."""
    residency: Literal["auto", "disk", "memory", "device"] = "auto"
    """Where training windows are drawn from; not part of the identity: the windows are the same bits."""
    shuffle_eeg: Annotated[int, Field(ge=0)] | None = None
    """Placebo: seed under which the EEG of every recording is shuffled in time, in blocks of a second, in all
    splits; null leaves it as recorded."""
    accept_leakage: str | None = Field(default=None, min_length=1)
    """Reason for training in spite of leaked segments; printed in every report."""


class SplitFolder(_Windowed):
    """A folder of ``<split>_-_<subject>_-_<recording>_-_<feature>.npy`` files."""

    kind: Literal["split_folder"] = "split_folder"
    path: str = Field(default="data/split_data", min_length=1)
    """The folder, relative to the working directory."""
    subjects: Annotated[tuple[str, ...] | None, AsTuple] = Field(default=None, min_length=1)
    """Subjects to use, by name; null for all."""

    @model_validator(mode="after")
    def _distinct(self) -> SplitFolder:
        if self.subjects is not None and len(set(self.subjects)) != len(self.subjects):
            raise ValueError("subjects: names a subject twice")
        return self


class Simulated(_Windowed):
    """Simulated listeners; every number is made up, and reports say so."""

    kind: Literal["simulated"] = "simulated"
    n_subjects: Count = 8
    minutes: Positive = 8.0
    """Minutes per subject, before the 80/10/10 split."""
    n_chans: Count = 64
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the simulated corpus; not the training seed."""


class Improvements(SpecModel):
    """The four v2 improvements; all off is the original decoder."""

    residual: Literal["none", "global", "gated"] = "none"
    """Fusion of the stack's output with its input: none, sum, or learned gate."""
    mlp_head: bool = False
    gradient_scale: Positive = 1.0
    """Factor on the gradient in the backward pass of training; the forward pass is untouched."""
    gradient_scale_position: Literal["stack", "head"] = "stack"
    """Behind the stack and before the fusion, or just before the head."""


class StepSchedule(SpecModel):
    """Learning rate times ``gamma`` every ``step_epochs`` epochs."""

    kind: Literal["step"] = "step"
    step_epochs: Count = 50
    gamma: Fraction = 0.9
    warmup_epochs: NonNegative = 0.0
    """Linear rise from zero, epochs; may be a fraction of one."""


class CosineSchedule(SpecModel):
    """Half a cosine from the learning rate down to ``final_fraction`` of it at the last step."""

    kind: Literal["cosine"] = "cosine"
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
    warmup_epochs: NonNegative = 0.0


class ConstantSchedule(SpecModel):
    """The learning rate as given, after the warm-up."""

    kind: Literal["constant"] = "constant"
    warmup_epochs: NonNegative = 0.0


class MsePearson(SpecModel):
    """MSE + ``weight`` * (1 - r)^2, the guide's loss."""

    kind: Literal["mse_pearson"] = "mse_pearson"
    weight: NonNegative = 1.0


class PearsonLoss(SpecModel):
    """1 - r."""

    kind: Literal["pearson"] = "pearson"


class MseLoss(SpecModel):
    """Mean squared error."""

    kind: Literal["mse"] = "mse"


class HuberPearson(SpecModel):
    """(1 - r) + ``weight`` * Huber(``beta``)."""

    kind: Literal["huber_pearson"] = "huber_pearson"
    weight: NonNegative = 0.3
    beta: Positive = 0.1


class MultiScalePearson(SpecModel):
    """1 - r at several time scales, plus a Huber term.

    The signals are average-pooled by each of ``scales``; pooling factors of at most 2 count as fine and
    share ``fine_weight``, the others share 1 - ``fine_weight``.
    """

    kind: Literal["multi_scale_pearson"] = "multi_scale_pearson"
    scales: Annotated[tuple[Count, ...], AsTuple] = Field(default=(1, 2, 4, 8, 16), min_length=1)
    fine_weight: Annotated[float, Field(ge=0, le=1)] = 0.7
    huber_weight: NonNegative = 0.3
    huber_beta: Positive = 0.1


Schedule = Annotated[StepSchedule | CosineSchedule | ConstantSchedule, Field(discriminator="kind")]
Loss = Annotated[
    MsePearson | PearsonLoss | MseLoss | HuberPearson | MultiScalePearson, Field(discriminator="kind")
]
Dataset = Annotated[SplitFolder | Simulated, Field(discriminator="kind")]

Beta = Annotated[float, Field(ge=0, lt=1)]


class LayerRates(SpecModel):
    """Factors on the learning rate by part of the decoder; all 1 is one rate for everything."""

    front: NonNegative = 1.0
    """Everything before the stack, and the first half of the blocks (rounded up)."""
    rear: NonNegative = 1.0
    """The other blocks, and the gate."""
    head: NonNegative = 1.0
    stack: NonNegative = 1.0
    """On the blocks, times front or rear; 0 leaves them at their initialisation."""


class EarlyStopping(SpecModel):
    """Ends training where validation r has stopped rising."""

    patience_evaluations: Count
    """Evaluations in a row without a new highest validation r, after which training ends."""


class Training(SpecModel):
    """How a decoder is trained."""

    epochs: Count = 1000
    batch_size: Count = 64
    """Windows per process and step; the gradient is the mean over ``processes`` times as many."""
    processes: Count = 1
    """Processes that train one decoder together, each on a GPU of its own where there are GPUs."""
    learning_rate: Positive = 1.0e-4
    layer_rates: LayerRates = Field(default_factory=LayerRates)
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    betas: Annotated[tuple[Beta, Beta], AsTuple] = (0.9, 0.98)
    """Adam and AdamW only."""
    eps: Positive = 1.0e-9
    """Adam and AdamW only."""
    momentum: Beta = 0.0
    """SGD only."""
    weight_decay: NonNegative = 0.0
    """Of weight matrices and kernels; norms, biases and the relative table are not decayed."""
    clip_norm: Positive | None = None
    """Largest gradient norm; null does not clip."""
    schedule: Schedule = Field(default_factory=StepSchedule)
    loss: Loss = Field(default_factory=MsePearson)
    evaluate_every: Count = 10
    """Epochs between evaluations; the last epoch is always evaluated."""
    early_stopping: EarlyStopping | None = None
    """null trains for all epochs."""
    checkpoint_minutes: Positive = 10.0
    """Between checkpoints that a killed trial goes on from, minutes; not part of the identity."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 computes the forward pass under autocast; weights stay float32."""
    compile: bool = False
    """For GPUs: torch.compile, and steps replayed as CUDA graphs; 20 s per batch size, and other bits."""
    threads: Count = 1
    """CPU threads of a trial; part of its identity, because the sums differ with it."""


class Evaluation(SpecModel):
    """How predictions are scored."""

    segment_seconds: Positive = 10.0
    """Length of the segments that r is computed on, seconds; a recording's tail is dropped."""
    protocols: Annotated[
        tuple[Literal["challenge_regression", "match_mismatch"], ...], AsTuple, Distinct
    ] = ()
    """Published protocols that the test predictions are scored by besides: the auditory EEG challenge's
    regression task, and match-mismatch from the reconstruction."""


class Diagnostics(SpecModel):
    """What is measured inside the network while it trains."""

    preset: Literal["off", "cheap", "full"] = "cheap"
    every_steps: Count = 100


class Experiment(SpecModel):
    """One configuration, ready to be trained under any seed."""

    name: Name
    notes: str | None = None
    """Free text for people; not part of the identity."""
    dataset: Dataset = Field(default_factory=SplitFolder)
    model: Model = Field(default_factory=Conformer)
    """``kind`` is ``conformer`` or the name of an installed plug-in, whose keys follow it."""
    improvements: Improvements = Field(default_factory=Improvements)
    training: Training = Field(default_factory=Training)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    diagnostics: Diagnostics = Field(default_factory=Diagnostics)

    @model_validator(mode="after")
    def _supported(self) -> Experiment:
        default, able = Improvements(), type(self.model).supports
        for key in Improvements.model_fields:
            if key not in able and getattr(self.improvements, key) != getattr(default, key):
                known = f"it builds: {', '.join(sorted(able))}" if able else "it builds no improvement"
                raise ValueError(
                    f"improvements.{key}: unknown to the model kind '{self.model.kind}' ({known})"
                )
        return self


Level = str | int | float | bool | None | Sequence["Level"]
"""A value that a factor can take: whatever the addressed key takes."""
